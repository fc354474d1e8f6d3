//! Contents of requests that are taken whole before a server is chosen.
//!
//! They stay as they came in the buffer that contents come into, so that every try of the request reads them anew. No
//! file: a worker can write none, and what a shard does must not wait for a disk.

use perf::Counter;

use super::super::{Responder, Sent};
use super::way::Failure;
use super::{Trouble, unavailable};
use crate::limits::{GATHERED_FRAMING, GATHERED_MAX};
use crate::request_body::BodyError;
use crate::shard::Shard;
use crate::stream::Gone;

/// A content that is there.
pub(super) struct Gathered<'s> {
    shard: &'s Shard,
    held: usize,
    /// Bytes of content, without framing.
    pub(super) content: u64,
}

/// Why one is not.
pub(super) enum Missing {
    /// The shard has no more room for now.
    Room,
    /// It cannot be read to its end, or the client has gone.
    Content(Failure),
}

impl<'s> Gathered<'s> {
    /// Takes all of the content, at most so many bytes.
    pub(super) async fn take(
        responder: &mut Responder<'_>,
        shard: &'s Shard,
        most: u64,
    ) -> Result<Gathered<'s>, Missing> {
        let mut gathered = Gathered { shard, held: 0, content: 0 };
        let body = &mut responder.body;
        body.keep(most);
        let framed_max = usize::try_from(most).unwrap_or(usize::MAX).saturating_mul(2) + GATHERED_FRAMING;
        let wrong = |error| Missing::Content(Failure::Body(error));
        loop {
            while !body.is_read() && !body.at_hand().map_err(wrong)?.is_empty() {}
            gathered.grow(body.held())?;
            if body.is_read() {
                break;
            }
            if framed_max < body.held() {
                return Err(wrong(BodyError::TooLarge));
            }
            if body.take_continue() {
                responder.out.extend_from_slice(super::CONTINUE);
                shard.count(Counter::Responses1xx);
                let sent = responder.stream.send(responder.out).await;
                sent.map_err(|gone| Missing::Content(Failure::Client(gone)))?;
            }
            body.more().await.map_err(wrong)?;
        }
        gathered.content = body.content();
        body.rewind();
        Ok(gathered)
    }

    /// Notes how much it takes by now.
    fn grow(&mut self, held: usize) -> Result<(), Missing> {
        let others = self.shard.gathered.get() - self.held;
        if GATHERED_MAX < others + held {
            self.shard.count(Counter::LimitRequestBuffers);
            return Err(Missing::Room);
        }
        self.shard.gathered.set(others + held);
        self.held = held;
        Ok(())
    }
}

impl Drop for Gathered<'_> {
    fn drop(&mut self) {
        self.shard.gathered.set(self.shard.gathered.get() - self.held);
    }
}

impl Missing {
    /// Tells the client.
    pub(super) fn answer(self, responder: &mut Responder<'_>) -> Result<Sent, Gone> {
        match self {
            Missing::Room => {
                responder.close_wanted = true;
                Ok(unavailable(responder))
            }
            Missing::Content(failure) => {
                Trouble { failure, told: false, whole: false, stale: false, unasked: true }.answer(responder)
            }
        }
    }
}
