//! Keys that only a restart can change. All others take effect with a reload.

use super::KeyChange;

/// Each with the reason why.
pub const FIXED: &[(&str, &str)] = &[
    ("server.listen", "the socket is bound at the start"),
    ("admin.listen", "the socket is bound at the start"),
    ("telemetry.service", "what has been told is told under it"),
    ("telemetry.env", "what has been told is told under it"),
    ("telemetry.log", "the log has its form from its first line"),
    (
        "telemetry.exporter",
        "whoever gets traces is connected to at the start",
    ),
    ("telemetry.datadog_agent", "it is connected to at the start"),
    ("telemetry.otlp_endpoint", "it is connected to at the start"),
    ("telemetry.otlp_headers_file", "it is read at the start"),
    ("telemetry.dogstatsd", "it is connected to at the start"),
];

/// Why only a restart can change a key; `None` if a reload can.
#[must_use]
pub fn why_fixed(key: &str) -> Option<&'static str> {
    let found = FIXED.iter().find(|(fixed, _)| *fixed == key);
    found.map(|(_, why)| *why)
}

/// Those of the changes that only a restart can make.
#[must_use]
pub fn fixed_among(changes: &[KeyChange]) -> Vec<KeyChange> {
    let is_fixed = |change: &&KeyChange| why_fixed(&change.key).is_some();
    changes.iter().filter(is_fixed).cloned().collect()
}
