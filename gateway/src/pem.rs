//! Certificates and keys of PEM files, and in words why there are none.

use std::io;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The certificates of the file at `path`: at least one.
///
/// # Errors
/// In words, after the file's name.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(|certificates| certificates.collect());
    let found = found.map_err(in_words)?;
    match found.is_empty() {
        true => Err("holds no certificate in PEM".to_owned()),
        false => Ok(found),
    }
}

/// The first private key of the file at `path`.
///
/// # Errors
/// In words, after the file's name.
pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(in_words)
}

/// Those who are trusted by these certificates.
///
/// # Errors
/// In words: one of them cannot be an authority's.
pub(crate) fn roots(certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(roots)
}

fn in_words(error: pem::Error) -> String {
    if matches!(&error, pem::Error::Io(error) if error.kind() == io::ErrorKind::NotFound) {
        return "there is no such file".to_owned();
    }
    if matches!(error, pem::Error::NoItemsFound) {
        return "holds nothing of the kind in PEM".to_owned();
    }
    error.to_string()
}
