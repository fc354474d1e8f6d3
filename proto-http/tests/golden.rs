//! Heads in files, and what is to come of each: `testdata/good` and `testdata/bad`.

mod expected;

use std::fs;
use std::path::Path;

use proto_http::{Head, HeadParser, Limits, Progress, Request, fuzzing};

#[test]
fn good_heads_are_read_as_expected() {
    check("good", expected::GOOD, |input| {
        let mut head = Head::new();
        match HeadParser::new().parse(input, &Limits::default(), &mut head) {
            Ok(Progress::Done { len }) => summary(&head.view(input), &input[len..]),
            other => format!("{other:?}"),
        }
    });
}

#[test]
fn bad_heads_are_refused_as_expected() {
    check("bad", expected::BAD, |input| {
        match HeadParser::new().parse(input, &Limits::default(), &mut Head::new()) {
            Err(cause) => format!("{} {cause:?}", cause.status().code()),
            other => format!("{other:?}"),
        }
    });
}

fn check(folder: &str, expected: &[(&str, &str)], outcome: impl Fn(&[u8]) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder);
    let files = fs::read_dir(&folder).expect("the folder can be listed");
    let mut found: Vec<(String, String)> = files
        .map(|file| {
            let path = file.expect("the folder can be listed").path();
            let input = fs::read(&path).expect("the file can be read");
            fuzzing::head(&input);
            fuzzing::relayed(&input);
            fuzzing::environment(&input);
            let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
            (name, outcome(&input))
        })
        .collect();
    found.sort();
    let found: Vec<String> = found.iter().map(|(name, outcome)| format!("{name}: {outcome}")).collect();
    let expected: Vec<String> = expected.iter().map(|(name, outcome)| format!("{name}: {outcome}")).collect();
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len(), "each file has an expectation");
}

fn summary(request: &Request<'_>, rest: &[u8]) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let mut line = format!("{:?} {}", request.method(), text(request.path()));
    if let Some(query) = request.query() {
        line += &format!(" ? {}", text(query));
    }
    line += &format!(" {:?}", request.version());
    if let Some(authority) = request.authority() {
        line += &format!(" {:?} {} {:?}", authority.kind, text(authority.host), authority.port);
    }
    line += &format!(" body {:?}", request.body());
    line += if request.keep_alive() { ", keep" } else { ", close" };
    line += if request.expects_continue() { ", expects" } else { "" };
    line += &format!(", {} fields", request.fields().count());
    if !rest.is_empty() {
        line += &format!(", rest of {}", rest.len());
    }
    line
}
