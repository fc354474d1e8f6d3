//! Writing to the standard streams.

use std::io::{self, ErrorKind, Write};

/// Writes `text` to standard output. A reader that has gone away (`kimura --help | head -1`) is no error.
///
/// # Errors
/// Any other reason why the text did not get out.
pub(crate) fn out(text: &str) -> io::Result<()> {
    out_while_read(text).map(drop)
}

/// Writes `text` to standard output; `false` when nobody reads there any more.
///
/// # Errors
/// Any other reason why the text did not get out.
pub(crate) fn out_while_read(text: &str) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes one line for people to standard error. Where that is closed there is nobody to tell.
pub(crate) fn note(line: &str) {
    writeln!(io::stderr(), "{line}").ok();
}
