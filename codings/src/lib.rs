//! Content codings applied: bytes in, bytes out, nothing known of who wants them.
//!
//! An [`Encoder`] takes a content piece by piece. What it has taken need not have come out until it is flushed or
//! finished. Once finished it begins the next content, with the memory that it has.

#![forbid(unsafe_code)]

mod brotli;
mod gzip;
mod zstd;

use std::fmt;

use proto_http::Coding;

/// An encoder cannot go on. Only a lack of memory leads there: every content can be coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed(Coding);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: it has probably run out of memory", self.0.token())
    }
}

impl std::error::Error for Failed {}

/// Room that an output gets at a time, in bytes.
const STEP: usize = 16 * 1024;

/// How far a content is to be brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// As the encoder likes.
    Taken,
    /// What has been taken can be decoded.
    Flushed,
    /// To its end.
    Finished,
}

/// Codes one content after the other.
pub struct Encoder {
    coding: Coding,
    level: u32,
    state: State,
}

enum State {
    Gzip(gzip::Gzip),
    Zstd(zstd::Zstd),
    Brotli(brotli::Brotli),
}

impl Encoder {
    /// An encoder that tries as hard as `level` says: 1..=9 for gzip, 1..=19 for zstd, 0..=11 for Brotli. Others are
    /// taken for the nearest of these.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new(coding: Coding, level: u32) -> Result<Encoder, Failed> {
        let state = match coding {
            Coding::Gzip => State::Gzip(gzip::Gzip::new(level)),
            Coding::Zstd => State::Zstd(zstd::Zstd::new(level)?),
            Coding::Brotli => State::Brotli(brotli::Brotli::new(level)),
        };
        Ok(Encoder { coding, level, state })
    }

    /// Whether it does what is asked for.
    #[must_use]
    pub fn is(&self, coding: Coding, level: u32) -> bool {
        (self.coding, self.level) == (coding, level)
    }

    /// Takes a piece of the content; appends to `out` what has come out of it so far.
    ///
    /// # Errors
    /// When there is no memory. The encoder is not to be used again.
    pub fn push(&mut self, content: &[u8], out: &mut Vec<u8>) -> Result<(), Failed> {
        self.run(content, out, Until::Taken)
    }

    /// Appends to `out` whatever is missing to decode all that has been taken. Each flush costs some bytes.
    ///
    /// # Errors
    /// As [`Encoder::push`].
    pub fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Failed> {
        self.run(b"", out, Until::Flushed)
    }

    /// Appends to `out` what is left of the content, and is ready for the next one.
    ///
    /// # Errors
    /// As [`Encoder::push`].
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Failed> {
        self.run(b"", out, Until::Finished)
    }

    /// Forgets a content that has not come to its end, and is ready for the next one.
    ///
    /// # Errors
    /// As [`Encoder::push`].
    pub fn reset(&mut self) -> Result<(), Failed> {
        match &mut self.state {
            State::Gzip(gzip) => gzip.reset(),
            State::Zstd(zstd) => zstd.reset()?,
            State::Brotli(brotli) => brotli.reset(),
        }
        Ok(())
    }

    fn run(&mut self, content: &[u8], out: &mut Vec<u8>, until: Until) -> Result<(), Failed> {
        match &mut self.state {
            State::Gzip(gzip) => gzip.run(content, out, until),
            State::Zstd(zstd) => zstd.run(content, out, until),
            State::Brotli(brotli) => brotli.run(content, out, until),
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("coding", &self.coding)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
