//! The bench's own HTTP/1.1 clients: those that check, make load, or hold connections open.

pub(crate) mod answer;
pub(crate) mod check;
pub(crate) mod closed;
pub(crate) mod handshakes;
pub(crate) mod idle;
pub(crate) mod open;
pub(crate) mod visitors;

/// The request that all own clients send for `path`.
pub(crate) fn request(path: &str) -> Vec<u8> {
    format!("GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}
