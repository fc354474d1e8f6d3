//! The cookie that has a client come to the same server again.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::Security;

/// What no other digest begins with.
const CONTEXT: &[u8] = b"kimura: a server by its cookie, 1\0";
/// Bytes of a digest that a cookie has: enough that nobody finds another one.
const LEN: usize = 16;

/// What stands for a server in the cookie of a group. Without the secret nobody can tell from it where the server is, or
/// make one for a server of which they have not got it.
pub(super) fn token(secret: u64, group: &str, address: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(CONTEXT);
    hasher.update(secret.to_le_bytes());
    hasher.update((group.len() as u64).to_le_bytes());
    hasher.update(group);
    hasher.update(address);
    let mut token = String::with_capacity(2 * LEN);
    for byte in &hasher.finalize()[..LEN] {
        write!(token, "{byte:02x}").expect("writing to a String cannot fail");
    }
    token
}

/// The field that sets the cookie, with its CRLF (RFC 6265 section 4.1). Scripts need not see it, and other sites need not
/// send it.
pub(super) fn set(lines: &mut Vec<u8>, name: &str, token: &str, security: Security) {
    let secure = if security == Security::Plain { "" } else { "; Secure" };
    let field = format!("Set-Cookie: {name}={token}; Path=/; HttpOnly; SameSite=Lax{secure}\r\n");
    lines.extend_from_slice(field.as_bytes());
}
