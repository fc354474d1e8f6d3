//! The way of a request, from the first byte of its head to the decision whether another may follow.
//!
//! ```text
//! read head -> locate host and location -> phases -> enter (-> login, try or index -> enter) -> action -> send -> finish -> next?
//! ```
//!
//! Here is the connection, which reads heads; what is between two of them is an [`exchange`].
//!
//! The lane polls this future directly. In the usual case it runs through without waiting once.

mod arrived;
mod exchange;
mod work;

use std::rc::Rc;

use proto_http::{BadRequest, Progress, Status};

pub(crate) use work::Work;

use crate::connection::Wait;
use crate::limits::{OUTPUT_MAX, REQUESTS_PER_TURN};
use crate::port::Port;
use crate::shard::Shard;
use crate::stream::{Gone, Stream};
use exchange::exchange;

/// How the future leaves its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Between requests; nothing of a next one has come.
    Idle,
    /// After a last response.
    Close,
    /// In the middle of something: the client must see that it is not whole.
    Abort,
}

/// Serves a connection until it is idle or ends.
pub(crate) async fn serve(shard: Rc<Shard>, port: Rc<Port>, mut work: Box<Work>) -> (End, Box<Work>) {
    let stream = Stream { shard, port };
    let end = requests(&stream, &mut work).await;
    work.slim();
    (end, work)
}

async fn requests(stream: &Stream, work: &mut Work) -> End {
    let mut served_in_turn = 0;
    loop {
        // A request keeps to the end what was served when its head was looked for.
        let (served, address) = stream.shard.serving(stream.port.listener.get());
        let head = match read_head(stream, &served.limits.head, work).await {
            Ok(Next::Nothing) => return End::Idle,
            Ok(Next::Head(len)) => Ok(len),
            Ok(Next::Refused(refusal)) => Err(refusal),
            Err(Gone::Ended) => return End::Close,
            Err(Gone::Expired(_) | Gone::Broken) => return End::Abort,
        };
        let Ok(persists) = exchange(stream, (&served, address), work, head).await else { return End::Abort };
        if !persists {
            return if stream.send(&mut work.out).await.is_ok() { End::Close } else { End::Abort };
        }
        served_in_turn += 1;
        let enough = OUTPUT_MAX <= work.out.len() || served_in_turn == REQUESTS_PER_TURN;
        if enough && stream.send(&mut work.out).await.is_err() {
            return End::Abort;
        }
        if served_in_turn == REQUESTS_PER_TURN {
            served_in_turn = 0;
            stream.turn().await;
        }
    }
}

/// What has been read.
enum Next {
    /// A head of this many bytes.
    Head(usize),
    /// Something that cannot be served.
    Refused(Refusal),
    /// Not a byte.
    Nothing,
}

/// Why a request is answered without a look at the site.
#[derive(Clone, Copy)]
pub(crate) enum Refusal {
    /// It is broken, or too large.
    Bad(BadRequest),
    /// It did not come to its end in time.
    Late,
}

impl Refusal {
    pub(super) fn status(self) -> Status {
        match self {
            Refusal::Bad(bad) => bad.status(),
            Refusal::Late => Status::REQUEST_TIMEOUT,
        }
    }
}

async fn read_head(stream: &Stream, limits: &proto_http::Limits, work: &mut Work) -> Result<Next, Gone> {
    work.parser.reset();
    let mut waited = false;
    loop {
        let message = &work.input[work.start..];
        if !message.is_empty() {
            match work.parser.parse(message, limits, &mut work.head) {
                Ok(Progress::Done { len }) => return Ok(Next::Head(len)),
                Ok(Progress::NeedMore) => {}
                Err(bad) => return Ok(Next::Refused(Refusal::Bad(bad))),
            }
        }
        work.input.drain(..work.start);
        work.start = 0;
        if stream.take_received(&mut work.input) {
            continue;
        }
        // Nothing more to answer now: what is answered goes out in one piece.
        stream.send(&mut work.out).await?;
        if work.input.is_empty() {
            return Ok(Next::Nothing);
        }
        if !std::mem::replace(&mut waited, true) {
            stream.watch(Wait::Header);
        }
        match stream.receive(&mut work.input).await {
            Ok(()) => {}
            Err(Gone::Expired(Wait::Header)) => {
                stream.port.expired.set(None);
                return Ok(Next::Refused(Refusal::Late));
            }
            Err(gone) => return Err(gone),
        }
    }
}
