//! Parses a few usual heads over and over, to count instructions:
//!
//! ```text
//! cargo build --release -p proto-http --example parse_cost
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/examples/parse_cost ours wrk 10000
//! ```
//!
//! `httparse` is the crate of that name with the checks that it leaves to its user: host, framing,
//! connection, and what the known fields are. `none` does nothing, to be subtracted.

use std::hint::black_box;
use std::process::ExitCode;

use proto_http::{Head, HeadParser, Limits, Progress};

const CORPUS: &[(&str, &[u8])] = &[
    ("wrk", include_bytes!("../testdata/good/corpus-wrk.http")),
    ("curl", include_bytes!("../testdata/good/corpus-curl.http")),
    ("firefox", include_bytes!("../testdata/good/corpus-firefox.http")),
    ("chrome", include_bytes!("../testdata/good/corpus-chrome.http")),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [parser, input, times] = &*arguments else { return usage() };
    let Some(&(_, input)) = CORPUS.iter().find(|(name, _)| name == input) else { return usage() };
    let Ok(times) = times.parse::<u32>() else { return usage() };
    match &**parser {
        "ours" => ours(input, times),
        "httparse" => theirs(input, times),
        "none" => {}
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: parse_cost ours|httparse|none wrk|curl|firefox|chrome TIMES");
    ExitCode::FAILURE
}

fn ours(input: &[u8], times: u32) {
    let limits = Limits::default();
    let (mut parser, mut head) = (HeadParser::new(), Head::new());
    for _ in 0..times {
        let progress = parser.parse(black_box(input), &limits, &mut head);
        assert!(matches!(progress, Ok(Progress::Done { .. })));
        black_box(&head);
    }
}

fn theirs(input: &[u8], times: u32) {
    for _ in 0..times {
        let mut fields = [const { std::mem::MaybeUninit::uninit() }; 64];
        let mut request = httparse::Request::new(&mut []);
        let status = request.parse_with_uninit_headers(black_box(input), &mut fields);
        assert!(matches!(status, Ok(httparse::Status::Complete(_))));
        black_box(checks::check(&request));
    }
}

/// The checks that a server has to make on top of httparse.
mod checks {
    use httparse::{Header, Request};

    /// What the framing of the message needs to know.
    #[derive(Default)]
    pub(crate) struct Facts<'b> {
        host: Option<&'b [u8]>,
        length: Option<u64>,
        chunked: bool,
        close: bool,
    }

    pub(crate) fn check<'b>(request: &Request<'_, 'b>) -> Option<(Facts<'b>, &'b str)> {
        let mut facts = Facts::default();
        for field in &*request.headers {
            known(field, &mut facts)?;
        }
        let (path, _query) = request.path?.split_once('?').unwrap_or((request.path?, ""));
        host(facts.host?).then_some((facts, path))
    }

    fn known<'b>(field: &Header<'b>, facts: &mut Facts<'b>) -> Option<()> {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        match field.name.len() {
            4 if is("host") => match facts.host.replace(field.value) {
                None => Some(()),
                Some(_) => None,
            },
            10 if is("connection") => {
                facts.close |= field.value.eq_ignore_ascii_case(b"close");
                Some(())
            }
            14 if is("content-length") => {
                facts.length = Some(str::from_utf8(field.value).ok()?.parse().ok()?);
                Some(())
            }
            17 if is("transfer-encoding") => {
                facts.chunked = field.value.eq_ignore_ascii_case(b"chunked");
                facts.chunked.then_some(())
            }
            _ => Some(()),
        }
    }

    fn host(value: &[u8]) -> bool {
        let (name, port) = match memchr::memchr(b':', value) {
            Some(at) => (&value[..at], &value[at + 1..]),
            None => (value, &b""[..]),
        };
        !name.is_empty()
            && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
            && port.iter().all(u8::is_ascii_digit)
    }
}
