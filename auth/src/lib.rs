//! Judging passwords and tokens: a question in, a verdict out, failing closed.
//!
//! Nothing here opens a file or a socket; hashing takes milliseconds on purpose, so that it runs in a process of its
//! own and never where requests are served.
#![forbid(unsafe_code)]

mod hash;
mod tokens;
mod users;

pub use hash::{BadHash, PASSWORD_LEN_MAX, TooMuch, make_bcrypt};
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
