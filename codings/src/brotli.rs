//! Brotli (RFC 7932).

use std::io::Write;

use brotli::CompressorWriter;
use proto_http::Coding;

use crate::{Failed, STEP, Until};

/// The window, as a power of two in bytes: larger ones cost each running encoder more than they gain for what pages
/// are made of.
const WINDOW_LOG: u32 = 19;

pub(crate) struct Brotli {
    level: u32,
    /// None between two contents: the state cannot be used again, and is large.
    writer: Option<Box<CompressorWriter<Vec<u8>>>>,
}

impl Brotli {
    pub(crate) fn new(level: u32) -> Brotli {
        Brotli { level: level.min(11), writer: None }
    }

    pub(crate) fn reset(&mut self) {
        self.writer = None;
    }

    pub(crate) fn run(&mut self, content: &[u8], out: &mut Vec<u8>, until: Until) -> Result<(), Failed> {
        let level = self.level;
        let begin = || Box::new(CompressorWriter::new(Vec::new(), STEP, level, WINDOW_LOG));
        let writer = self.writer.get_or_insert_with(begin);
        let failed = |_| Failed(Coding::Brotli);
        writer.write_all(content).map_err(failed)?;
        match until {
            Until::Taken => {}
            Until::Flushed => writer.flush().map_err(failed)?,
            Until::Finished => {
                let mut rest = self.writer.take().map(|writer| writer.into_inner()).unwrap_or_default();
                out.append(&mut rest);
                return Ok(());
            }
        }
        out.append(writer.get_mut());
        Ok(())
    }
}
