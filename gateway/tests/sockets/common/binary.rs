//! The real binary, as an operator runs it.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::until;

/// A process that is killed with this value.
pub(crate) struct Binary {
    child: Child,
    said: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Binary {
    /// `gateway` with these arguments and variables, and no others of its own.
    pub(crate) fn start(arguments: &[&str], variables: &[(String, String)]) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_gateway"));
        Self::spawn(program, arguments, variables)
    }

    fn spawn(program: Command, arguments: &[&str], variables: &[(String, String)]) -> Self {
        Self::spawned(command(program, arguments, variables))
    }

    fn spawned(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let readers = vec![
            collect(child.stdout.take().unwrap(), &said),
            collect(child.stderr.take().unwrap(), &said),
        ];
        Self {
            child,
            said,
            readers,
        }
    }

    /// The same, in a process that may have no more than this many files open.
    pub(crate) fn start_with_files(
        files: u32,
        arguments: &[&str],
        variables: &[(String, String)],
    ) -> Self {
        let mut shell = Command::new("sh");
        let limited = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
        shell.args(["-c", &limited, env!("CARGO_BIN_EXE_gateway")]);
        Self::spawn(shell, arguments, variables)
    }

    /// The same, to which a service manager passes the public socket.
    pub(crate) fn start_with_socket(
        public: &TcpListener,
        arguments: &[&str],
        variables: &[(String, String)],
    ) -> Self {
        let mut shell = Command::new("sh");
        let passed = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\" 3<&0 </dev/null";
        shell.args(["-c", passed, env!("CARGO_BIN_EXE_gateway")]);
        let mut command = command(shell, arguments, variables);
        command.stdin(OwnedFd::from(public.try_clone().unwrap()));
        Self::spawned(command)
    }

    /// The same, but its log goes to `stdout`.
    pub(crate) fn start_with_log(
        stdout: impl Into<Stdio>,
        arguments: &[&str],
        variables: &[(String, String)],
    ) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_gateway"));
        let mut child = command(program, arguments, variables)
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let readers = vec![collect(child.stderr.take().unwrap(), &said)];
        Self {
            child,
            said,
            readers,
        }
    }

    /// The same, but nothing that it says can be written.
    pub(crate) fn start_unheard(arguments: &[&str], variables: &[(String, String)]) -> Self {
        let full = || {
            std::fs::OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .unwrap()
        };
        let program = Command::new(env!("CARGO_BIN_EXE_gateway"));
        let child = command(program, arguments, variables)
            .stdout(full())
            .stderr(full())
            .spawn()
            .unwrap();
        Self {
            child,
            said: Arc::default(),
            readers: Vec::new(),
        }
    }

    /// Everything it has written so far, to either output.
    pub(crate) fn said(&self) -> String {
        self.said.lock().clone()
    }

    /// Its public and its admin address, once it serves.
    pub(crate) async fn serving(&mut self) -> (SocketAddr, SocketAddr) {
        // In either form of the log: `admin=127.0.0.1:1`, `"admin":"127.0.0.1:1"`.
        let address = |said: &str, key: &str| {
            let line = said.lines().find(|line| line.contains("serving"))?;
            let (_, after) = line.split_once(key)?;
            let address = after.trim_start_matches(['=', ':', '"']);
            let end = address.find(|c: char| !c.is_ascii_digit() && !".:".contains(c));
            address[..end.unwrap_or(address.len())].parse().ok()
        };
        let (child, said) = (&mut self.child, &self.said);
        until("the binary to serve", async || {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", said.lock());
            address(&said.lock(), "admin").is_some()
        })
        .await;
        let said = self.said();
        (
            address(&said, "listen").unwrap(),
            address(&said, "admin").unwrap(),
        )
    }

    /// Bytes of its memory that are resident.
    pub(crate) fn resident(&self) -> u64 {
        super::resident(self.child.id())
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap();
        assert!(status.success(), "kill -s {name} {pid}");
    }

    /// Its exit status, once it has ended and all it said has been read.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        until("the binary to end", async || {
            self.child.try_wait().unwrap().is_some()
        })
        .await;
        self.readers
            .drain(..)
            .for_each(|reader| reader.join().unwrap());
        self.child.wait().unwrap()
    }
}

fn command(mut command: Command, arguments: &[&str], variables: &[(String, String)]) -> Command {
    for (name, _) in std::env::vars() {
        let prefixes = ["GATEWAY__", "DD_", "OTEL_"];
        if prefixes.iter().any(|prefix| name.starts_with(prefix)) || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .envs(variables.iter().cloned())
        .stdin(Stdio::null());
    command
}

fn collect(output: impl Read + Send + 'static, said: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let mut said = said.lock();
            said.push_str(&line);
            said.push('\n');
        }
    })
}

impl Drop for Binary {
    fn drop(&mut self) {
        // It has ended already, in a test that went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
