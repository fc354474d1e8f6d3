//! Plays every `cases/*.case`. Arguments select files and cases by parts of their names:
//! `cargo test -p e2e --test cases -- 10-files "If-Range"`.

#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use e2e::case::{self, Report};

/// Files played at the same time: enough to fill the waits for timeouts, few enough for two cores.
const WORKERS: usize = 4;

fn main() -> ExitCode {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    // Built once here, not by whichever worker comes first.
    e2e::binary::path();
    let started = Instant::now();
    let reports = play_all(&files(), &wanted);
    let (mut passed, mut failed) = (0, 0);
    for report in &reports {
        let file = report.path.file_stem().unwrap_or_default().to_string_lossy();
        for (name, verdict) in &report.verdicts {
            match verdict {
                Ok(()) => {
                    passed += 1;
                    println!("test {file}: {name} ... ok");
                }
                Err(why) => {
                    failed += 1;
                    println!("test {file}: {name} ... FAILED\n    {why}");
                }
            }
        }
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let seconds = started.elapsed().as_secs_f32();
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out; \
         finished in {seconds:.2}s\n"
    );
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let entries = fs::read_dir(folder).expect("the folder of the cases");
    let paths = entries.map(|entry| entry.expect("an entry of that folder").path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "case")).collect();
    files.sort();
    files
}

fn play_all(files: &[PathBuf], wanted: &[String]) -> Vec<Report> {
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = case::play(path, wanted);
                    reports.lock().expect("no worker panics").push(report);
                }
            });
        }
    });
    let mut reports = reports.into_inner().expect("no worker panicked");
    reports.sort_by(|one, other| one.path.cmp(&other.path));
    reports
}
