//! What the tests of outlets share: programs that run for a while, free ports, and waiting.

#![allow(dead_code, reason = "each test uses its part")]

use logging::remote::{Courier, Patience};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A program that ends with its value.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).spawn();
        let program = command.get_program().to_string_lossy().into_owned();
        Self(child.unwrap_or_else(|error| panic!("{program}: {error} (cargo xtask setup installs it)")))
    }

    pub(crate) fn process(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal, and waits for the end.
    pub(crate) fn end(mut self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.process().to_string()]).status();
        assert!(sent.expect("kill").success());
        self.0.wait().expect("a child of ours");
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("a child of ours").is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address on the loopback that nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address")
}

/// Waits until something is there.
pub(crate) fn await_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::yield_now();
    }
}

pub(crate) fn await_listener(address: SocketAddr) {
    await_some("listening", || TcpStream::connect(address).ok());
}

/// Delivers lines, again and again if need be, as a sink does.
pub(crate) fn deliver(courier: &mut Courier, lines: &[u8]) {
    let mut rest = lines;
    let deadline = Instant::now() + PATIENCE;
    while let Err((done, cause)) = courier.deliver(rest) {
        rest = &rest[done..];
        assert!(done == 0 || lines[..lines.len() - rest.len()].ends_with(b"\n"), "whole lines");
        assert!(Instant::now() < deadline, "never delivered: {cause}");
        std::thread::yield_now();
    }
}

/// Lines with these numbers.
pub(crate) fn numbered(numbers: std::ops::Range<u32>) -> Vec<u8> {
    numbers.flat_map(|number| format!("line {number} of many\n").into_bytes()).collect()
}

/// Short, so that what is hopeless is over soon.
pub(crate) fn patience() -> Patience {
    Patience { connect: Duration::from_secs(2), answer: Duration::from_secs(5) }
}
