//! What a hostile client may send, in every place of every format: a line stays one line, and its parts stay the
//! parts they were.

use crate::civil::Stamp;
use crate::template::Template;
use crate::variable::variables;
use crate::{Client, Detail, Details, Format, LINE_MAX, Record, RequestId, Value};
use std::sync::Arc;

struct Case {
    sent: &'static [u8],
    /// Between quotes in a text log.
    quoted: &'static str,
    /// Between spaces in a text log.
    word: &'static str,
    /// Inside a JSON string.
    json: &'static str,
}

const fn same(sent: &'static [u8], text: &'static str, json: &'static str) -> Case {
    Case { sent, quoted: text, word: text, json }
}

const CASES: &[Case] = &[
    // Harmless values stay as they are.
    same(b"/index.html?a=b&c=%20", "/index.html?a=b&c=%20", "/index.html?a=b&c=%20"),
    same(b"~!@#$^&*()[]{}|;:',<.>/?", "~!@#$^&*()[]{}|;:',<.>/?", "~!@#$^&*()[]{}|;:',<.>/?"),
    // A new line.
    same(b"a\nb", r"a\x0Ab", r"a\nb"),
    same(b"a\r\nb", r"a\x0D\x0Ab", r"a\r\nb"),
    same(b"a\rb", r"a\x0Db", r"a\rb"),
    same(b"\n", r"\x0A", r"\n"),
    same(b"\x0b\x0c", r"\x0B\x0C", r"\u000B\u000C"),
    Case {
        sent: b"x\" 200 1\n1.2.3.4 - - [t] \"GET / HTTP/1.1\" 200 5",
        quoted: r"x\x22 200 1\x0A1.2.3.4 - - [t] \x22GET / HTTP/1.1\x22 200 5",
        word: r"x\x22\x20200\x201\x0A1.2.3.4\x20-\x20-\x20[t]\x20\x22GET\x20/\x20HTTP/1.1\x22\x20200\x205",
        json: r#"x\" 200 1\n1.2.3.4 - - [t] \"GET / HTTP/1.1\" 200 5"#,
    },
    // The end of a quoted value, and of a word.
    same(b"a\"b", r"a\x22b", r#"a\"b"#),
    same(b"\"", r"\x22", r#"\""#),
    Case { sent: b"a b", quoted: "a b", word: r"a\x20b", json: "a b" },
    Case { sent: b" ", quoted: " ", word: r"\x20", json: " " },
    same(b"a\tb", r"a\x09b", r"a\tb"),
    Case {
        sent: b"\" \"-\" \"",
        quoted: r"\x22 \x22-\x22 \x22",
        word: r"\x22\x20\x22-\x22\x20\x22",
        json: r#"\" \"-\" \""#,
    },
    // The escape itself, so that nobody can send what we would have written.
    same(br"\", r"\x5C", r"\\"),
    same(br#"\""#, r"\x5C\x22", r#"\\\""#),
    same(br"\x22", r"\x5Cx22", r"\\x22"),
    same(br"\u0022", r"\x5Cu0022", r"\\u0022"),
    same(br"\...", r"\x5C...", r"\\..."),
    same(br"\n", r"\x5Cn", r"\\n"),
    // The sign for "not sent".
    same(b"-", r"\x2D", "-"),
    same(b"--", "--", "--"),
    // Terminals: ANSI sequences, title changes, backspaces, C1 controls.
    same(b"\x1b[31mred", r"\x1B[31mred", r"\u001B[31mred"),
    same(b"\x1b]0;title\x07", r"\x1B]0;title\x07", r"\u001B]0;title\u0007"),
    same(b"a\x08\x08b", r"a\x08\x08b", r"a\u0008\u0008b"),
    same(b"\x7f", r"\x7F", r"\u007F"),
    same(b"\xc2\x9b31m", r"\xC2\x9B31m", r"\u009B31m"),
    same(b"\xc2\x85", r"\xC2\x85", r"\u0085"),
    // The end of a C string.
    same(b"a\0b", r"a\x00b", r"a\u0000b"),
    // Readable characters beyond ASCII, and ones that act.
    same("süß".as_bytes(), r"s\xC3\xBC\xC3\x9F", "süß"),
    same("😀".as_bytes(), r"\xF0\x9F\x98\x80", "😀"),
    same("\u{2028}\u{2029}".as_bytes(), r"\xE2\x80\xA8\xE2\x80\xA9", r"\u2028\u2029"),
    same("\u{202e}txt.exe".as_bytes(), r"\xE2\x80\xAEtxt.exe", r"\u202Etxt.exe"),
    same("\u{2066}\u{200f}\u{61c}".as_bytes(), r"\xE2\x81\xA6\xE2\x80\x8F\xD8\x9C", r"\u2066\u200F\u061C"),
    same("\u{feff}a".as_bytes(), r"\xEF\xBB\xBFa", r"\uFEFFa"),
    // Not UTF-8: a stray byte, a cut sequence, an overlong slash, a surrogate, beyond U+10FFFF.
    same(b"\xe9t\xe9", r"\xE9t\xE9", r"\u00E9t\u00E9"),
    same(b"\xe2\x82", r"\xE2\x82", r"\u00E2\u0082"),
    same(b"\xc0\xaf", r"\xC0\xAF", r"\u00C0\u00AF"),
    same(b"\xed\xa0\x80", r"\xED\xA0\x80", r"\u00ED\u00A0\u0080"),
    same(b"\xf4\x90\x80\x80", r"\xF4\x90\x80\x80", r"\u00F4\u0090\u0080\u0080"),
    same(b"\xff\xfe", r"\xFF\xFE", r"\u00FF\u00FE"),
    // The end of a JSON string, object or line of objects.
    same(
        br#"","status":200,"x":""#,
        r"\x22,\x22status\x22:200,\x22x\x22:\x22",
        r#"\",\"status\":200,\"x\":\""#,
    ),
    same(b"\"}\n{\"a\":\"", r"\x22}\x0A{\x22a\x22:\x22", r#"\"}\n{\"a\":\""#),
    same(b"</script>", "</script>", "</script>"),
];

fn line(format: &Format, record: &Record<'_>) -> String {
    let mut out = Vec::new();
    format.append(&mut out, record, &mut Stamp::new());
    let line = String::from_utf8(out).expect("every format writes UTF-8");
    let body = line.strip_suffix('\n').expect("a line ends in a newline");
    assert!(
        !body.contains(|character: char| character.is_control()),
        "a control character got into {line:?}"
    );
    assert!(line.len() <= LINE_MAX);
    body.to_owned()
}

/// The same value for every fact.
struct Said<'s>(&'s [u8]);

impl Details for Said<'_> {
    fn tell(&self, _: Detail<'_>, hear: &mut dyn FnMut(Value<'_>)) {
        hear(Value::Bytes(self.0));
    }
}

fn template(text: &str) -> Format {
    Format::Template(Arc::new(Template::parse(text).expect("a template")))
}

/// The same value in every place that a client chooses.
fn everywhere<'s>(sent: &'s [u8], details: &'s Said<'s>) -> Record<'s> {
    Record {
        request_id: RequestId::Given(sent),
        details,
        user: sent,
        method: sent,
        target: sent,
        protocol: b"HTTP/1.1",
        status: 200,
        body_bytes_sent: 5,
        host: sent,
        referer: sent,
        user_agent: sent,
        ..Record::default()
    }
}

fn check(case: &Case) {
    let details = Said(case.sent);
    let record = everywhere(case.sent, &details);
    let Case { quoted, word, json, .. } = case;
    let common = format!("unix: - {word} [01/Jan/1970:00:00:00 +0000] \"{word} {word} HTTP/1.1\" 200 5");
    assert_eq!(line(&Format::Common, &record), common);
    assert_eq!(line(&Format::Combined, &record), format!("{common} \"{quoted}\" \"{quoted}\""));
    assert_eq!(common.matches('"').count(), 2, "the quotes are ours");
    assert_eq!(common.matches(' ').count(), 9, "the spaces are ours");

    // Words, values in quotes, and values that a sign ends: wherever they stand, nothing else can be read there.
    let laid_out = template(
        "$uri \"$http_any\" $request_id \"$ssl_client_s_dn\" [$host] $sent_http_any $request_uri|$status",
    );
    let (bracketed, barred) = (word.replace(']', r"\x5D"), word.replace('|', r"\x7C"));
    let wanted = format!("{word} \"{quoted}\" {word} \"{quoted}\" [{bracketed}] {word} {barred}|200");
    assert_eq!(line(&laid_out, &record), wanted);
    assert_eq!(wanted.matches('"').count(), 4, "the quotes are ours");

    let object = line(&Format::Json, &record);
    assert!(object.contains(&format!("\"target\":\"{json}\",")), "{object}");
    let parsed: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&object).expect("valid JSON");
    assert_eq!(parsed.len(), 16, "the members are ours: {object}");
    assert_eq!(parsed["status"], 200);
    let read: String = case.sent.utf8_chunks().fold(String::new(), |mut text, chunk| {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|&byte| char::from(byte)));
        text
    });
    for member in ["user", "host", "method", "target", "referer", "user_agent", "request_id"] {
        assert_eq!(parsed[member], read, "{member} in {object}");
    }
}

#[test]
fn no_value_leaves_its_place() {
    const { assert!(CASES.len() >= 40) };
    CASES.iter().for_each(check);
}

#[test]
fn every_member_is_in_the_documentation() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/logs.md");
    let documentation = std::fs::read_to_string(path).expect("the documentation of logs");
    let object = line(&Format::Json, &Record::default());
    let parsed: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&object).expect("valid JSON");
    for member in parsed.keys() {
        assert!(documentation.contains(&format!("`{member}`")), "{member}");
    }
}

#[test]
fn every_single_byte_stays_in_its_place() {
    for byte in 0..=u8::MAX {
        let sent = [b'a', byte, b'z'];
        let details = Said(&sent);
        line(&Format::Combined, &everywhere(&sent, &details));
        line(&template("\"$uri\" $http_any"), &everywhere(&sent, &details));
        let object = line(&Format::Json, &everywhere(&sent, &details));
        serde_json::from_str::<serde_json::Value>(&object).expect("valid JSON");
    }
}

/// Every variable alone, outside of quotes and inside: whatever is sent, there is one word, and one quoted value.
#[test]
fn no_variable_can_be_left() {
    for name in variables() {
        let name = if name.ends_with('_') { format!("{name}any") } else { name.to_owned() };
        // What has spaces of its own is a request line or a time.
        let words = match name.as_str() {
            "request" => 3,
            "time_local" => 2,
            _ => 1,
        };
        let format = template(&format!("${name} \"${name}\""));
        for case in CASES {
            let query = [b"/?any=", case.sent].concat();
            let cookie = [b"any=", case.sent].concat();
            for sent in [case.sent, &query, &cookie] {
                let details = Said(sent);
                let line = line(&format, &everywhere(sent, &details));
                assert_eq!(line.matches('"').count(), 2, "{name}: {line}");
                let before = line.split('"').next().expect("a line has a beginning");
                assert_eq!(before.matches(' ').count(), words, "{name}: {line}");
            }
        }
    }
}

#[test]
fn the_plain_cases_read_as_their_formats_say() {
    let record = Record {
        unix_us: 971_186_136_042_000,
        client: Client::Ip("2001:db8::1".parse().expect("an address")),
        method: b"GET",
        target: b"/a?b",
        protocol: b"HTTP/1.1",
        status: 206,
        body_bytes_sent: 1 << 40,
        bytes_received: 77,
        duration_ns: 1_234_567,
        host: b"example.org",
        user_agent: b"curl/8",
        complete: false,
        request_id: RequestId::Own(42),
        ..Record::default()
    };
    let unread = Record { client: Client::Ip([192, 0, 2, 1].into()), status: 400, ..Record::default() };
    for (record, format, wanted) in [
        (
            record,
            Format::Combined,
            "2001:db8::1 - - [10/Oct/2000:13:55:36 +0000] \"GET /a?b HTTP/1.1\" 206 1099511627776 \"-\" \"curl/8\"",
        ),
        (
            record,
            Format::Json,
            "{\"time\":\"2000-10-10T13:55:36.042Z\",\"client\":\"2001:db8::1\",\"user\":null,\"host\":\"example.org\",\"method\":\"GET\",\"target\":\"/a?b\",\"protocol\":\"HTTP/1.1\",\"referer\":null,\"user_agent\":\"curl/8\",\"status\":206,\"body_bytes_sent\":1099511627776,\"bytes_received\":77,\"duration_us\":1234,\"complete\":false,\"request_id\":\"0000000000000000000000000000002a\",\"compression_ratio\":null}",
        ),
        (unread, Format::Common, "192.0.2.1 - - [01/Jan/1970:00:00:00 +0000] \"-\" 400 0"),
        (
            Record { status: 0, ..unread },
            Format::Common,
            "192.0.2.1 - - [01/Jan/1970:00:00:00 +0000] \"-\" - 0",
        ),
    ] {
        assert_eq!(line(&format, &record), wanted);
    }
}

#[test]
fn long_values_are_clipped_and_say_so() {
    for unit in [&b"a"[..], b"\n", b"\xff", b"\"", "\u{202e}".as_bytes(), "ü".as_bytes(), "😀".as_bytes()]
    {
        let sent = unit.repeat(40_000);
        let details = Said(&sent);
        let record = everywhere(&sent, &details);
        let laid_out = template("$uri|\"$http_any\"|$request|\"$request\"|$host|$http_last");
        let laid_out = line(&laid_out, &record);
        assert!(laid_out.ends_with("\\..."), "the clip mark is missing for {unit:?}");
        assert_eq!(laid_out.matches('|').count(), 5, "{laid_out}");
        let combined = line(&Format::Combined, &record);
        assert!(combined.ends_with("\\...\""), "the clip mark is missing for {unit:?}");
        let object = line(&Format::Json, &record);
        let parsed: serde_json::Value = serde_json::from_str(&object).expect("valid JSON");
        assert_eq!(parsed["clipped"], true);
    }
}

#[test]
fn a_value_that_just_fits_is_whole() {
    use crate::format::room;
    let fits = vec![b'a'; room::TARGET];
    let over = vec![b'a'; room::TARGET + 1];
    for (target, clipped) in [(&fits, false), (&over, true)] {
        let record = Record { method: b"GET", target, protocol: b"HTTP/1.1", ..Record::default() };
        assert_eq!(line(&Format::Common, &record).contains("\\..."), clipped);
        assert_eq!(line(&Format::Json, &record).contains("\"clipped\":true"), clipped);
    }
}
