//! Sockets: addresses to listen on, groups of listeners, and the few calls that connections need beside the ring.

mod address;
mod client;
mod error;
mod holder;
mod listen;
mod option;
mod socket;
mod unix;

pub use address::{Address, BadAddress};
pub use client::{
    connect_to, connected, datagrams_to, is_out_of_buffers, is_too_large, receive, unacknowledged,
};
pub use error::BindError;
pub use holder::Holder;
pub(crate) use listen::{Failed, listen as listen_on};
pub use listen::{ListenOptions, begin_no_handshakes, bind_group, listen_again};
pub use socket::{
    is_quiet, local_address, local_of, peer_of, queued, receive_onto, reset_on_close, send, send_more,
    sendfile, set_nonblocking, shutdown_both, shutdown_write,
};
pub(crate) use unix::remove_dead_socket;
pub use unix::set_socket_mode;
