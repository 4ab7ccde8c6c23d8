//! TLS towards services: whom to trust, and who the gateway is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::config::{ClientIdentity, Downstream, Http2};
use crate::pem;

/// Why a downstream's TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The machine trusts nobody.
    #[error(
        "it has an https url, but this machine has no CA certificates; install them (ca-certificates), name a file of them in SSL_CERT_FILE, or in `tls.ca`"
    )]
    NoRoots,
    /// A file of `[downstream.NAME.tls]` cannot be read.
    #[error("tls.{key} = {path:?}: {why}")]
    File {
        /// The key.
        key: &'static str,
        /// Its value.
        path: PathBuf,
        /// What is wrong with the file, and what should be in it.
        why: String,
    },
    /// Certificate and key do not belong together, or are of an unknown kind.
    #[error("tls.cert and tls.key cannot be used: {0}")]
    Identity(#[source] rustls::Error),
    /// The host of the address cannot be in a certificate.
    #[error("{0:?} cannot be the name in a certificate; write it as `tls.server_name`")]
    ServerName(String, #[source] InvalidDnsNameError),
    /// The system's random numbers or the like are missing.
    #[error("{0}")]
    Setup(#[source] rustls::Error),
}

/// The TLS of a downstream; `None` without https.
///
/// # Errors
/// [`TlsError`].
pub(super) fn config(downstream: &Downstream) -> Result<Option<Arc<ClientConfig>>, TlsError> {
    if downstream.urls.iter().any(|url| url.scheme() != "https") {
        return Ok(None);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots(downstream.tls.ca.as_deref())?);
    let mut config = match &downstream.tls.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = read_identity(identity)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(TlsError::Identity)?
        }
    };
    let protocols: &[&[u8]] = match downstream.http2 {
        Http2::Never => &[b"http/1.1"],
        Http2::Always => &[b"h2"],
        Http2::Auto => &[b"h2", b"http/1.1"],
    };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Some(Arc::new(config)))
}

/// The name that a service's certificate must be for.
///
/// # Errors
/// [`TlsError::ServerName`].
pub(super) fn server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    let checked = ServerName::try_from(name.to_owned());
    checked.map_err(|error| TlsError::ServerName(name.to_owned(), error))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let roots = match ca {
        Some(path) => pem::certificates(path)
            .and_then(pem::roots)
            .map_err(|why| unreadable("ca", path, why))?,
        None => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    match roots.is_empty() {
        true => Err(TlsError::NoRoots),
        false => Ok(roots),
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read_identity(identity: &ClientIdentity) -> Result<Identity, TlsError> {
    let ClientIdentity { cert, key } = identity;
    let chain = pem::certificates(cert).map_err(|why| unreadable("cert", cert, why))?;
    let key = pem::key(key).map_err(|why| unreadable("key", key, why))?;
    Ok((chain, key))
}

fn unreadable(key: &'static str, path: &Path, why: String) -> TlsError {
    TlsError::File {
        key,
        path: path.to_owned(),
        why,
    }
}
