//! What the listener for clients shows and asks for over TLS: read from files when the configuration is.
//!
//! What always holds: certificate and key belong together, and authorities can be used, so that a
//! pair that is half renewed is an error of the configuration, and the one in force serves on.
//!
//! Not here: handshakes (the edge's), whom services have to be (the transport's).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, InconsistentKeys, RootCertStore, ServerConfig};

use super::problem::Problem;
use crate::pem;

/// A certificate that ends within so long is worth a warning.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// None is asked for.
    None,
    /// One that is shown must be good.
    Optional,
    /// Without a good one there is no connection.
    Required,
}

/// `[server.tls]`: files, and what they held when they were read.
#[derive(Clone, Debug)]
pub struct ServerTls {
    cert: PathBuf,
    key: PathBuf,
    clients: Option<(PathBuf, ClientAuth)>,
    /// Without a protocol to negotiate.
    pub config: Arc<ServerConfig>,
    held: Held,
}

/// What the files held.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
    authorities: Vec<CertificateDer<'static>>,
    client_auth: ClientAuth,
}

/// Whether the same is shown and asked for, whatever the files are called.
impl PartialEq for ServerTls {
    fn eq(&self, other: &Self) -> bool {
        self.held == other.held
    }
}

/// How much longer a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validity {
    Good,
    EndsSoon,
    Ended,
    NotYet,
}

/// Which key of the section something is wrong with, and what.
pub(super) type Fault = (&'static str, Problem);

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// The first that is wrong.
    pub(super) fn read(
        cert: PathBuf,
        key: PathBuf,
        clients: Option<(PathBuf, ClientAuth)>,
    ) -> Result<Self, Fault> {
        let chain = pem::certificates(&cert).map_err(unreadable("cert", &cert, CERTIFICATE))?;
        let private = pem::key(&key).map_err(unreadable("key", &key, KEY))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (authorities, client_auth) = match &clients {
            None => (Vec::new(), ClientAuth::None),
            Some((ca, auth)) => {
                let found = pem::certificates(ca).map_err(unreadable("client_ca", ca, AUTHORITY));
                (found?, *auth)
            }
        };
        let roots = match &clients {
            None => RootCertStore::empty(),
            Some((ca, _)) => {
                let roots = pem::roots(authorities.clone());
                roots.map_err(unreadable("client_ca", ca, AUTHORITY))?
            }
        };
        let held = Held {
            chain,
            key: Arc::new(private),
            authorities,
            client_auth,
        };
        let config = held.config(&provider, roots);
        let config = config.map_err(|error| unusable(&error, &cert, &key))?;
        Ok(Self {
            cert,
            key,
            clients,
            config: Arc::new(config),
            held,
        })
    }

    /// The files that were read.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let ca = self.clients.iter().map(|(ca, _)| ca.as_path());
        [self.cert.as_path(), self.key.as_path()]
            .into_iter()
            .chain(ca)
    }

    /// Whether something else stands in them by now, or nothing that can be used.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        let (cert, key) = (self.cert.clone(), self.key.clone());
        Self::read(cert, key, self.clients.clone()).map_or(true, |now| now != *self)
    }

    /// Of the certificate that is shown, at the time of day.
    pub(super) fn validity(&self) -> Validity {
        let now = UnixTime::now();
        let soon = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + SOON);
        match (self.validity_at(now), self.validity_at(soon)) {
            (Validity::Good, Validity::Ended) => Validity::EndsSoon,
            (now, _) => now,
        }
    }

    fn validity_at(&self, time: UnixTime) -> Validity {
        let Some(Ok(shown)) = self.held.chain.first().map(ParsedCertificate::try_from) else {
            return Validity::Good;
        };
        // Its time is looked at before who signed it, whom nobody here trusts.
        let verified = verify_server_cert_signed_by_trust_anchor(
            &shown,
            &RootCertStore::empty(),
            &[],
            time,
            &[],
        );
        match verified {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            )) => Validity::Ended,
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            )) => Validity::NotYet,
            Ok(()) | Err(_) => Validity::Good,
        }
    }
}

impl Held {
    fn config(
        &self,
        provider: &Arc<CryptoProvider>,
        roots: RootCertStore,
    ) -> Result<ServerConfig, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()?;
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let verifier = match self.client_auth {
            ClientAuth::None => None,
            ClientAuth::Optional => Some(verifier.allow_unauthenticated().build()),
            ClientAuth::Required => Some(verifier.build()),
        };
        let builder = match verifier {
            None => builder.with_no_client_auth(),
            Some(Ok(verifier)) => builder.with_client_cert_verifier(verifier),
            Some(Err(error)) => return Err(rustls::Error::General(error.to_string())),
        };
        let mut config = builder.with_single_cert(self.chain.clone(), self.key.clone_key())?;
        // What a client resumes with is the client's to keep, not ours.
        config.ticketer = rustls::crypto::ring::Ticketer::new()?;
        Ok(config)
    }
}

const CERTIFICATE: &str = "name a PEM file with the certificate and those that lead to its authority, as in `-----BEGIN CERTIFICATE-----`, that the user that runs this may read";
const KEY: &str = "name a PEM file with the certificate's private key, as in `-----BEGIN PRIVATE KEY-----`, that the user that runs this may read";
const AUTHORITY: &str = "name a PEM file with the certificates of the authorities that sign clients' certificates, that the user that runs this may read";

fn unreadable(
    key: &'static str,
    path: &Path,
    help: &'static str,
) -> impl FnOnce(String) -> Fault + use<> {
    let path = path.display().to_string();
    move |why| (key, Problem::new(format!("{path}: {why}")).help(help))
}

fn unusable(error: &rustls::Error, cert: &Path, key: &Path) -> Fault {
    let (cert, key) = (cert.display(), key.display());
    let mismatch = rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch);
    if *error == mismatch {
        let what = format!("{key}: is not the key of the certificate in {cert}");
        let help = "name the two that were made together; while they are renewed, replace both";
        return ("key", Problem::new(what).help(help));
    }
    let what = format!("{cert} and {key}: cannot be used: {error}");
    ("cert", Problem::new(what).help(CERTIFICATE))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use tempfile::TempDir;

    use super::*;

    /// The certificate and the key of `name`, good from and until so many hours from now.
    fn write(folder: &TempDir, name: &str, hours: (i64, i64)) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["gateway.example".to_owned()]).unwrap();
        let at = |hours: i64| {
            let seconds = UnixTime::now()
                .as_secs()
                .saturating_add_signed(hours * 3600);
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
        };
        (params.not_before, params.not_after) = (at(hours.0), at(hours.1));
        let certificate = params.self_signed(&key).unwrap();
        let file = |end: &str| folder.path().join(format!("{name}.{end}"));
        std::fs::write(file("cert"), certificate.pem()).unwrap();
        std::fs::write(file("key"), key.serialize_pem()).unwrap();
    }

    fn read(folder: &TempDir, cert: &str, key: &str) -> Result<ServerTls, Fault> {
        ServerTls::read(folder.path().join(cert), folder.path().join(key), None)
    }

    #[test]
    fn how_long_a_certificate_is_good_is_known() {
        let folder = tempfile::tempdir().unwrap();
        for (hours, expected) in [
            ((-1, 8 * 24), Validity::Good),
            ((-1, 6 * 24), Validity::EndsSoon),
            ((-2, -1), Validity::Ended),
            ((1, 100), Validity::NotYet),
        ] {
            write(&folder, "a", hours);
            let tls = read(&folder, "a.cert", "a.key").unwrap();
            assert_eq!(tls.validity(), expected, "{hours:?}");
        }
    }

    #[test]
    fn a_key_of_another_certificate_is_named_and_nothing_of_it_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder, "a", (-1, 1000));
        write(&folder, "b", (-1, 1000));
        let (key, problem) = read(&folder, "a.cert", "b.key").unwrap_err();
        assert_eq!(key, "key");
        let problem = problem.to_string();
        let expected = "b.key: is not the key of the certificate in ";
        assert!(problem.contains(expected), "{problem}");
        let shown = format!("{:?}", read(&folder, "a.cert", "a.key").unwrap());
        assert!(shown.contains("elided"), "{shown}");
    }

    #[test]
    fn what_has_changed_in_its_files_is_noticed_and_what_is_written_again_is_not() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder, "a", (-1, 1000));
        let tls = read(&folder, "a.cert", "a.key").unwrap();
        let text = std::fs::read(folder.path().join("a.cert")).unwrap();
        std::fs::write(folder.path().join("a.cert"), text).unwrap();
        assert!(!tls.has_changed());
        std::fs::write(folder.path().join("a.cert"), "half").unwrap();
        assert!(tls.has_changed());
        write(&folder, "a", (-1, 1000));
        assert!(tls.has_changed());
        assert!(read(&folder, "a.cert", "a.key").unwrap() != tls);
    }
}
