//! Wrong configurations, each with the message that a user gets. `UPDATE_GOLDEN=1` writes the messages.
//!
//! `testdata/wrong/NAME.conf` is a configuration; `NAME.set` holds arguments of `--set`, one a line, that are
//! put over `testdata/base.conf`. `NAME.txt` is what is shown.

use std::fs;
use std::path::{Path, PathBuf};

use config::{Override, Problems, Source, load};

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn cases(extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(testdata().join("wrong")).expect("the folder of wrong configurations");
    let paths = entries.map(|entry| entry.expect("an entry of the folder").path());
    let mut cases: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    cases.sort();
    cases
}

fn problems_of_file(path: &Path) -> Problems {
    let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
    load(Some(Source { name, text: read(path) }), &[]).expect_err("a wrong configuration")
}

fn problems_of_overrides(path: &Path) -> Problems {
    let overrides: Result<Vec<Override>, _> = read(path).lines().map(Override::set).collect();
    let base = Source { name: "base.conf".to_owned(), text: read(&testdata().join("base.conf")) };
    match overrides {
        Ok(overrides) => load(Some(base), &overrides).expect_err("a wrong configuration"),
        Err(problem) => problem.into(),
    }
}

fn check(path: &Path, problems: &Problems) {
    let shown = format!("{problems}\n");
    assert!(
        !shown.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')),
        "{}: {shown:?}",
        path.display()
    );
    for problem in problems {
        assert!(!problem.cause().to_string().is_empty() && !problem.cause().cure().is_empty(), "{problem}");
    }
    let golden = path.with_extension("txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &shown).expect("the message can be written");
    }
    let wanted = fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(shown, wanted, "{} shows another message; UPDATE_GOLDEN=1 accepts it", path.display());
}

#[test]
fn wrong_files_are_explained() {
    let cases = cases("conf");
    assert!(cases.len() >= 80, "only {} cases were found", cases.len());
    for path in cases {
        let problems = problems_of_file(&path);
        assert!(problems.iter().all(|problem| problem.position().is_some()), "{problems}");
        check(&path, &problems);
    }
}

#[test]
fn wrong_overrides_are_explained() {
    let cases = cases("set");
    assert!(cases.len() >= 10, "only {} cases were found", cases.len());
    for path in cases {
        let problems = problems_of_overrides(&path);
        assert!(problems.iter().all(|problem| problem.position().is_none()), "{problems}");
        check(&path, &problems);
    }
}

/// A cheap stand-in for fuzzing: cut and damaged texts are refused or read, and nothing worse.
#[test]
fn damaged_texts_do_no_harm() {
    for path in cases("conf") {
        let text = read(&path);
        if text.len() > 150 {
            continue;
        }
        for (at, c) in text.char_indices() {
            let cut = text[..at].to_owned();
            let without = format!("{cut}{}", &text[at + c.len_utf8()..]);
            let with = format!("{cut}\"{}", &text[at..]);
            for text in [cut, without, with] {
                let shown = match load(Some(Source { name: "a.conf".to_owned(), text }), &[]) {
                    Ok(loaded) => format!("{:?}", loaded.registry.iter().count()),
                    Err(problems) => problems.to_string(),
                };
                assert!(!shown.is_empty());
            }
        }
    }
}
