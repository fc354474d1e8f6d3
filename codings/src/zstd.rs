//! Zstandard (RFC 8878).

use proto_http::Coding;
use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};

use crate::{Failed, STEP, Until};

/// The window, as a power of two in bytes. Clients need not take more than 8 MiB (RFC 9659); of less, each running
/// encoder takes less as well.
const WINDOW_LOG_MAX: u32 = 20;
/// Levels from which on the library makes its tables for larger windows than that. It makes them no smaller by itself as long
/// as it does not know how long a content is: at level 19 they took 80 MB.
const LARGE_TABLES: i32 = 10;
/// Levels from which on it keeps positions in trees, with two entries for each.
const TREES: i32 = 13;
/// Entries of its table of beginnings, as a power of two: two for each byte of the window, as it would choose itself.
const HASH_LOG: u32 = WINDOW_LOG_MAX + 1;

pub(crate) struct Zstd(Encoder<'static>);

impl Zstd {
    pub(crate) fn new(level: u32) -> Result<Zstd, Failed> {
        let level = i32::try_from(level.clamp(1, 19)).expect("at most 19");
        let failed = |_| Failed(Coding::Zstd);
        let mut encoder = Encoder::new(level).map_err(failed)?;
        encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG_MAX)).map_err(failed)?;
        if LARGE_TABLES <= level {
            let chain_log = if level < TREES { WINDOW_LOG_MAX } else { WINDOW_LOG_MAX + 1 };
            encoder.set_parameter(CParameter::HashLog(HASH_LOG)).map_err(failed)?;
            encoder.set_parameter(CParameter::ChainLog(chain_log)).map_err(failed)?;
        }
        Ok(Zstd(encoder))
    }

    pub(crate) fn reset(&mut self) -> Result<(), Failed> {
        self.0.reinit().map_err(|_| Failed(Coding::Zstd))
    }

    pub(crate) fn run(&mut self, content: &[u8], out: &mut Vec<u8>, until: Until) -> Result<(), Failed> {
        let mut input = InBuffer::around(content);
        loop {
            out.reserve(STEP);
            let at = out.len();
            let mut output = OutBuffer::around_pos(out, at);
            let left = match until {
                Until::Taken => self.0.run(&mut input, &mut output),
                Until::Flushed => self.0.flush(&mut output),
                Until::Finished => self.0.finish(&mut output, true),
            };
            let left = left.map_err(|_| Failed(Coding::Zstd))?;
            let is_done = match until {
                // What is left within is no hindrance to take more.
                Until::Taken => input.pos() == content.len(),
                Until::Flushed | Until::Finished => left == 0,
            };
            if is_done {
                break;
            }
        }
        if until == Until::Finished {
            self.reset()?;
        }
        Ok(())
    }
}
