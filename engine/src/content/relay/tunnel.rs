//! Another protocol on the same connections: bytes pass both ways, and nobody looks at them (RFC 9110 section 7.8).

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use super::way::{Failure, Way};
use crate::stream::Gone;

/// Passes bytes both ways until both sides have ended, one of them has gone, or neither has said anything for as long as
/// an answer may take. Each end is passed on: who sends no more may still hear. `input` is what the server has said
/// already; answers how many bytes of it and after it went to the client.
pub(super) async fn run(
    way: &Way<'_>,
    to_server: &mut Vec<u8>,
    input: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> u64 {
    way.begin_tunnel();
    to_server.clear();
    let passed = Cell::new(0);
    let mut down = Direction::Open(pin!(to_client(way, input, out, &passed)));
    let mut up = Direction::Open(pin!(from_client(way, to_server)));
    let ended = poll_fn(|context| {
        // A tunnel has no end that could be missed: what ends it is no failure of the answer.
        if let Some(failure) = down.poll(context).or_else(|| up.poll(context)) {
            return Poll::Ready(Some(failure));
        }
        if down.is_over() && up.is_over() { Poll::Ready(None) } else { Poll::Pending }
    });
    if let Some(failure) = ended.await {
        log::debug!("a tunnel has ended: {failure:?}");
    }
    passed.get()
}

/// One direction, with what carries it.
enum Direction<'p, F> {
    Open(Pin<&'p mut F>),
    Over,
}

impl<F: Future<Output = Result<(), Failure>>> Direction<'_, F> {
    /// Carries bytes on; answers why the whole tunnel has to end.
    fn poll(&mut self, context: &mut Context<'_>) -> Option<Failure> {
        let Direction::Open(future) = self else { return None };
        match future.as_mut().poll(context) {
            Poll::Pending => None,
            Poll::Ready(ended) => {
                *self = Direction::Over;
                ended.err()
            }
        }
    }

    fn is_over(&self) -> bool {
        matches!(self, Direction::Over)
    }
}

async fn to_client(
    way: &Way<'_>,
    input: &mut Vec<u8>,
    out: &mut Vec<u8>,
    passed: &Cell<u64>,
) -> Result<(), Failure> {
    loop {
        passed.set(passed.get() + input.len() as u64);
        out.append(input);
        way.answer(out).await?;
        match way.receive(input).await {
            Ok(()) => {}
            Err(Failure::Ended) => return way.end_to_client().await,
            Err(failure) => return Err(failure),
        }
    }
}

async fn from_client(way: &Way<'_>, bytes: &mut Vec<u8>) -> Result<(), Failure> {
    loop {
        match way.hear(bytes).await {
            Ok(()) => way.send(bytes).await?,
            Err(Failure::Client(Gone::Ended)) => return way.end_to_server().await,
            Err(failure) => return Err(failure),
        }
    }
}
