//! The body of a request: read within its limits, or thrown away so that the connection can live on.

use std::future::poll_fn;
use std::time::Duration;

use proto_http::body::{BodyLimits, Decoder};
use proto_http::{BadRequest, Body, Request, Status};
use site::shaping::Refusal;
use site::{Action, Answer};

use crate::connection::Wait;
use crate::limits::{DISCARD_MAX, INPUT_CAPACITY};
use crate::shaping::{Held, refused};
use crate::stream::{Gone, Stream};
use crate::wheel::ticks;

/// Why a body cannot be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// Its framing is broken.
    Bad(BadRequest),
    /// It is larger than allowed.
    TooLarge,
    /// The client has stopped sending before the end.
    Cut,
    /// It did not come in time.
    Late,
    /// The line at a limit on its bytes is longer than it may be.
    Held(Refusal),
    /// The connection is gone.
    Broken,
}

impl BodyError {
    /// What the client is answered, as the last thing on its connection; `None` if there is nobody to tell.
    pub(crate) fn answer(self) -> Option<Answer<'static>> {
        let answer = match self {
            BodyError::Bad(bad) => Answer::with(bad.status()),
            BodyError::TooLarge => Answer::with(Status::CONTENT_TOO_LARGE),
            BodyError::Cut => Answer::with(Status::BAD_REQUEST),
            BodyError::Late => Answer::with(Status::REQUEST_TIMEOUT),
            BodyError::Held(refusal) => refused(refusal),
            BodyError::Broken => return None,
        };
        Some(Answer { close: true, ..answer })
    }
}

/// How far a request's body was read.
pub(crate) struct Left {
    /// To its end.
    read: bool,
    /// Bytes, framing included.
    received: u64,
}

/// What of a body stays in memory while it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeping {
    /// What has not been read.
    Rest,
    /// All of it.
    All,
}

/// What is left of a request's body.
pub(crate) struct RequestBody<'x> {
    stream: &'x Stream,
    /// Received and not yet decoded.
    input: &'x mut Vec<u8>,
    at: usize,
    /// Longest time between two reads.
    pause_max: Duration,
    decoder: Decoder,
    /// As long as all that has come is still in `input`.
    framing: Option<Body>,
    /// Whether it stays there when more comes.
    keeping: Keeping,
    /// The client waits for `100 Continue` before it sends.
    awaits_continue: bool,
    /// The trailer section, as far as it has come. Its lines are right, and there are no more than a head may have.
    trailers: Vec<u8>,
    limit: u64,
    data: u64,
    received: u64,
    /// The tick at which reading began.
    begun: u32,
    failed: bool,
}

impl<'x> RequestBody<'x> {
    pub(crate) fn new(
        stream: &'x Stream,
        pause_max: Duration,
        request: Option<&Request<'_>>,
        input: &'x mut Vec<u8>,
    ) -> RequestBody<'x> {
        let body = request.map_or(Body::None, Request::body);
        RequestBody {
            stream,
            // A client that has begun to send does not wait (RFC 9110 section 10.1.1).
            awaits_continue: request.is_some_and(Request::expects_continue) && input.is_empty(),
            input,
            at: 0,
            pause_max,
            decoder: Decoder::new(body, BodyLimits::default()),
            framing: Some(body),
            keeping: Keeping::Rest,
            trailers: Vec::new(),
            limit: u64::MAX,
            data: 0,
            received: 0,
            begun: stream.shard.clock.tick(),
            failed: false,
        }
    }

    /// What is left of another that somebody has been reading: nothing, or what nobody will read.
    pub(crate) fn after(left: &Left, stream: &'x Stream, input: &'x mut Vec<u8>) -> RequestBody<'x> {
        let mut body = RequestBody::new(stream, Duration::MAX, None, input);
        (body.framing, body.received, body.failed) = (None, left.received, !left.read);
        body
    }

    /// What is left of it.
    pub(crate) fn left(&self) -> Left {
        Left { read: self.is_read(), received: self.received }
    }

    /// Bytes that have come with the head.
    pub(crate) fn begun(&self) -> usize {
        self.input.len()
    }

    pub(crate) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Bytes read so far, framing included.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Whether the body is read to its end, so that what follows is the next request.
    pub(crate) fn is_read(&self) -> bool {
        self.decoder.is_done() && !self.failed
    }

    /// Reads a body that the action does not want. A client that sends much, or waits to be asked, is answered
    /// at once; then the connection cannot live on. The inner error is what is answered instead.
    pub(crate) async fn make_way_for(
        &mut self,
        action: &Action<'_>,
    ) -> Result<Result<(), Answer<'static>>, Gone> {
        let unwanted = match action {
            Action::Echo | Action::Relay(_) | Action::HangUp => false,
            Action::Respond(answer) => !answer.close,
            Action::File(_)
            | Action::Redirect { .. }
            | Action::Try(_)
            | Action::Reply { .. }
            | Action::Comet(..)
            | Action::Metrics
            | Action::ToTls(_)
            | Action::NeedLogin(_) => true,
        };
        if !unwanted || self.is_read() || self.awaits_continue {
            return Ok(Ok(()));
        }
        while !self.is_read() && self.received <= DISCARD_MAX {
            if let Err(error) = self.next().await {
                return error.answer().map(Err).ok_or(Gone::Broken);
            }
        }
        Ok(Ok(()))
    }

    /// The next run of data; empty at the end of the body.
    pub(crate) async fn next(&mut self) -> Result<&[u8], BodyError> {
        let found = self.find().await;
        self.note(&found);
        found.map(|data| &self.input[data])
    }

    /// As [`RequestBody::next`], of what has come already; also empty when that holds no more data.
    pub(crate) fn at_hand(&mut self) -> Result<&[u8], BodyError> {
        let found = self.step();
        self.note(&found);
        found.map(|data| &self.input[data])
    }

    /// Waits for more to come.
    pub(crate) async fn more(&mut self) -> Result<(), BodyError> {
        let filled = self.fill().await;
        self.note(&filled);
        filled
    }

    /// For so many ticks nothing was taken of it: for that the client is not slow.
    pub(crate) fn held_for(&mut self, held: u32) {
        self.begun = self.begun.saturating_add(held);
    }

    /// From now on all of it stays in memory, and more than `most` bytes are too many.
    pub(crate) fn keep(&mut self, most: u64) {
        self.keeping = Keeping::All;
        self.limit = self.limit.min(most);
    }

    /// Bytes that it takes in memory, framing included.
    pub(crate) fn held(&self) -> usize {
        self.input.len()
    }

    /// Bytes of content read so far.
    pub(crate) fn content(&self) -> u64 {
        self.data
    }

    /// Begins the body anew, as long as nothing of it has been given up.
    pub(crate) fn rewind(&mut self) {
        if let Some(framing) = self.framing {
            self.decoder = Decoder::new(framing, BodyLimits::default());
            (self.at, self.data, self.received) = (0, 0, 0);
            self.trailers.clear();
        }
    }

    /// The whole trailer section, once the body is read; without the empty line at its end.
    pub(crate) fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Whether nothing of the body has been given up.
    pub(crate) fn is_whole(&self) -> bool {
        self.framing.is_some()
    }

    fn note<T>(&mut self, found: &Result<T, BodyError>) {
        if let Err(error) = found {
            self.failed = true;
            if let BodyError::Bad(bad) = *error {
                crate::finish::count_bad(&self.stream.shard, bad);
            }
        }
    }

    async fn find(&mut self) -> Result<std::ops::Range<usize>, BodyError> {
        loop {
            let data = self.step()?;
            if !data.is_empty() || self.decoder.is_done() {
                return Ok(data);
            }
            self.fill().await?;
        }
    }

    fn step(&mut self) -> Result<std::ops::Range<usize>, BodyError> {
        let step = self.decoder.decode(&self.input[self.at..]).map_err(BodyError::Bad)?;
        let data = self.at + step.data.start..self.at + step.data.end;
        self.trailers.extend_from_slice(&self.input[self.at..][step.trailer]);
        self.at += step.consumed;
        self.received += step.consumed as u64;
        self.data += data.len() as u64;
        // What a chunk announces counts as well: there is no use in waiting for it.
        if self.limit < self.data.saturating_add(self.decoder.due()) {
            return Err(BodyError::TooLarge);
        }
        Ok(data)
    }

    async fn fill(&mut self) -> Result<(), BodyError> {
        if self.keeping == Keeping::Rest {
            if self.at > 0 {
                self.framing = None;
            }
            self.input.drain(..self.at);
            self.at = 0;
        }
        let (stream, pause_max, begun, received) = (self.stream, self.pause_max, self.begun, self.received);
        let input = &mut *self.input;
        let come = poll_fn(|_| {
            let come = stream.poll_receive(input);
            if come.is_pending() {
                // Again each time: what is sent meanwhile has deadlines of its own.
                stream.watch_body(pause_max, begun, received);
            }
            come
        });
        let mut come = come.await;
        if come.is_ok() && stream.port.shaped.get() {
            let due = self.due();
            match stream.take_toll(due).await {
                Ok(Duration::ZERO) => {}
                Ok(held) => self.held_for(ticks(held)),
                Err(Held::Full(ns, by)) => return Err(BodyError::Held(stream.turn_away(ns, by))),
                Err(Held::Gone(gone)) => come = Err(gone),
            }
        }
        match come {
            Ok(()) => Ok(()),
            Err(Gone::Ended) => Err(BodyError::Cut),
            Err(Gone::Expired(Wait::Body)) => {
                self.stream.port.expired.set(None);
                Err(BodyError::Late)
            }
            Err(Gone::Expired(_) | Gone::Broken) => Err(BodyError::Broken),
        }
    }

    /// Bytes that are still to come at least, behind what has come.
    fn due(&self) -> u64 {
        let (mut ahead, mut at) = (self.decoder.clone(), self.at);
        while let Ok(step) = ahead.decode(&self.input[at..]) {
            at += step.consumed;
            if step.consumed == 0 || ahead.is_done() {
                break;
            }
        }
        if ahead.is_done() { 0 } else { ahead.due().max(1) }
    }

    /// Whether `100 Continue` is due now that the body is wanted; answers it once.
    pub(crate) fn take_continue(&mut self) -> bool {
        std::mem::take(&mut self.awaits_continue) && self.received == 0
    }
}

impl Drop for RequestBody<'_> {
    fn drop(&mut self) {
        // What is left belongs to the next request.
        self.input.drain(..self.at);
        if self.keeping == Keeping::All {
            self.input.shrink_to(INPUT_CAPACITY);
        }
    }
}
