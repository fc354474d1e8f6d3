//! The real tools make a fresh hash in every format, and each is right for its password and wrong for others; a hash
//! of `kimura passwd` is right for htpasswd.

#![forbid(unsafe_code)]

use std::process::{Command, Output};

use auth::{Users, Verdict};
use e2e::{Folder, binary};

const PASSWORD: &str = "Gr\u{fc}\u{df}e, K\u{f6}nig 7";

/// Commands that print a line for the user anna, or the hash alone; the password is their last argument.
const TAKEN: &[&str] = &[
    "htpasswd -nbm anna",
    "htpasswd -nbB -C 4 anna",
    "htpasswd -nbs anna",
    "htpasswd -nb2 anna",
    "htpasswd -nb5 -r 2000 anna",
    "mkpasswd -m yescrypt",
    "mkpasswd -m gost-yescrypt",
    "mkpasswd -m scrypt -R 6",
    "mkpasswd -m bcrypt -R 5",
    "mkpasswd -m bcrypt-a -R 5",
    "mkpasswd -m sha512crypt",
    "mkpasswd -m sha256crypt -R 2000",
    "mkpasswd -m md5crypt",
];

const REFUSED: &[&str] = &[
    "htpasswd -nbd anna",
    "htpasswd -nbp anna",
    "mkpasswd -m descrypt",
    "mkpasswd -m bsdicrypt",
    "mkpasswd -m sunmd5",
    "mkpasswd -m nt",
];

/// What the command makes of the password, as a line of an htpasswd file.
fn line(command: &str) -> String {
    let mut words = command.split(' ');
    let program = words.next().expect("a program");
    let made: Output = Command::new(program).args(words).arg(PASSWORD).output().expect(command);
    let text = String::from_utf8(made.stdout).expect(command);
    let text = text.trim_end();
    assert!(!text.is_empty(), "{command}: {}", String::from_utf8_lossy(&made.stderr));
    if program == "htpasswd" { text.to_owned() } else { format!("anna:{text}") }
}

#[test]
fn a_fresh_hash_of_every_format() {
    for command in TAKEN {
        let line = line(command);
        let users = Users::from_htpasswd(line.as_bytes()).unwrap_or_else(|bad| panic!("{command}: {bad:?}"));
        for (user, password, wanted) in [
            ("anna", PASSWORD, Verdict::Granted),
            ("anna", &PASSWORD[1..], Verdict::Denied),
            ("anna", "", Verdict::Denied),
            ("otto", PASSWORD, Verdict::Denied),
        ] {
            assert_eq!(users.ask(user, password.as_bytes()), wanted, "{command}: {user} {password}");
        }
    }
}

#[test]
fn what_is_too_weak_is_refused() {
    for command in REFUSED {
        let bad = Users::from_htpasswd(line(command).as_bytes())
            .err()
            .unwrap_or_else(|| panic!("{command} is taken"));
        assert!(bad[0].to_string().contains("kimura passwd"), "{command}: {bad:?}");
    }
}

#[test]
fn what_kimura_makes_is_right_for_htpasswd() {
    let folder = Folder::new("passwords").expect("a folder");
    let (secret, users) = (folder.path().join("secret"), folder.path().join("users"));
    std::fs::write(&secret, format!("{PASSWORD}\n")).expect("written");
    let made = binary::output(["passwd", "anna", "--password-file", secret.to_str().expect("a path")])
        .expect("made");
    assert!(made.status.success(), "{made:?}");
    std::fs::write(&users, &made.stdout).expect("written");
    for (password, right) in [(PASSWORD, true), ("other", false)] {
        let status = Command::new("htpasswd")
            .arg("-vb")
            .arg(&users)
            .args(["anna", password])
            .output()
            .expect("htpasswd");
        assert_eq!(status.status.success(), right, "{password}: {status:?}");
    }
}
