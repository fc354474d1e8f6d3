//! The encoders of one shard: bounded in number, since each takes up to some megabytes, and used again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use codings::{Encoder, Failed};
use perf::Counter;
use proto_http::Coding;

use crate::shard::Shard;
use crate::stream::Gone;

/// Idle encoders that are kept for good. More, up to as many as may run, go one after the other while they are not needed.
const IDLE_KEPT: usize = 8;

/// All of them. Each has a place of its own: they are large, and go from hand to hand.
#[derive(Default)]
pub(crate) struct Encoders {
    #[expect(clippy::vec_box, reason = "a place is used again, and not allocated for each content")]
    idle: RefCell<Vec<Box<Encoder>>>,
    lent: Cell<usize>,
}

/// An encoder for one content.
pub(crate) struct Lent {
    shard: Rc<Shard>,
    coding: Coding,
    /// None while a job has it.
    encoder: Option<Box<Encoder>>,
    is_finished: bool,
}

impl Lent {
    /// `None` when as many contents are being compressed as may be: then this one is sent as it is.
    pub(crate) fn take(shard: &Rc<Shard>, coding: Coding, level: u32) -> Option<Lent> {
        let encoders = &shard.encoders;
        let has_room = encoders.lent.get() < shard.served.borrow().limits.compressions;
        let encoder = has_room.then(|| encoders.idle_or_new(coding, level)).flatten();
        if encoder.is_none() {
            shard.count(Counter::CompressionsRefused);
            return None;
        }
        encoders.lent.set(encoders.lent.get() + 1);
        shard.counters.set(Counter::CompressionsRunning, encoders.lent.get() as u64);
        Some(Lent { shard: Rc::clone(shard), coding, encoder, is_finished: false })
    }

    /// Hands the encoder to a job.
    pub(crate) fn hand_out(&mut self) -> Option<Box<Encoder>> {
        self.encoder.take()
    }

    /// Takes it back.
    pub(crate) fn hand_in(&mut self, encoder: Box<Encoder>) {
        self.encoder = Some(encoder);
    }

    /// To be called when the content has come to its end.
    pub(crate) fn finished(&mut self) {
        self.is_finished = true;
    }

    /// Takes a piece of the content, which the shard compresses by itself.
    pub(crate) fn push(&mut self, content: &[u8], out: &mut Vec<u8>) -> Result<(), Gone> {
        self.run(content.len(), out, |encoder, out| encoder.push(content, out))
    }

    /// Brings out all that was taken.
    pub(crate) fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Gone> {
        self.run(0, out, Encoder::flush)
    }

    /// Brings the content to its end.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Gone> {
        self.is_finished = true;
        self.run(0, out, Encoder::finish)
    }

    fn run(
        &mut self,
        taken: usize,
        out: &mut Vec<u8>,
        step: impl FnOnce(&mut Encoder, &mut Vec<u8>) -> Result<(), Failed>,
    ) -> Result<(), Gone> {
        let before = out.len();
        let encoder = self.encoder.as_mut().ok_or(Gone::Broken)?;
        if step(encoder, out).is_err() {
            // Nobody uses it again.
            self.encoder = None;
            return Err(Gone::Broken);
        }
        self.count(taken as u64, (out.len() - before) as u64);
        Ok(())
    }

    pub(crate) fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Counts what went in and came out.
    pub(crate) fn count(&self, taken: u64, given: u64) {
        let (into, out) = match self.coding {
            Coding::Gzip => (Counter::GzipBytesIn, Counter::GzipBytesOut),
            Coding::Zstd => (Counter::ZstdBytesIn, Counter::ZstdBytesOut),
            Coding::Brotli => (Counter::BrotliBytesIn, Counter::BrotliBytesOut),
        };
        self.shard.count_by(into, taken);
        self.shard.count_by(out, given);
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let encoders = &self.shard.encoders;
        encoders.lent.set(encoders.lent.get() - 1);
        self.shard.counters.set(Counter::CompressionsRunning, encoders.lent.get() as u64);
        if let Some(mut encoder) = self.encoder.take()
            && (self.is_finished || encoder.reset().is_ok())
        {
            let most = self.shard.served.borrow().limits.compressions;
            let mut idle = encoders.idle.borrow_mut();
            if most <= idle.len() {
                idle.remove(0);
            }
            idle.push(encoder);
        }
    }
}

impl Encoders {
    /// To be called now and then: lets go of one that was needed in a burst only.
    pub(crate) fn trim(&self) {
        let mut idle = self.idle.borrow_mut();
        if IDLE_KEPT < idle.len() {
            idle.remove(0);
        }
    }

    fn idle_or_new(&self, coding: Coding, level: u32) -> Option<Box<Encoder>> {
        let mut idle = self.idle.borrow_mut();
        match idle.iter().rposition(|encoder| encoder.is(coding, level)) {
            Some(at) => Some(idle.remove(at)),
            None => Encoder::new(coding, level).ok().map(Box::new),
        }
    }
}
