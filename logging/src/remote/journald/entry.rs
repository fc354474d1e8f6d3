//! An entry of the journal: a line `NAME=value` for each field, as systemd documents it (JOURNAL_NATIVE_PROTOCOL).

use super::Settings;
use std::io::Write;

/// The fields that every entry has, and those of a line.
pub(super) struct Entry {
    fixed: Vec<u8>,
}

impl Entry {
    pub(super) fn new(settings: &Settings) -> Self {
        let Settings { facility, severity, app_name, log, .. } = settings;
        let fixed = format!(
            "PRIORITY={}\nSYSLOG_FACILITY={}\nSYSLOG_IDENTIFIER={}\nSYSLOG_PID={}\nKIMURA_LOG={}\n",
            severity.number(),
            facility.number(),
            one_line(app_name),
            std::process::id(),
            one_line(log),
        );
        Self { fixed: fixed.into_bytes() }
    }

    /// Appends all fields. A line has no newline but its last, so that no value needs the form with a length.
    /// `(queue, number)` is what a line has again when it comes again.
    pub(super) fn append(&self, out: &mut Vec<u8>, (queue, number): (u64, u64), line: &[u8]) {
        out.extend_from_slice(&self.fixed);
        out.extend_from_slice(b"KIMURA_LINE=");
        let written = write!(out, "{queue:016x}-{number}");
        debug_assert!(written.is_ok(), "writing to memory cannot fail");
        out.extend_from_slice(b"\nMESSAGE=");
        out.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        out.push(b'\n');
    }
}

/// A value that begins no other field.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{PATH, Patience};
    use super::*;
    use crate::remote::syslog::{Facility, Severity};

    #[test]
    fn entries() {
        let entry = Entry::new(&Settings {
            path: PATH.into(),
            facility: Facility::named("daemon").unwrap(),
            severity: Severity::named("info").unwrap(),
            app_name: "kimura\nPRIORITY=0".to_owned(),
            log: "main".to_owned(),
            patience: Patience::default(),
        });
        for (line, wanted) in [
            (&b"GET / \"x\"\n"[..], &b"GET / \"x\""[..]),
            (b"\n", b""),
            (b"MESSAGE=\xff\x1b[31m\0\n", b"MESSAGE=\xff\x1b[31m\0"),
        ] {
            let mut out = Vec::new();
            entry.append(&mut out, (42, 41), line);
            let head = format!(
                "PRIORITY=6\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=kimura_PRIORITY=0\nSYSLOG_PID={}\n\
                 KIMURA_LOG=main\nKIMURA_LINE=000000000000002a-41\nMESSAGE=",
                std::process::id()
            );
            let wanted = [head.as_bytes(), wanted, b"\n"].concat();
            assert_eq!(out.escape_ascii().to_string(), wanted.escape_ascii().to_string());
        }
    }
}
