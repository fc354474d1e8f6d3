//! What a change of the site leaves of the file cache.

use super::*;

/// A server that trusts its cache for longer than the test lasts.
const CACHED: &str = r#"{
    "server": { "file_cache": { "valid": "1h" } },
    "hosts": {
        "localhost": { "root": "ROOT/a", "headers": { "X-Site": "a" } },
        "b.test": { "root": "ROOT/b", "headers": { "X-Site": "b" } }
    }
}"#;

/// What changes, the answers of localhost and b.test after that, and how many of the two come from the cache.
type Case = (&'static str, &'static [(&'static str, &'static str)], fn() -> [Answer; 2], u64);

const CASES: &[Case] = &[
    ("nothing", &[], || [from_a(), from_b()], 2),
    (
        "a host comes before them, so that all locations have other numbers",
        &[(r#""hosts": {"#, r#""hosts": { "first.test": { "root": "ROOT/extra" },"#)],
        || [from_a(), from_b()],
        2,
    ),
    (
        "they change places",
        &[("localhost", "c.test"), ("b.test", "localhost"), ("c.test", "b.test")],
        || [from_b(), from_a()],
        2,
    ),
    ("another folder", &[("ROOT/a", "ROOT/extra")], || [ok("a", "extra"), from_b()], 1),
    ("another field", &[(r#""a" }"#, r#""A" }"#)], || [ok("A", "site a"), from_b()], 1),
    (
        "other links",
        &[(r#""root": "ROOT/b""#, r#""root": "ROOT/b", "symlinks": "never""#)],
        || [from_a(), from_b()],
        1,
    ),
    (
        "another type",
        &[(r#""root": "ROOT/b""#, r#""root": "ROOT/b", "types": { "txt": "text/x" }"#)],
        || [from_a(), from_b()],
        1,
    ),
    (
        "no server field",
        &[(r#""server": {"#, r#""server": { "server_header": false,"#)],
        || [from_a(), from_b()],
        0,
    ),
    ("less room", &[(r#""1h""#, r#""1h", "entries": 1"#)], || [from_a(), from_b()], 0),
    ("no cache", &[(r#""1h""#, r#""1h", "entries": 0"#)], || [from_a(), from_b()], 0),
];

#[test]
fn the_cache_survives_where_it_holds() {
    for (what, edits, answers, hits) in CASES {
        let running = common::start(1, CACHED, fill);
        let mut client = running.connect();
        for _ in 0..2 {
            assert_eq!(get(&mut client, "localhost"), from_a());
            assert_eq!(get(&mut client, "b.test"), from_b());
        }
        let configuration = edits.iter().fold(CACHED.to_owned(), |text, (from, to)| text.replace(from, to));
        running.prepare(&configuration, vec![vec![main_listener(0)]]).expect(what);
        running.commit();
        let before = running.sum(Counter::FileCacheHits);
        for (host, expected) in ["localhost", "b.test"].into_iter().zip(answers()) {
            assert_eq!(get(&mut client, host), expected, "{what}");
        }
        assert_eq!(running.sum(Counter::FileCacheHits) - before, *hits, "{what}");
    }
}

/// A folder that has been replaced is another one, whatever its name.
#[test]
fn a_replaced_folder_is_read_anew() {
    let running = common::start(1, CACHED, fill);
    let mut client = running.connect();
    assert_eq!(get(&mut client, "localhost"), from_a());
    std::fs::rename(running.folder.join("a"), running.folder.join("old")).expect("a folder is moved");
    std::fs::rename(running.folder.join("extra"), running.folder.join("a")).expect("another takes its place");
    assert_eq!(get(&mut client, "localhost"), from_a());
    running.prepare(CACHED, vec![vec![main_listener(0)]]).expect("the same text");
    running.commit();
    assert_eq!(get(&mut client, "localhost"), ok("a", "extra"));
}
