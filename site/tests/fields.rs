//! Rules about fields: what becomes of heads of our own and of upstreams.

use proto_http::{Head, HeadParser, Limits, Progress, Status};
use site::{About, Asker, Exchange, Knowledge, Security, Site, Source};

/// The site whose one host has these settings beside its root.
fn site(settings: &str) -> Site {
    let text = format!(r#"{{"hosts": {{"a.example": {{"root": "/", {settings}}}}}}}"#);
    let source = config::Source { name: "test.conf".to_owned(), text };
    let loaded = config::load(Some(source), &[]).unwrap_or_else(|problems| panic!("{problems}"));
    site::compile(&loaded.config, &loaded.registry).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What has become of a head, without its status line; the request is a GET with these lines, or the one of another
/// method where the first line says so.
fn applied(settings: &str, (source, code): (Source, u16), lines: &str, request: &str) -> String {
    let site = site(settings);
    let fields = &site.fallback(0).expect("a host").location.fields;
    let mut out = b"earlier: kept\r\n".to_vec();
    let head_at = out.len();
    out.extend_from_slice(format!("HTTP/1.1 {code} \r\n").as_bytes());
    for line in lines.lines() {
        out.extend_from_slice(format!("{}\r\n", line.trim()).as_bytes());
    }
    let status = Status::new(code).expect("a status");
    let about = About { status, over_tls: false, source, media_type: None, fixed: &[] };
    fields.fix(&mut out, head_at, &about);
    let (method, request) = request.split_once('|').unwrap_or(("GET", request));
    let text = format!("{method} / HTTP/1.1\r\nHost: a.example\r\n{request}\r\n");
    let (mut parser, mut head) = (HeadParser::default(), Head::default());
    let read = parser.parse(text.as_bytes(), &Limits::default(), &mut head);
    assert!(matches!(read, Ok(Progress::Done { .. })), "{text}");
    let request = head.view(text.as_bytes());
    let exchange = Exchange {
        request,
        path: b"/a\r\nX: y",
        query: request.query(),
        asked: b"/",
        place: site.fallback(0).expect("a host"),
        client: "192.0.2.7".parse().ok(),
        security: Security::Plain,
        holder: None,
    };
    let facts = Knowledge { request_id: b"0123", user: Some("ada"), upstream: None };
    let asker = Asker { request: Some(&request), exchange: Some(&exchange), facts };
    fields.add_for(&asker, &mut out, head_at, &about);
    let text = String::from_utf8(out).expect("text");
    let (before, after) = text.split_once("\r\nHTTP/1.1 ").expect("a status line");
    assert_eq!(before, "earlier: kept", "what stood before the head is as it was");
    let lines = after.split_once("\r\n").expect("lines").1;
    lines.replace("\r\n", "\n").trim_end().to_owned()
}

#[test]
fn rules_about_fields() {
    use Source::{Own, Relayed};
    const UPSTREAM: &str = "Server: app\nX-Powered-By: PHP\nCache-Control: private\nX-A: 1\nx-a: 2";
    const WITHOUT_A: &str = "Server: app\nX-Powered-By: PHP\nCache-Control: private";
    let join = |parts: &[&str]| parts.join("\n");
    for (settings, kind, lines, wanted) in [
        // A text sets.
        (r#""headers": {"X-A": "b"}"#, (Own, 200), "", "X-A: b".to_owned()),
        (r#""headers": {"X-A": "b"}"#, (Own, 404), "", "X-A: b".to_owned()),
        (r#""headers": {"X-A": "b"}"#, (Relayed, 200), UPSTREAM, join(&[WITHOUT_A, "X-A: b"])),
        (r#""headers": {"X-A": {"set": "b"}}"#, (Relayed, 500), UPSTREAM, join(&[WITHOUT_A, "X-A: b"])),
        // One that an answer of our own may have.
        (r#""headers": {"Vary": "A"}"#, (Own, 200), "Vary: Accept-Encoding", "Vary: A".to_owned()),
        (
            r#""headers": {"Vary": {"add": "A"}}"#,
            (Own, 200),
            "Vary: Accept-Encoding",
            "Vary: Accept-Encoding\nVary: A".to_owned(),
        ),
        // What is added stands beside what is there.
        (r#""headers": {"X-A": {"add": "3"}}"#, (Relayed, 200), UPSTREAM, join(&[UPSTREAM, "X-A: 3"])),
        (r#""headers": {"L": {"add": ["1", "2"]}}"#, (Own, 200), "", "L: 1\nL: 2".to_owned()),
        // What is missing.
        (r#""headers": {"X-A": {"default": "3"}}"#, (Relayed, 200), UPSTREAM, UPSTREAM.to_owned()),
        (r#""headers": {"X-B": {"default": "3"}}"#, (Relayed, 200), UPSTREAM, join(&[UPSTREAM, "X-B: 3"])),
        // What goes.
        (r#""headers": {"X-A": false}"#, (Relayed, 200), UPSTREAM, WITHOUT_A.to_owned()),
        (
            r#""headers": {"x-powered-by": false}"#,
            (Relayed, 200),
            UPSTREAM,
            "Server: app\nCache-Control: private\nX-A: 1\nx-a: 2".to_owned(),
        ),
        (r#""headers": {"X-A": false}"#, (Own, 200), "", String::new()),
        // By status.
        (r#""headers": {"X-A": {"set": "b", "on": ["2xx", "404"]}}"#, (Own, 204), "", "X-A: b".to_owned()),
        (r#""headers": {"X-A": {"set": "b", "on": ["2xx", "404"]}}"#, (Own, 404), "", "X-A: b".to_owned()),
        (r#""headers": {"X-A": {"set": "b", "on": ["2xx", "404"]}}"#, (Own, 403), "", String::new()),
        (r#""headers": {"X-A": {"set": "b", "on": ["4xx"]}}"#, (Relayed, 200), UPSTREAM, UPSTREAM.to_owned()),
        // A preset steps back behind the upstream, a key of the section and a rule of the headers do not.
        (
            r#""security": "basic""#,
            (Own, 200),
            "",
            "X-Content-Type-Options: nosniff\nX-Frame-Options: SAMEORIGIN\nReferrer-Policy: \
             strict-origin-when-cross-origin"
                .to_owned(),
        ),
        (
            r#""security": "basic""#,
            (Relayed, 200),
            "X-Frame-Options: DENY",
            "X-Frame-Options: DENY\nX-Content-Type-Options: nosniff\nReferrer-Policy: \
             strict-origin-when-cross-origin"
                .to_owned(),
        ),
        (
            r#""security": {"nosniff": false, "referrer_policy": "off", "frame_options": "sameorigin"}"#,
            (Relayed, 200),
            "X-Frame-Options: DENY",
            "X-Frame-Options: SAMEORIGIN".to_owned(),
        ),
        (
            r#""security": "basic", "headers": {"x-frame-options": "DENY", "Referrer-Policy": false}"#,
            (Own, 200),
            "",
            "x-frame-options: DENY\nX-Content-Type-Options: nosniff".to_owned(),
        ),
        // What caches are told.
        (
            r#""cache": {"text/html": "no-cache", "image/*": "30d", "*": "1h public"}"#,
            (Own, 200),
            "Content-Type: text/html; charset=utf-8",
            "Content-Type: text/html; charset=utf-8\nCache-Control: no-cache".to_owned(),
        ),
        (
            r#""cache": {"image/svg+xml": "off", "image/*": "30d"}"#,
            (Own, 206),
            "Content-Type: image/PNG",
            "Content-Type: image/PNG\nCache-Control: max-age=2592000".to_owned(),
        ),
        (
            r#""cache": {"image/svg+xml": "off", "image/*": "30d"}"#,
            (Own, 200),
            "Content-Type: image/svg+xml",
            "Content-Type: image/svg+xml".to_owned(),
        ),
        (r#""cache": {"*": "1h public"}"#, (Own, 304), "", "Cache-Control: max-age=3600, public".to_owned()),
        (r#""cache": {"*": "1h"}"#, (Own, 404), "", String::new()),
        (r#""cache": {"*": "1h"}"#, (Relayed, 200), UPSTREAM, UPSTREAM.to_owned()),
        (
            r#""cache": {"*": "1h"}, "headers": {"Cache-Control": {"set": "no-store", "on": ["200"]}}"#,
            (Relayed, 200),
            UPSTREAM,
            "Server: app\nX-Powered-By: PHP\nX-A: 1\nx-a: 2\nCache-Control: no-store".to_owned(),
        ),
    ] {
        assert_eq!(applied(settings, kind, lines, ""), wanted, "{settings} {kind:?}");
    }
}

#[test]
fn other_origins() {
    const LISTED: &str = r#""cors": {
        "origins": ["https://a.example", "https://*.b.example"], "methods": ["GET", "PUT"], "headers": ["X-A", "X-B"],
        "expose": ["X-C"], "credentials": true, "max_age": "1h"
    }"#;
    const ALL: &str = r#""cors": {"origins": ["*"]}"#;
    const ASKED: &str = "Access-Control-Request-Method: PUT\r\n";
    for (settings, lines, request, wanted) in [
        (LISTED, "", String::new(), "Vary: Origin"),
        (LISTED, "", "Origin: https://c.example\r\n".to_owned(), "Vary: Origin"),
        (LISTED, "", "Origin: null\r\n".to_owned(), "Vary: Origin"),
        (
            LISTED,
            "",
            "Origin: https://x.b.example\r\n".to_owned(),
            "Vary: Origin\nAccess-Control-Allow-Origin: https://x.b.example\nAccess-Control-Allow-Credentials: \
             true\nAccess-Control-Expose-Headers: X-C",
        ),
        (
            LISTED,
            "",
            format!("OPTIONS|Origin: https://a.example\r\n{ASKED}"),
            "Vary: Origin\nAccess-Control-Allow-Origin: https://a.example\nAccess-Control-Allow-Credentials: \
             true\nAccess-Control-Expose-Headers: X-C\nAccess-Control-Allow-Methods: GET, \
             PUT\nAccess-Control-Allow-Headers: X-A, X-B\nAccess-Control-Max-Age: 3600",
        ),
        (LISTED, "", format!("OPTIONS|Origin: https://evil.example\r\n{ASKED}"), "Vary: Origin"),
        // What an upstream lets in does not count.
        (
            LISTED,
            "Vary: Accept-Encoding\naccess-control-allow-origin: *",
            "Origin: https://c.example\r\n".to_owned(),
            "Vary: Accept-Encoding\nVary: Origin",
        ),
        (ALL, "", String::new(), ""),
        (ALL, "", "Origin: https://c.example\r\n".to_owned(), "Access-Control-Allow-Origin: *"),
        (ALL, "", "Origin: null\r\n".to_owned(), "Access-Control-Allow-Origin: *"),
        (
            ALL,
            "",
            format!("OPTIONS|Origin: https://c.example\r\n{ASKED}"),
            "Access-Control-Allow-Origin: *\nAccess-Control-Allow-Methods: GET, HEAD, \
             POST\nAccess-Control-Max-Age: 600",
        ),
    ] {
        assert_eq!(
            applied(settings, (Source::Relayed, 200), lines, &request),
            wanted,
            "{settings} {request}"
        );
    }
}

#[test]
fn values_of_the_request_stay_within_their_field() {
    for (rule, lines, request, wanted) in [
        (r#""$remote_addr""#, "", "", "X-A: 192.0.2.7"),
        (r#""$request_id by $remote_user""#, "", "", "X-A: 0123 by ada"),
        (r#""$host$request_uri $scheme""#, "", "", "X-A: a.example/ http"),
        (r#""$path""#, "X-A: 1", "", "X-A: /a%0D%0AX: y"),
        (r#""$http_x_b""#, "X-A: 1", "X-B: b c\r\n", "X-A: b c"),
        // Nothing to say is no field.
        (r#""$upstream_addr""#, "X-A: 1", "", ""),
        (r#""$ssl_client_s_dn""#, "X-A: 1", "", ""),
        (r#""$$5 $$host""#, "", "", "X-A: $5 $host"),
        (r#"{"add": ["$scheme", "b"]}"#, "X-A: 1", "", "X-A: 1\nX-A: http\nX-A: b"),
        (r#"{"default": "$scheme"}"#, "X-A: 1", "", "X-A: 1"),
        (r#"{"default": "$scheme"}"#, "", "", "X-A: http"),
        (r#"{"set": "$scheme", "on": ["404"]}"#, "X-A: 1", "", "X-A: 1"),
    ] {
        let settings = format!(r#""headers": {{"X-A": {rule}}}"#);
        for source in [Source::Own, Source::Relayed] {
            assert_eq!(applied(&settings, (source, 200), lines, request), wanted, "{rule} {lines}");
        }
    }
}
