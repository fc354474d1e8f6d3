//! Who is let in: passwords, tokens, realms, access rules and bans, as pure functions of what they are handed, failing
//! closed.
//!
//! Nothing here opens a file or a socket, or knows what time it is; hashing takes milliseconds on purpose, so that it
//! runs in a process of its own and never where requests are served.
#![forbid(unsafe_code)]

pub mod access;
pub mod bans;
mod basic;
mod certificates;
mod groups;
mod hash;
mod htpasswd;
pub mod limits;
mod lines;
mod prefix;
mod realm;
mod remembered;
mod tokens;
mod users;

pub use basic::{Credentials, NoCredentials};
pub use certificates::{Certificates, Shown};
pub use groups::Groups;
pub use hash::{BadHash, TooMuch, make_bcrypt};
pub use lines::{BadLine, LineFault};
pub use prefix::{BadPrefix, Prefix};
pub use realm::{Combine, Outcome, Realm, Require};
pub use remembered::{Fingerprint, KEY_LEN, Remembered};
pub use tokens::Tokens;
pub use users::{Users, Weakness};

/// What becomes of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The proof is right.
    Granted,
    /// It is not; why is nobody's business.
    Denied,
    /// Nobody could tell: who would have to is gone, too busy, or has no file. Nobody is let in for that.
    Unavailable,
}
