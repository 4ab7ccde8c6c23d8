//! A bound socket of either family, and the connections that come to it.
//!
//! What always holds of a socket of the file system: only its owner may open it, from its first
//! moment on; what was there before is replaced only if it is a socket to which nobody listens;
//! it is removed when it is no longer accepted from, unless it is another's by then.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixSocket, UnixStream};
use tokio_util::either::Either;

/// Connections to a socket of the file system that the system completes before they are accepted.
const UNIX_BACKLOG: u32 = 128;

/// Who is at the other end of a socket of the file system: it has no address.
const UNNAMED: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Where connections come in.
#[derive(Debug)]
pub enum Bound {
    /// At an address and a port.
    Tcp(TcpListener),
    /// At a path.
    Unix(UnixListener, SocketFile),
}

/// A connection that came in: from an address, or from a process of this machine.
pub(super) type Plain = Either<TcpStream, UnixStream>;

/// The path of a socket; dropped, it removes what is there, if that is still the same.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: Option<(u64, u64)>,
}

impl From<TcpListener> for Bound {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl Bound {
    /// Where it is, in words.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|error| error.to_string(), |address| address.to_string()),
            Self::Unix(_, file) => format!("unix:{}", file.path.display()),
        }
    }

    /// Its address.
    ///
    /// # Errors
    /// The system's, if it cannot say; or that it is a path.
    pub fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr(),
            Self::Unix(..) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a socket of the file system has no address",
            )),
        }
    }

    /// The next connection, and who is at its other end. Dropping the future loses none.
    pub(super) async fn accept(&self) -> io::Result<(Plain, SocketAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // A page is one small write; waiting to fill a segment would only delay it.
                let _ = stream.set_nodelay(true);
                Ok((Plain::Left(stream), peer))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Plain::Right(stream), UNNAMED))
            }
        }
    }
}

/// Listens at `path`, for processes of the same user.
///
/// # Errors
/// The system's; that somebody listens there already; that something else is there.
pub fn bind_unix(path: &Path) -> io::Result<Bound> {
    remove_stale(path)?;
    let socket = UnixSocket::new_stream()?;
    // The file gets the mode of its socket (unix(7) leaves that to the system; Linux does so): there
    // is no moment in which others could open it.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    socket.bind(path)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: identity(path),
    };
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let listener = socket.listen(UNIX_BACKLOG)?;
    Ok(Bound::Unix(listener, file))
}

/// Removes a socket that a process left behind.
fn remove_stale(path: &Path) -> io::Result<()> {
    let there = match std::fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !there.file_type().is_socket() {
        let what = "something that is no socket is there, and is left as it is";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another process listens there",
        )),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Err(error) => Err(error),
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let there = std::fs::symlink_metadata(path).ok()?;
    Some((there.dev(), there.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // Where it cannot be removed, the next start does.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_socket_is_for_its_owner_and_gone_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.sock");
        let bound = bind_unix(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(bound.shown(), format!("unix:{}", path.display()));
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_one_that_is_listened_to_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.sock");
        // Its file stays, as after a kill.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let bound = bind_unix(&path).unwrap();
        let error = bind_unix(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(path.exists(), "the other's socket was removed");
        // What is another's by now stays.
        std::fs::remove_file(&path).unwrap();
        let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(bound);
        assert!(path.exists());
        drop(other);
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "important").unwrap();
        assert!(bind_unix(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "important");
    }
}
