//! What a client sends to log in.

/// The field of a request by which a user logs in, with the end of its line.
#[must_use]
pub fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", base64(format!("{user}:{password}").as_bytes()))
}

/// As RFC 4648 section 4 writes bytes.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = bytes.chunks(3).flat_map(|chunk| {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        (0..4).map(move |place| {
            let letter = char::from(LETTERS[(bits >> (18 - 6 * place) & 63) as usize]);
            if place <= chunk.len() { letter } else { '=' }
        })
    });
    letters.collect()
}
