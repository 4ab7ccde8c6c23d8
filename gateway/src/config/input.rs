//! The bytes of a file, of a pipe, or of standard input.
//!
//! What always holds: at most so many bytes are read as were asked for, and a pipe that nobody
//! writes to is an error after [`PATIENCE`], never a hang.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

/// Stands for standard input; a file of that name is `./-`.
const STDIN: &str = "-";

/// How long a pipe may stay silent. Whoever writes to it may have to fetch it first.
const PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// At most the first `most` bytes of what `path` names.
///
/// # Errors
/// The system's; that it is no file and no pipe; that it is a pipe that is silent.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let path = if path == Path::new(STDIN) {
        Path::new("/dev/stdin")
    } else {
        path
    };
    // A pipe without a writer must not hold up its opening.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    let kind = file.metadata()?.file_type();
    let mut bytes = Vec::new();
    if kind.is_fifo() {
        from_pipe(&file, most, &mut bytes)?;
    } else if kind.is_file() {
        file.take(most).read_to_end(&mut bytes)?;
    } else if kind.is_dir() {
        return Err(error(io::ErrorKind::IsADirectory, "it is a directory"));
    } else {
        let what = "it is neither a file nor a pipe";
        return Err(error(io::ErrorKind::Unsupported, what));
    }
    Ok(bytes)
}

fn error(kind: io::ErrorKind, what: &str) -> io::Error {
    io::Error::new(kind, what)
}

fn from_pipe(pipe: &File, most: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    while (bytes.len() as u64) < most {
        let mut wait = [PollFd::new(pipe, PollFlags::IN)];
        match poll(&mut wait, Some(&PATIENCE)) {
            Ok(0) => return Err(error(io::ErrorKind::TimedOut, "nobody writes to this pipe")),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let before = bytes.len();
        match pipe.take(most - before as u64).read_to_end(bytes) {
            // The other end is closed.
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
