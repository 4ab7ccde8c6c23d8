//! A log that cannot be written: what it costs is counted, said once, and never a page.

use std::fs::{File, OpenOptions};
use std::io::{Read, pipe};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;

use fixtures::{Fakes, Options};
use gateway::config;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::common::binary::Binary;
use crate::common::client::{ask, get};
use crate::common::exposition::Exposition;
use crate::common::gateway::{PAGE, shop_changes, variables};
use crate::common::until;
use crate::process::file;

/// A gateway that logs to `stdout`, told where to listen: it cannot say so.
struct Muted {
    gateway: Binary,
    public: SocketAddr,
    admin: SocketAddr,
    _fakes: Fakes,
    _folder: tempfile::TempDir,
}

impl Muted {
    async fn start(stdout: impl Into<Stdio>) -> Self {
        let fakes = Fakes::start(Options::default()).await.unwrap();
        let (folder, path) = file(config::default_text());
        let [public, admin] = [(); 2].map(|()| free());
        let changes = [
            "telemetry.log=json".to_owned(),
            format!("server.listen={public}"),
            format!("admin.listen={admin}"),
        ];
        let changes = changes.each_ref().map(String::as_str);
        let variables = variables(&shop_changes(&fakes, &changes));
        let arguments = ["run", "--config", &path];
        let gateway = Binary::start_with_log(stdout, &arguments, &variables);
        until("a listener", async || {
            tokio::net::TcpStream::connect(public).await.is_ok()
        })
        .await;
        Self {
            gateway,
            public,
            admin,
            _fakes: fakes,
            _folder: folder,
        }
    }

    async fn pages(&self, count: usize) {
        for _ in 0..count {
            assert_eq!(ask(self.public, get(PAGE, "")).await.status, 200);
        }
    }

    /// Lines counted as lost for this cause.
    async fn lost(&self, cause: &str) -> f64 {
        let body = ask(self.admin, get("/metrics", "")).await.body;
        let seen = Exposition::read(std::str::from_utf8(&body).unwrap());
        let labels = [("signal", "logs"), ("cause", cause)];
        seen.sum("gateway_telemetry_dropped_total", &labels)
    }

    async fn end(mut self) -> String {
        self.gateway.signal("TERM");
        assert_eq!(self.gateway.ended().await.code(), Some(0));
        self.gateway.said()
    }
}

/// An address that nobody listens on.
fn free() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

fn full_disk() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

#[tokio::test]
async fn lines_that_find_no_room_on_the_disk_or_no_reader_are_counted_and_told_once() {
    let (reader, gone) = pipe().unwrap();
    drop(reader);
    for (stdout, why) in [
        (Stdio::from(full_disk()), "No space left on device"),
        (Stdio::from(gone), "Broken pipe"),
    ] {
        let muted = Muted::start(stdout).await;
        muted.pages(20).await;
        // The line that says where it serves is one of them.
        until("all lines to be counted as lost", async || {
            muted.lost("not_written").await == 21.0
        })
        .await;
        assert_eq!(muted.lost("queue_full").await, 0.0);
        let said = muted.end().await;
        let told = said.matches("the log cannot be written").count();
        assert!(told == 1 && said.contains(why), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[tokio::test]
async fn a_pipe_that_does_not_wait_for_its_reader_loses_no_line() {
    let (mut reader, writer) = pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    let muted = Muted::start(writer).await;
    // More than the 64 KiB that a pipe holds.
    muted.pages(150).await;
    let read = std::thread::spawn(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).map(|_| log)
    });
    let said = muted.end().await;
    let log = read.join().unwrap().unwrap();
    let pages = log.lines().filter(|line| line.contains("\"page\":\""));
    let whole = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
    let (mut count, mut torn) = (0, 0);
    for line in pages {
        count += 1;
        torn += usize::from(!whole(line));
    }
    assert_eq!((count, torn), (150, 0), "{said}");
    assert_eq!(said.matches("cannot be written").count(), 0, "{said}");
}

#[tokio::test]
async fn a_reader_that_never_reads_delays_neither_pages_nor_the_end() {
    let (_reader, writer) = pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    let muted = Muted::start(writer).await;
    muted.pages(150).await;
    muted.end().await;
}
