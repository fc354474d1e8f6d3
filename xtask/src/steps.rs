//! Steps of a run: each has a name, takes a time, and adds to the closing count.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::cargo;
use crate::failure::{Failure, Outcome};

/// What passed and what failed so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    /// A step that passes or fails as a whole.
    pub(crate) fn check(&mut self, name: &str, step: impl FnOnce() -> Outcome) {
        self.timed(name, |tally| {
            let done = step();
            *(if done.is_ok() { &mut tally.passed } else { &mut tally.failed }) += 1;
            done
        });
    }

    /// A step that runs test programs, whose own counts are added.
    pub(crate) fn tests(&mut self, name: &str, command: Command) {
        self.timed(name, |tally| tally.count(command));
    }

    fn timed(&mut self, name: &str, step: impl FnOnce(&mut Tally) -> Outcome) {
        println!("--- {name}");
        let started = Instant::now();
        let done = step(self);
        let seconds = started.elapsed().as_secs_f32();
        match done {
            Ok(()) => println!("--- {name}: ok in {seconds:.1} s"),
            Err(failure) => println!("{failure}\n--- {name}: FAILED in {seconds:.1} s"),
        }
    }

    fn count(&mut self, mut command: Command) -> Outcome {
        let spawned = command.stdout(Stdio::piped()).spawn();
        let mut child = match spawned.map_err(Failure::machine("run", command.get_program())) {
            Ok(child) => child,
            Err(failure) => {
                self.failed += 1;
                return Err(failure);
            }
        };
        let failed_before = self.failed;
        if let Some(pipe) = child.stdout.take() {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                // Lost output is no reason to stop the tests.
                writeln!(std::io::stdout(), "{line}").ok();
                if let Some((passed, failed)) = result_line(&line) {
                    self.passed += passed;
                    self.failed += failed;
                }
            }
        }
        let status = child.wait().map_err(Failure::machine("wait for", command.get_program()))?;
        if status.success() {
            return Ok(());
        }
        if self.failed == failed_before {
            // It did not come to a count: it did not build, or a test program died.
            self.failed += 1;
        }
        Err(Failure::Program { line: cargo::line_of(&command), status: status.to_string() })
    }

    /// Prints the closing line.
    pub(crate) fn close(self, started: Instant) -> Outcome {
        println!("all steps took {:.1} s", started.elapsed().as_secs_f32());
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 { Ok(()) } else { Err(Failure::Tests) }
    }
}

/// `test result: ok. 12 passed; 0 failed; ...`
fn result_line(line: &str) -> Option<(u64, u64)> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut parts = counts.split("; ");
    let passed = parts.next()?.strip_suffix(" passed")?.parse().ok()?;
    let failed = parts.next()?.strip_suffix(" failed")?.parse().ok()?;
    Some((passed, failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_result_lines() {
        let line =
            "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s";
        assert_eq!(result_line(line), Some((12, 3)));
        assert_eq!(result_line("test a ... ok"), None);
    }
}
