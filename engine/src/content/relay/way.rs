//! The way between a client and a server: what is waited for on it, and how it ends.

use std::cell::Cell;
use std::fmt::{self, Display, Formatter};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use perf::Counter;
use proto_http::Status;
use proto_http::fastcgi::BadReply;
use proto_http::upstream::BadResponse;
use site::upstream::Seat;
use tls::Outward;

use crate::connection::Wait;
use crate::port::{Awaits, Transport};
use crate::request_body::BodyError;
use crate::shard::Shard;
use crate::stream::{Gone, Stream};
use crate::upstream::Link;

/// Why an exchange with a server has come to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The client has gone: nobody waits for an answer.
    Client(Gone),
    /// The server has not taken the connection.
    Refused,
    /// It has not done so in time.
    NotTaken,
    /// It has ended the connection before its answer was whole.
    Ended,
    /// The connection to it has failed.
    Broken,
    /// It has not taken the request, or not answered, in time.
    Late,
    /// Its answer is none.
    Bad(BadResponse),
    /// It has sent interim answers without end.
    Interim,
    /// The framing of its answer's content is broken.
    Framing,
    /// What it has sent is no reply of FastCGI.
    Reply(BadReply),
    /// The content of the request cannot be read to its end.
    Body(BodyError),
}

impl Failure {
    /// The status for the client, as long as nothing of an answer has been passed on (RFC 9110 sections 15.6.3 and
    /// 15.6.5).
    pub(super) fn status(self) -> Status {
        match self {
            Failure::NotTaken | Failure::Late => Status::GATEWAY_TIMEOUT,
            _ => Status::BAD_GATEWAY,
        }
    }

    /// Whether nothing of the request can have reached the server.
    pub(super) fn is_unsent(self) -> bool {
        matches!(self, Failure::Refused | Failure::NotTaken)
    }

    /// Whether it is the server that has failed.
    pub(super) fn is_of_server(self) -> bool {
        !matches!(self, Failure::Client(_) | Failure::Body(_))
    }

    /// What counts it; what has run out of time is counted where that is seen.
    pub(super) fn counter(self) -> Option<Counter> {
        match self {
            Failure::Client(_) | Failure::Body(_) | Failure::Late => None,
            Failure::Refused | Failure::NotTaken => Some(Counter::UpstreamConnectionsFailed),
            Failure::Ended | Failure::Broken => Some(Counter::UpstreamResponsesCut),
            Failure::Bad(_) | Failure::Interim | Failure::Framing | Failure::Reply(_) => {
                Some(Counter::UpstreamResponsesBad)
            }
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Client(_) => f.write_str("the client has gone"),
            Failure::Refused => f.write_str("it does not take connections"),
            Failure::NotTaken => f.write_str("it has not taken the connection in time"),
            Failure::Ended => f.write_str("it has closed the connection before its answer was whole"),
            Failure::Broken => f.write_str("the connection has broken before its answer was whole"),
            Failure::Late => f.write_str("it has not taken the request, or not answered, in time"),
            Failure::Bad(bad) => write!(f, "its answer is none: {bad}"),
            Failure::Interim => f.write_str("it sends interim answers without end"),
            Failure::Framing => f.write_str("the framing of its content is broken"),
            Failure::Reply(bad) => write!(f, "its answer is none: {bad}"),
            Failure::Body(_) => f.write_str("the content of the request cannot be read to its end"),
        }
    }
}

/// A client and a server that are connected for one exchange. The link is closed with it unless it is kept.
pub(super) struct Way<'x> {
    pub(super) client: &'x Stream,
    pub(super) server: Stream,
    link: Rc<Link>,
    kept: bool,
    stage: Cell<Stage>,
}

/// How far a request has come on its way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The server has to take the connection.
    Connecting,
    /// The client may still have content to send.
    Asking,
    /// The server has all of it.
    Asked,
    /// There is none any more: bytes pass both ways.
    Tunnel,
}

impl<'x> Way<'x> {
    pub(super) fn new(client: &'x Stream, link: Rc<Link>) -> Way<'x> {
        let server = Stream { shard: Rc::clone(&client.shard), port: Rc::clone(&link.port) };
        server.port.unawaited.set(false);
        Way { client, server, link, kept: false, stage: Cell::new(Stage::Asking) }
    }

    /// Whether the link has carried a request before.
    pub(super) fn is_used(&self) -> bool {
        self.link.requests.get() > 0
    }

    /// Keeps the link for another request, after an answer with so much content; `most` may be spare at a time.
    pub(super) fn keep(mut self, content: u64, most: usize) {
        self.kept = true;
        self.shard().keep_link(&self.link, content, most);
    }

    fn shard(&self) -> &Shard {
        &self.client.shard
    }

    /// Waits until the server has taken the connection.
    pub(super) async fn connected(&self) -> Result<(), Failure> {
        self.stage.set(Stage::Connecting);
        poll_fn(|_| {
            self.look()?;
            match self.server.gone() {
                Some(Gone::Expired(_)) => {
                    tell_unreached(
                        self.shard(),
                        self.link.server,
                        &"it has not taken the connection in time",
                    );
                    return Poll::Ready(Err(Failure::NotTaken));
                }
                Some(_) => return Poll::Ready(Err(Failure::Refused)),
                None => {}
            }
            if self.server.port.room.replace(false) {
                let connected = sys::net::connected(self.server.port.fd.get());
                return Poll::Ready(connected.map_err(|error| {
                    tell_unreached(self.shard(), self.link.server, &error);
                    Failure::Refused
                }));
            }
            self.wait()
        })
        .await?;
        self.stage.set(Stage::Asking);
        self.shard().receive(self.server.port.key.get());
        Ok(())
    }

    /// Comes to terms about TLS with the server, which has to be the one of this name. `hello` is what is sent before.
    pub(super) async fn secure(
        &self,
        outward: &Outward,
        name: &str,
        mut hello: Vec<u8>,
    ) -> Result<(), Failure> {
        let client = outward.connect(name, &mut hello).map_err(|error| {
            log::warn!("TLS with an upstream server cannot begin: {error}");
            Failure::Refused
        })?;
        self.stage.set(Stage::Connecting);
        self.shard().begin_outward(&self.server.port, client, hello);
        // What is sent has a deadline of its own; this one is for all.
        self.shard().watch(self.server.port.key.get(), Wait::Connect);
        poll_fn(|_| {
            self.look()?;
            match self.server.gone() {
                Some(Gone::Expired(_)) => {
                    tell_unreached(self.shard(), self.link.server, &"TLS was not agreed upon in time");
                    return Poll::Ready(Err(Failure::NotTaken));
                }
                Some(_) => return Poll::Ready(Err(Failure::Refused)),
                None => {}
            }
            if self.server.is_sealed() { Poll::Ready(Ok(())) } else { self.wait() }
        })
        .await?;
        self.stage.set(Stage::Asking);
        Ok(())
    }

    /// Hands `out` over to be sent to the server.
    pub(super) async fn send(&self, out: &mut Vec<u8>) -> Result<(), Failure> {
        if out.is_empty() {
            return Ok(());
        }
        if self.server.is_sealed() {
            self.server.seal(out);
        }
        poll_fn(|_| {
            self.look()?;
            match self.server.poll_send(out) {
                Poll::Ready(sent) => Poll::Ready(sent.map_err(of_server)),
                Poll::Pending => self.wait(),
            }
        })
        .await
    }

    /// Whether more of the answer has come already.
    pub(super) fn has_received(&self) -> bool {
        self.server.port.backlog() > 0
    }

    /// Waits for more of the answer and appends it to `input`.
    pub(super) async fn receive(&self, input: &mut Vec<u8>) -> Result<(), Failure> {
        if !self.server.port.pulls.get() && self.server.take_received(input) {
            self.take_up();
            return Ok(());
        }
        if self.stage.get() != Stage::Asking {
            self.shard().watch(self.server.port.key.get(), Wait::Response);
        }
        poll_fn(|_| {
            self.look()?;
            match self.server.poll_receive(input) {
                Poll::Ready(received) => Poll::Ready(received.map_err(of_server)),
                Poll::Pending => self.wait(),
            }
        })
        .await
    }

    /// The server has all of the request: it is its turn.
    pub(super) fn has_asked(&self) {
        self.stage.set(Stage::Asked);
        // The answer is what comes next.
        self.server.port.unawaited.set(true);
        self.shard().watch(self.server.port.key.get(), Wait::Response);
    }

    /// From now on bytes pass both ways.
    pub(super) fn begin_tunnel(&self) {
        self.stage.set(Stage::Tunnel);
        self.server.port.unawaited.set(false);
    }

    /// Waits for bytes of the client in a tunnel and appends them to `input`.
    pub(super) async fn hear(&self, input: &mut Vec<u8>) -> Result<(), Failure> {
        poll_fn(|_| {
            self.link.look();
            match self.client.poll_receive(input) {
                Poll::Ready(received) => return Poll::Ready(received.map_err(Failure::Client)),
                Poll::Pending => {}
            }
            if let Some(gone) = self.server.gone() {
                return Poll::Ready(Err(of_server(gone)));
            }
            self.wait()
        })
        .await?;
        let paid = self.client.take_toll(0).await;
        paid.map_err(|held| Failure::Client(held.gone()))?;
        // Whoever speaks, the tunnel is in use.
        self.shard().watch(self.server.port.key.get(), Wait::Response);
        Ok(())
    }

    /// Waits until the server has all that was handed over, and says that no more comes.
    pub(super) async fn end_to_server(&self) -> Result<(), Failure> {
        end(&self.server).await.map_err(of_server)
    }

    /// Waits until the client has all that was handed over, and says that no more comes.
    pub(super) async fn end_to_client(&self) -> Result<(), Failure> {
        end(self.client).await.map_err(Failure::Client)
    }

    /// Whether the server has all of the request.
    pub(super) fn is_asked(&self) -> bool {
        self.stage.get() == Stage::Asked
    }

    /// Takes what comes from the socket, where that can be read as it is: much is to come.
    pub(super) fn pull(&self) {
        if self.server.port.transport.get() == Transport::Plain {
            self.shard().begin_pulling(&self.link);
        }
    }

    /// Receives on, after a pause for what had not been taken.
    fn take_up(&self) {
        self.shard().receive(self.server.port.key.get());
    }

    /// Hands `out` over to be sent to the client. How long that takes is not the server's fault.
    pub(super) async fn answer(&self, out: &mut Vec<u8>) -> Result<(), Failure> {
        let (client, server) = (self.client.port.key.get(), self.server.port.key.get());
        if self.client.port.sending.get() || self.client.port.shaped.get() {
            self.shard().watch_until(server, Wait::Response, u32::MAX);
        } else if self.stage.get() != Stage::Asking {
            // Where nobody has to be waited for, nobody waits: what was due earlier has come.
            self.shard().watch(server, Wait::Response);
            self.shard().watch_until(client, Wait::Idle, u32::MAX);
        }
        self.client.send(out).await.map_err(Failure::Client)
    }

    /// Looks whether there is still a client, before the server is looked at.
    fn look(&self) -> Result<(), Failure> {
        self.link.look();
        self.client.gone().map_or(Ok(()), |gone| Err(Failure::Client(gone)))
    }

    /// Waits for the server. A client that says it sends no more does not want to hear any more either, as far as
    /// experience goes: it closes its connection when somebody loses patience. Meanwhile it owes nothing.
    fn wait<T>(&self) -> Poll<Result<T, Failure>> {
        let (client, server) = (&self.client.port, &self.server.port);
        let stage = self.stage.get();
        if stage == Stage::Asking {
            // Who waits for us owes nothing: the server as long as we wait for the client, which waits as long as the
            // server does not take what it has sent.
            let (owes_nothing, wait) =
                if server.sending.get() { (client, Wait::Idle) } else { (server, Wait::Response) };
            self.shard().watch_until(owes_nothing.key.get(), wait, u32::MAX);
        } else if stage != Stage::Tunnel && client.ended.get() {
            return Poll::Ready(Err(Failure::Client(Gone::Ended)));
        } else if !client.sending.get() {
            self.shard().watch_until(client.key.get(), Wait::Idle, u32::MAX);
        }
        self.client.wait(Awaits::Turn)
    }
}

impl Drop for Way<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.shard().drop_link(&self.link);
        }
    }
}

/// Tells whoever runs the server why there is no connection; repeats are for the error log to count.
pub(super) fn tell_unreached(shard: &Shard, server: Seat, why: &dyn Display) {
    if let Some(server) = shard.balancers.borrow().server(server) {
        log::warn!("upstream server {} cannot be reached: {why}", server.name);
    }
}

async fn end(stream: &Stream) -> Result<(), Gone> {
    stream.sent().await?;
    let port = &stream.port;
    stream.shard.end_sending(port.key.get(), port.fd.get()).map_err(|_| Gone::Broken)
}

fn of_server(gone: Gone) -> Failure {
    match gone {
        Gone::Ended => Failure::Ended,
        Gone::Broken => Failure::Broken,
        Gone::Expired(_) => Failure::Late,
    }
}
