//! Who sends the requests of an open loop.

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};

use super::request;

/// What the requests of a flow are.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) enum Visitors {
    /// All ask for one file.
    Readers { path: String },
    /// Each logs in at one place, in turns with the right and a wrong password, and after all others have had their turn.
    Members { path: String, users: u64, first: u64 },
}

/// The password of all users.
pub(crate) const PASSWORD: &str = "right-password";
/// What `htpasswd -nbB -C 10` makes of it.
pub(crate) const HASH: &str = "$2y$10$szqYIYcWq4IHUmITlJyErOKQZLxtauZbuTpZ5TZM/qqi21uyX23J6";
/// The password of nobody.
const WRONG: &str = "wrong-password";

impl Visitors {
    /// The request of that number.
    pub(crate) fn request(&self, number: u64) -> Vec<u8> {
        match self {
            Visitors::Readers { path } => request(path),
            Visitors::Members { path, users, first } => {
                let number = first.wrapping_add(number);
                let password = if number.is_multiple_of(2) { PASSWORD } else { WRONG };
                let credentials = format!("{}:{password}", user(number % users));
                let login = Base64::encode_string(credentials.as_bytes());
                format!("GET /{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {login}\r\n\r\n")
                    .into_bytes()
            }
        }
    }
}

/// The name of a user.
pub(crate) fn user(number: u64) -> String {
    format!("member-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_take_turns_with_both_passwords() {
        let members = Visitors::Members { path: "m".into(), users: 3, first: 4 };
        let check = |number: u64, credentials: &str| {
            let text = String::from_utf8(members.request(number)).unwrap();
            let login = text.split("Basic ").nth(1).unwrap().trim_end();
            assert_eq!(Base64::decode_vec(login).unwrap(), credentials.as_bytes(), "{text}");
        };
        check(0, "member-1:right-password");
        check(1, "member-2:wrong-password");
        check(2, "member-0:right-password");
        // With an odd number of users each has both passwords in turn.
        check(3, "member-1:wrong-password");
    }
}
