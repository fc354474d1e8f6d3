use super::*;
use crate::BadLine;
use crate::LineFault;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn prefix(text: &str) -> Prefix {
    text.parse().expect("a prefix")
}

fn subject(from: &str, user: Option<&str>) -> Subject {
    Subject { prefix: prefix(from), user: user.map(Into::into) }
}

fn policy() -> Policy {
    Policy {
        prefix_failures: 5,
        user_failures: 3,
        bad_requests: Some(4),
        window_seconds: 60,
        duration_seconds: 100,
        duration_max_seconds: 350,
        exempt: vec![prefix("10.0.0.0/8")],
        ..Policy::default()
    }
}

/// What a failure brings: whom it bans, and until when.
type Brings<'t> = Vec<(&'t str, Option<&'t str>, u64)>;

fn check(failures: &[(u64, &str, Offence<'_>, Brings<'_>)]) {
    let mut bans = Bans::new(policy());
    for (now, from, offence, wanted) in failures {
        let given = bans.fail(*now, address(from), *offence);
        let wanted: Vec<_> =
            wanted.iter().map(|(from, user, until)| (subject(from, *user), Some(*until))).collect();
        let given: Vec<_> = given.into_iter().map(|ban| (ban.subject, ban.until)).collect();
        assert_eq!(given, wanted, "{now} {from} {offence:?}");
    }
}

#[test]
fn failures_within_the_window_ban() {
    let login = Offence::Login;
    // Five of one prefix, whoever they are for.
    check(&[
        (0, "192.0.2.1", login("a"), vec![]),
        (1, "192.0.2.1", login("b"), vec![]),
        (2, "192.0.2.1", login("c"), vec![]),
        (3, "192.0.2.2", login("c"), vec![]),
        (4, "192.0.2.1", login("d"), vec![]),
        (59, "::ffff:192.0.2.1", login("e"), vec![("192.0.2.1/32", None, 159)]),
        // Under way when the ban came.
        (60, "192.0.2.1", login("f"), vec![]),
    ]);
    // The first has left the window.
    check(&[
        (0, "192.0.2.1", login("a"), vec![]),
        (1, "192.0.2.1", login("b"), vec![]),
        (2, "192.0.2.1", login("c"), vec![]),
        (3, "192.0.2.1", login("d"), vec![]),
        (60, "192.0.2.1", login("e"), vec![]),
        (60, "192.0.2.1", login("f"), vec![("192.0.2.1/32", None, 160)]),
    ]);
    // Three for one user from one prefix; from everywhere else the user still gets in.
    check(&[
        (0, "2001:db8::1", login("a"), vec![]),
        (1, "2001:db8::2", login("a"), vec![]),
        (2, "2001:db8:0:1::1", login("a"), vec![]),
        (3, "2001:db8::3", login("a"), vec![("2001:db8::/64", Some("a"), 103)]),
    ]);
    // Logins and requests are counted apart.
    check(&[
        (0, "192.0.2.1", Offence::Request, vec![]),
        (0, "192.0.2.1", Offence::Request, vec![]),
        (0, "192.0.2.1", Offence::Request, vec![]),
        (0, "192.0.2.1", login("a"), vec![]),
        (0, "192.0.2.1", Offence::Request, vec![("192.0.2.1/32", None, 100)]),
    ]);
    // Exempt.
    check(&vec![(0, "10.1.2.3", login("a"), vec![]); 20]);
}

#[test]
fn durations_grow_and_are_forgotten() {
    let mut bans = Bans::new(policy());
    let ban = |bans: &mut Bans, now| {
        let given: Vec<Ban> = (0..5)
            .flat_map(|user: u32| bans.fail(now, address("192.0.2.1"), Offence::Login(&user.to_string())))
            .collect();
        let ban = given.last().expect("banned");
        (ban.count, ban.until.expect("with an end") - now)
    };
    assert_eq!(ban(&mut bans, 1000), (1, 100));
    assert_eq!(ban(&mut bans, 1100), (2, 200));
    assert_eq!(ban(&mut bans, 1400), (3, 350));
    assert_eq!(ban(&mut bans, 1800), (4, 350));
    bans.tidy(1800 + 350 + 349);
    assert_eq!(bans.bans.len(), 1);
    bans.tidy(1800 + 350 + 350);
    assert_eq!(bans.bans.len(), 0);
    assert_eq!(ban(&mut bans, 9000), (1, 100));
    assert_eq!(policy().duration(u32::MAX), 350);
}

#[test]
fn bans_by_hand() {
    let mut bans = Bans::new(policy());
    let anywhere = subject("0.0.0.0/0", None);
    let given = bans.ban(5, anywhere.clone(), None, "attack".to_owned()).unwrap();
    assert_eq!((given.count, given.until), (1, None));
    let table = bans.table(6);
    assert!(table.has(address("192.0.2.1")) && !table.has(address("10.0.0.1")), "the exempt are not banned");
    assert!(bans.refuse(6, address("192.0.2.1"), "a") && !bans.refuse(6, address("10.0.0.1"), "a"));
    assert_eq!(bans.ban(6, anywhere.clone(), Some(10), String::new()).unwrap().until, Some(16));
    assert_eq!((bans.next_end(6), bans.next_end(16)), (Some(16), None));
    assert_eq!((bans.lasting(15).count(), bans.lasting(16).count()), (1, 0));
    assert_eq!(bans.unban(&anywhere).map(|ban| ban.count), Some(2));
    assert_eq!(bans.unban(&anywhere), None);
    for (subject, reason, wanted) in [
        (subject("10.1.0.0/16", None), "", BadBan::Exempt(prefix("10.0.0.0/8"))),
        (subject("192.0.2.1", Some("")), "", BadBan::User),
        (subject("192.0.2.1", Some(&"n".repeat(BANNED_NAME_LEN_MAX + 1))), "", BadBan::User),
        (subject("192.0.2.1", None), "a\nb", BadBan::Reason),
        (subject("192.0.2.1", None), &"x".repeat(REASON_LEN_MAX + 1), BadBan::Reason),
    ] {
        assert!(wanted.to_string().contains(": "));
        assert_eq!(bans.ban(0, subject, None, reason.to_owned()), Err(wanted));
    }
}

#[test]
fn an_unban_forgets_what_was_counted() {
    let mut bans = Bans::new(policy());
    for _ in 0..3 {
        assert!(bans.fail(0, address("192.0.2.1"), Offence::Request).is_empty());
    }
    assert_eq!(bans.unban(&subject("192.0.2.1", None)), None);
    assert!(bans.fail(0, address("192.0.2.1"), Offence::Request).is_empty());
}

#[test]
fn what_was_counted_is_taken_over() {
    let mut bans = Bans::new(policy());
    let fail = |bans: &mut Bans, now| bans.fail(now, address("192.0.2.1"), Offence::Login("a"));
    assert!(fail(&mut bans, 5).is_empty() && fail(&mut bans, 7).is_empty());
    bans.fail(6, address("192.0.2.2"), Offence::Request);
    let counted: Vec<Counted> = bans.counted().collect();
    let one = |from: &str, user, kind, times: &[u64]| Counted {
        subject: subject(from, user),
        kind,
        times: times.into(),
    };
    let wanted = [
        one("192.0.2.2", None, Kind::Requests, &[6]),
        one("192.0.2.1", None, Kind::Logins, &[5, 7]),
        one("192.0.2.1", Some("a"), Kind::Logins, &[5, 7]),
    ];
    assert_eq!(counted, wanted);
    let next = |counted: &[Counted]| {
        let mut bans = Bans::new(policy());
        counted.iter().for_each(|counted| bans.recall(counted.clone()));
        bans
    };
    assert_eq!(next(&counted).counted().collect::<Vec<_>>(), wanted);
    assert_eq!(fail(&mut next(&counted), 8).len(), 1, "the third");
    assert!(fail(&mut next(&counted), 65).is_empty(), "one of them has left the window");
    let long = "n".repeat(BANNED_NAME_LEN_MAX + 1);
    for (counted, left) in [
        (one("10.1.2.3", None, Kind::Logins, &[5]), None),
        (one("192.0.2.1", Some(&long), Kind::Logins, &[5]), None),
        (one("192.0.2.1", None, Kind::Logins, &[]), None),
        (one("192.0.2.1", None, Kind::Logins, &[9, 5]), Some(2)),
        (one("192.0.2.1", None, Kind::Logins, &[5; 1000]), Some(FAILURES_MAX as usize)),
    ] {
        let bans = next(&[counted.clone(), counted]);
        assert_eq!(bans.counted().next().map(|counted| counted.times.len()), left);
        assert_eq!(bans.watch.len(), usize::from(left.is_some()));
    }
    let many: Vec<Counted> = (0..WATCHED_MAX + 9)
        .map(|number| Counted { subject: numbered(number), kind: Kind::Logins, times: vec![number as u64] })
        .collect();
    assert_eq!(next(&many).watch.len(), WATCHED_MAX);
}

#[test]
fn a_table_answers_as_the_prefixes_do() {
    let mut bans = Bans::new(policy());
    let banned = [
        "192.0.2.0/24",
        "192.0.2.7",
        "192.0.3.0/25",
        "0.0.0.0/8",
        "255.255.255.255",
        "2001:db8::/64",
        "2001:db8::1",
        "2001:db8:1::/48",
        "::/128",
        "ffff::/16",
    ];
    for text in banned {
        bans.ban(0, subject(text, None), Some(10), String::new()).unwrap();
    }
    for from in ["198.51.100.0/24", "203.0.113.7", "203.0.113.8", "2001:db8:2::/48"] {
        bans.ban(0, subject(from, Some("anna")), Some(10), String::new()).unwrap();
    }
    let table = bans.table(5);
    for text in banned {
        let prefix = prefix(text);
        let near = |address: IpAddr, step: i128| match address {
            IpAddr::V4(address) => {
                IpAddr::V4(u32::from(address).wrapping_add_signed(i32::try_from(step).unwrap()).into())
            }
            IpAddr::V6(address) => IpAddr::V6(u128::from(address).wrapping_add_signed(step).into()),
        };
        for edge in [prefix.first(), prefix.last()] {
            for address in [near(edge, -1), edge, near(edge, 1)] {
                let wanted = banned.iter().any(|text| self::prefix(text).contains(address));
                assert_eq!(table.has(address), wanted, "{address}");
                assert_eq!(bans.refuse(5, address, "otto"), wanted, "{address}");
            }
        }
    }
    for (from, user, wanted) in [
        ("198.51.100.9", "anna", true),
        ("::ffff:198.51.100.9", "anna", true),
        ("198.51.100.9", "otto", false),
        ("198.51.101.9", "anna", false),
        ("203.0.113.7", "anna", true),
        ("203.0.113.8", "anna", true),
        ("203.0.113.9", "anna", false),
        ("2001:db8:2:ffff::1", "anna", true),
        ("2001:db8:3::", "anna", false),
        ("192.0.2.9", "otto", true),
    ] {
        assert_eq!(table.has_user(address(from), user), wanted, "{from} {user}");
        assert_eq!(bans.refuse(5, address(from), user), wanted, "{from} {user}");
        assert!(!bans.refuse(10, address(from), user), "{from} {user}: it is over");
    }
    let later = bans.table(10);
    assert!(!later.has(address("192.0.2.7")) && !later.has_user(address("198.51.100.9"), "anna"));
    assert!(!BanTable::default().has(address("192.0.2.7")));
}

#[test]
fn memory_is_bounded_and_the_room_is_taken_from_those_who_matter_least() {
    let mut watch = Watch::new(3);
    let key = |text: &str| (subject(text, None), Kind::Logins);
    let note = |watch: &mut Watch, text: &str, now| watch.note(&key(text), now, 60, 4);
    for _ in 0..3 {
        assert!(!note(&mut watch, "192.0.2.1", 1));
    }
    for last in 2..=9 {
        assert!(!note(&mut watch, &format!("192.0.2.{last}"), last));
        assert!(watch.len() <= 3);
    }
    assert!(note(&mut watch, "192.0.2.1", 10), "a flood of others has not saved the one near a ban");
    assert_eq!(watch.len(), 2);
    assert!(!note(&mut watch, "192.0.2.1", 69));
    assert_eq!(watch.len(), 1, "the others have left the window");
    assert!(!note(&mut watch, "192.0.2.1", 3), "a clock that was set back");
    assert_eq!(watch.len(), 1);
}

fn numbered(number: usize) -> Subject {
    let number = u32::try_from(number).expect("few enough");
    Subject { prefix: Prefix::single(IpAddr::V4((0x0b00_0000 + number).into())), user: None }
}

#[test]
fn bans_are_bounded() {
    let mut bans = Bans::new(policy());
    for number in 0..BANS_MAX {
        bans.ban(0, numbered(number), Some(1000 + number as u64), String::new()).unwrap();
    }
    bans.ban(0, numbered(BANS_MAX), None, String::new()).unwrap();
    assert_eq!(bans.bans.len(), BANS_MAX);
    let table = bans.table(1);
    assert!(!table.has(numbered(0).prefix.first()), "the one that would have ended first");
    assert!(table.has(numbered(1).prefix.first()) && table.has(numbered(BANS_MAX).prefix.first()));
    let text = bans.to_text();
    let again = Bans::from_text(policy(), text.as_bytes()).unwrap();
    assert!(again.bans == bans.bans && again.ends == bans.ends);
}

#[test]
fn bans_without_an_end_are_not_pushed_out() {
    let mut bans = Bans::new(policy());
    for number in 0..BANS_MAX {
        bans.ban(0, numbered(number), None, String::new()).unwrap();
    }
    assert_eq!(bans.ban(0, numbered(BANS_MAX), Some(1), String::new()), Err(BadBan::Full));
    assert!(bans.ban(0, numbered(0), Some(1), String::new()).is_ok());
}

#[test]
fn the_file_says_what_there_is() {
    let mut bans = Bans::new(policy());
    for (from, user, seconds, reason) in [
        ("192.0.2.7", None, Some(3600), ""),
        ("2001:db8::/64", Some("-%gr\u{fc}n x"), None, "asked for it: often"),
        ("2001:db8::/64", Some("-"), None, ", "),
    ] {
        bans.ban(1_700_000_000, subject(from, user), seconds, reason.to_owned()).unwrap();
    }
    for _ in 0..4 {
        bans.fail(9, address("192.0.2.9"), Offence::Request);
    }
    let text = bans.to_text();
    assert_eq!(
        text,
        "kimura-bans 1\n\
         192.0.2.7/32 - 1 1700000000 1700003600 by hand\n\
         192.0.2.9/32 - 1 9 109 requests\n\
         2001:db8::/64 %2D 1 1700000000 never by hand, , \n\
         2001:db8::/64 %2D%25gr%C3%BCn%20x 1 1700000000 never by hand, asked for it: often\n"
    );
    let again = Bans::from_text(policy(), text.as_bytes()).unwrap();
    assert!(again.bans == bans.bans && again.ends == bans.ends);
    assert!(Bans::from_text(policy(), b"").unwrap().bans.is_empty());
}

#[test]
fn a_file_that_is_wrong_says_where() {
    use crate::BadPrefix;
    for (text, line, fault) in [
        ("kimura-bans 2\n", 1, LineFault::Header),
        ("192.0.2.7/32 - 1 0 9 logins\n", 1, LineFault::Header),
        ("\nkimura-bans 1\n", 2, LineFault::Header),
        ("kimura-bans 1\n192.0.2.7 - 1 0 9 logins\n", 2, LineFault::Ban),
        ("kimura-bans 1\n192.0.2.7/99 - 1 0 9 logins\n", 2, LineFault::Prefix(BadPrefix::Length)),
        ("kimura-bans 1\n192.0.2.7/32 - 0 0 9 logins\n", 2, LineFault::Ban),
        ("kimura-bans 1\n192.0.2.7/32 - +1 0 9 logins\n", 2, LineFault::Ban),
        ("kimura-bans 1\n192.0.2.7/32 - 1 0 09 logins\n", 2, LineFault::Ban),
        ("kimura-bans 1\n192.0.2.7/32 - 1 0 99999999999999999999 logins\n", 2, LineFault::Ban),
        ("kimura-bans 1\n192.0.2.7/32 - 1 0 9 because\n", 2, LineFault::Ban),
        ("kimura-bans 1\n192.0.2.7/32 - 1 0 9\n", 2, LineFault::Ban),
        ("kimura-bans 1\n192.0.2.7/32  1 0 9 logins\n", 2, LineFault::Ban),
        ("kimura-bans 1\n192.0.2.7/32 %2 1 0 9 logins\n", 2, LineFault::Ban),
        ("kimura-bans 1\n192.0.2.7/32 %FF 1 0 9 logins\n", 2, LineFault::Ban),
        ("kimura-bans 1\n192.0.2.7/32 %61 1 0 9 logins\n", 2, LineFault::Ban),
        (
            "kimura-bans 1\n192.0.2.7/32 - 1 0 9 logins\n192.0.2.7/32 - 1 0 9 logins\n",
            3,
            LineFault::SubjectTwice,
        ),
        ("kimura-bans 1\n192.0.2.7/32 - 1 0 9 log\0ins\n", 2, LineFault::Control),
    ] {
        assert!(fault.to_string().contains(": "), "{fault}");
        let bad = Bans::from_text(policy(), text.as_bytes()).err().unwrap_or_default();
        assert_eq!(bad, [BadLine { line, fault }], "{text}");
    }
}

#[test]
fn a_table_goes_to_other_processes_as_bytes() {
    let mut bans = Bans::new(policy());
    assert_eq!(bans.pack(0), None, "nobody is banned");
    for (from, user) in [
        ("192.0.2.7/32", None),
        ("198.51.100.0/24", Some("otto")),
        ("2001:db8::/32", None),
        ("2001:db8:1::/64", Some("ü")),
        ("0.0.0.0/0", None),
    ] {
        bans.ban(5, subject(from, user), Some(10), String::new()).unwrap();
    }
    bans.unban(&subject("0.0.0.0/0", None));
    let bytes = bans.pack(5).unwrap();
    let table = BanTable::unpack(&bytes).unwrap();
    for (from, user, wanted) in [
        ("192.0.2.7", "x", true),
        ("192.0.2.8", "x", false),
        ("198.51.100.9", "otto", true),
        ("198.51.100.9", "x", false),
        ("2001:db8:ffff::", "x", true),
        ("2001:db9::", "ü", false),
    ] {
        assert_eq!(table.has_user(address(from), user), wanted, "{from} {user}");
    }
    // Cut anywhere but between two entries, or with another first byte, it is none.
    let whole = |len: usize| BanTable::unpack(&bytes[..len]).is_some();
    assert_eq!((1..=bytes.len()).filter(|len| whole(*len)).count(), 1 + 4 + policy().exempt.len());
    assert!(BanTable::unpack(b"").is_none() && BanTable::unpack(&[1]).is_none());
    assert!(BanTable::unpack(&[2, 9, 0, 0, 0, 0, 0]).is_none());
    assert!(BanTable::unpack(&[2, 0x30, 32, 192, 0, 2, 7]).is_none(), "a cause that is none");
    assert!(BanTable::unpack(&[2, 0x12, 32, 192, 0, 2, 7]).is_none());
    assert_eq!(bans.pack(15), None, "all are over");
}

#[test]
fn a_prefix_is_let_in_with_all_its_users() {
    let mut bans = Bans::new(policy());
    for (from, user) in [("192.0.2.7/32", None), ("192.0.2.7/32", Some("a")), ("192.0.2.8/32", Some("a"))] {
        bans.ban(0, subject(from, user), None, String::new()).unwrap();
    }
    assert_eq!(bans.unban_prefix(prefix("192.0.2.7")).len(), 2);
    assert_eq!(bans.unban_prefix(prefix("192.0.2.7")).len(), 0);
    assert_eq!(bans.lasting(0).count(), 1);
}

#[test]
fn a_table_tells_why_somebody_is_banned() {
    let mut bans = Bans::new(Policy { bad_requests: Some(1), ..policy() });
    let policy = Policy { bad_requests: Some(1), ..policy() };
    for _ in 0..policy.prefix_failures {
        bans.fail(0, address("192.0.2.7"), Offence::Login(""));
    }
    for _ in 0..policy.user_failures {
        bans.fail(0, address("2001:db8::7"), Offence::Login("otto"));
    }
    bans.fail(0, address("198.51.100.7"), Offence::Request);
    bans.ban(0, subject("203.0.113.0/24", None), None, "rude".to_owned()).unwrap();
    let unpacked = BanTable::unpack(&bans.pack(0).unwrap()).unwrap();
    for table in [bans.table(0), unpacked] {
        for (from, all, user) in [
            ("192.0.2.7", Some(Cause::Logins), None),
            ("198.51.100.7", Some(Cause::Requests), None),
            ("203.0.113.9", Some(Cause::Hand), None),
            ("2001:db8::7", None, Some(Cause::Logins)),
            ("2001:db9::7", None, None),
        ] {
            let found = (table.cause(address(from)), table.cause_of_user(address(from), "otto"));
            assert_eq!(found, (all, user), "{from}");
        }
    }
}
