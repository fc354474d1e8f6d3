use base64ct::{Base64, Encoding};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

fn entry(name: &[u8], is_folder: bool, len: u64, modified: u64) -> Entry {
    Entry { name: name.to_vec(), is_folder, len, modified }
}

fn shown(entries: &[Entry], shape: Shape, query: &str) -> String {
    let folder = Folder { path: b"/a/b c/".to_vec(), entries: entries.to_vec(), whole: true };
    String::from_utf8(folder.show(shape, Order::of(Some(query.as_bytes())))).expect("UTF-8")
}

#[test]
fn the_policy_names_the_style_of_the_page() {
    let digest = Base64::encode_string(&Sha256::digest(include_str!("style.css")));
    let wanted = format!("style-src 'sha256-{digest}';");
    assert!(POLICY.contains(&wanted), "site/src/listing/policy.txt has to say {wanted}");
    assert!(shown(&[], Shape::Html, "").contains(&format!("<style>{}</style>", include_str!("style.css"))));
}

#[test]
fn folders_are_first_in_every_order() {
    let entries = [
        entry(b"b", false, 1, 30),
        entry(b"A", false, 2, 20),
        entry(b"z", true, 9, 5),
        entry(b"c", false, 2, 10),
        entry(b"y", true, 4, 7),
    ];
    for (query, wanted) in [
        ("", "yzAbc"),
        ("sort=name&order=desc", "zycbA"),
        ("sort=size", "yzbAc"),
        ("order=desc&sort=size", "zyAcb"),
        ("sort=date", "zycAb"),
        ("sort=date&order=desc", "yzbAc"),
        ("sort=owner&order=up", "yzAbc"),
    ] {
        let mut sorted = entries.to_vec();
        Order::of(Some(query.as_bytes())).sort(&mut sorted);
        let names: Vec<u8> = sorted.iter().map(|entry| entry.name[0]).collect();
        assert_eq!(String::from_utf8_lossy(&names), wanted, "{query}");
    }
}

#[test]
fn names_do_no_harm() {
    for (name, is_folder, html, json) in [
        (
            &b"<script>alert(1)</script>"[..],
            false,
            "<a href=\"./%3Cscript%3Ealert(1)%3C/script%3E\"><bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi></a>",
            "\"\\u003cscript>alert(1)\\u003c/script>\"",
        ),
        (
            b"\" onmouseover=\"x",
            false,
            "\"./%22%20onmouseover=%22x\"><bdi>&quot; onmouseover=&quot;x",
            "\"\\\" on",
        ),
        (b"a&b'c", false, "\"./a&amp;b&#39;c\"><bdi>a&amp;b&#39;c</bdi>", "\"a&b'c\""),
        (b"javascript:alert(1)", false, "\"./javascript:alert(1)\"", "\"href\":\"./javascript:alert(1)\""),
        (b"\\\\evil.example", true, "\"./%5C%5Cevil.example/\"", "\"href\":\"./%5C%5Cevil.example/\""),
        (b"100%?#", false, "\"./100%25%3F%23\"><bdi>100%?#</bdi>", "\"href\":\"./100%25%3F%23\""),
        (
            "gpj\u{202e}exe.".as_bytes(),
            false,
            "<bdi>gpj<i>U+202E</i>exe.</bdi>",
            "\"href\":\"./gpj%E2%80%AEexe.\"",
        ),
        ("\u{5e9}\u{5dc}".as_bytes(), false, "<bdi>\u{5e9}\u{5dc}</bdi>", "\u{5e9}\u{5dc}"),
        (b"bad\xff", false, "\"./bad%FF\"><bdi>bad<i>FF</i></bdi>", "\"name\":\"bad\u{fffd}\""),
        // No path can have a control byte.
        (
            b"line\nbreak",
            false,
            "<td><bdi>line<i>U+000A</i>break</bdi></td>",
            "\"line\\u000abreak\",\"type\":\"file\",\"size\":1,\"modified\":\"1970-01-01T00:00:00Z\"}",
        ),
    ] {
        let entries = [entry(name, is_folder, 1, 0)];
        for (shape, wanted) in [(Shape::Html, html), (Shape::Json, json)] {
            let text = shown(&entries, shape, "");
            assert!(text.contains(wanted), "{} {shape:?}: {text}", name.escape_ascii());
        }
    }
}

#[test]
fn links_lead_where_they_say() {
    let text =
        shown(&[entry(b"f", true, 0, 0), entry(b"g", false, 1234, 784_111_777)], Shape::Html, "sort=size");
    for wanted in [
        "<a href=\"../../?sort=size\">/</a><a href=\"../?sort=size\"><bdi>a</bdi></a><b>/</b><bdi>b c</bdi></h1>",
        "<th aria-sort=\"none\"><a href=\"?sort=name&amp;order=asc\">Name</a>",
        "<th aria-sort=\"ascending\"><a href=\"?sort=size&amp;order=desc\">Size",
        "<a href=\"../?sort=size\">..</a>",
        "<a href=\"./f/?sort=size\">",
        "<a href=\"./g\">",
        "<td title=\"1234 bytes\">1.2 kB</td><td><time datetime=\"1994-11-06T08:49:37Z\">1994-11-06 08:49</time>",
        "<p>1 folder, 1 file</p>",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let top = Folder { path: b"/".to_vec(), entries: Vec::new(), whole: true };
    let text = String::from_utf8(top.show(Shape::Html, Order::of(None))).expect("UTF-8");
    assert!(text.contains("<h1><a href=\"./\">/</a></h1>") && !text.contains("\">..</a>"), "{text}");
    let part = Folder { path: b"/".to_vec(), entries: vec![entry(b"f", true, 0, 0)], whole: false };
    let text = String::from_utf8(part.show(Shape::Html, Order::of(None))).expect("UTF-8");
    assert!(text.contains("There is more in this folder"), "{text}");
}

proptest! {
    /// Whatever the name: no tag, no attribute, no link that leads elsewhere.
    #[test]
    fn a_name_is_text(name in proptest::collection::vec(1_u8.., 1..40)) {
        let name: Vec<u8> = name.into_iter().filter(|&byte| byte != b'/').collect();
        let text = shown(&[entry(&name, false, 0, 0)], Shape::Html, "");
        let row = text.split("<tbody>\n").nth(1).and_then(|rest| rest.lines().nth(1)).expect("a row");
        let bare = row.replace("<i>", "").replace("</i>", "");
        let tags = bare.matches('<').count();
        prop_assert!(tags == 14 || tags == 12, "{}", row);
        prop_assert!(!bare.contains("href=\"") || bare.contains("<a href=\"./"), "{}", row);
        let text = shown(&[entry(&name, false, 0, 0)], Shape::Json, "");
        prop_assert_eq!(text.lines().count(), 3);
    }
}
