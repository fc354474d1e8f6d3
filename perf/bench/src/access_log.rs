//! The file that a server logs its requests in.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::interrupt::Interrupt;

/// How long a log has to stay as it is until it counts as complete: all servers write what they have once a second.
const QUIET: Duration = Duration::from_millis(1500);
/// How long that may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The file; it is emptied after each measurement, for some gigabytes would come together.
pub(crate) struct AccessLog(PathBuf);

impl AccessLog {
    /// Creates it empty, so that every server finds a file that it appends to.
    pub(crate) fn create(path: PathBuf) -> Result<AccessLog, Error> {
        File::create(&path).map_err(Error::io("create", &path))?;
        Ok(AccessLog(path))
    }

    /// Waits until nothing more comes, empties the file, and tells how many lines it had.
    pub(crate) fn take(&self, interrupt: &Interrupt) -> Result<u64, Error> {
        self.await_quiet(interrupt)?;
        self.empty().map_err(Error::io("count the lines of", &self.0))
    }

    fn await_quiet(&self, interrupt: &Interrupt) -> Result<(), Error> {
        let start = Instant::now();
        let (mut len, mut since) = (0, start);
        while since.elapsed() < QUIET {
            interrupt.check()?;
            let now = self.0.metadata().map_err(Error::io("look at", &self.0))?.len();
            if now != len {
                (len, since) = (now, Instant::now());
            }
            if start.elapsed() > LIMIT {
                let program = format!("the access log {}", self.0.display());
                return Err(Error::Deadline { program, seconds: LIMIT.as_secs() });
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn empty(&self) -> io::Result<u64> {
        let mut file = OpenOptions::new().read(true).write(true).open(&self.0)?;
        let mut part = vec![0; 256 << 10];
        let mut lines = 0;
        loop {
            let got = file.read(&mut part)?;
            if got == 0 {
                break;
            }
            lines += part[..got].iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        file.set_len(0)?;
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn lines_are_counted_once() {
        let path = std::env::temp_dir().join(format!("bench-access-{}", std::process::id()));
        let log = AccessLog::create(path.clone()).unwrap();
        let mut server = OpenOptions::new().append(true).open(&path).unwrap();
        let mut counts = Vec::new();
        for text in ["one\ntwo\n", "", "three\n"] {
            server.write_all(text.as_bytes()).unwrap();
            counts.push(log.empty().unwrap());
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(counts, [2, 0, 1]);
    }
}
