use super::bad::TooMuch;
use super::*;

const MADE: &str = include_str!("../../testdata/hashes.txt");
const REFUSED: &str = include_str!("../../testdata/refused.txt");

/// Commands, passwords and hashes.
fn golden(text: &str) -> Vec<[&str; 3]> {
    let blocks = text.split("\n\n").filter(|block| block.starts_with("command "));
    blocks
        .map(|block| {
            let mut lines = block.lines();
            ["command ", "password ", "hash "].map(|name| {
                let line = lines.next().unwrap_or_default();
                line.strip_prefix(name).or((line == name.trim_end()).then_some("")).expect(block)
            })
        })
        .collect()
}

#[test]
fn what_the_tools_make_is_of_its_password_and_of_no_other() {
    let golden = golden(MADE);
    assert!(golden.len() > 50, "{}", golden.len());
    for [command, password, text] in golden {
        let hash = Hash::parse(text).unwrap_or_else(|bad| panic!("{command}: {bad}"));
        assert!(hash.is_of(password.as_bytes()), "{command}");
        let longer = format!("{password}\0");
        for wrong in [&password[..password.len() / 2], "Secret", "secret ", "wrong", &longer] {
            assert!(wrong == password || !hash.is_of(wrong.as_bytes()), "{command} and {wrong:?}");
        }
        assert_eq!(hash.is_weak(), text.starts_with("{SHA}"), "{command}");
    }
}

#[test]
fn what_is_refused_says_what_to_do() {
    let golden = golden(REFUSED);
    assert_eq!(golden.len(), 6);
    for [command, password, text] in golden {
        let bad = Hash::parse(text).err().unwrap_or_else(|| panic!("{command} is taken")).to_string();
        assert!(bad.contains(": make one with `kimura passwd`"), "{command}: {bad}");
        assert!(!bad.contains(password) && !bad.contains(text), "{bad}");
    }
}

#[test]
fn a_hash_that_is_cut_off_or_goes_on_is_refused() {
    for [command, _, text] in golden(MADE) {
        // A digest of argon2 may have any length, which is hashed along: a shorter one is of no password.
        let fixed = if text.starts_with("$argon2") { text.rfind('$') } else { None }.unwrap_or(text.len());
        for end in 0..fixed {
            assert!(Hash::parse(&text[..end]).is_err(), "{command} cut at {end}");
        }
        for more in [".", "$", "=", " ", ":x", "\u{e4}"] {
            assert!(Hash::parse(&format!("{text}{more}")).is_err(), "{command} with {more:?}");
        }
    }
}

#[test]
fn costs_are_bounded() {
    const BCRYPT: &str = "hc4EhTt8z9UXQf2BElkZIOh.loSIR6BCbGCB4IMfmW7gBA/ymv.9S";
    const FIVE: &str = "fB9VY2GIfAZeYTBM$BHbpRaf8avaPPe0JFqQwBFqtlwe4HW4zVzjKCiHK9l9";
    const Y: &str = "17R5X9MkxduUOfju3b.Hk0$o60EKJcbO41R4iJfS6z73nNBAROHVj/wiPqOyydQ7M2";
    const SCRYPT: &str = "cl0y39mp2E0Yerw8YoFfx/$tcsodIlrytqJmONTlqF9FGVbXUkwm0kSfAI5v85/df4";
    const ARGON: &str = "c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let form = Some(BadHash::Form);
    let cost = |what| Some(BadHash::Cost(what));
    for (text, wanted) in [
        (format!("$2y$15${BCRYPT}"), None),
        (format!("$2y$16${BCRYPT}"), cost(TooMuch::Bcrypt)),
        (format!("$2y$31${BCRYPT}"), cost(TooMuch::Bcrypt)),
        (format!("$2y$99${BCRYPT}"), cost(TooMuch::Bcrypt)),
        (format!("$2y$03${BCRYPT}"), form),
        (format!("$2y$4${BCRYPT}"), form),
        (format!("$2y$+4${BCRYPT}"), form),
        (format!("$2x$04${BCRYPT}"), Some(BadHash::Scheme)),
        (format!("$5$rounds=1000000${FIVE}"), None),
        (format!("$5$rounds=1000001${FIVE}"), cost(TooMuch::Rounds)),
        (format!("$5$rounds=999999999${FIVE}"), cost(TooMuch::Rounds)),
        (format!("$5$rounds=999${FIVE}"), form),
        (format!("$5$rounds=01000${FIVE}"), form),
        (format!("$5$rounds=+1000${FIVE}"), form),
        (format!("$5$rounds=${FIVE}"), form),
        (format!("$5$rounds=99999999999999999999${FIVE}"), form),
        (format!("$5$a{FIVE}"), form),
        (format!("$y$jDT${Y}"), None),
        (format!("$y$jET${Y}"), cost(TooMuch::Memory)),
        (format!("$y$jFT${Y}"), cost(TooMuch::Memory)),
        (format!("$y$jjT${Y}"), cost(TooMuch::Memory)),
        (format!("$y$zzzzzzzzzz${Y}"), form),
        (format!("$y$j9T/.${Y}"), form),
        (format!("$y$.9T${Y}"), form),
        (format!("$7$EU..../....{SCRYPT}"), None),
        (format!("$7$FU..../....{SCRYPT}"), cost(TooMuch::Memory)),
        (format!("$7$CUzzzz/....{SCRYPT}"), cost(TooMuch::Memory)),
        (format!("$7$CU....zzzzz{SCRYPT}"), cost(TooMuch::Memory)),
        (format!("$7$CU.........{SCRYPT}"), form),
        (format!("$7$C....../....{SCRYPT}"), form),
        (format!("$argon2id$v=19$m=262144,t=4,p=1${ARGON}"), None),
        (format!("$argon2id$v=19$m=262145,t=1,p=1${ARGON}"), cost(TooMuch::Memory)),
        (format!("$argon2id$v=19$m=262144,t=5,p=1${ARGON}"), cost(TooMuch::Memory)),
        (format!("$argon2id$v=19$m=4294967295,t=4294967295,p=1${ARGON}"), cost(TooMuch::Memory)),
        (format!("$argon2id$v=19$m=1024,t=1,p=65${ARGON}"), cost(TooMuch::Memory)),
        (format!("$argon2id$v=19$m=1024,t=0,p=1${ARGON}"), form),
        (format!("$argon2id$v=19$m=1,t=1,p=1${ARGON}"), form),
        (format!("$argon2id$v=18$m=1024,t=1,p=1${ARGON}"), form),
        (format!("$argon2id$v=19$t=1,m=1024,p=1${ARGON}"), form),
        (format!("$argon2id$v=19$m=1024,t=1,p=1,x=1${ARGON}"), form),
        (format!("$6${}", "a".repeat(HASH_LEN_MAX)), form),
        (String::new(), Some(BadHash::Plain)),
        ("secret".to_owned(), Some(BadHash::Plain)),
        ("cPkvkFaHtBjtg".to_owned(), Some(BadHash::Des)),
    ] {
        assert_eq!(Hash::parse(&text).err(), wanted, "{text}");
    }
}

#[test]
fn what_is_made_here_is_right() {
    let made = make_bcrypt("Gr\u{fc}\u{df}e".as_bytes(), *b"0123456789abcdef").expect("short enough");
    assert!(made.starts_with("$2y$11$") && made.len() == 60, "{made}");
    let hash = Hash::parse(&made).expect("whole");
    assert!(hash.is_of("Gr\u{fc}\u{df}e".as_bytes()) && !hash.is_of(b"Gr"));
    assert!(make_bcrypt(&[b'x'; 72], [0; 16]).is_some());
    for refused in [&[b'x'; 73][..], b"a\0b"] {
        assert_eq!(make_bcrypt(refused, [0; 16]), None);
    }
}

#[test]
fn a_long_password_is_not_hashed() {
    let hash = Hash::parse("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=").expect("whole");
    assert!(hash.is_of(b"secret") && !hash.is_of(&[b's'; PASSWORD_LEN_MAX + 1]));
    assert!(!Hash::of_nobody().is_of(b"secret"));
}
