//! Listening sockets that the service manager made and passed on (socket activation): whoever
//! connects while one gateway ends and the next one starts waits in them, and is not refused.
//!
//! By name (`LISTEN_FDNAMES`: `public`, `admin`) where any of them has one of these names, else
//! by order: the first is the public one, the second the admin one.
//!
//! <https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html>

use std::env;
use std::fmt::Display;
use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;

use crate::lifecycle::Listener;
use crate::telemetry::events;

/// The sockets of this process that somebody else made. Without any, the gateway makes its own.
#[derive(Debug, Default)]
pub struct Inherited {
    /// For clients.
    pub public: Option<TcpListener>,
    /// For operators.
    pub admin: Option<TcpListener>,
}

/// Why a socket that was passed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InheritedError {
    /// Nobody knows what it is for.
    #[error(
        "of the sockets passed to this process ({0}) it is not clear which is which: name one `public` and, if \
         there is a second, that `admin` (FileDescriptorName= in their .socket units)"
    )]
    Names(String),
    /// It is not a listening TCP socket.
    #[error("the socket passed for {listener} cannot be used")]
    Socket {
        /// What it was for.
        listener: Listener,
        /// Why not.
        source: io::Error,
    },
}

impl Inherited {
    /// Takes what `LISTEN_FDS` announces, once: the variables are removed, so this comes before
    /// any thread is started.
    ///
    /// # Errors
    /// [`InheritedError`]; to start without a socket that others connect to would lose them.
    pub fn from_env() -> Result<Self, InheritedError> {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut passed = ListenFd::from_env();
        let mut inherited = Self::default();
        for (at, listener) in assigned(passed.len(), &names)?.into_iter().enumerate() {
            let taken = passed.take_tcp_listener(at);
            let socket = taken.map_err(|source| InheritedError::Socket { listener, source })?;
            match listener {
                Listener::Public => inherited.public = socket,
                Listener::Operators => inherited.admin = socket,
            }
        }
        Ok(inherited)
    }
}

/// Serves on `passed` in place of `configured`, and says so.
///
/// # Errors
/// The system's; outside a runtime it panics, as tokio does.
pub(super) fn adopt(
    listener: Listener,
    passed: TcpListener,
    configured: &impl Display,
) -> io::Result<tokio::net::TcpListener> {
    events::socket_passed(listener, passed.local_addr()?, &configured);
    passed.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(passed)
}

/// What each of `count` sockets is for.
fn assigned(count: usize, names: &str) -> Result<Vec<Listener>, InheritedError> {
    // What names there are is meant for another process.
    if count == 0 {
        return Ok(Vec::new());
    }
    let unclear = || InheritedError::Names(format!("{count}: {names}"));
    let by_name: Vec<_> = names.split(':').map(named).collect();
    let all = match by_name.iter().any(Option::is_some) {
        true => by_name.into_iter().collect::<Option<Vec<_>>>(),
        false => [Listener::Public, Listener::Operators]
            .get(..count)
            .map(<[_]>::to_vec),
    };
    let all = all.filter(|all| all.len() == count).ok_or_else(unclear)?;
    match all.as_slice() {
        [one, other] if one == other => Err(unclear()),
        [] | [_] | [_, _] => Ok(all),
        [_, _, ..] => Err(unclear()),
    }
}

fn named(name: &str) -> Option<Listener> {
    match name {
        "public" => Some(Listener::Public),
        "admin" => Some(Listener::Operators),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_told_apart_by_name_or_else_by_order() {
        let [public, admin] = [Listener::Public, Listener::Operators];
        for (count, names, expected) in [
            (0, "", vec![]),
            (0, "public", vec![]),
            (1, "", vec![public]),
            (2, "", vec![public, admin]),
            (2, "gateway.socket:gateway.socket", vec![public, admin]),
            (2, "admin:public", vec![admin, public]),
            (1, "admin", vec![admin]),
        ] {
            assert_eq!(assigned(count, names).unwrap(), expected, "{count} {names}");
        }
    }

    #[test]
    fn sockets_that_cannot_be_told_apart_are_an_error() {
        for (count, names) in [
            (3, ""),
            (3, "public:admin:public"),
            (2, "public:public"),
            (2, "public:gateway.socket"),
            (2, "public"),
            (1, "public:admin"),
        ] {
            let wrong = assigned(count, names).unwrap_err().to_string();
            assert!(wrong.contains(names) && wrong.contains("FileDescriptorName="));
        }
    }
}
