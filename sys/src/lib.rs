//! The operating system behind a small safe interface. All `unsafe` system calls of the project that are not
//! io_uring submissions live here, each with the reason why it is sound.
//!
//! Linux only: the modules use what Linux has (openat2, memfd, signalfd, eventfd, `SO_REUSEPORT` groups)
//! instead of the smallest thing that all Unixes share.

pub mod activation;
pub mod broadcast;
pub mod calendar;
pub mod clock;
pub mod cpu;
pub mod creds;
pub mod daemon;
mod environment;
pub mod eventfd;
pub mod fs;
pub mod limits;
pub mod mem;
pub mod net;
pub mod notify;
pub mod packet;
pub mod pam;
pub mod pid_file;
pub mod poll;
pub mod process;
pub mod random;
pub mod sandbox;
pub mod signal;
pub mod spawn;
pub mod terminal;
mod threads;
pub mod title;
pub mod uring;

#[cfg(test)]
mod testing;
