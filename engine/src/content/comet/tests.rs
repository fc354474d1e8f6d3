use base64ct::{Base64, Encoding};
use logging::Client;
use logging::tail::{Entry, Facts, Kind};
use sha2::{Digest, Sha256};
use site::Comet;

use super::question::{Start, parse};
use super::{PAGE, POLICY, events};

fn comet(shows: config::Comet) -> Comet {
    Comet { shows, host: "a.example".to_owned(), base: "/".to_owned() }
}

#[test]
fn the_policy_names_the_script_and_the_style_of_the_page() {
    let page = std::str::from_utf8(PAGE).expect("UTF-8");
    for (name, directive) in [("script", "script-src"), ("style", "style-src")] {
        let (_, rest) = page.split_once(&format!("<{name}>")).expect("it is there");
        let (text, _) = rest.split_once(&format!("</{name}>")).expect("and ends");
        let wanted = format!("{directive} 'sha256-{}';", Base64::encode_string(&Sha256::digest(text)));
        assert!(POLICY.contains(&wanted), "engine/src/content/comet/policy.txt has to say {wanted}");
    }
    assert!(!page.contains("//") || !page.contains("http"), "nothing comes from elsewhere");
    assert!(!page.contains("innerHTML"), "lines are text");
}

/// Who sees a request to a.example, one to b.example, a copy of one, and a message.
#[test]
fn a_place_shows_what_it_may() {
    let record = |kind: u8, host: &[u8]| [&[0, 0, 200, 0, kind, 0, host.len() as u8], host, b"line"].concat();
    let records = [record(1, b"a.example"), record(1, b"b.example"), record(2, b"a.example"), record(3, b"")];
    for (shows, wanted) in [
        (config::Comet::Host, [true, false, false, false]),
        (config::Comet::Access, [true, true, false, false]),
        (config::Comet::Errors, [false, false, false, true]),
        (config::Comet::All, [true, true, false, true]),
    ] {
        let question = parse(&comet(shows), b"", None).expect("a question");
        let seen = records.each_ref().map(|record| question.takes(record).is_some());
        assert_eq!(seen, wanted, "{shows:?}");
    }
}

#[test]
fn questions() {
    let after = |ring, number| Start::After { ring, number };
    for (query, id, wanted) in [
        ("", None, Ok(Start::Last(0))),
        ("last=10&host=a.example&status=4xx%2C500&client=::1&text=a+b%26", None, Ok(Start::Last(10))),
        ("after=0000000000000abc-7&last=10", None, Ok(after(0xabc, 7))),
        ("last=10", Some("abc-9"), Ok(after(0xabc, 9))),
        ("after=abc-7", Some("abc-9"), Ok(after(0xabc, 9))),
        ("after=abc-7", Some("of another server"), Ok(after(0xabc, 7))),
        ("last=1001", None, Err("1000")),
        ("last=-1", None, Err("number of lines")),
        ("after=here", None, Err("no place")),
        ("status=ok", None, Err("404")),
        ("client=x", None, Err("192.0.2.0/24")),
        ("hots=a", None, Err("host, status")),
        ("text=%", None, Err("%25")),
        ("text=%zz", None, Err("%25")),
        ("text=%ff", None, Err("UTF-8")),
    ] {
        let parsed = parse(&comet(config::Comet::All), query.as_bytes(), id.map(str::as_bytes));
        match (parsed, wanted) {
            (Ok(question), Ok(start)) => assert_eq!(question.start, start, "{query}"),
            (Err(why), Err(part)) => assert!(why.contains(part), "{query}: {why}"),
            (parsed, _) => panic!("{query}: {parsed:?}"),
        }
    }
}

#[test]
fn no_line_breaks_out_of_its_event() {
    let facts = Facts { kind: Kind::Request, status: 404, client: Client::Local, host: b"a\"\n.example" };
    let line = b"GET /\r\n\n\"\\</script>\x1b[31m \xe2\x80\xa8 \xff\x7f";
    let (mut text, mut object) = (Vec::new(), Vec::new());
    Entry { log: 3, facts, line }.object(&mut object, "abc-1");
    events::event(&mut text, "abc-1", &object);
    let wanted = "id: abc-1\ndata: {\"id\":\"abc-1\",\"kind\":\"request\",\"host\":\"a\\\"\\u000a.example\",\"status\":404,\
                  \"client\":\"unix:\",\"line\":\"GET /\\u000d\\u000a\\u000a\\\"\\\\</script>\\u001b[31m \\u2028 \u{fffd}\\u007f\"}\n\n";
    assert_eq!(String::from_utf8(text).expect("UTF-8"), wanted);
}
