//! Rules about the text of the files.

use std::path::Path;

use crate::cargo::root;
use crate::failure::{Failure, Outcome};
use crate::policy::{
    BANNED_CODE, BANNED_IN_TESTS, LINES_MAX, MACHINE_PATHS, TOOLS, UNSAFE_CRATES, UNSAFE_IN,
};
use crate::rust_code::{code_of, has_word, prose_of};
use crate::sources::{Source, read_all};

/// Files that a program writes, or that were taken over whole.
const EXEMPT: &[&str] = &["Cargo.lock", "fuzz/Cargo.lock", "e2e/conformance/h1cases.json"];

/// Checks all files.
pub(crate) fn check() -> Outcome {
    let sources = read_all(&root())?;
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| !EXEMPT.contains(&source.path.as_str())) {
        check_text(source, &mut faults);
        if source.extension() == "rs" {
            check_rust(source, &mut faults);
        }
    }
    for lock in sources.iter().filter(|source| source.path.ends_with("Cargo.lock")) {
        check_lock(lock, &mut faults);
    }
    Failure::unless_empty(faults)
}

fn check_text(source: &Source, faults: &mut Vec<String>) {
    // What a Rust literal holds is data.
    let prose = if source.extension() == "rs" { prose_of(&source.text) } else { source.text.clone() };
    let is_seed = source.path.starts_with("fuzz/seeds/");
    for ((number, line), (_, prose)) in numbered(&source.text).zip(numbered(&prose)) {
        let mut fault = |what: &str| faults.push(format!("{}:{number}: {what}", source.path));
        if let Some(path) = MACHINE_PATHS.iter().find(|path| has_path(line, path)) {
            fault(&format!("{path} is a folder of one machine"));
        }
        if let Some(c) = prose.chars().find(|c| is_decoration(*c) && !is_seed) {
            fault(&format!("U+{:04X} is decoration: write it in ASCII", c as u32));
        }
        if line.ends_with([' ', '\t', '\r']) && !is_data(source) {
            fault("white space at the end of the line");
        }
    }
    if !source.text.is_empty() && !source.text.ends_with('\n') && !is_data(source) {
        faults.push(format!("{}: no line break at the end", source.path));
    }
}

/// Whether a line has a path that begins so, and not only one that goes on so.
fn has_path(line: &str, begin: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '}';
    line.match_indices(begin).any(|(at, _)| !line[..at].chars().next_back().is_some_and(is_name))
}

/// Dashes, curly quotes, arrows, boxes and pictures; letters of any language are not.
fn is_decoration(c: char) -> bool {
    matches!(c as u32, 0x2010..=0x2BFF | 0xFE00..=0xFE0F | 0x1F000..)
}

/// Whether every octet of a file means something, as in golden messages.
fn is_data(source: &Source) -> bool {
    source.path.contains("/testdata/")
        || source.path.starts_with("fuzz/seeds/")
        || ["case", "http", "json", "svg", "txt"].contains(&source.extension())
}

fn check_rust(source: &Source, faults: &mut Vec<String>) {
    let lines = source.text.lines().count();
    if LINES_MAX < lines {
        faults.push(format!("{}: {lines} lines, at most {LINES_MAX} are allowed", source.path));
    }
    let code = code_of(&source.text);
    let tests_begin = code.find("#[cfg(test)]").unwrap_or(code.len());
    let mut at = 0;
    for (number, line) in numbered(&code) {
        let mut fault = |what: String| faults.push(format!("{}:{number}: {what}", source.path));
        let in_tests = tests_begin <= at || is_test_file(&source.path);
        let banned_here = BANNED_IN_TESTS.iter().filter(|_| in_tests);
        for (banned, why) in BANNED_CODE.iter().chain(banned_here).filter(|(banned, _)| line.contains(banned))
        {
            fault(format!("{banned}: {why}"));
        }
        if has_word(line, "unsafe") && !UNSAFE_IN.iter().any(|place| source.path.starts_with(place)) {
            fault("unsafe code belongs to sys".to_owned());
        }
        at += line.len() + 1;
    }
    if is_crate_root(&source.path)
        && !may_have_unsafe(&source.path)
        && !code.contains("#![forbid(unsafe_code)]")
    {
        faults.push(format!("{}: #![forbid(unsafe_code)] is missing", source.path));
    }
}

fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.starts_with("e2e/")
}

/// The root of a library, a program or a test program.
fn is_crate_root(path: &str) -> bool {
    let file = Path::new(path);
    let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
    let is_main = path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs");
    is_main || folder == "bin"
}

fn may_have_unsafe(path: &str) -> bool {
    let package = path.split('/').next().unwrap_or_default();
    UNSAFE_CRATES.contains(&package) && !TOOLS.contains(&package)
}

/// Libraries come from the one public registry, whatever mirror a machine uses.
fn check_lock(lock: &Source, faults: &mut Vec<String>) {
    let is_public =
        |source: &str| source.starts_with("\"registry+") && source.ends_with("/crates.io-index\"");
    for (number, line) in numbered(&lock.text) {
        if line.strip_prefix("source = ").is_some_and(|source| !is_public(source)) {
            faults.push(format!("{}:{number}: {line}", lock.path));
        }
    }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split('\n').enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<String> {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        let mut faults = Vec::new();
        check_text(&source, &mut faults);
        check_rust(&source, &mut faults);
        faults
    }

    #[test]
    fn finds_what_the_rules_forbid() {
        let sleep = "fn f() { std::thread::sleep(x); }\n";
        for (path, text, wanted) in [
            ("site/src/a.rs", "fn f() {}\n", None),
            ("site/src/a.rs", "fn f() { todo!() }\n", Some(":1: todo!: finish it")),
            ("site/src/a.rs", "// todo! is a macro\n", None),
            ("site/src/a.rs", "#[ignore]\n", Some(":1: #[ignore")),
            ("site/src/a.rs", "fn f() { unsafe { g() } }\n", Some(":1: unsafe code")),
            ("sys/src/a.rs", "fn f() { unsafe { g() } }\n", None),
            ("proto-http/src/scan/sse.rs", "fn f() { unsafe { g() } }\n", None),
            ("proto-http/src/head.rs", "\nfn f() { unsafe { g() } }\n", Some(":2: unsafe code")),
            ("site/src/lib.rs", "//! Site.\n", Some(": #![forbid(unsafe_code)] is missing")),
            ("site/src/lib.rs", "#![forbid(unsafe_code)]\n", None),
            ("sys/src/lib.rs", "//! Sys.\n", None),
            ("site/src/a.rs", "// \u{2014}\n", Some(":1: U+2014")),
            ("site/src/a.rs", "// \u{e9}\n", None),
            ("site/src/a.rs", "x \n", Some(":1: white space")),
            ("site/src/a.rs", "x", Some(": no line break")),
            ("site/src/a.rs", sleep, None),
            ("site/tests/a.rs", sleep, Some(":1: thread::sleep")),
        ] {
            let found = faults(path, text);
            match wanted {
                None => assert!(found.is_empty(), "{path} {text:?}: {found:?}"),
                Some(wanted) => {
                    let wanted = format!("{path}{wanted}");
                    assert!(found.iter().any(|fault| fault.starts_with(&wanted)), "{wanted}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn counts_lines() {
        let long = "x\n".repeat(LINES_MAX + 1);
        assert_eq!(faults("site/src/a.rs", &long).len(), 1);
        assert!(faults("site/src/a.rs", &long[2..]).is_empty());
    }

    #[test]
    fn sees_foreign_registries() {
        let mut faults = Vec::new();
        let text = "source = \"registry+https://mirror.example/index\"\n".to_owned();
        check_lock(&Source { path: "Cargo.lock".to_owned(), text }, &mut faults);
        assert_eq!(faults.len(), 1);
    }
}
