//! Carrying out what the phases have decided. Everything that goes to a client as a response starts here.

mod answer;
mod coded;
mod comet;
mod echo;
mod file;
mod instead;
mod listing;
mod metrics;
mod multipart;
mod negotiation;
pub(crate) mod relay;
mod transform;
mod whole;

use std::cell::OnceCell;
use std::net::IpAddr;

use auth::access::Holder;
use logging::RequestId;
use perf::Counter;
use proto_http::response::{self, Facts, HeadWriter};
use proto_http::{Method, Request, Status, Version};
use site::{
    About, Action, Answer, Asker, Compression, ErrorPages, Exchange, Fields, Knowledge, Place, Security,
    Source,
};

pub(crate) use instead::{Instead, Onward};

use crate::kept::Wanted;
use crate::request_body::RequestBody;
use crate::request_ids;
use crate::served::Served;
use crate::stream::{Gone, Stream};

/// What a response needs from its request and its connection.
pub(crate) struct Responder<'x> {
    pub(crate) stream: &'x Stream,
    /// What the request began with.
    pub(crate) served: &'x Served,
    /// `None` when the head could not be read.
    pub(crate) request: Option<Request<'x>>,
    /// The path, decoded and without dot segments, as rules have left it; empty when it could not be read.
    pub(crate) path: &'x [u8],
    /// The same in the form of a request line: as the client has sent it, unless rules have made another one.
    pub(crate) raw_path: &'x [u8],
    /// The query without its `?`, as rules have left it.
    pub(crate) query: Option<&'x [u8]>,
    /// Where it belongs, or what stands for that.
    pub(crate) place: Option<Place<'x>>,
    /// Where the answer comes from, if it is not what was to be sent first.
    pub(crate) instead: Option<Instead<'x>>,
    /// Keeps a path that an upstream has named.
    pub(crate) named_path: &'x OnceCell<Vec<u8>>,
    /// Where it goes on with another location, if an upstream wants that.
    pub(crate) onward: Option<Onward>,
    /// Whether it has done so.
    pub(crate) led: Led,
    /// The media type that an upstream has said of what it has named.
    pub(crate) media_type: Option<String>,
    /// The status of an error for which the content of a file is sent.
    pub(crate) stands_for: Option<Status>,
    /// Lines for the head of what is sent instead.
    pub(crate) lines: Vec<u8>,
    /// How contents are compressed there, if they are.
    pub(crate) compression: Option<&'x Compression>,
    /// The location's rules about fields.
    pub(crate) fields: &'x Fields,
    /// Those of the place that was asked for, which says whose scripts may read what comes.
    pub(crate) asked_fields: &'x Fields,
    /// Fields of answers that lines of the log ask for.
    pub(crate) wanted: &'x Wanted,
    /// The path that the client has asked for, decoded and without dot segments.
    pub(crate) asked: &'x [u8],
    /// The id of the request.
    pub(crate) id: RequestId<'x>,
    /// The same, where responses carry it.
    pub(crate) shown_id: Option<RequestId<'x>>,
    /// Who has logged in.
    pub(crate) user: Option<&'x str>,
    /// Whom the client's certificate is about.
    pub(crate) holder: Option<&'x Holder>,
    /// From whom the request came; `None` at a Unix socket.
    pub(crate) client: Option<IpAddr>,
    /// What has come after the head, in a request without a body: the beginning of the next one.
    pub(crate) ahead: &'x [u8],
    /// Where the response gathers.
    pub(crate) out: &'x mut Vec<u8>,
    /// What relaying needs.
    pub(crate) relay: &'x mut relay::Work,
    pub(crate) body: RequestBody<'x>,
    /// Whether the server wants this response to be the last.
    pub(crate) close_wanted: bool,
    /// Where the head begins in `out`.
    pub(crate) head_at: usize,
    /// The status that it begins with.
    pub(crate) head_status: Status,
    /// Bytes of the head, once it is written.
    pub(crate) head_sent: u64,
    /// Bytes of the content before it was compressed, if it was.
    pub(crate) uncoded: Option<u64>,
}

/// What has led to the place where it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Led {
    /// The client, or rules.
    ByClient,
    /// An upstream that was asked before.
    ByUpstream,
}

/// What was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) status: Status,
    /// Bytes of content, without framing.
    pub(crate) content: u64,
}

/// Sends the response that `action` asks for. An error means that the client cannot have got it whole.
pub(crate) async fn send(responder: &mut Responder<'_>, action: Action<'_>) -> Result<Sent, Gone> {
    let sent = carry_out(responder, action).await?;
    match responder.instead {
        None => Ok(sent),
        Some(_) => instead::send(responder).await,
    }
}

async fn carry_out(responder: &mut Responder<'_>, action: Action<'_>) -> Result<Sent, Gone> {
    match action {
        Action::Respond(answer) => Ok(answer::send(responder, &answer)),
        Action::Redirect { status, location } => Ok(answer::redirect(responder, status, &location)),
        Action::Reply { status, media_type, body } => Ok(answer::reply(responder, status, media_type, &body)),
        Action::File(files) => file::send(responder, files).await,
        // It was admitted or answered before this.
        Action::NeedLogin(_) | Action::Try(_) => {
            Ok(answer::send(responder, &Answer::with(Status::SERVICE_UNAVAILABLE)))
        }
        Action::ToTls(port) => Ok(answer::to_tls(responder, port)),
        Action::Comet(comet, part) => comet::send(responder, comet, part).await,
        Action::Relay(relay) => relay::send(responder, relay).await,
        Action::Echo => echo::send(responder).await,
        Action::Metrics => Ok(metrics::send(responder)),
        Action::HangUp => Ok(hang_up(responder)),
    }
}

/// Says nothing, and nothing after it.
fn hang_up(responder: &mut Responder<'_>) -> Sent {
    responder.close_wanted = true;
    responder.stream.shard.count(Counter::RequestsUnanswered);
    let status = Status::new(config::NO_ANSWER).expect("it has three digits");
    Sent { status, content: 0 }
}

impl<'x> Responder<'x> {
    /// Whether another request may follow, as it stands now.
    pub(crate) fn persists(&self) -> bool {
        response::persists(Facts {
            wished: self.request.is_some_and(|request| request.keep_alive()),
            request_read: self.body.is_read(),
            close_wanted: self.close_wanted,
        })
    }

    /// As [`Responder::persists`], for a head that is about to say so: the last moment to want the end.
    fn will_persist(&mut self) -> bool {
        self.close_wanted |= self.stream.leaving();
        self.persists()
    }

    /// Whether what is being sent stands for something else.
    fn is_instead(&self) -> bool {
        self.stands_for.is_some() || self.led == Led::ByUpstream || self.named_path.get().is_some()
    }

    /// Does to the head what rules about fields have to know the request for.
    fn add_for(&mut self, about: &About<'_>) {
        if !self.fields.depend_on_request() && !self.asked_fields.depend_on_request() {
            return;
        }
        let (id, mut digits) = (self.id, [0; RequestId::DIGITS]);
        let facts = Knowledge { request_id: id.text(&mut digits), user: self.user, upstream: None };
        let (request, exchange) = (self.request, self.exchange());
        let asker = Asker { request: request.as_ref(), exchange: exchange.as_ref(), facts };
        self.fields.add_for((&asker, self.asked_fields), self.out, self.head_at, about);
    }

    /// What rules about fields may look at; none for a request that could not be read, or leads nowhere.
    fn exchange(&self) -> Option<Exchange<'x>> {
        Some(Exchange {
            request: self.request?,
            path: self.path,
            query: self.query,
            asked: self.asked,
            place: self.place?,
            client: self.client,
            security: self.stream.port.security.get(),
            holder: self.holder,
        })
    }

    /// What the place sends with errors.
    fn pages(&self) -> Option<&'x ErrorPages> {
        self.place.map(|place| &place.location.error_pages)
    }

    /// Begins a head with the fields that every response has.
    fn head(&mut self, status: Status) -> HeadWriter<'_> {
        let connection = response::connection(self.version(), self.will_persist());
        let date = self.stream.shard.clock.date();
        let mut digits = [0; RequestId::DIGITS];
        let id = self.shown_id.as_ref().map(|id| id.text(&mut digits));
        self.head_at = self.out.len();
        self.head_status = status;
        let writer = HeadWriter::new(self.out, status);
        let writer = if self.served.limits.server_header { writer.field("Server", SERVER) } else { writer };
        let writer = writer.date(&date).connection(connection);
        let writer = match id {
            Some(id) => writer.field(request_ids::FIELD, id),
            None => writer,
        };
        writer.lines(&self.lines)
    }

    /// Ends a head that [`Responder::head`] has begun.
    fn end_head(&mut self) {
        self.end_head_as(Source::Own, None, &[]);
    }

    /// The same, of a head that says nothing of the content that it is about.
    fn end_head_about(&mut self, media_type: &str) {
        self.end_head_as(Source::Own, Some(media_type), &[]);
    }

    /// The same, of a page of our own, with fields that no rule changes.
    fn end_head_with(&mut self, fixed: &[(&str, &str)]) {
        self.end_head_as(Source::Own, None, fixed);
    }

    /// The one place where the location's rules about fields are applied; then the head is whole.
    fn end_head_as(&mut self, source: Source, media_type: Option<&str>, fixed: &[(&str, &str)]) {
        let over_tls = self.stream.port.security.get() != Security::Plain;
        let about = About { status: self.head_status, over_tls, source, media_type, fixed };
        self.fields.fix_for(self.asked_fields, self.out, self.head_at, &about);
        self.add_for(&about);
        self.out.extend_from_slice(b"\r\n");
        self.head_sent = (self.out.len() - self.head_at) as u64;
        self.keep(&self.out[self.head_at..]);
    }

    /// Keeps what lines of the log have of a whole head.
    fn keep(&self, head: &[u8]) {
        self.stream.port.kept.borrow_mut().keep_sent(self.wanted, head);
    }

    /// An unreadable request is answered as one of HTTP/1.1: the safe reading of its silence is the same.
    fn version(&self) -> Version {
        self.request.map_or(Version::Http11, |request| request.version())
    }

    fn is_head(&self) -> bool {
        self.request.is_some_and(|request| request.method() == Method::Head)
    }
}

/// Value of `Server`: no version, which would only help those who look for a known hole.
pub(crate) const SERVER: &[u8] = b"kimura";
