//! The one exit of a request: whatever became of it, it is counted and logged here and nowhere else.

use std::net::IpAddr;

use logging::{Addresses, RequestId};
use perf::Counter;
use proto_http::{BadRequest, ErrorKind, Known, Request, Status, Version};
use site::Place;

use crate::content::Sent;
use crate::content::relay::Try;
use crate::details::Facts;
use crate::holding::Room;
use crate::logs::{LogTo, Outcome};
use crate::offenders;
use crate::serve::Refusal;
use crate::served::Served;
use crate::shard::Shard;
use crate::stream::{Gone, Stream};

/// What is known of a request at its end.
pub(crate) struct Finished<'x> {
    pub(crate) stream: &'x Stream,
    /// What it began with.
    pub(crate) served: &'x Served,
    /// From whom it came; `None` at a Unix socket.
    pub(crate) client: Option<IpAddr>,
    /// `None` when the head could not be read.
    pub(crate) request: Option<Request<'x>>,
    /// Decoded; empty when it could not be read.
    pub(crate) path: &'x [u8],
    pub(crate) refusal: Option<Refusal>,
    pub(crate) place: Option<Place<'x>>,
    /// Whether its logs had room for its line.
    pub(crate) room: Room,
    /// The id that the server has made.
    pub(crate) own_id: u128,
    /// The id that the request goes by.
    pub(crate) id: RequestId<'x>,
    /// Who has logged in.
    pub(crate) user: Option<&'x str>,
    /// Monotonic nanoseconds.
    pub(crate) begun: u64,
    /// Bytes of head and body.
    pub(crate) received: u64,
    /// The servers that it was passed on to.
    pub(crate) tries: &'x [Try],
    /// Bytes of the head of the answer.
    pub(crate) head_sent: u64,
    pub(crate) sent: &'x Result<Sent, Gone>,
    /// Bytes of the content before it was compressed, if it was.
    pub(crate) uncoded: Option<u64>,
    /// Whether the connection may bring another request.
    pub(crate) persists: bool,
}

/// Counts and logs.
pub(crate) fn record(finished: &Finished<'_>) {
    let shard = &finished.stream.shard;
    if let Some(Refusal::Bad(bad)) = finished.refusal {
        count_bad(shard, bad);
    }
    match finished.sent {
        Ok(sent) => {
            shard.count(Counter::RequestsAnswered);
            shard.count(class(sent.status));
            if sent.status == Status::CONTENT_TOO_LARGE {
                shard.count(Counter::LimitBody);
            }
        }
        Err(_) => shard.count(Counter::RequestsAborted),
    }
    if finished.served.limits.counts_bad_requests {
        report(shard, finished);
    }
    let now = end_of(finished.begun, shard.clock.now());
    let duration = now.saturating_sub(finished.begun);
    shard.counters.record_latency(duration);
    if let Some(place) = finished.place {
        write_log(shard, finished, place, (now, duration));
    }
}

/// When a request ends that has `begun` in some pass: with the pass that has led to its end, as it has begun with one, so that
/// what is between them is as long as the time that has passed, for the cost of no look at the clock. What was answered in
/// the pass that it has come in has taken what has passed of that.
fn end_of(begun: u64, pass: u64) -> u64 {
    if begun < pass { pass } else { sys::clock::now_monotonic_ns() }
}

/// Counts a request whose client has gone before anything was done for it.
pub(crate) fn gone(shard: &Shard, gone: Gone) -> Gone {
    shard.count(Counter::RequestsAborted);
    gone
}

/// Tells whoever counts that a request was bad.
fn report(shard: &Shard, finished: &Finished<'_>) {
    let malformed = matches!(finished.refusal, Some(Refusal::Bad(_)));
    let refused = finished.sent.as_ref().is_ok_and(|sent| offenders::is_bad(sent.status));
    if let Some(client) = finished.client.filter(|_| malformed || refused)
        && !shard.offenders.note(client)
    {
        shard.count(Counter::OffencesLost);
    }
}

fn class(status: Status) -> Counter {
    match status.class() {
        // A switch to another protocol, which was all that could be answered.
        1 => Counter::Responses1xx,
        2 => Counter::Responses2xx,
        3 => Counter::Responses3xx,
        4 => Counter::Responses4xx,
        _ => Counter::Responses5xx,
    }
}

/// Counts a request that breaks the protocol, or a limit, by what it breaks.
pub(crate) fn count_bad(shard: &Shard, bad: BadRequest) {
    shard.count(match bad.kind() {
        ErrorKind::RequestLine => Counter::ParseErrorsRequestLine,
        ErrorKind::Target => Counter::ParseErrorsTarget,
        ErrorKind::Version => Counter::ParseErrorsVersion,
        ErrorKind::Field => Counter::ParseErrorsField,
        ErrorKind::Host => Counter::ParseErrorsHost,
        ErrorKind::Framing => Counter::ParseErrorsFraming,
        ErrorKind::Chunk => Counter::ParseErrorsChunk,
        ErrorKind::TooLarge => Counter::ParseErrorsTooLarge,
    });
    match bad {
        BadRequest::TargetTooLong => shard.count(Counter::LimitTarget),
        BadRequest::HeadTooLarge => shard.count(Counter::LimitHead),
        BadRequest::TooManyFields => shard.count(Counter::LimitFields),
        _ => {}
    }
}

fn write_log(shard: &Shard, finished: &Finished<'_>, place: Place<'_>, (now, duration_ns): (u64, u64)) {
    let status = finished.sent.map_or(0, |sent| sent.status.code());
    let outcome = Outcome { status, duration_ns, id: finished.own_id };
    // A log that had no room for the request has none for its refusal.
    let has_room = |log: &&LogTo| finished.room == Room::There || !log.holds();
    let logs = finished.served.logs(place.location.id).iter().filter(has_room);
    let mut logs = logs.filter(|log| log.wants(&outcome)).peekable();
    if logs.peek().is_none() {
        return;
    }
    let request = finished.request;
    let field = |known| request.and_then(|request| request.field(known)).unwrap_or_default();
    let mut record = logging::Record {
        unix_us: shard.clock.unix_us(now),
        client: finished.client.map_or(logging::Client::Local, logging::Client::Ip),
        method: request.map_or(b"", |request| request.method_bytes()),
        target: request.map_or(b"", |request| request.raw_target()),
        protocol: match request.map(|request| request.version()) {
            Some(Version::Http10) => b"HTTP/1.0",
            Some(Version::Http11) => b"HTTP/1.1",
            None => b"",
        },
        status,
        body_bytes_sent: finished.sent.map_or(0, |sent| sent.content),
        bytes_uncoded: finished.uncoded,
        bytes_received: finished.received,
        duration_ns,
        user: finished.user.unwrap_or_default().as_bytes(),
        host: place.host.name.as_bytes(),
        referer: field(Known::Referer),
        user_agent: field(Known::UserAgent),
        complete: finished.sent.is_ok(),
        // Every poll would be the news that answers the next one.
        showing: if place.location.shows_logs() { logging::Showing::Never } else { logging::Showing::First },
        request_id: finished.id,
        addresses: Addresses::Whole,
        details: &Facts { finished, place },
    };
    let mut shard_log = shard.log.borrow_mut();
    for log in logs {
        shard.count(Counter::LogLines);
        record.addresses = log.addresses;
        shard_log.write(log.sink, &log.format, &record);
        if record.showing == logging::Showing::First {
            record.showing = logging::Showing::Again;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_with_a_later_pass_or_within_its_own() {
        assert_eq!(end_of(5, 9), 9);
        let pass = sys::clock::now_monotonic_ns();
        assert!(pass <= end_of(pass, pass));
    }
}
