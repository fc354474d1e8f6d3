//! Requests that wait until their log has room for one more line, before anything is done for them.

use std::future::poll_fn;
use std::task::Poll;

use logging::SinkId;
use perf::Counter;
use proto_http::Status;
use site::{Action, Answer};

use crate::connection::Wait;
use crate::port::Awaits;
use crate::serve::Refusal;
use crate::stream::{Gone, Stream};

/// Seconds after which a client may ask again.
const RETRY_SECONDS: u32 = 10;

/// Whether the logs of a request have room for its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// They have.
    There,
    /// One of them had none for too long.
    None,
}

/// The answer to a request for whose line there is no room. Nothing can follow on one whose head was not understood.
pub(crate) fn refuse(head: Result<(), Refusal>) -> Action<'static> {
    let answer = Answer::with(Status::SERVICE_UNAVAILABLE);
    Action::Respond(Answer { retry_after: Some(RETRY_SECONDS), close: head.is_err(), ..answer })
}

impl Stream {
    /// Waits until all of `sinks` take lines. `out` are answers to earlier requests, which do not wait for this one.
    pub(crate) async fn room_in(&self, sinks: &[SinkId], out: &mut Vec<u8>) -> Result<Room, Gone> {
        let shard = &self.shard;
        if !shard.log.borrow().holds(sinks) {
            return Ok(Room::There);
        }
        shard.count(Counter::RequestsHeldLog);
        self.send(out).await?;
        let key = self.port.key.get();
        self.watch(Wait::Log);
        let ended = poll_fn(|_| match (shard.log.borrow().holds(sinks), self.gone()) {
            (false, None) => Poll::Ready(Ok(Room::There)),
            // Whoever saw its time pass has counted it.
            (_, Some(Gone::Expired(Wait::Log))) => Poll::Ready(Ok(Room::None)),
            (_, Some(gone)) => Poll::Ready(Err(gone)),
            // Who has closed looks like who only sends no more; nothing is to be done for one who has left.
            (true, None) if self.port.ended.get() => Poll::Ready(Err(Gone::Ended)),
            (true, None) => {
                shard.held_back.borrow_mut().insert(key);
                self.wait(Awaits::Turn)
            }
        })
        .await;
        shard.held_back.borrow_mut().remove(&key);
        if self.port.expired.get() == Some(Wait::Log) {
            self.port.expired.set(None);
        }
        // Next the client has to take the answer.
        self.watch(Wait::Write);
        ended
    }
}
