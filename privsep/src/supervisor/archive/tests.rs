use std::fs::{File, FileTimes};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::*;
use crate::message::Clocks;

const NOW: u64 = 1_800_000_000;

fn needs(naming: Naming) -> RotationNeeds {
    RotationNeeds {
        size: Some(1),
        every: None,
        clocks: Clocks::Utc,
        keep: 100,
        keep_seconds: None,
        budget: None,
        method: Some(Method::Gzip),
        naming,
    }
}

#[test]
fn names_of_this_log_and_of_no_other() {
    let date = |number| Some(Mark::Date("20261126-130000".to_owned(), number));
    let number = |number| Some(Mark::Number(number));
    for (naming, name, wanted, method) in [
        (Naming::Date, "a.log-20261126-130000", date(0), None),
        (Naming::Date, "a.log-20261126-130000.gz", date(0), Some(Method::Gzip)),
        (Naming::Date, "a.log-20261126-130000.7.zst", date(7), Some(Method::Zstd)),
        (Naming::Date, "a.log-20261126-130000.0", None, None),
        (Naming::Date, "a.log-20261126-130000.07", None, None),
        (Naming::Date, "a.log-20261126-130000.bz2", None, None),
        (Naming::Date, "a.log-20261126-130000.gz.gz", None, None),
        (Naming::Date, "a.log-20261126-13000", None, None),
        (Naming::Date, "a.log-20261126-1300000", None, None),
        (Naming::Date, "a.log-2026112x-130000", None, None),
        (Naming::Date, "a.log-20261126", None, None),
        (Naming::Date, "a.log.1", None, None),
        (Naming::Date, "a.log.compressing", None, None),
        (Naming::Date, "b.log-20261126-130000", None, None),
        (Naming::Date, "a.log", None, None),
        (Naming::Number, "a.log.1", number(1), None),
        (Naming::Number, "a.log.12.gz", number(12), Some(Method::Gzip)),
        (Naming::Number, "a.log.99999", number(99_999), None),
        (Naming::Number, "a.log.100000", None, None),
        (Naming::Number, "a.log.0", None, None),
        (Naming::Number, "a.log.01", None, None),
        (Naming::Number, "a.log.+1", None, None),
        (Naming::Number, "a.log.gz", None, None),
        (Naming::Number, "a.log.1.old", None, None),
        (Naming::Number, "a.log1", None, None),
        (Naming::Number, "a.log-20261126-130000", None, None),
    ] {
        let found = read_name("a.log".as_ref(), naming, name.as_ref());
        assert_eq!(found.clone().map(|(mark, _)| mark), wanted, "{name}");
        assert_eq!(found.as_ref().and_then(|(_, method)| *method), method, "{name}");
        if let Some((mark, method)) = found {
            assert_eq!(with(&write_name("a.log".as_ref(), &mark), ending(method)), name);
        }
    }
}

/// A folder with these files: name, bytes, age in seconds.
fn folder(files: &[(&str, usize, u64)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, age) in files {
        let file = File::create(folder.path().join(name)).unwrap();
        file.set_len(*bytes as u64).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW - age);
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
    }
    let path = folder.path().join("a.log");
    (folder, path)
}

fn names(folder: &tempfile::TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What stays of `files`.
fn check_kept(change: fn(&mut RotationNeeds), naming: Naming, files: &[(&str, usize, u64)], wanted: &[&str]) {
    let (folder, path) = folder(files);
    let mut needs = needs(naming);
    change(&mut needs);
    let archive = Archive::open(&path, &needs, vec!["a.log.9".into()]).unwrap();
    assert_eq!(archive.tidy(NOW, &[]).unwrap(), Tidied::Wholly);
    assert_eq!(names(&folder), wanted);
}

#[test]
fn what_is_kept() {
    let dates = [
        ("a.log", 10, 0),
        ("a.log-20270115-080000", 10, 10),
        ("a.log-20270115-070000.gz", 10, 20),
        ("a.log-20270115-060000.1", 10, 30),
        ("a.log-20270115-060000", 10, 40),
        ("a.log.9", 10, 1000),
        ("other-20270115-060000", 10, 1000),
    ];
    let all = |_: &mut RotationNeeds| {};
    let others = ["a.log", "a.log.9", "other-20270115-060000"];
    let with_others = |some: &[&'static str]| {
        let mut names = [&others[..], some].concat();
        names.sort_unstable();
        names
    };
    let date = |hour: &str| format!("a.log-20270115-{hour}");
    assert_eq!(date("080000"), dates[1].0);
    let wanted: Vec<&'static str> = dates[1..5].iter().map(|(name, ..)| *name).collect();
    check_kept(all, Naming::Date, &dates, &with_others(&wanted));
    check_kept(|needs| needs.keep = 3, Naming::Date, &dates, &with_others(&wanted[..3]));
    check_kept(|needs| needs.keep_seconds = Some(20), Naming::Date, &dates, &with_others(&wanted[..2]));
    check_kept(|needs| needs.keep_seconds = Some(5), Naming::Date, &dates, &with_others(&[]));
    check_kept(|needs| needs.budget = Some(25), Naming::Date, &dates, &with_others(&wanted[..2]));
    // What is newest stays, however large.
    check_kept(|needs| needs.budget = Some(1), Naming::Date, &dates, &with_others(&wanted[..1]));

    let numbers = [
        ("a.log.1", 5, 10),
        ("a.log.2.gz", 5, 30),
        ("a.log.3", 5, 20),
        ("a.log.9", 5, 90),
        ("a.log.10", 5, 40),
    ];
    let keep = |needs: &mut RotationNeeds| needs.keep = 2;
    check_kept(keep, Naming::Number, &numbers, &["a.log.1", "a.log.2.gz", "a.log.9"]);
    // An original and its result are one.
    let twice = [("a.log.1", 5, 10), ("a.log.1.gz", 5, 10), ("a.log.2", 5, 20), ("a.log.3", 5, 30)];
    check_kept(keep, Naming::Number, &twice, &["a.log.1", "a.log.1.gz", "a.log.2"]);
}

#[test]
fn files_that_are_written_are_not_removed_and_many_not_at_once() {
    let files: Vec<String> = (1..=100).map(|number| format!("a.log.{number}")).collect();
    let files: Vec<(&str, usize, u64)> = files.iter().map(|name| (name.as_str(), 1, 0)).collect();
    let (folder, path) = folder(&files);
    let needs = RotationNeeds { keep: 1, ..needs(Naming::Number) };
    let archive = Archive::open(&path, &needs, Vec::new()).unwrap();
    let written = archive.asides().unwrap()[1].found.id;
    assert_eq!(archive.tidy(NOW, &[written]).unwrap(), Tidied::Partly);
    assert_eq!(archive.tidy(NOW, &[written]).unwrap(), Tidied::Wholly);
    assert_eq!(names(&folder), ["a.log.1", "a.log.2"]);
}

#[test]
fn names_for_the_next_file() {
    let check = |naming, files: &[&str], wanted: &str, after: &[&str]| {
        let files: Vec<(&str, usize, u64)> = files.iter().map(|name| (*name, 1, 0)).collect();
        let (folder, path) = folder(&files);
        let needs = needs(naming);
        let archive = Archive::open(&path, &needs, Vec::new()).unwrap();
        assert_eq!(archive.make_room(NOW).unwrap(), wanted);
        assert_eq!(names(&folder), after);
    };
    let first = "a.log-20270115-080000";
    check(Naming::Date, &[], first, &[]);
    check(Naming::Date, &[first], "a.log-20270115-080000.1", &[first]);
    check(
        Naming::Date,
        &["a.log-20270115-080000.1.zst", "a.log-20270115-080000.gz"],
        "a.log-20270115-080000.2",
        &["a.log-20270115-080000.1.zst", "a.log-20270115-080000.gz"],
    );
    check(Naming::Number, &[], "a.log.1", &[]);
    check(
        Naming::Number,
        &["a.log.1", "a.log.2.gz", "a.log.2", "a.log.4"],
        "a.log.1",
        &["a.log.2", "a.log.3", "a.log.3.gz", "a.log.4"],
    );
    check(Naming::Number, &["a.log.2"], "a.log.1", &["a.log.2"]);
}

#[test]
fn what_is_compressed_next() {
    let (folder, path) = folder(&[
        ("a.log.1", 1, 1),
        ("a.log.2", 1, 2),
        ("a.log.3.gz", 1, 3),
        ("a.log.4", 1, 4),
        // Its original was about to be removed.
        ("a.log.4.gz", 1, 4),
    ]);
    let mut needs = needs(Naming::Number);
    let archive = Archive::open(&path, &needs, Vec::new()).unwrap();
    let next = archive.next(&[]).unwrap().unwrap();
    assert_eq!(next.name, "a.log.2", "the oldest");
    assert_eq!(names(&folder), ["a.log.1", "a.log.2", "a.log.3.gz", "a.log.4.gz"]);
    assert_eq!(archive.next(&[next.found.id]).unwrap().unwrap().name, "a.log.1");
    archive.make_room(NOW).unwrap();
    assert_eq!(archive.name_of(next.found.id).unwrap().unwrap(), "a.log.3", "it has another name now");
    needs.method = None;
    let archive = Archive::open(&path, &needs, Vec::new()).unwrap();
    assert_eq!(archive.next(&[]).unwrap(), None);
}
