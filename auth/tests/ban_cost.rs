//! A look-up among a hundred thousand bans costs what it costs among ten, and a ban takes little memory. Instructions
//! are counted, since time says nothing on a machine that others use.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

const FEW: u32 = 10;
const MANY: u32 = 100_000;
/// So many look-ups that the few that fall together by chance do not count.
const LOOK_UPS: u32 = 10_000;
/// Of the instructions among few bans, what a look-up among many may cost in addition. One that finds a ban, as half of
/// them do there, compares it once.
const MORE_PER_CENT: u64 = 10;
/// Bytes that a ban may take in the memory of a worker.
const ROOM: u64 = 320;

/// The example of the same name. `cargo test -p auth` builds it with this test; with a filter it stays as it was.
fn workload() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test.ancestors().nth(2).expect("target, profile, deps, test");
    let path = profile.join("examples/ban_cost");
    assert!(path.is_file(), "the workload is missing: `cargo build -p auth --example ban_cost` builds it");
    path
}

/// What a command prints, and what it says beside that.
fn said(command: &mut Command) -> (String, String) {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?} cannot be run: {error}; `cargo xtask setup` installs what tests need")
    });
    let [out, error] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{command:?}: {error}");
    (out.trim().to_owned(), error)
}

/// Instructions of the look-ups, and how many of them were refused.
fn look(workload: &Path, table: &Path) -> (u64, u32) {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*look_up*"])
        .arg(workload)
        .args(["look", &LOOK_UPS.to_string()])
        .arg(table);
    let (refused, report) = said(&mut command);
    let collected = report.lines().find_map(|line| line.split_once("Collected : "));
    let (_, count) = collected.unwrap_or_else(|| panic!("callgrind has not counted: {report}"));
    (count.trim().parse().expect("a number"), refused.parse().expect("a number"))
}

fn check(kind: &str, refused: u32) {
    let (workload, folder) = (workload(), tempfile::tempdir().expect("a folder"));
    let [few, many] = [FEW, MANY].map(|count| {
        let table = folder.path().join(count.to_string());
        said(Command::new(&workload).args(["write", kind, &count.to_string()]).arg(&table));
        table
    });
    let ((little, _), (much, found)) = (look(&workload, &few), look(&workload, &many));
    assert_eq!(found, refused, "{kind}: look-ups that find a ban");
    assert!(little > u64::from(LOOK_UPS), "{kind}: {little} instructions cannot be all");
    assert!(
        much * 100 <= little * (100 + MORE_PER_CENT),
        "{kind}: {little} instructions among {FEW}, {much} among {MANY}"
    );
    let (bytes, _) = said(Command::new(&workload).arg("memory").arg(&many));
    let bytes: u64 = bytes.parse().expect("a number");
    let wanted = u64::from(MANY)..u64::from(MANY) * ROOM;
    assert!(wanted.contains(&bytes), "{kind}: {bytes} bytes for {MANY} bans");
}

#[test]
fn many_prefixes_cost_what_few_do() {
    check("prefixes", LOOK_UPS / 2);
}

#[test]
fn many_users_cost_what_few_do() {
    check("users", 1);
}

#[test]
fn one_user_from_many_prefixes_costs_what_one_from_few_does() {
    check("prefixes-of-a-user", LOOK_UPS / 2);
}
