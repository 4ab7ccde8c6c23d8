//! A DogStatsD agent that keeps every line it is sent.
//! <https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/>

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::{UdpSocket, UnixDatagram};
use tokio::task::JoinSet;

use super::until;

/// A running agent; it ends with this value.
pub(crate) struct Agent {
    pub(crate) address: String,
    said: Arc<Mutex<String>>,
    _listening: JoinSet<()>,
}

/// One line, taken apart.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) values: Vec<f64>,
    pub(crate) kind: String,
    pub(crate) tags: BTreeSet<String>,
}

/// What it listens on.
enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Socket {
    async fn recv(&self, datagram: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.recv(datagram).await,
            Self::Unix(socket) => socket.recv(datagram).await,
        }
    }
}

impl Agent {
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap().to_string();
        Self::listen(Socket::Udp(socket), address)
    }

    /// One that listens on a socket of the file system.
    pub(crate) fn start_on(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        let address = format!("unix://{}", path.display());
        Self::listen(Socket::Unix(socket), address)
    }

    fn listen(socket: Socket, address: String) -> Self {
        let said = Arc::new(Mutex::new(String::new()));
        let mut listening = JoinSet::new();
        let heard = Arc::clone(&said);
        listening.spawn(async move {
            let mut datagram = [0; 65_536];
            while let Ok(length) = socket.recv(&mut datagram).await {
                let text = std::str::from_utf8(&datagram[..length]).unwrap();
                assert!(text.ends_with('\n'), "{text}");
                heard.lock().push_str(text);
            }
        });
        Self {
            address,
            said,
            _listening: listening,
        }
    }

    /// Every line sent to it so far.
    pub(crate) async fn lines(&self) -> Vec<Line> {
        // Datagrams on one machine keep their order: when this one has come, all have.
        const LAST: &str = "last:0|c|#test:agent\n";
        let length = match self.address.strip_prefix("unix://") {
            Some(path) => {
                let sender = UnixDatagram::unbound().unwrap();
                sender.send_to(LAST.as_bytes(), path).await
            }
            None => {
                let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                sender.send_to(LAST.as_bytes(), &self.address).await
            }
        };
        assert_eq!(length.unwrap(), LAST.len());
        until("the last datagram", async || {
            self.said.lock().ends_with(LAST)
        })
        .await;
        let said = self.said.lock();
        said.strip_suffix(LAST).unwrap().lines().map(line).collect()
    }
}

/// `name:value[:value]|type|#tag:value[,tag:value]`, and nothing more.
fn line(text: &str) -> Line {
    let fields: Vec<&str> = text.split('|').collect();
    let [head, kind, tags] = fields[..] else {
        panic!("{text}");
    };
    let (name, values) = head.split_once(':').unwrap();
    let tags = tags.strip_prefix('#').unwrap();
    Line {
        name: name.to_owned(),
        values: values
            .split(':')
            .map(|value| value.parse().unwrap())
            .collect(),
        kind: kind.to_owned(),
        tags: tags.split(',').map(str::to_owned).collect(),
    }
}
