//! End-to-end tests: the real binary, real sockets, data files.
//!
//! [`Server`] starts `kimura` in a folder of its own and ends it with SIGTERM; [`Client`] sends raw bytes
//! and parses what comes back strictly; [`case`] reads `cases/*.case` and plays them; [`Browser`] is a real
//! one. Only loopback addresses are used, every wait has a deadline, and no test sleeps for a fixed time.

#![forbid(unsafe_code)]

pub mod backend;
pub mod binary;
pub mod browser;
pub mod case;
pub mod changes;
pub mod client;
pub mod coded;
pub mod credentials;
pub mod failure;
pub mod folder;
pub mod front;
pub mod ledger;
pub mod load;
pub mod manager;
pub mod openssl;
pub mod origin;
pub mod output;
pub mod processes;
pub mod program;
#[cfg(target_arch = "x86_64")]
pub mod puppet;
pub mod python;
pub mod relay;
pub mod response;
pub mod server;
pub mod text;
pub mod viewer;
pub mod yard;

pub use browser::Browser;
pub use client::Client;
pub use failure::{Failure, Outcome};
pub use folder::Folder;
pub use front::{Front, Setup};
pub use manager::{Manager, Service};
pub use processes::Process;
pub use response::Response;
pub use server::{Options, Server};
pub use yard::Yard;

use std::time::{Duration, Instant};

/// How long a test waits for something that has to happen at once on an idle machine.
///
/// Generous, since all tests share two cores; a wait ends as soon as its condition holds.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until something holds.
///
/// # Panics
/// When it does not hold within [`PATIENCE`].
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        // A look now and then: not so often that whoever is waited for has no processor left.
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Lets time pass, where it is that which is tried.
pub fn rest(pause: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < pause {
        std::thread::park_timeout(pause.saturating_sub(begun.elapsed()));
    }
}
