//! Lines as server-sent events (HTML, section 9.2): one answer that goes on as long as the viewer likes.

use std::time::Duration;

use proto_http::{Status, Version, chunk};

use super::super::{Responder, Sent};
use super::{FIELDS, View, Watch};
use crate::stream::Gone;

/// How long a viewer that sees nothing new is left without a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Milliseconds after which a viewer whose answer has ended comes again.
const RETRY_MILLIS: u32 = 500;

/// Sends lines until the viewer goes, or has to.
pub(super) async fn send(responder: &mut Responder<'_>, mut view: View) -> Result<Sent, Gone> {
    let framing = head(responder);
    let mut sent = Sent { status: Status::OK, content: 0 };
    if !responder.wants_content() {
        return Ok(sent);
    }
    let watch = Watch::new(responder.stream);
    let mut text = greeting(&view).into_bytes();
    let mut heard = responder.stream.shard.clock.now();
    loop {
        let look = view.look(&mut text, event);
        if look.missed > 0 {
            responder.stream.shard.count_by(perf::Counter::CometLinesMissed, look.missed);
            missed(&mut text, &view, look.missed);
        }
        let now = responder.stream.shard.clock.now();
        if text.is_empty() && u128::from(now - heard) >= HEARTBEAT.as_nanos() {
            text = format!("id: {}\n\n", view.place()).into_bytes();
        }
        if !text.is_empty() {
            heard = now;
            sent.content += text.len() as u64;
            framing.put(responder.out, &text);
            text.clear();
            responder.stream.send(responder.out).await?;
            // Only then is more taken from the ring: who does not read costs this buffer, and misses what passes.
            responder.stream.sent().await?;
        }
        if watch.is_over(responder) {
            framing.end(responder.out);
            return Ok(sent);
        }
        if look.more {
            responder.stream.turn().await;
        } else {
            responder.stream.news().await?;
        }
    }
}

/// How the content is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Chunks,
    /// It ends with the connection: an HTTP/1.0 client cannot read chunks.
    Close,
}

impl Framing {
    fn put(self, out: &mut Vec<u8>, text: &[u8]) {
        if self == Framing::Chunks {
            chunk::write_size(out, text.len());
        }
        out.extend_from_slice(text);
        if self == Framing::Chunks {
            out.extend_from_slice(chunk::END);
        }
    }

    fn end(self, out: &mut Vec<u8>) {
        if self == Framing::Chunks {
            out.extend_from_slice(chunk::LAST);
        }
    }
}

fn head(responder: &mut Responder<'_>) -> Framing {
    let framing = if responder.version() == Version::Http11 { Framing::Chunks } else { Framing::Close };
    responder.close_wanted |= framing == Framing::Close;
    let writer = responder.head(Status::OK).field("Content-Type", b"text/event-stream; charset=utf-8");
    // Proxies that gather answers would keep lines back.
    let writer = writer.field("X-Accel-Buffering", b"no");
    if framing == Framing::Chunks {
        writer.field("Transfer-Encoding", b"chunked");
    }
    responder.end_head_with(&FIELDS);
    framing
}

/// The first words: when to come again, and where the viewer is before any line has come. One whose numbers are of
/// another server is told.
fn greeting(view: &View) -> String {
    let event = if view.strange { "restarted" } else { "ready" };
    format!("retry: {RETRY_MILLIS}\n\nevent: {event}\nid: {}\ndata: {{}}\n\n", view.place())
}

pub(super) fn event(text: &mut Vec<u8>, place: &str, object: &[u8]) {
    text.extend_from_slice(format!("id: {place}\ndata: ").as_bytes());
    text.extend_from_slice(object);
    text.extend_from_slice(b"\n\n");
}

fn missed(text: &mut Vec<u8>, view: &View, lines: u64) {
    let place = view.place();
    text.extend_from_slice(format!("event: missed\nid: {place}\ndata: {{\"lines\":{lines}}}\n\n").as_bytes());
}
