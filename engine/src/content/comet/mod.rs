//! Live logs: the page, the lines as server-sent events, and long polling.
//!
//! A viewer is a cursor in the ring of lines and one buffer. It ends with everything that could mean that it may not
//! see the logs any more, and comes back, with the number of the last line that it has seen.

mod events;
mod poll;
mod question;

use proto_http::{Known, Method, Status};
use site::{Answer, Comet, Part};
use sys::broadcast::{Cursor, Next};

use super::{Responder, Sent, answer};
use crate::stream::{Gone, Stream};
use crate::viewers::Seat;
use question::{Question, Start};

/// The page for people.
const PAGE: &[u8] = include_bytes!("page.html");
/// What it may do: its own script and style, named by their SHA-256, and requests to where it comes from.
const POLICY: &str = include_str!("policy.txt");

/// Lines that are looked at in one turn.
const SCAN_PER_TURN: usize = 2_000;
/// Bytes that a viewer is sent at a time; the last line may go beyond.
const BYTES_PER_TURN: usize = 32 * 1024;
/// Lines that are looked at for those that a viewer gets at first.
const SCAN_BACK_MAX: usize = 20_000;
/// Seconds after which one for whom there was no place may come again.
const RETRY_SECONDS: u32 = 5;

/// Fields of every answer: nobody keeps what it shows, or puts it into a page of its own.
const FIELDS: [(&str, &str); 4] = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
];

/// Shows what is asked for.
pub(super) async fn send(responder: &mut Responder<'_>, comet: &Comet, part: Part) -> Result<Sent, Gone> {
    if part == Part::Page {
        return Ok(whole(responder, Status::OK, b"text/html; charset=utf-8", PAGE));
    }
    let question = match question::of(responder, comet) {
        Ok(question) => question,
        Err(why) => {
            let text = format!("{why}\n");
            return Ok(whole(responder, Status::BAD_REQUEST, b"text/plain; charset=utf-8", text.as_bytes()));
        }
    };
    let Some(seat) = Seat::take(responder.stream) else {
        let status = Status::SERVICE_UNAVAILABLE;
        return Ok(answer::send(
            responder,
            &Answer { retry_after: Some(RETRY_SECONDS), ..Answer::with(status) },
        ));
    };
    let view = View::new(seat, question);
    match part {
        Part::Events => events::send(responder, view).await,
        Part::Poll | Part::Page => poll::send(responder, view).await,
    }
}

/// An answer that is complete in itself.
fn whole(responder: &mut Responder<'_>, status: Status, media_type: &[u8], content: &[u8]) -> Sent {
    let with_content = !responder.is_head();
    let writer = responder.head(status).field("Content-Type", media_type);
    writer.number("Content-Length", content.len() as u64);
    let [a, b, c, d] = FIELDS;
    responder.end_head_with(&[a, b, c, d, ("Content-Security-Policy", POLICY.trim_end())]);
    let content = if with_content { content } else { b"" };
    responder.out.extend_from_slice(content);
    Sent { status, content: content.len() as u64 }
}

/// What one viewer sees, as far as it has come.
struct View {
    seat: Seat,
    question: Question,
    cursor: Cursor,
    record: Vec<u8>,
    /// Whether the numbers that the viewer knows are of another server, whose lines are gone.
    strange: bool,
}

/// What came of a look at the ring.
struct Look {
    /// Lines that were wanted.
    lines: usize,
    /// Lines that were overwritten before they could be looked at.
    missed: u64,
    /// Whether there may be more at once.
    more: bool,
}

impl View {
    fn new(seat: Seat, question: Question) -> View {
        let ring = &seat.ring;
        let (cursor, strange) = match question.start {
            Start::After { ring: name, number } if name == ring.name() => match ring.after(number) {
                Some(cursor) => (cursor, false),
                None => (ring.oldest(), true),
            },
            Start::After { .. } => (ring.oldest(), true),
            Start::Last(count) => {
                let wanted = |record: &[u8]| question.takes(record).is_some();
                (ring.last_of(count, SCAN_BACK_MAX, wanted), false)
            }
        };
        View { seat, question, cursor, record: Vec::new(), strange }
    }

    /// Hands wanted lines to `put`, which appends each to `out`, until there are enough for now.
    fn look(&mut self, out: &mut Vec<u8>, mut put: impl FnMut(&mut Vec<u8>, &str, &[u8])) -> Look {
        let mut look = Look { lines: 0, missed: 0, more: false };
        for _ in 0..SCAN_PER_TURN {
            if BYTES_PER_TURN <= out.len() {
                look.more = true;
                return look;
            }
            match self.seat.ring.next(&mut self.cursor, &mut self.record) {
                Next::Nothing => return look,
                Next::Missed(count) => look.missed += count,
                Next::Record(_) => {
                    if let Some(entry) = self.question.takes(&self.record) {
                        let mut object = Vec::new();
                        entry.object(&mut object, &self.place());
                        put(out, &self.place(), &object);
                        look.lines += 1;
                    }
                }
            }
        }
        look.more = true;
        look
    }

    /// Where the viewer is: the name of the ring and the number of the last line.
    fn place(&self) -> String {
        format!("{:016x}-{}", self.seat.ring.name(), self.cursor.seen())
    }
}

/// What decides whether a viewer may see on.
struct Watch {
    forgotten: u32,
}

impl Watch {
    fn new(stream: &Stream) -> Watch {
        Watch { forgotten: stream.shard.logins.borrow().forgotten() }
    }

    /// Whether the viewer has to come again: the server is on its way out, or what is served or who may enter has
    /// changed.
    fn is_over(&self, responder: &Responder<'_>) -> bool {
        let stream = responder.stream;
        let served = std::ptr::eq(&raw const **stream.shard.served.borrow(), responder.served);
        stream.port.ended.get()
            || stream.leaving()
            || !served
            || stream.shard.logins.borrow().forgotten() != self.forgotten
    }
}

/// The `Last-Event-ID` of a request, which no head keeps track of.
fn last_event_id<'r>(responder: &Responder<'r>) -> Option<&'r [u8]> {
    let mut fields = responder.request?.fields();
    let is_it = |(name, _, known): &(&[u8], &[u8], Known)| {
        *known == Known::Other && name.eq_ignore_ascii_case(b"Last-Event-ID")
    };
    fields.find(is_it).map(|(_, value, _)| value)
}

impl Responder<'_> {
    fn wants_content(&self) -> bool {
        self.request.is_some_and(|request| request.method() != Method::Head)
    }
}

#[cfg(test)]
mod tests;
