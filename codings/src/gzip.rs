//! gzip (RFC 1952).

use flate2::{Compress, Compression, FlushCompress, Status};
use proto_http::Coding;

use crate::{Failed, STEP, Until};

/// The window, as a power of two in bytes: the largest that there is.
const WINDOW_BITS: u8 = 15;

pub(crate) struct Gzip(Compress);

impl Gzip {
    pub(crate) fn new(level: u32) -> Gzip {
        Gzip(Compress::new_gzip(Compression::new(level.clamp(1, 9)), WINDOW_BITS))
    }

    pub(crate) fn reset(&mut self) {
        self.0.reset();
    }

    pub(crate) fn run(&mut self, content: &[u8], out: &mut Vec<u8>, until: Until) -> Result<(), Failed> {
        let flush = match until {
            Until::Taken => FlushCompress::None,
            Until::Flushed => FlushCompress::Sync,
            Until::Finished => FlushCompress::Finish,
        };
        let mut rest = content;
        loop {
            out.reserve(STEP);
            let before = self.0.total_in();
            let status = self.0.compress_vec(rest, out, flush).map_err(|_| Failed(Coding::Gzip))?;
            rest = &rest[(self.0.total_in() - before) as usize..];
            let is_done = match until {
                // Room that is left says that nothing is held back for want of it.
                Until::Taken | Until::Flushed => rest.is_empty() && out.len() < out.capacity(),
                Until::Finished => status == Status::StreamEnd,
            };
            if is_done {
                break;
            }
        }
        if until == Until::Finished {
            self.reset();
        }
        Ok(())
    }
}
