//! htpasswd files: a line for each user, `name:hash`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::hash::Hash;
use crate::limits::{FILE_LEN_MAX, USER_LINE_LEN_MAX, USERS_MAX};
use crate::lines::{self, BadLine, LineFault};
use crate::users::Users;

impl Users {
    /// The users of an htpasswd file with this content.
    ///
    /// One line that is wrong refuses all of it, a user in two lines too: which of the two is meant is not guessed.
    /// Nothing may follow the hash.
    ///
    /// # Errors
    /// The lines that are wrong, the first ones of many.
    pub fn from_htpasswd(text: &[u8]) -> Result<Self, Vec<BadLine>> {
        // With the number of the line, for those who come twice.
        let mut known: HashMap<Box<str>, (usize, Hash)> = HashMap::new();
        lines::each(text, FILE_LEN_MAX, USER_LINE_LEN_MAX, |line, text| {
            let (name, hash) = lines::named(text)?;
            let full = known.len() == USERS_MAX;
            match known.entry(name.into()) {
                Entry::Occupied(earlier) => Err(LineFault::Twice(earlier.get().0)),
                Entry::Vacant(_) if full => Err(LineFault::Users),
                Entry::Vacant(place) => {
                    place.insert((line, Hash::parse(hash).map_err(LineFault::Hash)?));
                    Ok(())
                }
            }
        })?;
        Ok(Self::of(known.into_iter().map(|(name, (_, hash))| (name, hash)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use crate::hash::BadHash;
    use crate::limits::{COMPLAINTS_MAX, NAME_LEN_MAX};

    const SECRET: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
    const X: &str = "{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=";

    fn refused(text: &[u8]) -> Vec<BadLine> {
        Users::from_htpasswd(text).err().unwrap_or_default()
    }

    #[test]
    fn what_is_read() {
        let long = "n".repeat(NAME_LEN_MAX);
        for (text, names) in [
            (format!("anna:{SECRET}\notto:{SECRET}\n"), vec!["anna", "otto"]),
            (format!("anna:{SECRET}"), vec!["anna"]),
            (format!("anna:{SECRET}\r\n\r\n# a comment\r\notto:{SECRET}\r\n"), vec!["anna", "otto"]),
            (format!("\n \t\n#\n#otto:{SECRET}\n\nanna:{SECRET}\n\n"), vec!["anna"]),
            (format!("gr\u{fc}n und blau:{SECRET}\n{long}:{SECRET}"), vec!["gr\u{fc}n und blau", &long]),
            ("# nobody\n".to_owned(), vec![]),
            (String::new(), vec![]),
        ] {
            let users =
                Users::from_htpasswd(text.as_bytes()).unwrap_or_else(|bad| panic!("{text:?}: {bad:?}"));
            assert_eq!(users.len(), names.len(), "{text:?}");
            for name in names {
                assert_eq!(users.ask(name, b"secret"), Verdict::Granted, "{text:?}");
            }
        }
    }

    #[test]
    fn what_is_refused() {
        let line = |text: &str| [b"# first\n", text.as_bytes(), b"\n"].concat();
        let long = "n".repeat(NAME_LEN_MAX + 1);
        for (text, wanted, at) in [
            (line("anna"), LineFault::Colon, 2),
            (line(&format!(":{SECRET}")), LineFault::Name, 2),
            (line(&format!(" anna:{SECRET}")), LineFault::Name, 2),
            (line(&format!("anna :{SECRET}")), LineFault::Name, 2),
            (line(&format!("an\tna:{SECRET}")), LineFault::Name, 2),
            (line(&format!("{long}:{SECRET}")), LineFault::Name, 2),
            (line(&"n".repeat(USER_LINE_LEN_MAX + 1)), LineFault::LineLong(USER_LINE_LEN_MAX), 2),
            (line(&format!("an\0na:{SECRET}")), LineFault::Control, 2),
            (line(&format!("anna:{SECRET}\rotto:{SECRET}")), LineFault::Control, 2),
            (line(&format!("an\u{85}na:{SECRET}")), LineFault::Control, 2),
            (b"ok\xff:x".to_vec(), LineFault::Text, 1),
            (format!("\u{feff}anna:{SECRET}").into_bytes(), LineFault::ByteOrderMark, 1),
            (line(&format!("anna:{SECRET}\notto:{X}\nanna:{X}")), LineFault::Twice(2), 4),
            (line("anna:secret"), LineFault::Hash(BadHash::Plain), 2),
            (line("anna:"), LineFault::Hash(BadHash::Plain), 2),
            (line(&format!("anna:{SECRET} ")), LineFault::Hash(BadHash::Form), 2),
            (line(&format!("anna:{SECRET}:more")), LineFault::Hash(BadHash::Form), 2),
            (line("anna:$2y$31$hc4EhTt8z9UXQf2BElkZIOh.loSIR6BCbGCB4IMfmW7gBA/ymv.9S"), cost(), 2),
            (vec![b'#'; FILE_LEN_MAX + 1], LineFault::FileLong(FILE_LEN_MAX), 1),
        ] {
            assert_eq!(refused(&text), [BadLine { line: at, fault: wanted.clone() }], "{wanted:?}");
            let sentence = wanted.to_string();
            assert!(sentence.contains([':', '?']) && !sentence.contains("secret"), "{sentence}");
        }
    }

    fn cost() -> LineFault {
        LineFault::Hash(BadHash::Cost(crate::TooMuch::Bcrypt))
    }

    #[test]
    fn complaints_and_users_are_bounded() {
        assert_eq!(refused("x\n".repeat(1000).as_bytes()).len(), COMPLAINTS_MAX);
        let mut text: String = (0..USERS_MAX).map(|number| format!("{number}:{X}\n")).collect();
        assert!(Users::from_htpasswd(text.as_bytes()).is_ok());
        text.push_str(&format!("one more:{X}\nand another:{X}\n"));
        let wanted = BadLine { line: USERS_MAX + 1, fault: LineFault::Users };
        assert_eq!(refused(text.as_bytes()), [wanted]);
    }

    const FILE: &str = "# users\nanna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n\
                        otto:{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=\r\n\n\
                        eva:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";
    /// Each user, the password and the hash.
    const KNOWN: [(&str, &str, &str); 3] =
        [("anna", "secret", SECRET), ("otto", "x", X), ("eva", "secret", SECRET)];

    /// What a byte is replaced with: each of its bits turned, and all that means something to the reader.
    fn replacements(byte: u8) -> Vec<u8> {
        let mut all: Vec<u8> = (0..8).map(|bit| byte ^ 1 << bit).collect();
        all.extend(b"\n\r:#\0 \t$.{}=aZ/0\x7f\x80\xc3\xff");
        all.retain(|other| *other != byte);
        all
    }

    #[test]
    fn one_wrong_byte_lets_nobody_in() {
        for position in 0..FILE.len() {
            let line = FILE[..position].matches('\n').count() + 1;
            for byte in replacements(FILE.as_bytes()[position]) {
                let mut text = FILE.as_bytes().to_vec();
                text[position] = byte;
                match Users::from_htpasswd(&text) {
                    Ok(users) => nobody_new(&users, &text, &format!("byte {position} as {byte:#x}")),
                    Err(bad) => {
                        let points = |bad: &BadLine| (line..=line + 1).contains(&bad.line);
                        let twice = bad.iter().any(|bad| matches!(bad.fault, LineFault::Twice(_)));
                        assert!(twice || bad.iter().all(points), "byte {position} as {byte:#x}: {bad:?}");
                    }
                }
            }
        }
    }

    /// Who is let in has the password of their own whole hash; only the name before it may have become another one.
    fn nobody_new(users: &Users, text: &[u8], what: &str) {
        let lines = text.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
        let entries: Vec<(&str, &str)> = lines.filter_map(|line| line.trim_end().split_once(':')).collect();
        for password in ["secret", "x", "", "wrong", "SECRET"] {
            for (name, right, _) in KNOWN {
                let granted = users.ask(name, password.as_bytes()) == Verdict::Granted;
                assert!(!granted || password == right, "{what}: {name} with {password:?}");
            }
            for (name, hash) in &entries {
                let granted = users.ask(name, password.as_bytes()) == Verdict::Granted;
                let own = KNOWN.iter().any(|(_, right, whole)| whole == hash && *right == password);
                assert!(!granted || own, "{what}: {name} with {password:?}");
            }
        }
    }

    #[test]
    fn the_file_of_the_wrong_bytes_is_right_itself() {
        let users = Users::from_htpasswd(FILE.as_bytes()).unwrap();
        for (name, right, _) in KNOWN {
            assert_eq!(users.ask(name, right.as_bytes()), Verdict::Granted);
        }
    }
}
