//! What the endpoints of one configured address have in common.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use url::Url;

use super::http2::Base;
use super::tls::{self, TlsError};
use super::tuning::Tuning;
use crate::config::{Downstream, Http2};

/// One of a downstream's `urls`, ready to be connected to.
#[derive(Debug)]
pub(super) struct Site {
    /// Host and port to resolve.
    pub(super) name: (String, u16),
    /// The `Host` field.
    pub(super) host: String,
    /// Before the path of each request; no trailing slash.
    pub(super) prefix: String,
    pub(super) base: Base,
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub(super) http2: Http2,
    pub(super) tuning: Arc<Tuning>,
}

impl Site {
    /// # Errors
    /// [`TlsError::ServerName`].
    pub(super) fn new(
        url: &Url,
        downstream: &Downstream,
        tls: Option<&Arc<ClientConfig>>,
        tuning: &Arc<Tuning>,
    ) -> Result<Self, TlsError> {
        let host = match (url.host_str().unwrap_or_default(), url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let prefix = url.path().trim_end_matches('/').to_owned();
        let resolved = url.host_str().unwrap_or_default();
        let resolved = resolved.trim_start_matches('[').trim_end_matches(']');
        let server_name = downstream.tls.server_name.as_deref().unwrap_or(resolved);
        let tls = match tls {
            Some(config) => Some((Arc::clone(config), tls::server_name(server_name)?)),
            None => None,
        };
        Ok(Self {
            name: (
                resolved.to_owned(),
                url.port_or_known_default().unwrap_or_default(),
            ),
            base: Base {
                origin: format!("{}://{host}{prefix}", url.scheme()),
            },
            host,
            prefix,
            tls,
            http2: downstream.http2,
            tuning: Arc::clone(tuning),
        })
    }
}
