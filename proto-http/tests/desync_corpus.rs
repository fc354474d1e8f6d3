//! The corpus of the crate `http_desync_guardian`: what it calls severe is refused without exception, what
//! it calls compliant is taken, but for the requests named here.

use std::path::PathBuf;
use std::process::Command;

use proto_http::{BadRequest, Head, HeadParser, Limits, Progress};
use yaml_rust2::{Yaml, YamlLoader};

/// Compliant in the corpus, not served here.
const REFUSED: &[(&str, BadRequest)] = &[
    // RFC 9112 section 7.1: chunked has no parameters, and their presence should be treated as an error.
    ("TE with custom parameters OK", BadRequest::CodingMalformed),
    ("Transfer-Encoding with a param: chunked;custom_param", BadRequest::CodingMalformed),
    // RFC 9112 section 3.2: no fragment, no octet above 0x7E, no empty target.
    ("Compliant URL", BadRequest::TargetByte),
    ("International in URI", BadRequest::TargetByte),
    ("Empty URI", BadRequest::RequestLineSpace),
];

/// So many compliant requests of 28 may be refused.
const REFUSED_MAX: usize = 6;

/// The folder of the corpus. The crate is a dependency only for this, so cargo has its sources; it says where.
fn corpus() -> PathBuf {
    // Without the filter cargo would want the sources for all other systems too.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--filter-platform", &platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata = String::from_utf8(output.stdout).expect("cargo metadata is UTF-8");
    let end = metadata.find("/http_desync_guardian-0.1.3/Cargo.toml\"").expect("the crate is a dependency");
    let start = metadata[..end].rfind('"').expect("a JSON string has a beginning") + 1;
    PathBuf::from(&metadata[start..end]).join("http_desync_guardian-0.1.3/tests")
}

fn cases() -> Vec<Yaml> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(corpus()).expect("the corpus can be read") {
        let path = entry.expect("the corpus can be read").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = std::fs::read_to_string(&path).expect("the corpus is UTF-8");
            for document in YamlLoader::load_from_str(&text).expect("the corpus is YAML") {
                cases.extend(document);
            }
        }
    }
    cases
}

/// Escapes like `\x85` stand for octets, but YAML makes characters of them. Letters of other scripts are
/// written as such, and stand for their UTF-8.
fn octets(value: &Yaml) -> Vec<u8> {
    match value {
        Yaml::String(text) => text
            .chars()
            .map(|c| u8::try_from(u32::from(c)).ok())
            .collect::<Option<_>>()
            .unwrap_or_else(|| text.clone().into_bytes()),
        Yaml::Integer(number) => number.to_string().into_bytes(),
        Yaml::Real(number) => number.clone().into_bytes(),
        Yaml::Null | Yaml::BadValue => Vec::new(),
        other => panic!("not a scalar: {other:?}"),
    }
}

fn request(case: &Yaml) -> Vec<u8> {
    let line = [&case["method"], &case["uri"], &case["version"]].map(octets).join(&b' ');
    let mut text = [&line[..], b"\r\nHost: example.org\r\n"].concat();
    for field in case["headers"].as_vec().into_iter().flatten() {
        text.extend([&octets(&field["name"])[..], b": ", &octets(&field["value"]), b"\r\n"].concat());
    }
    text.extend(b"\r\n");
    text
}

fn refusal(text: &[u8]) -> Option<BadRequest> {
    let result = HeadParser::new().parse(text, &Limits::default(), &mut Head::new());
    assert_ne!(result, Ok(Progress::NeedMore), "{}", text.escape_ascii());
    result.err()
}

#[test]
fn severe_is_refused_and_compliant_is_taken() {
    let (mut severe, mut compliant) = (0, 0);
    let mut refused = Vec::new();
    for case in cases() {
        let name = case["name"].as_str().expect("every case has a name");
        let text = request(&case);
        match case["expected"]["tier"].as_str() {
            Some("Severe") => {
                severe += 1;
                assert!(refusal(&text).is_some(), "{name}: {}", text.escape_ascii());
            }
            Some("Compliant") => {
                compliant += 1;
                refused.extend(refusal(&text).map(|error| (name.to_owned(), error)));
            }
            _ => {}
        }
    }
    assert_eq!((severe, compliant), (58, 28), "the corpus is not the expected one");
    assert!(REFUSED.len() <= REFUSED_MAX);
    let mut expected: Vec<_> = REFUSED.iter().map(|&(name, error)| (name.to_owned(), error)).collect();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    refused.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(refused, expected);
}
