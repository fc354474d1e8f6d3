//! Asking on the terminal for what nobody else is to see.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Write};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

/// Asks on the terminal of the process and reads a line that it does not show.
///
/// # Errors
/// `NotFound` or `ENXIO` when the process has no terminal.
pub fn ask_secret(question: &str) -> io::Result<String> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    terminal.write_all(question.as_bytes())?;
    let before = tcgetattr(&terminal)?;
    let mut line = String::new();
    let read = {
        let _silent = Silent::new(&terminal, before)?;
        BufReader::new(&terminal).read_line(&mut line)
    };
    terminal.write_all(b"\n")?;
    read?;
    line.truncate(line.trim_end_matches('\n').len());
    Ok(line)
}

/// A terminal that does not show what is typed, as long as this lives.
struct Silent<'t> {
    terminal: &'t std::fs::File,
    before: Termios,
}

impl<'t> Silent<'t> {
    fn new(terminal: &'t std::fs::File, before: Termios) -> io::Result<Self> {
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(terminal, SetArg::TCSAFLUSH, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing either.
        let _ = tcsetattr(self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}
