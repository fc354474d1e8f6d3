//! `kimura passwd`: the hash of a password, for an htpasswd file or the configuration.

use crate::error::Error;
use crate::order;
use crate::print;
use auth::limits::NAME_LEN_MAX;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What the hash is for.
#[derive(Debug, PartialEq)]
pub(crate) struct Passwd {
    /// Whose line of an htpasswd file is printed; none for the hash alone.
    pub(crate) user: Option<String>,
    /// The password is its first line; none for the terminal, or standard input where that is none.
    pub(crate) file: Option<PathBuf>,
}

/// Why no hash is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The two that were typed are not the same.
    Differ,
    Empty,
    /// More bytes than bcrypt looks at.
    Long,
    /// A control character, which no browser sends.
    Control,
    /// No name of a user.
    Name,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differ => f.write_str("the two passwords differ; type the same one twice"),
            Self::Empty => f.write_str("the password is empty; anybody would guess it"),
            Self::Long => f.write_str("the password has more than 72 bytes, of which bcrypt sees no more; take a shorter one"),
            Self::Control => {
                f.write_str("the password has a control character, which no browser sends; leave it out (is the file of Windows?)")
            }
            Self::Name => write!(
                f,
                "this is no name for an htpasswd file; it has 1 to {NAME_LEN_MAX} bytes, no colon, no control \
                 character, and no # or space at its ends"
            ),
        }
    }
}

/// Prints the hash of the password that it asks for.
///
/// # Errors
/// A password or name that cannot be used, or why none could be read.
pub(crate) fn make(wanted: &Passwd) -> Result<(), Error> {
    if wanted.user.as_deref().is_some_and(|user| !is_name(user)) {
        return Err(Unfit::Name.into());
    }
    let secret = match &wanted.file {
        Some(path) => order::first_line(path)?.0,
        None if io::stdin().is_terminal() => typed_twice()?,
        None => order::first_line(Path::new("-"))?.0,
    };
    let hash = hash(&secret, salt()?)?;
    let line = match &wanted.user {
        Some(user) => format!("{user}:{hash}\n"),
        None => format!("{hash}\n"),
    };
    print::out(&line).map_err(Error::process("write to standard output"))
}

/// What the reader of htpasswd files takes, in any line.
fn is_name(user: &str) -> bool {
    let fine = |letter: char| !letter.is_control() && letter != ':';
    (1..=NAME_LEN_MAX).contains(&user.len())
        && user.chars().all(fine)
        && user == user.trim()
        && !user.starts_with(['#', '\u{feff}'])
}

fn typed_twice() -> Result<Zeroizing<Vec<u8>>, Error> {
    let ask = |question| {
        let typed = sys::terminal::ask_secret(question);
        let typed =
            typed.map_err(Error::process("ask for the password on the terminal; use --password-file"));
        typed.map(|line| Zeroizing::new(line.into_bytes()))
    };
    let (once, again) = (ask("Password: ")?, ask("The same again: ")?);
    if once == again { Ok(once) } else { Err(Unfit::Differ.into()) }
}

fn salt() -> Result<[u8; 16], Error> {
    let mut salt = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut salt));
    read.map_err(Error::process("get random bytes from /dev/urandom"))?;
    Ok(salt)
}

fn hash(secret: &[u8], salt: [u8; 16]) -> Result<String, Unfit> {
    if secret.is_empty() {
        Err(Unfit::Empty)
    } else if secret.iter().any(u8::is_ascii_control) {
        Err(Unfit::Control)
    } else {
        auth::make_bcrypt(secret, salt).ok_or(Unfit::Long)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_that_cannot_be_used() {
        for (secret, wanted) in [
            (&b""[..], Unfit::Empty),
            (b"secret\r", Unfit::Control),
            (b"a\0b", Unfit::Control),
            (&[b'x'; 73], Unfit::Long),
        ] {
            assert_eq!(hash(secret, [7; 16]), Err(wanted));
        }
        assert!(hash(b"secret", [7; 16]).is_ok_and(|hash| hash.starts_with("$2y$11$")));
    }

    #[test]
    fn names_are_taken_as_the_reader_takes_them() {
        let long = "n".repeat(NAME_LEN_MAX + 1);
        for name in [
            "anna",
            "gr\u{fc}n und blau",
            &long[1..],
            "",
            " a",
            "a ",
            "a:b",
            "#a",
            "a\tb",
            "\u{feff}a",
            &long,
        ] {
            let line = format!("{name}:{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
            let read = auth::Users::from_htpasswd(line.as_bytes()).is_ok_and(|users| users.len() == 1);
            assert_eq!(is_name(name), read && !name.contains(':'), "{name:?}");
        }
    }
}
