//! Credentials of HTTP Basic authentication, RFC 7617.

use std::fmt;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::limits::{NAME_LEN_MAX, PASSWORD_LEN_MAX};

/// Most bytes of the credentials when they are decoded.
const PLAIN_LEN_MAX: usize = NAME_LEN_MAX + 1 + PASSWORD_LEN_MAX;
/// Most bytes of the field: three bytes are four letters.
const FIELD_LEN_MAX: usize = SCHEME.len() + 1 + PLAIN_LEN_MAX.div_ceil(3) * 4;
/// Compared without regard to case, RFC 9110 11.1.
const SCHEME: &[u8] = b"Basic";

/// A user and a password, which is wiped when this is dropped.
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password: bytes, since only who made the hash knows in which encoding it was typed.
    pub secret: Zeroizing<Vec<u8>>,
}

/// Why a field has no credentials that could be right. The answer is 401 in any case: what exactly was wrong is for the
/// log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCredentials {
    /// Another scheme, or none.
    Scheme,
    /// Too long to be right.
    Long,
    /// Not what base64 encodes to: other letters, no padding, bits that have no meaning.
    Base64,
    /// No colon between user and password.
    Colon,
    /// A control character, RFC 7617 2.
    Control,
    /// The name is not UTF-8, or empty.
    Name,
}

impl fmt::Display for NoCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the Authorization field is not of the scheme Basic",
            Self::Long => "the credentials are too long",
            Self::Base64 => "the credentials are not base64",
            Self::Colon => "the credentials have no colon",
            Self::Control => "the credentials have a control character",
            Self::Name => "the name of the user is empty or not UTF-8",
        })
    }
}

impl std::error::Error for NoCredentials {}

impl fmt::Debug for Credentials {
    /// Without the password, which must not get into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Credentials {
    /// What the value of an Authorization field says.
    ///
    /// # Errors
    /// Why it says nothing that could be right.
    pub fn parse(field: &[u8]) -> Result<Self, NoCredentials> {
        let (scheme, rest) = field.split_at_checked(SCHEME.len()).ok_or(NoCredentials::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) || !matches!(rest.first(), None | Some(b' ')) {
            return Err(NoCredentials::Scheme);
        }
        // RFC 9110 11.4: one space or more.
        let letters = rest.trim_ascii_start();
        if SCHEME.len() + 1 + letters.len() > FIELD_LEN_MAX {
            return Err(NoCredentials::Long);
        }
        let mut plain = Zeroizing::new([0; FIELD_LEN_MAX]);
        let plain = Base64::decode(letters, &mut plain[..]).map_err(|_| NoCredentials::Base64)?;
        Self::of(plain)
    }

    fn of(plain: &[u8]) -> Result<Self, NoCredentials> {
        if plain.iter().any(u8::is_ascii_control) {
            return Err(NoCredentials::Control);
        }
        // RFC 7617 2: the first colon ends the name, further ones belong to the password.
        let colon = plain.iter().position(|byte| *byte == b':').ok_or(NoCredentials::Colon)?;
        let (user, secret) = (&plain[..colon], &plain[colon + 1..]);
        if user.len() > NAME_LEN_MAX || secret.len() > PASSWORD_LEN_MAX {
            return Err(NoCredentials::Long);
        }
        let user = std::str::from_utf8(user).map_err(|_| NoCredentials::Name)?;
        if user.is_empty() || user.chars().any(char::is_control) {
            return Err(NoCredentials::Name);
        }
        Ok(Self { user: user.to_owned(), secret: Zeroizing::new(secret.to_vec()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(field: &[u8]) -> Result<(String, Vec<u8>), NoCredentials> {
        Credentials::parse(field).map(|credentials| (credentials.user.clone(), credentials.secret.to_vec()))
    }

    fn field(plain: &[u8]) -> Vec<u8> {
        format!("Basic {}", Base64::encode_string(plain)).into_bytes()
    }

    #[test]
    fn what_is_taken() {
        // The first two are the examples of RFC 7617 2 and 2.1.
        for (bytes, user, secret) in [
            (b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_vec(), "Aladdin", &b"open sesame"[..]),
            (b"Basic dGVzdDoxMjPCow==".to_vec(), "test", "123\u{a3}".as_bytes()),
            (b"bAsIc   dGVzdDoxMjPCow==".to_vec(), "test", "123\u{a3}".as_bytes()),
            (field(b"a:b:c"), "a", b"b:c"),
            (field(b"a:"), "a", b""),
            (field(b"a:\xa3"), "a", b"\xa3"),
            (field("gr\u{fc}n:x".as_bytes()), "gr\u{fc}n", b"x"),
            (
                field(&[&[b'n'; 255][..], b":", &[b'x'; 512]].concat()),
                &"n".repeat(255),
                "x".repeat(512).as_bytes(),
            ),
        ] {
            assert_eq!(parsed(&bytes), Ok((user.to_owned(), secret.to_vec())));
        }
    }

    #[test]
    fn what_is_not() {
        for (bytes, wanted) in [
            (b"".to_vec(), NoCredentials::Scheme),
            (b"Bearer abc".to_vec(), NoCredentials::Scheme),
            (b"BasicdGVzdDoxMjPCow==".to_vec(), NoCredentials::Scheme),
            (b"Basic\tdGVzdDoxMjPCow==".to_vec(), NoCredentials::Scheme),
            (b"Basic".to_vec(), NoCredentials::Colon),
            (b"Basic dGVzdDoxMjPCow".to_vec(), NoCredentials::Base64),
            (b"Basic dGVzdDoxMjPCow=".to_vec(), NoCredentials::Base64),
            // The last letter has bits that mean nothing.
            (b"Basic dGVzdDoxMjPCox==".to_vec(), NoCredentials::Base64),
            (b"Basic dGVzdDoxMjPCow== ".to_vec(), NoCredentials::Base64),
            (b"Basic dGVzdDox MjPCow==".to_vec(), NoCredentials::Base64),
            (b"Basic dGVzdDoxMjPCow==,x".to_vec(), NoCredentials::Base64),
            (b"Basic -_-_".to_vec(), NoCredentials::Base64),
            (b"Basic \xff\xff\xff\xff".to_vec(), NoCredentials::Base64),
            (field(b"anna"), NoCredentials::Colon),
            (field(b":x"), NoCredentials::Name),
            (field(b"\xfc:x"), NoCredentials::Name),
            (field("a\u{85}:x".as_bytes()), NoCredentials::Name),
            (field(b"a\0:x"), NoCredentials::Control),
            (field(b"a:x\n"), NoCredentials::Control),
            (field(b"a:\x7f"), NoCredentials::Control),
            (field(&[&[b'n'; 256][..], b":x"].concat()), NoCredentials::Long),
            (field(&[&b"n:"[..], &[b'x'; 513]].concat()), NoCredentials::Long),
            (field(&[b'x'; 1000]), NoCredentials::Long),
            ([&b"Basic "[..], &[b'A'; 100_000]].concat(), NoCredentials::Long),
        ] {
            assert_eq!(parsed(&bytes), Err(wanted), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        let credentials = Credentials::parse(&field(b"anna:hidden")).unwrap();
        assert_eq!(format!("{credentials:?}"), "Credentials { user: \"anna\", .. }");
    }
}
