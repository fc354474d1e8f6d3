//! The bench's own HTTP/1.1 clients: one that checks, one that makes load, one that holds connections open.

pub(crate) mod answer;
pub(crate) mod check;
pub(crate) mod closed;
pub(crate) mod handshakes;
pub(crate) mod idle;

/// The request that all own clients send for `path`.
pub(crate) fn request(path: &str) -> Vec<u8> {
    format!("GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}
