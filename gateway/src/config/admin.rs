//! Where operators reach the gateway, and what they show to change something.

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use subtle::ConstantTimeEq as _;

use super::address::ADDRESS;
use super::input;
use super::kinds::Kind;
use super::problem::Problem;
use super::receiver::socket;

/// The variable that names the token's file to commands; the gateway's own key is
/// `GATEWAY__ADMIN__TOKEN_FILE`.
pub const TOKEN_FILE_VARIABLE: &str = "GATEWAY_ADMIN_TOKEN_FILE";

/// Shortest token, in bytes: of 16 letters and digits chosen at random there are 10^28.
pub const SHORTEST_TOKEN: usize = 16;

/// Longest token, in bytes: it is sent in a header.
pub const LONGEST_TOKEN: usize = 4096;

/// Where operators reach the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminAddress {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A socket of the file system, for those who may open it.
    Unix(PathBuf),
}

impl AdminAddress {
    /// Whether others than this machine's users may reach it.
    #[must_use]
    pub fn is_open_to_others(&self) -> bool {
        match self {
            Self::Tcp(address) => !address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => false,
        }
    }
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An IP address and a port, or `unix:/path`.
pub(super) const ADMIN_ADDRESS: Kind<AdminAddress> = Kind {
    read: |raw| match socket(raw.text("an address and a port")?, &["unix"])? {
        Some((_, path)) => Ok(AdminAddress::Unix(path)),
        None => (ADDRESS.read)(raw).map(AdminAddress::Tcp),
    },
    show: |value| json!(value.to_string()),
    schema: || json!({"type": "string", "pattern": "^(.+:[0-9]{1,5}|unix:.+)$"}),
};

/// What whoever changes something shows: a secret that is compared, and never written anywhere.
#[derive(Clone)]
pub struct Token(Box<[u8]>);

impl Token {
    /// Whether it is this one. Takes as long for every one of its length.
    #[must_use]
    pub fn is(&self, shown: &[u8]) -> bool {
        self.0.ct_eq(shown).into()
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// The text of the token in the file at `path`, without what surrounds it.
///
/// # Errors
/// It cannot be read, or is no token; nothing of it is repeated.
pub(crate) fn read_token_text(path: &Path) -> Result<String, Problem> {
    let cannot = |error: std::io::Error| {
        let what = format!("cannot read {}: {error}", path.display());
        Problem::new(what).help("name a file that the user that runs this may read")
    };
    let bytes = input::read(path, LONGEST_TOKEN as u64 + 1).map_err(cannot)?;
    let help = format!(
        "write {SHORTEST_TOKEN} to {LONGEST_TOKEN} letters, digits or signs of -._~+/= on one line: `openssl rand -hex 32` makes some"
    );
    let no_token = |why: &str| {
        let what = format!("{} holds no token: {why}", path.display());
        Problem::new(what).help(help.clone())
    };
    let text = String::from_utf8(bytes).map_err(|_| no_token("it is no text"))?;
    let token = text.trim();
    match token.len() {
        0..SHORTEST_TOKEN => Err(no_token("it is too short")),
        SHORTEST_TOKEN..=LONGEST_TOKEN if token.bytes().all(is_of_a_token) => Ok(token.to_owned()),
        SHORTEST_TOKEN..=LONGEST_TOKEN => Err(no_token("it has other signs")),
        _ => Err(no_token("it is too long")),
    }
}

/// What a bearer token consists of (`b64token`, RFC 6750 section 2.1).
fn is_of_a_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

/// The token in the file at `path`.
///
/// # Errors
/// As [`read_token_text`].
pub(super) fn read_token(path: &Path) -> Result<Token, Problem> {
    let text = read_token_text(path)?;
    Ok(Token(text.into_bytes().into()))
}

/// Whether everybody on this machine may read the file at `path`.
pub(super) fn is_for_everybody(path: &Path) -> bool {
    const OTHERS_READ: u32 = 0o004;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & OTHERS_READ != 0)
}

#[cfg(test)]
mod tests {
    use super::super::raw::Raw;
    use super::*;

    #[test]
    fn operators_are_at_an_address_or_at_a_socket() {
        let read = |text: &str| (ADMIN_ADDRESS.read)(&Raw::Plain(text));
        let shown = |text: &str| read(text).unwrap().to_string();
        assert_eq!(shown("127.0.0.1:9901"), "127.0.0.1:9901");
        assert_eq!(shown("unix:///run/g.sock"), "unix:/run/g.sock");
        assert_eq!(shown("unix:/run/g.sock"), "unix:/run/g.sock");
        for bad in [
            "unix:run/g.sock",
            "unix:",
            "localhost:9901",
            "/run/g.sock",
            "http://127.0.0.1:9901",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        for (text, open) in [
            ("127.0.0.1:9901", false),
            ("127.8.8.8:9901", false),
            ("[::1]:9901", false),
            ("[::ffff:127.0.0.1]:9901", false),
            ("unix:/a", false),
            ("0.0.0.0:9901", true),
            ("[::]:9901", true),
            ("10.0.0.1:9901", true),
        ] {
            assert_eq!(read(text).unwrap().is_open_to_others(), open, "{text}");
        }
    }

    #[test]
    fn a_token_is_one_long_word_of_a_file_and_never_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |bytes: &[u8]| {
            std::fs::write(file.path(), bytes).unwrap();
            read_token(file.path())
        };
        let token = read(b"\n  hush-hush-hush-hush \n").unwrap();
        assert!(token.is(b"hush-hush-hush-hush"));
        for other in [
            "",
            "hush-hush-hush-hus",
            "hush-hush-hush-husi",
            "hush-hush-hush-hush ",
        ] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
        assert_eq!(format!("{token:?}"), "Token(***)");
        let long = "x".repeat(LONGEST_TOKEN + 1);
        for bad in [
            &b"hush"[..],
            b"",
            b"fifteen-letters",
            b"hush hush hush hush",
            b"hush\xffhushhushhush",
            long.as_bytes(),
        ] {
            let problem = read(bad).unwrap_err().to_string();
            assert!(
                !problem.contains("hush") && problem.contains("openssl"),
                "{problem}"
            );
        }
        assert!(read_token(Path::new("/nowhere")).is_err());
    }
}
