//! Running the gateway and the fakes as child processes.
//!
//! Always holds: a child never outlives its [`Process`] (drop kills and reaps it); every wait is
//! bounded; a failure to start or to end shows what the child last wrote.
//!
//! `usage` is what any process has used so far. Not here: which binaries and with what
//! configuration (the caller's).

mod usage;

use std::collections::VecDeque;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{sleep, timeout};

pub use self::usage::Usage;

use crate::http::Origin;

/// How much of a child's latest output is kept for failure messages.
const KEPT_OUTPUT: usize = 16 * 1024;

/// Between two looks at a child or at its readiness.
const PAUSE: Duration = Duration::from_millis(5);

/// A running child process. Dropping it kills the child.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Mutex<VecDeque<u8>>>,
}

impl Process {
    /// Starts `command`, whose program, arguments and environment are the caller's choice.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(mut command: Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        let output = Arc::default();
        if let Some(pipe) = child.stdout.take() {
            keep_tail(pipe, Arc::clone(&output));
        }
        if let Some(pipe) = child.stderr.take() {
            keep_tail(pipe, Arc::clone(&output));
        }
        Ok(Self {
            name,
            child,
            output,
        })
    }

    /// Waits until `GET path` is answered 2xx.
    ///
    /// # Errors
    /// The child ended first, or `bound` passed; either with its latest output.
    pub async fn ready(&mut self, origin: Origin, path: &str, bound: Duration) -> Result<()> {
        match timeout(bound, self.answered(origin, path)).await {
            Ok(result) => result,
            Err(_) => bail!(
                "{} was not ready within {bound:?}:\n{}",
                self.name,
                self.output()
            ),
        }
    }

    async fn answered(&mut self, origin: Origin, path: &str) -> Result<()> {
        while origin.text(path).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                let words = self.last_words().await;
                bail!(
                    "{} ended before it was ready ({status}):\n{words}",
                    self.name
                );
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Waits for a whole line of output that begins with `prefix` and gives the rest of it: how a
    /// program that chose its own port says which.
    ///
    /// # Errors
    /// `bound` passed; with the latest output.
    pub async fn says(&self, prefix: &str, bound: Duration) -> Result<String> {
        let rest = |line: &str| Some(line.strip_prefix(prefix)?.trim().to_owned());
        match timeout(bound, lines(&self.output, rest)).await {
            Ok(rest) => Ok(rest),
            Err(_) => bail!(
                "{} did not say `{prefix}` within {bound:?}:\n{}",
                self.name,
                self.output()
            ),
        }
    }

    /// The same for a line of any kind: what `pick` makes of the first that it accepts.
    ///
    /// # Errors
    /// The child ended first, or `bound` passed; either with its latest output.
    pub async fn tells<T>(
        &mut self,
        pick: impl Fn(&str) -> Option<T>,
        bound: Duration,
    ) -> Result<T> {
        let output = Arc::clone(&self.output);
        let ended = tokio::select! {
            told = timeout(bound, lines(&output, pick)) => match told {
                Ok(told) => return Ok(told),
                Err(_) => format!("was not ready within {bound:?}"),
            },
            status = self.ended() => format!("ended before it was ready ({})", status?),
        };
        drop(output);
        bail!("{} {ended}:\n{}", self.name, self.last_words().await)
    }

    /// Sends SIGTERM: the polite request to end.
    ///
    /// # Errors
    /// The child has ended already.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Sends SIGINT: to end as soon as that can be done well.
    ///
    /// # Errors
    /// The child has ended already.
    pub fn interrupt(&self) -> Result<()> {
        self.signal(Signal::INT)
    }

    /// Sends SIGHUP: to read the configuration again.
    ///
    /// # Errors
    /// The child has ended already.
    pub fn hang_up(&self) -> Result<()> {
        self.signal(Signal::HUP)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("could not signal {}", self.name))
    }

    /// Waits for the child to end by itself.
    ///
    /// # Errors
    /// It has not within `bound`. It still runs then.
    pub async fn exit(&mut self, bound: Duration) -> Result<ExitStatus> {
        match timeout(bound, self.ended()).await {
            Ok(status) => status,
            Err(_) => bail!(
                "{} did not end within {bound:?}:\n{}",
                self.name,
                self.output()
            ),
        }
    }

    async fn ended(&mut self) -> Result<ExitStatus> {
        loop {
            match self.child.try_wait()? {
                Some(status) => return Ok(status),
                None => sleep(PAUSE).await,
            }
        }
    }

    /// Its id, while it is not dropped.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU and memory the child has used. Threads that have ended are not counted.
    ///
    /// # Errors
    /// The child has ended, or this is not Linux.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.child.id()).with_context(|| format!("no usage of {}", self.name))
    }

    /// What a child that has ended wrote last, once it has all been read.
    pub async fn last_words(&self) -> String {
        /// Somebody else may hold the child's output open, or the child may not have ended at all.
        const PATIENCE: Duration = Duration::from_millis(500);
        let all_read = async {
            // Each reader has its own while it reads.
            while Arc::strong_count(&self.output) > 1 {
                sleep(PAUSE).await;
            }
        };
        let _ = timeout(PATIENCE, all_read).await;
        self.output()
    }

    /// The last 16 KiB the child wrote, stdout and stderr as they came.
    #[must_use]
    pub fn output(&self) -> String {
        let tail: Vec<u8> = self.output.lock().iter().copied().collect();
        String::from_utf8_lossy(&tail).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a child that is gone and reaped, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `pick` makes of the first whole line that it accepts, now or later.
async fn lines<T>(output: &Mutex<VecDeque<u8>>, pick: impl Fn(&str) -> Option<T>) -> T {
    loop {
        let tail: Vec<u8> = output.lock().iter().copied().collect();
        let text = String::from_utf8_lossy(&tail);
        let mut whole = text
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'));
        match whole.find_map(&pick) {
            Some(picked) => return picked,
            None => sleep(PAUSE).await,
        }
    }
}

/// Reads `pipe` to its end on a thread of its own, which the end of the child ends.
fn keep_tail(mut pipe: impl Read + Send + 'static, tail: Arc<Mutex<VecDeque<u8>>>) {
    std::thread::spawn(move || {
        let mut chunk = [0; KEPT_OUTPUT];
        while let Ok(read @ 1..) = pipe.read(&mut chunk) {
            let mut tail = tail.lock();
            tail.extend(&chunk[..read]);
            let excess = tail.len().saturating_sub(KEPT_OUTPUT);
            tail.drain(..excess);
        }
    });
}
