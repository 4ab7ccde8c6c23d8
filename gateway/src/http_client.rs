//! reqwest as this program uses it: the address that was given is the one that is spoken to, so no
//! proxy and no redirect is followed.
//!
//! Not here: limits of time and size (whoever asks has them), calls to downstreams (see
//! [`crate::transport`]).

use std::error::Error;

use reqwest::ClientBuilder;
use reqwest::redirect::Policy;

/// A client to complete.
pub(crate) fn builder() -> ClientBuilder {
    // An error means that a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
}

/// What is behind an error: its own words only repeat the address, with its query.
pub(crate) fn root(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
