//! What a scenario or a config is read from.

/// A section that scenarios have, for an example.
pub(super) const HEADER: &str = "downstream.pricing";

/// A text and what to call it in messages.
#[derive(Clone, Debug)]
pub struct Text {
    /// Usually its path.
    pub name: String,
    /// All of it.
    pub text: String,
}

impl Text {
    /// The config that comes with the gateway.
    #[must_use]
    pub fn default_config() -> Self {
        Self {
            name: "config.toml".to_owned(),
            text: gateway::config::default_text().to_owned(),
        }
    }
}
