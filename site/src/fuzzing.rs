//! Properties that hold for every listing, and for rules, checked by fuzzers and tests. Not part of the interface.

pub use crate::rewrite::fuzzing::rules;

use crate::listing::{Entry, Folder, Order, Shape};

/// Names of one input: each is shown in several pages.
const NAMES_MAX: usize = 4;
/// Folders above. A page has a link for each of them, with all that are between: of a thousand it is megabytes, which an input
/// could not be read back from in its time.
const FOLDERS_MAX: usize = 16;
/// Characters that a link may have, as an attribute shows it.
const IN_LINKS: &[u8] = b"-._~!$()*+,;=:@/%&#?";
/// What stands for a character that would act on a page.
const ENTITIES: [&str; 5] = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
/// What a page has around a name that cannot be shown as it is.
const MARKS: [&str; 2] = ["i", "/i"];

/// Names of a folder, of the folders above it and of the file in it: parts of the input between zero bytes, the first
/// with slashes. Whatever they are, a page has the tags that it has for harmless names, its links stay where they are and
/// lead to the name, and JSON is one object with these strings.
///
/// # Panics
/// When the property does not hold.
pub fn listing(input: &[u8]) {
    let mut parts = input.split(|&byte| byte == 0);
    let path = path_of(parts.next().unwrap_or_default());
    for part in parts.take(NAMES_MAX) {
        let name: Vec<u8> = part.iter().copied().filter(|&byte| byte != b'/').collect();
        for is_folder in [false, true] {
            let entry = Entry { name: name.clone(), is_folder, len: u64::MAX, modified: u64::MAX };
            page(&path, &entry);
            object(&path, &entry);
        }
    }
}

/// As a request could have it: normalised and decoded.
fn path_of(part: &[u8]) -> Vec<u8> {
    let segments = part.split(|&byte| byte == b'/').filter(|segment| !matches!(*segment, b"" | b"." | b".."));
    let mut path = b"/".to_vec();
    for segment in segments.take(FOLDERS_MAX) {
        path.extend(segment.iter().filter(|byte| !byte.is_ascii_control()));
        if !path.ends_with(b"/") {
            path.push(b'/');
        }
    }
    path
}

fn show(path: &[u8], entry: &Entry, shape: Shape) -> String {
    let folder = Folder { path: path.to_vec(), entries: vec![entry.clone()], whole: true };
    String::from_utf8(folder.show(shape, Order::of(Some(b"sort=size&order=desc")))).expect("UTF-8")
}

fn page(path: &[u8], entry: &Entry) {
    // No path can have a control byte.
    let is_linked = !entry.name.iter().any(u8::is_ascii_control);
    let harmless = Entry { name: if is_linked { b"x".to_vec() } else { b"\n".to_vec() }, ..entry.clone() };
    let segments = path.iter().filter(|&&byte| byte == b'/').count() - 1;
    let harmless = tags(&show(&[&b"/"[..], &b"x/".repeat(segments)].concat(), &harmless, Shape::Html));
    let found = tags(&show(path, entry, Shape::Html));
    assert_eq!(found.names, harmless.names, "the tags are those of a harmless name");
    let leads = found.links.iter().filter_map(|link| {
        let link = link.strip_prefix("./")?.split('?').next()?;
        let bare = if entry.is_folder { link.strip_suffix('/')? } else { link };
        Some(decoded(bare))
    });
    assert!(!is_linked || leads.into_iter().any(|name| name == entry.name), "a link leads to the name");
}

/// The tags of a page, without what marks parts of names, and its links.
struct Tags {
    names: Vec<String>,
    links: Vec<String>,
}

fn tags(page: &str) -> Tags {
    let (before, rest) = page.split_once("<style>").expect("a style");
    let (_, after) = rest.split_once("</style>").expect("its end");
    let bare = [before, after].concat();
    let mut tags = Tags { names: Vec::new(), links: Vec::new() };
    let mut pieces = bare.split('<');
    check_text(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (tag, text) = piece.split_once('>').expect("a tag ends");
        check_text(text);
        match tag.strip_prefix("a href=\"") {
            Some(link) => {
                let link = link.strip_suffix('"').expect("a link is all that it has");
                let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || IN_LINKS.contains(&byte);
                assert!(link.bytes().all(is_fit), "{link} stays within its quotes");
                assert!(
                    ["./", "../", "?"].iter().any(|begin| link.starts_with(begin)),
                    "{link} leads elsewhere"
                );
                tags.names.push("a".to_owned());
                tags.links.push(link.replace("&#39;", "'").replace("&amp;", "&"));
            }
            None if MARKS.contains(&tag) => {}
            None => tags.names.push(tag.to_owned()),
        }
    }
    tags
}

/// Nothing in it acts, and nothing in it is unseen.
fn check_text(text: &str) {
    assert!(!text.contains(['>', '"', '\'', '\u{202e}', '\u{200b}', '\r', '\0']), "{text:?}");
    for (at, _) in text.match_indices('&') {
        assert!(ENTITIES.iter().any(|entity| text[at..].starts_with(entity)), "{text:?}");
    }
}

fn decoded(link: &str) -> Vec<u8> {
    let mut name = Vec::new();
    let mut rest = link.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|digit| (digit as char).to_digit(16)).expect("a digit") as u8;
        name.push(if byte == b'%' { digit() << 4 | digit() } else { byte });
    }
    name
}

fn object(path: &[u8], entry: &Entry) {
    let text = show(path, entry, Shape::Json);
    assert!(!text.contains(['<', '\u{2028}', '\u{2029}']), "it can stand in a script: {text}");
    let rest = text.strip_prefix("{\"path\":").expect("an object");
    let rest = string(rest, path).strip_prefix(",\"entries\":[\n{\"name\":").expect("an entry");
    let rest = string(rest, &entry.name);
    let (facts, rest) = rest.split_once('}').expect("the end of the entry");
    assert_eq!(rest, "],\n\"whole\":true}\n");
    let kind = if entry.is_folder { "folder\"" } else { "file\",\"size\":18446744073709551615" };
    let facts = facts.strip_prefix(",\"type\":\"").and_then(|facts| facts.strip_prefix(kind));
    assert!(facts.is_some_and(|facts| facts.starts_with(",\"modified\":\"")), "{text}");
}

/// What follows a string, which has to be this one.
fn string<'t>(text: &'t str, wanted: &[u8]) -> &'t str {
    let mut characters = text.strip_prefix('"').expect("a string").chars();
    let mut found = String::new();
    loop {
        match characters.next().expect("the string ends") {
            '"' => break,
            '\\' => match characters.next().expect("something is escaped") {
                'u' => {
                    let digits: String = characters.by_ref().take(4).collect();
                    let number = u32::from_str_radix(&digits, 16).expect("a number");
                    found.push(char::from_u32(number).expect("a character"));
                }
                escaped @ ('"' | '\\') => found.push(escaped),
                other => panic!("{other:?} is escaped"),
            },
            control if control.is_control() => panic!("{control:?} stands in a string"),
            other => found.push(other),
        }
    }
    assert_eq!(found, String::from_utf8_lossy(wanted));
    characters.as_str()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn listings_of_the_seeds() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/listing");
        let seeds: Vec<_> = std::fs::read_dir(folder).unwrap().map(|seed| seed.unwrap().path()).collect();
        assert!(seeds.len() >= 3, "{seeds:?}");
        seeds.iter().for_each(|seed| listing(&std::fs::read(seed).unwrap()));
    }

    #[test]
    fn what_breaks_out_is_found() {
        for page in [
            "<style></style><a href=\"//evil.example\">",
            "<style></style><a href=\"javascript:x\">",
            "<style></style><a href=\"./x\" onclick=\"y\">",
            "<style></style>a & b",
            "<style></style>\u{202e}",
            "<style></style><a href=\"./x",
        ] {
            assert!(std::panic::catch_unwind(|| tags(page)).is_err(), "{page}");
        }
        assert_ne!(tags("<style></style><script>").names, tags("<style></style>").names);
        for text in ["\"a\\nb\"", "\"a", "a\"", "\"a\nb\"", "\"\\ud800\"", "\"b\""] {
            assert!(std::panic::catch_unwind(|| string(text, b"a").len()).is_err(), "{text}");
        }
        assert_eq!(string("\"\\u0061\\\"\"rest", b"a\""), "rest");
    }

    proptest! {
        #[test]
        fn names_stay_names(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            listing(&input);
        }

        #[test]
        fn names_that_mean_harm_stay_names(input in "[<>\"'&;#%?:./\\\\a-e\u{0}\u{1}\u{202e}\u{2028}\u{e4} \n]{0,60}") {
            listing(input.as_bytes());
        }
    }
}
