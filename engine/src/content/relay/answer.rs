//! The answer of a server on its way to the client.

use std::time::Instant;

use config::UpstreamProtocol;
use logging::RequestId;
use perf::Counter;
use proto_http::body::{BodyLimits, Decoder};
use proto_http::response::{self, Facts};
use proto_http::upstream::{
    AnswerHead, Asked, Delivery, FieldNames, Framing, Named, Recoding, ResponseHead, ResponseLimits,
    ResponseParser, Rules, ServerField, takes_trailers, write_interim, write_last_chunk,
};
use proto_http::{Progress, Request, Status, Version, chunk};
use site::{About, Asker, Compression, Exchange, Fields, Knowledge, Security};

use super::super::transform::{self, Transform};
use super::super::{Responder, SERVER, Sent};
use super::exchange::Course;
use super::instead::{FOR_US, Replacement, Replacing};
use super::order::Order;
use super::records::Records;
use super::way::{Failure, Way};
use crate::kept::Wanted;
use crate::limits::{AHEAD_MIN, CODED_PER_TURN, CODED_TOGETHER, INTERIM_MAX, PULLED_MIN, PULLED_PER_TURN};
use crate::request_ids;
use crate::served::Served;
use crate::stream::Stream;

/// What reading answers needs; it is used again.
pub(super) struct Reading {
    /// Received; `input[at..]` has not been read.
    input: Vec<u8>,
    at: usize,
    parser: ResponseParser,
    /// In place of the parser, where the server speaks FastCGI.
    pub(super) records: Records,
    protocol: UpstreamProtocol,
    head: ResponseHead,
    /// The trailer section, as far as it has come.
    trailers: Vec<u8>,
    /// Fields that are added to the answer.
    lines: Vec<u8>,
    /// The field that has a client come to the same server again, if one is to be set.
    pub(super) cookie: Vec<u8>,
    /// The name of the server.
    pub(super) server: String,
}

impl Default for Reading {
    fn default() -> Reading {
        Reading {
            input: Vec::new(),
            at: 0,
            parser: ResponseParser::new(),
            records: Records::default(),
            protocol: UpstreamProtocol::Http,
            head: ResponseHead::new(),
            trailers: Vec::new(),
            lines: Vec::new(),
            cookie: Vec::new(),
            server: String::new(),
        }
    }
}

impl Reading {
    /// Nothing has come of the next answer, which will be in this protocol.
    pub(super) fn begin(&mut self, protocol: UpstreamProtocol) {
        self.input.clear();
        self.trailers.clear();
        self.cookie.clear();
        self.server.clear();
        self.at = 0;
        self.protocol = protocol;
        match protocol {
            UpstreamProtocol::Http => self.parser.reset(),
            UpstreamProtocol::Fastcgi => self.records.begin(),
        }
    }

    /// Reads what has come of a head.
    fn parse(&mut self, limits: &ResponseLimits) -> Result<Progress, Failure> {
        let input = &self.input[self.at..];
        let progress = match self.protocol {
            UpstreamProtocol::Http => self.parser.parse(input, limits, &mut self.head),
            UpstreamProtocol::Fastcgi => self.records.parse(input, limits, &mut self.head),
        };
        progress.map_err(Failure::Bad)
    }

    /// Whether the head that was read is followed by another one.
    fn is_interim(&self) -> bool {
        self.head.view(&self.input[self.at..]).is_interim()
    }

    /// Waits for more.
    async fn receive(&mut self, way: &Way<'_>) -> Result<(), Failure> {
        match self.protocol {
            UpstreamProtocol::Http => way.receive(&mut self.input).await,
            UpstreamProtocol::Fastcgi => self.records.receive(way, &mut self.input).await,
        }
    }

    /// How long the content is, behind a head of `len` bytes, where all of it is there and nothing needs to say so.
    fn whole_content(&self, len: usize) -> Option<u64> {
        let whole = self.protocol == UpstreamProtocol::Fastcgi && self.records.is_done();
        whole.then(|| (self.input.len() - self.at - len) as u64)
    }

    /// Whether the server's connection can be used again after an answer that says so.
    fn keeps(&self, said: bool) -> bool {
        match self.protocol {
            UpstreamProtocol::Http => said,
            UpstreamProtocol::Fastcgi => self.records.keeps(),
        }
    }

    /// What has come and has not been read.
    pub(super) fn rest(&mut self) -> &mut Vec<u8> {
        self.input.drain(..self.at);
        self.at = 0;
        &mut self.input
    }

    /// Whether all that has come is read.
    pub(super) fn is_empty(&self) -> bool {
        self.at == self.input.len()
    }

    /// Lets go of what a rare large answer has left.
    pub(super) fn slim(&mut self) {
        super::slim(&mut self.input);
        super::slim(&mut self.lines);
        super::slim(&mut self.trailers);
        self.records.slim();
        self.at = 0;
    }
}

/// The empty line at the end of a head.
const END: &[u8] = b"\r\n";

/// What is said to a client beside what the server says.
#[derive(Clone, Copy)]
pub(super) struct Teller<'x> {
    request: Request<'x>,
    served: &'x Served,
    /// The location's rules about fields.
    fields: &'x Fields,
    asked_fields: &'x Fields,
    /// For those of them that ask about it.
    exchange: Option<Exchange<'x>>,
    id: RequestId<'x>,
    user: Option<&'x str>,
    replacing: Replacing<'x>,
    compression: Option<&'x Compression>,
    /// Fields of answers that lines of the log ask for.
    wanted: &'x Wanted,
    /// The id of the request, where responses carry it.
    shown_id: Option<RequestId<'x>>,
    close_wanted: bool,
    /// The protocol that the client wants to go on in.
    upgrade: Option<&'x [u8]>,
}

impl<'x> Teller<'x> {
    pub(super) fn of(responder: &Responder<'x>, order: &Order<'x>) -> Teller<'x> {
        let ask = responder.fields.depend_on_request() || responder.asked_fields.depend_on_request();
        Teller {
            request: order.request,
            served: responder.served,
            fields: responder.fields,
            asked_fields: responder.asked_fields,
            exchange: ask.then(|| responder.exchange()).flatten(),
            id: responder.id,
            user: responder.user,
            replacing: Replacing::at(responder.place),
            compression: responder.compression,
            wanted: responder.wanted,
            shown_id: responder.shown_id,
            close_wanted: responder.close_wanted,
            upgrade: order.upgrade,
        }
    }

    /// Applies the location's rules about fields to a whole head of this server.
    fn rule(&self, server: &str, out: &mut Vec<u8>, begin: usize, about: &About<'_>) {
        out.truncate(out.len() - END.len());
        self.fields.fix_for(self.asked_fields, out, begin, about);
        if self.fields.depend_on_request() || self.asked_fields.depend_on_request() {
            let mut digits = [0; RequestId::DIGITS];
            let request_id = self.id.text(&mut digits);
            let facts = Knowledge { request_id, user: self.user, upstream: Some(server) };
            let asker = Asker { request: Some(&self.request), exchange: self.exchange.as_ref(), facts };
            self.fields.add_for((&asker, self.asked_fields), out, begin, about);
        }
        out.extend_from_slice(END);
    }

    fn asked(&self) -> Asked<'x> {
        Asked { method: self.request.method(), upgrade: self.upgrade }
    }
}

/// What has become of an answer that is whole.
pub(super) struct Answered {
    pub(super) sent: Sent,
    /// Where its head began, and how long it is.
    pub(super) head: (usize, u64),
    /// Whether the client's connection has to end with it.
    pub(super) closes: bool,
    /// Whether the server's connection can be used again.
    pub(super) keeps: bool,
    pub(super) goes_on: GoesOn,
    /// What the client gets in its place: nothing of it has been passed on.
    pub(super) replacement: Option<Box<Replacement>>,
    /// Bytes of the content before it was compressed, if it was.
    pub(super) uncoded: Option<u64>,
}

/// An answer whose head has been written.
struct Told {
    answered: Answered,
    framing: Framing,
    delivery: Delivery,
    transform: Option<Transform>,
}

/// What follows an answer on the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GoesOn {
    /// Another request, or nothing.
    Http,
    /// Another protocol.
    Tunnel,
}

/// An answer on its way.
pub(super) struct Answering<'b, 'x> {
    pub(super) way: &'b Way<'x>,
    pub(super) course: &'b mut Course,
    pub(super) teller: &'b Teller<'x>,
    pub(super) reading: &'b mut Reading,
    pub(super) out: &'b mut Vec<u8>,
}

impl Answering<'_, '_> {
    /// Passes the answer on as it comes; the last of it stays in `out`.
    pub(super) async fn pass_on(&mut self) -> Result<Answered, Failure> {
        let len = self.read_head().await?;
        self.keep_head(len);
        if let Some(answered) = self.replaced(len) {
            return Ok(answered);
        }
        let Told { mut answered, framing, delivery, transform } = self.tell_head(len)?;
        self.reading.at += len;
        if framing.has_content() {
            let mut content = Content::new(framing, delivery, transform);
            self.pour(&mut content, framing).await?;
            answered.sent.content = content.len;
            answered.uncoded = content.transform.as_ref().map(|transform| transform.taken);
        }
        answered.keeps = self.reading.keeps(answered.keeps);
        Ok(answered)
    }

    /// Reads up to the end of a final head; answers its length.
    async fn read_head(&mut self) -> Result<usize, Failure> {
        let limits = ResponseLimits::default();
        let mut interim = 0;
        loop {
            if !self.reading.is_empty() {
                match self.reading.parse(&limits)? {
                    Progress::Done { len } if self.reading.is_interim() => {
                        interim += 1;
                        if INTERIM_MAX < interim {
                            return Err(Failure::Interim);
                        }
                        self.tell_interim(len).await?;
                        continue;
                    }
                    Progress::Done { len } => return Ok(len),
                    Progress::NeedMore => {}
                }
            }
            self.reading.rest();
            self.reading.receive(self.way).await?;
            self.course.heard = true;
        }
    }

    /// Passes an interim answer on (RFC 9110 section 15.2). 100 is for us: the client has been told by us.
    async fn tell_interim(&mut self, len: usize) -> Result<(), Failure> {
        let shard = &self.way.client.shard;
        shard.count(Counter::UpstreamResponses1xx);
        let response = self.reading.head.view(&self.reading.input[self.reading.at..]);
        let passes =
            response.status() != Status::CONTINUE && self.teller.request.version() == Version::Http11;
        if passes {
            write_interim(&response, self.out);
            shard.count(Counter::Responses1xx);
        }
        self.reading.at += len;
        // It says something before its time: there is no use in waiting for more.
        self.way.answer(self.out).await
    }

    /// Keeps what lines of the log have of what the server says.
    fn keep_head(&self, len: usize) {
        let Reading { input, at, head, .. } = &*self.reading;
        let fields = head.view(&input[*at..*at + len]).fields().map(|(name, value, _)| (name, value));
        self.way.client.port.kept.borrow_mut().keep_upstream(self.teller.wanted, fields);
    }

    /// What becomes of an answer that the client does not get. What follows its head is not read, so that its connection
    /// cannot be used again.
    fn replaced(&mut self, len: usize) -> Option<Answered> {
        let Reading { input, at, head, .. } = &mut *self.reading;
        let response = head.view(&input[*at..*at + len]);
        let replacement = self.teller.replacing.of(&response, &self.teller.request)?;
        let status = response.status();
        self.way.client.shard.count(class(status));
        *at += len;
        Some(Answered {
            sent: Sent { status, content: 0 },
            head: (self.out.len(), 0),
            closes: false,
            keeps: false,
            goes_on: GoesOn::Http,
            uncoded: None,
            replacement: Some(Box::new(replacement)),
        })
    }

    /// Writes the head for the client; answers how its content follows.
    fn tell_head(&mut self, len: usize) -> Result<Told, Failure> {
        let Answering { way, course, teller, reading, out } = self;
        let stream = way.client;
        let whole = reading.whole_content(len);
        let Reading { input, at, head, lines, cookie, server, .. } = &mut **reading;
        let response = head.view(&input[*at..*at + len]);
        let framing = match (response.framing(&teller.asked()).map_err(Failure::Bad)?, whole) {
            (Framing::UntilClose, Some(length)) => Framing::Length(length),
            (framing, _) => framing,
        };
        stream.shard.count(class(response.status()));
        course.headed = Some(stream.shard.clock.now());
        course.status = Some(response.status().code());
        let request = &teller.request;
        let delivery = Delivery::of(&response, framing, request.method(), request.version());
        let mut recoding = transform::recoding(teller.compression, request, &response, framing);
        let mut transform = None;
        if let (Recoding::Done(coding), Some(compression), true) =
            (recoding, teller.compression, framing.has_content())
        {
            transform = Transform::begin(&stream.shard, compression, coding);
            // Without a place for it the content stays as it is.
            recoding = transform.as_ref().map_or(Recoding::Possible, |_| recoding);
        }
        let delivery = if matches!(recoding, Recoding::Done(_)) { delivery.recoded() } else { delivery };
        let closes = teller.close_wanted || delivery.closes() || stream.leaving();
        let persists = response::persists(Facts {
            wished: request.keep_alive(),
            request_read: way.is_asked(),
            close_wanted: closes,
        });
        let date = stream.shard.clock.date();
        let begin = out.len();
        let head = AnswerHead {
            response,
            delivery,
            connection: response::connection(request.version(), persists),
            date: &date,
            server: match teller.served.limits.server_header {
                true => ServerField::Own(SERVER),
                false => ServerField::Dropped,
            },
            recoding,
            rules: Rules { dropped: &FOR_US, lines: own_lines(teller, lines) },
        };
        head.write(out);
        if framing != Framing::Tunnel {
            let over_tls = stream.port.security.get() != Security::Plain;
            teller.rule(server, out, begin, &About { over_tls, ..About::relayed(response.status()) });
            out.truncate(out.len() - END.len());
            out.extend_from_slice(cookie);
            out.extend_from_slice(END);
        }
        stream.port.kept.borrow_mut().keep_sent(teller.wanted, &out[begin..]);
        let answered = Answered {
            sent: Sent { status: response.status(), content: 0 },
            head: (begin, (out.len() - begin) as u64),
            closes: !persists,
            keeps: response.keeps_alive(framing),
            uncoded: None,
            goes_on: if framing == Framing::Tunnel { GoesOn::Tunnel } else { GoesOn::Http },
            replacement: None,
        };
        Ok(Told { answered, framing, delivery, transform })
    }

    /// Passes the content on.
    async fn pour(&mut self, content: &mut Content, framing: Framing) -> Result<(), Failure> {
        let mut turn_ends = PULLED_PER_TURN;
        let mut pieces = 0;
        loop {
            if content.transform.is_some() && !self.reading.is_empty() {
                self.way.client.coding_turn(pieces % CODED_TOGETHER != 0).await;
                pieces += 1;
            }
            let Reading { input, at, trailers, .. } = &mut *self.reading;
            let sink = Sink { client: self.way.client, told: &mut self.course.told, out: self.out };
            let begun = content.transform.is_some().then(Instant::now);
            content.pour((input, at), trailers, sink)?;
            if let Some(begun) = begun {
                self.way.client.shard.has_coded_for(begun.elapsed());
            }
            if content.is_whole() {
                break;
            }
            if *at < input.len() {
                self.course.told = true;
                self.way.answer(self.out).await?;
                continue;
            }
            input.clear();
            *at = 0;
            self.course.told = true;
            if !self.way.has_received() {
                content.flush(self.out)?;
            }
            self.way.answer(self.out).await?;
            if content.leaves_at_least(PULLED_MIN, framing) && self.reading.protocol == UpstreamProtocol::Http
            {
                self.way.pull();
            }
            if turn_ends <= content.len {
                turn_ends = content.len + PULLED_PER_TURN;
                self.way.client.turn().await;
            }
            match self.reading.receive(self.way).await {
                Ok(()) => {}
                // RFC 9112 section 6.3: the end of the connection is the end of the content; of a script, that of
                // its reply.
                Err(Failure::Ended) if framing == Framing::UntilClose => break,
                Err(failure) => return Err(failure),
            }
        }
        let takes = takes_trailers(&self.teller.request);
        let trailers = if takes { &self.reading.trailers[..] } else { &[] };
        content.finish(trailers, self.out)
    }
}

/// The content of an answer, as far as it has come.
struct Content {
    /// None where the connection ends it.
    decoder: Option<Decoder>,
    delivery: Delivery,
    /// None where it passes as it is.
    transform: Option<Transform>,
    /// Bytes for the client, without framing.
    len: u64,
}

impl Content {
    fn new(framing: Framing, delivery: Delivery, transform: Option<Transform>) -> Content {
        let decoder = framing.body().map(|body| Decoder::new(body, BodyLimits::default()));
        Content { decoder, delivery, transform, len: 0 }
    }

    /// Moves what is held back to `out`.
    fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        if let Some(transform) = &mut self.transform {
            let data = transform.flush().map_err(Failure::Client)?;
            self.len += frame(data, self.delivery, out);
        }
        Ok(())
    }

    /// Moves what is left to `out`, and the end.
    fn finish(&mut self, trailers: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        if let Some(transform) = &mut self.transform {
            let data = transform.finish().map_err(Failure::Client)?;
            self.len += frame(data, self.delivery, out);
        }
        if self.delivery == Delivery::Chunked {
            // What they say of the content, such as its digest, is not true of another form of it.
            let trailers = if self.transform.is_some() { &[] } else { trailers };
            write_last_chunk(trailers, &Named::default(), FieldNames::NONE, out);
        }
        Ok(())
    }

    fn is_whole(&self) -> bool {
        self.decoder.as_ref().is_some_and(Decoder::is_done)
    }

    /// Whether it passes as it is, and so many bytes are known to come.
    fn leaves_at_least(&self, least: u64, framing: Framing) -> bool {
        self.transform.is_none()
            && matches!(framing, Framing::Length(len) if least <= len.saturating_sub(self.len))
    }

    /// Moves what has come to `out`, framed for the client; stops at the end of the content, and after a piece that had
    /// to be compressed.
    fn pour(
        &mut self,
        (input, at): (&mut Vec<u8>, &mut usize),
        trailers: &mut Vec<u8>,
        mut sink: Sink<'_>,
    ) -> Result<(), Failure> {
        while *at < input.len() && !self.is_whole() {
            let most = if self.transform.is_some() { CODED_PER_TURN } else { usize::MAX };
            let rest = &input[*at..input.len().min(at.saturating_add(most))];
            let (data, taken) = match &mut self.decoder {
                Some(decoder) => {
                    let step = decoder.decode(rest).map_err(|_| Failure::Framing)?;
                    trailers.extend_from_slice(&rest[step.trailer]);
                    (&rest[step.data], step.consumed)
                }
                None => (rest, rest.len()),
            };
            let as_it_is = self.transform.is_none() && self.delivery != Delivery::Chunked;
            if as_it_is && sink.out.is_empty() && data.len() == input.len() {
                // All of it, and nothing else: there is no need for a copy.
                self.len += data.len() as u64;
                std::mem::swap(input, sink.out);
                return Ok(());
            }
            *at += taken;
            if as_it_is && AHEAD_MIN <= data.len() {
                self.len += data.len() as u64;
                sink.push(data);
                continue;
            }
            let Some(transform) = &mut self.transform else {
                self.len += frame(data, self.delivery, sink.out);
                continue;
            };
            let data = transform.push(data).map_err(Failure::Client)?;
            self.len += frame(data, self.delivery, sink.out);
            return Ok(());
        }
        Ok(())
    }
}

/// Where content goes.
struct Sink<'s> {
    client: &'s Stream,
    /// Whether the client has got something of the answer.
    told: &'s mut bool,
    out: &'s mut Vec<u8>,
}

impl Sink<'_> {
    /// Sends what waits and `data` behind it, as far as the kernel takes them at once; the rest waits.
    fn push(&mut self, data: &[u8]) {
        *self.told = true;
        let pushed = self.client.push(self.out, data);
        self.out.extend_from_slice(&data[pushed..]);
    }
}

/// Appends a piece of content as it is delivered; answers its length. An empty chunk would be the last one.
fn frame(data: &[u8], delivery: Delivery, out: &mut Vec<u8>) -> u64 {
    if data.is_empty() {
        return 0;
    }
    if delivery == Delivery::Chunked {
        chunk::write_size(out, data.len());
    }
    out.extend_from_slice(data);
    if delivery == Delivery::Chunked {
        out.extend_from_slice(chunk::END);
    }
    data.len() as u64
}

/// The line with the id of the request, where it is shown.
fn own_lines<'l>(teller: &Teller<'_>, lines: &'l mut Vec<u8>) -> &'l [u8] {
    lines.clear();
    if let Some(id) = &teller.shown_id {
        let mut digits = [0; RequestId::DIGITS];
        lines.extend_from_slice(request_ids::FIELD.as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(id.text(&mut digits));
        lines.extend_from_slice(END);
    }
    lines
}

fn class(status: Status) -> Counter {
    match status.class() {
        1 => Counter::UpstreamResponses1xx,
        2 => Counter::UpstreamResponses2xx,
        3 => Counter::UpstreamResponses3xx,
        4 => Counter::UpstreamResponses4xx,
        _ => Counter::UpstreamResponses5xx,
    }
}
