//! Going into the background, with the terminal told whether it worked.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{ForkResult, chdir, dup2_stderr, dup2_stdin, dup2_stdout, fork, pipe2, setsid};

/// The promise to tell the starting process whether we came to serve. Dropped without [`Ready::serving`], or by a
/// crash, it tells that we did not.
#[derive(Debug)]
#[must_use = "dropped, it tells the starting process that the start has failed"]
pub struct Ready {
    pipe: File,
}

/// Splits the background process off. It returns there; the process that called waits until that one is serving
/// and then exits itself, with status 0, or with 1 when the start has failed.
///
/// The background process has no terminal and cannot get one, works in `/`, and creates files that others cannot
/// write to. Standard output and error stay where they are until [`Ready::serving`], so that what goes wrong
/// before is seen. Relative paths must have been made absolute, and locks of the kind that ends with its process
/// (fcntl) are lost.
///
/// # Errors
/// `InvalidInput` when threads have been started, since only the calling one would go along; `EAGAIN` or `ENOMEM`
/// when there is no room for another process.
pub fn daemonize() -> io::Result<Ready> {
    crate::threads::require_single("going into the background")?;
    // What is still buffered would be written by each of the processes.
    io::stdout().flush()?;
    let (wait, ready) = pipe2(OFlag::O_CLOEXEC)?;
    if let Side::Parent = split()? {
        drop(ready);
        exit(if serving_began(wait.into()) { 0 } else { 1 });
    }
    drop(wait);
    // From here on there is somebody waiting: an error drops `ready`, which tells them.
    setsid()?;
    // The leader of a session would get a terminal by merely opening one; its child is none.
    if let Side::Parent = split()? {
        exit(0);
    }
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    chdir("/")?;
    Ok(Ready { pipe: ready.into() })
}

impl Ready {
    /// Tells the starting process that we serve, which ends it, and lets go of the terminal: standard input,
    /// output and error are `/dev/null` from now on.
    ///
    /// # Errors
    /// What opening `/dev/null` reports. That nobody waits any more is no error.
    pub fn serving(mut self) -> io::Result<()> {
        io::stdout().flush()?;
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        dup2_stdin(&null)?;
        dup2_stdout(&null)?;
        dup2_stderr(&null)?;
        match self.pipe.write_all(&[1]) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

enum Side {
    Parent,
    Child,
}

fn split() -> io::Result<Side> {
    // SAFETY: there is only this thread, so the child finds no lock held by one that does not exist there.
    match unsafe { fork() }? {
        ForkResult::Parent { .. } => Ok(Side::Parent),
        ForkResult::Child => Ok(Side::Child),
    }
}

/// The end of the pipe without a byte means that all who could have sent one are gone.
fn serving_began(mut wait: File) -> bool {
    wait.read_exact(&mut [0]).is_ok()
}

/// At once: what is registered to run at exit belongs to the process that goes on.
fn exit(status: libc::c_int) -> ! {
    // SAFETY: _exit takes no pointers, and it runs nothing of ours.
    unsafe { libc::_exit(status) }
}
