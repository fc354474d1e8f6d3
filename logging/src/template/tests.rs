use super::*;
use crate::record::{Addresses, Client};
use crate::{Details, Format};
use std::sync::Arc;

/// Knows everything.
struct Known;

impl Details for Known {
    fn tell(&self, detail: Detail<'_>, hear: &mut dyn FnMut(Value<'_>)) {
        let v6 = Client::Ip("2001:db8:1:2::3".parse().expect("an address"));
        hear(match detail {
            Detail::Field(b"cookie") => Value::Bytes(b"a=1; session=x y; b"),
            Detail::Field(b"x-real-ip") => Value::Bytes(b"192.0.2.9"),
            Detail::Field(b"referer") | Detail::TlsGroup => return,
            Detail::Field(name) => Value::Bytes(name),
            Detail::AnswerField(Answer::Sent, b"content-type") => Value::Bytes(b"text/html; charset=utf-8"),
            Detail::AnswerField(Answer::Upstream, b"x-cache") => Value::Bytes(b"HIT"),
            Detail::AnswerField(..) => return,
            Detail::CertificateBegin => Value::Second(971_186_136),
            Detail::Path => Value::Bytes(b"/a b"),
            Detail::Peer | Detail::ServerAddress => Value::Address(v6),
            Detail::PeerPort => Value::Number(50_000),
            Detail::TlsVersion => Value::Bytes(b"TLSv1.3"),
            _ => Value::Bytes(b"known"),
        });
    }
}

fn record() -> Record<'static> {
    Record {
        unix_us: 971_186_136_042_007,
        client: Client::Ip([192, 0, 2, 77].into()),
        user: b"anna",
        method: b"GET",
        target: b"/a%20b?session=1&x=2",
        protocol: b"HTTP/1.1",
        status: 200,
        body_bytes_sent: 5,
        bytes_received: 77,
        duration_ns: 1_234_567_890,
        host: b"example.org",
        request_id: RequestId::Own(0xabc),
        details: &Known,
        ..Record::default()
    }
}

fn check(text: &str, record: &Record<'_>, wanted: &str) {
    let template = Template::parse(text).unwrap_or_else(|bad| panic!("{text}: {bad}"));
    let mut out = Vec::new();
    Format::Template(Arc::new(template)).append(&mut out, record, &mut Stamp::new());
    assert_eq!(String::from_utf8(out).expect("a line is UTF-8"), format!("{wanted}\n"), "{text}");
}

#[test]
fn each_variable_has_its_form() {
    for (text, wanted) in [
        ("$remote_addr - $remote_user", "192.0.2.77 - anna"),
        (
            "[$time_local] $time_iso8601 $msec",
            "[10/Oct/2000:13:55:36 +0000] 2000-10-10T13:55:36+00:00 971186136.042",
        ),
        (r#""$request""#, r#""GET /a%20b?session=1&x=2 HTTP/1.1""#),
        ("$request_method $request_uri $server_protocol", "GET /a%20b?session=1&x=2 HTTP/1.1"),
        (r#"$uri "$uri""#, r#"/a\x20b "/a b""#),
        ("$args $is_args$query_string $arg_x $arg_none", "session=1&x=2 ?session=1&x=2 2 -"),
        ("$status $body_bytes_sent $request_length", "200 5 77"),
        ("$request_time $request_time_us $request_completion", "1.234 1234567 OK"),
        ("$server_name $request_id", "example.org 00000000000000000000000000000abc"),
        (r#"$http_x_real_ip $http_referer "$cookie_session" $cookie_b"#, r#"192.0.2.9 - "x y" -"#),
        ("$realip_remote_addr:$remote_port $server_addr", "2001:db8:1:2::3:50000 2001:db8:1:2::3"),
        ("$https $ssl_protocol $ssl_curve", "on TLSv1.3 -"),
        ("${status}00$$ $content_type", "20000$ content-type"),
        (
            r#""$sent_http_content_type" $sent_http_etag $upstream_http_X_Cache"#,
            r#""text/html; charset=utf-8" - HIT"#,
        ),
        ("$begin_msec $ssl_client_v_start", "971186134.807 2000-10-10T13:55:36+00:00"),
        ("a\t$status\tü", "a\t200\tü"),
    ] {
        check(text, &record(), wanted);
    }
    check("$pid", &record(), &std::process::id().to_string());
    check("$hostname", &record(), &sys::process::host_name());
}

#[test]
fn times_have_the_form_that_they_are_given() {
    let new_year = 1_735_689_600_000_000;
    // It began in one year and ended in the next one.
    let over = Record { unix_us: new_year + 250, duration_ns: 1_000_000, ..record() };
    let within = Record { unix_us: new_year + 999_999, duration_ns: 999_999_000, ..record() };
    let before_1970 = Record { unix_us: 5, duration_ns: u64::MAX, ..record() };
    for (record, text, wanted) in [
        (record(), "[$time{%d/%b/%Y:%T.%3N %z}] $status", "[10/Oct/2000:13:55:36.042 +0000] 200"),
        (record(), "$time{%F %T} $begin_time{%F %T.%6N}", "2000-10-10 13:55:36 2000-10-10 13:55:34.807440"),
        (
            over,
            "$begin_time{%Y-%j %s%3N} $time{%Y-%j %s%6N}",
            "2024-366 1735689599999 2025-001 1735689600000250",
        ),
        (within, "$begin_time{%F %T.%6N} $time{%T.%6N}", "2025-01-01 00:00:00.000000 00:00:00.999999"),
        (before_1970, "$begin_time{%F %T} $begin_msec", "1970-01-01 00:00:00 0.000"),
        (record(), "$time{T%H100%%}$time{%M}ü$time{%S}Z", "T13100%55ü36Z"),
        // It is in the quotes that are around it, and a value ends where its text begins.
        (record(), r#""$uri$time{|%Y}" $request_uri$time{?%e}"#, r#""/a b|2000" /a%20b\x3Fsession=1&x=2?10"#),
        (record(), r#"$uri"$time{%A"} $uri"#, r#"/a\x20b"Tuesday" /a\x20b"#),
    ] {
        check(text, &record, wanted);
    }
}

#[test]
fn every_directive_is_in_the_documentation() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/logs.md");
    let documentation = std::fs::read_to_string(path).expect("the documentation of logs");
    for (letters, _) in crate::moment::DIRECTIVES {
        assert!(documentation.contains(&format!("`%{letters}`")), "%{letters}");
    }
}

#[test]
fn addresses_can_be_cut_to_their_networks() {
    let record = Record { addresses: Addresses::Networks, ..record() };
    check("$remote_addr $realip_remote_addr $remote_user", &record, "192.0.2.0 2001:db8:1:: anna");
    let mapped = Client::Ip("::ffff:192.0.2.77".parse().expect("an address"));
    check("$remote_addr", &Record { client: mapped, ..record }, "192.0.2.0");
    check("$remote_addr", &Record { client: Client::Local, ..record }, "unix:");
}

#[test]
fn what_is_not_known_is_a_dash() {
    let unread = Record { client: Client::Local, ..Record::default() };
    for (text, wanted) in [
        (r#"$remote_addr $remote_user "$request" $status"#, r#"unix: - "-" -"#),
        ("$uri $http_a $cookie_a $arg_a $scheme $https", "- - - - - -"),
        ("$ssl_client_s_dn $connection $is_args", "- - -"),
    ] {
        check(text, &unread, wanted);
    }
}

#[test]
fn every_variable_is_in_the_documentation() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/logs.md");
    let documentation = std::fs::read_to_string(path).expect("the documentation of logs");
    for name in crate::variables() {
        let shown = if name.ends_with('_') { format!("`${name}NAME`") } else { format!("`${name}`") };
        assert!(documentation.contains(&shown), "{shown}");
    }
}

#[test]
fn texts_that_are_no_templates() {
    let unknown = |name: &str| BadTemplate::Unknown(name.to_owned());
    let long = format!("$status{}", " ".repeat(TEMPLATE_MAX));
    let many = "$status ".repeat(VARIABLES_MAX + 1);
    let requests = "$request ".repeat(100);
    let times = format!("$time{{{}}}", "%Y".repeat(VARIABLES_MAX + 1));
    let directive = |letters: &str| BadTemplate::Directive(letters.to_owned());
    for (text, wanted) in [
        ("", BadTemplate::Constant),
        ("json", BadTemplate::Constant),
        ("$$status", BadTemplate::Constant),
        ("$stats", unknown("stats")),
        ("$http_", unknown("http_")),
        ("$upstream", unknown("upstream")),
        ("${status", BadTemplate::Nameless),
        ("${}", BadTemplate::Nameless),
        ("$status $", BadTemplate::Nameless),
        ("$ status", BadTemplate::Nameless),
        ("$time", BadTemplate::Formless("time".to_owned())),
        ("${time} {%F}", BadTemplate::Formless("time".to_owned())),
        ("$begin_time %F", BadTemplate::Formless("begin_time".to_owned())),
        ("$time{%F %T", BadTemplate::Endless),
        ("$time{%F %T $status ${uri}", BadTemplate::Endless),
        ("$time{%F {%T}", BadTemplate::Endless),
        ("$time{}", BadTemplate::Timeless),
        ("$status $time{msec}", BadTemplate::Timeless),
        ("$time{100%%}", BadTemplate::Timeless),
        ("$time{%F %Q}", directive("%Q")),
        ("$time{%c}", directive("%c")),
        ("$time{%9N}", directive("%9N")),
        ("$time{%-d}", directive("%-d")),
        ("$time{%Ey}", directive("%Ey")),
        ("$time{%ü}", directive("%ü")),
        ("$time{%F %}", directive("%")),
        ("$time{%: }", directive("%:")),
        ("$time{%F\"}", BadTemplate::Unclosed),
        (r#""$request"#, BadTemplate::Unclosed),
        ("$status\n", BadTemplate::Control('\n')),
        ("\u{1b}[1m$status", BadTemplate::Control('\u{1b}')),
        ("\u{202e}$status", BadTemplate::Control('\u{202e}')),
        (&long, BadTemplate::TooLong),
        (&many, BadTemplate::TooLong),
        (&requests, BadTemplate::TooLong),
        (&times, BadTemplate::TooLong),
    ] {
        let bad = Template::parse(text).expect_err(text);
        assert_eq!(bad, wanted, "{text}");
        assert_eq!(bad.to_string().matches(": ").count(), 1, "{bad}");
    }
}

/// Every variable, as long as it can get, with as many as a template can have.
#[test]
fn a_line_is_bounded_whatever_is_in_it() {
    struct Long(Vec<u8>);
    impl Details for Long {
        fn tell(&self, _: Detail<'_>, hear: &mut dyn FnMut(Value<'_>)) {
            hear(Value::Bytes(&self.0));
        }
    }
    let long = Long(vec![0xff; 100_000]);
    let record = Record {
        user: &long.0,
        method: &long.0,
        target: &long.0,
        protocol: &long.0,
        host: &long.0,
        request_id: RequestId::Given(&long.0),
        details: &long,
        ..record()
    };
    for text in [
        "$http_a".repeat(VARIABLES_MAX),
        "$uri|".repeat(VARIABLES_MAX),
        "$request ".repeat(60),
        format!("$uri{}$request", "$time{%s}$begin_time{%A}|".repeat(VARIABLES_MAX / 2 - 1)),
        format!("$uri $request {}", "x".repeat(TEMPLATE_MAX - 20)),
    ] {
        let template = Template::parse(&text).expect("a template");
        let mut out = b"before".to_vec();
        template.append(&mut out, &record, &Stamp::new());
        assert!(out.len() < LINE_MAX + "before".len(), "{} bytes", out.len());
        assert_eq!(out.iter().filter(|&&byte| byte == b'|').count(), text.matches('|').count());
    }
}
