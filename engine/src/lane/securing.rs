//! TLS between the ring and the future: handshakes, what is decrypted, and how it ends.
//!
//! What comes before the end of a handshake waits in the port as it is; handshakes take their turns at the end of a
//! pass, so that many of them do not keep those waiting who are through.

use std::rc::Rc;
use std::time::Instant;

use auth::access::Holder;
use perf::Counter;
use site::Security;
use tls::{Failure, Kind, Progress};

use super::ring::Filled;
use crate::connection::{Key, Wait};
use crate::limits::{HANDSHAKES_TIME, OUTPUT_MAX};
use crate::port::{Port, Transport};
use crate::secure::{Secure, Standing};
use crate::served::Served;
use crate::shard::Shard;

/// What is sent to a client that speaks HTTP where TLS is due. It ends with the connection.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Connection: close\r\n\r\nThis address speaks TLS: write https:// before it.\n";

impl Shard {
    /// Notes that something has come for a handshake.
    pub(super) fn shake_hands_later(&self, key: Key, port: &Port) {
        if !port.queued_for_handshake.replace(true) {
            self.handshakes.borrow_mut().push_back(key);
        }
    }

    /// Gives handshakes their turns, as long as there is time for them.
    pub(super) fn shake_hands(self: &Rc<Self>) {
        if self.handshakes.borrow().is_empty() {
            return;
        }
        let begun = Instant::now();
        loop {
            let Some(key) = self.handshakes.borrow_mut().pop_front() else { return };
            if let Some(port) = self.port(key)
                && port.queued_for_handshake.replace(false)
            {
                self.shake_hands_with(key, &port);
                self.run(key);
            }
            if begun.elapsed() > HANDSHAKES_TIME {
                return;
            }
        }
    }

    fn shake_hands_with(&self, key: Key, port: &Port) {
        let mut input = std::mem::take(&mut *port.received.borrow_mut());
        let mut out = self.buffer();
        match self.feed_handshake(key, &input, &mut out) {
            Ok(None) => {}
            Ok(Some(taken)) => {
                port.transport.set(Transport::Sealed);
                self.watch(key, Wait::Idle);
                self.decrypt(key, port, &input[taken..], &mut out);
                if port.failed.get() {
                    port.last.set(true);
                }
            }
            Err(failure) => {
                self.count(Counter::TlsFailures);
                log::debug!("a TLS handshake has failed: {failure}");
                if failure == Failure::PlainHttp {
                    out.extend_from_slice(PLAIN_HTTP);
                }
                port.last.set(true);
                self.give_up(key);
            }
        }
        if port.received.borrow().capacity() == 0 {
            input.clear();
            port.received.replace(input);
        }
        self.hand_out(port, out);
    }

    /// Feeds a handshake; answers how much of `input` was used when it is done with that.
    fn feed_handshake(&self, key: Key, input: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>, Failure> {
        let mut connections = self.connections.borrow_mut();
        let Some(secure) = connections.get(key).and_then(|connection| connection.secure.as_deref_mut())
        else {
            return Ok(None);
        };
        let Secure::Handshake(handshake, sites) = secure else { return Ok(None) };
        let Progress { taken, session: Some(session) } = handshake.feed(input, out)? else { return Ok(None) };
        self.count(match session.kind() {
            Kind::Resumed => Counter::TlsResumed,
            Kind::Full | Kind::FullAgain => Counter::TlsHandshakes,
        });
        let standing = Standing::new(&session, sites);
        *secure = Secure::Session(session, standing);
        Ok(Some(taken))
    }

    /// Puts what the client has said where the future finds it; what the client is to be told at once goes to `out`.
    pub(super) fn decrypt(&self, key: Key, port: &Port, ciphertext: &[u8], out: &mut Vec<u8>) {
        let mut connections = self.connections.borrow_mut();
        let Some(connection) = connections.get(key) else { return };
        let Some(Secure::Session(session, standing)) = connection.secure.as_deref_mut() else { return };
        port.security.set(standing.security);
        // Not more than the ciphertext and one record: nothing is received beyond the limit of the backlog.
        match session.feed(ciphertext, &mut port.received.borrow_mut(), usize::MAX, out) {
            Ok(received) if received.ended => {
                connection.ended_by_client = true;
                port.ended.set(true);
            }
            Ok(_) => {}
            Err(failure) => {
                self.count(Counter::TlsFailures);
                log::debug!("a TLS connection has failed: {failure}");
                connection.secure = Some(Box::new(Secure::Over));
                port.failed.set(true);
            }
        }
    }

    /// Decrypts what a server has sent, or goes on with its handshake.
    pub(super) fn take_outward(&self, key: Key, port: &Port, filled: Filled) {
        let mut out = self.buffer();
        {
            let mut connections = self.connections.borrow_mut();
            let Some(connection) = connections.get(key) else { return self.recycle(out) };
            let server = connection.link.as_ref().map(|link| link.server);
            let secure = connection.secure.as_deref_mut();
            let Some(Secure::Outward(client)) = secure else { return self.recycle(out) };
            let ring = self.ring.borrow();
            match client.feed(ring.bytes(filled), &mut port.received.borrow_mut(), &mut out) {
                Ok(ended) => {
                    if client.is_ready() {
                        port.transport.set(Transport::Sealed);
                    }
                    if ended {
                        port.ended.set(true);
                    }
                }
                Err(failure) => {
                    let balancers = self.balancers.borrow();
                    let name =
                        server.and_then(|seat| balancers.server(seat)).map_or("?", |server| &server.name);
                    log::warn!("TLS with upstream server {name} has failed: {}", failure.about_server());
                    port.failed.set(true);
                }
            }
        }
        self.hand_out(port, out);
        if port.failed.get() {
            port.broken.set(true);
        }
    }

    /// Begins TLS on a connection of ours.
    pub(crate) fn begin_outward(&self, port: &Port, client: tls::Client, hello: Vec<u8>) {
        if let Some(connection) = self.connections.borrow_mut().get(port.key.get()) {
            connection.secure = Some(Box::new(Secure::Outward(Box::new(client))));
        }
        port.transport.set(Transport::Handshake);
        self.transmit(port, hello);
    }

    /// Decrypts what has come in one receive, and sends what that leads to.
    pub(super) fn take_sealed(&self, key: Key, port: &Port, filled: Filled) {
        let mut out = self.buffer();
        self.decrypt(key, port, self.ring.borrow().bytes(filled), &mut out);
        self.hand_out(port, out);
        if port.failed.get() {
            port.broken.set(true);
        }
    }

    /// What rules may know of a client, under what is served to it on an address, and whom its certificate is about.
    pub(crate) fn security(
        &self,
        port: &Port,
        (served, address): (&Served, usize),
    ) -> (Security, Option<Rc<Holder>>) {
        if port.transport.get() == Transport::Sealed
            && let Some(connection) = self.connections.borrow_mut().get(port.key.get())
            && let Some(Secure::Session(session, standing)) = connection.secure.as_deref_mut()
        {
            standing.renew(session, served.secured(address), served.number());
            port.security.set(standing.security);
            return (standing.security, standing.holder.clone());
        }
        (port.security.get(), None)
    }

    fn give_up(&self, key: Key) {
        if let Some(connection) = self.connections.borrow_mut().get(key) {
            connection.secure = Some(Box::new(Secure::Over));
        }
    }

    /// Sends what TLS itself has to say, between the responses.
    fn hand_out(&self, port: &Port, out: Vec<u8>) {
        if out.is_empty() {
            return self.recycle(out);
        }
        if !port.sending.get() {
            return self.transmit(port, out);
        }
        let mut queued = port.queued.borrow_mut();
        if OUTPUT_MAX < queued.len() + out.len() {
            // Whoever makes us answer and does not read the answers.
            port.broken.set(true);
        }
        queued.extend_from_slice(&out);
        drop(queued);
        self.recycle(out);
    }

    /// Encrypts `plaintext` onto `out`.
    pub(crate) fn seal(&self, port: &Port, plaintext: &[u8], out: &mut Vec<u8>) {
        let mut connections = self.connections.borrow_mut();
        let secure = connections.get(port.key.get()).and_then(|connection| connection.secure.as_deref_mut());
        let now_ms = self.clock.now() / 1_000_000;
        let sealed = match secure {
            Some(Secure::Session(session, _)) => session.write(plaintext, now_ms, out).is_ok(),
            Some(Secure::Outward(client)) => client.write(plaintext, out).is_ok(),
            _ => false,
        };
        if !sealed {
            port.broken.set(true);
        }
    }

    /// What tells the client that no more comes (RFC 8446 section 6.1): without it, somebody between could have cut the
    /// rest off. Nothing for a connection without TLS.
    pub(super) fn farewell(&self, key: Key) -> Vec<u8> {
        let mut out = Vec::new();
        let mut connections = self.connections.borrow_mut();
        if let Some(secure) = connections.get(key).and_then(|connection| connection.secure.as_deref_mut()) {
            match secure {
                Secure::Session(session, _) => session.close(&mut out),
                // The server may still speak, and is heard by the same session.
                Secure::Outward(client) => {
                    client.end(&mut out);
                    return out;
                }
                Secure::Handshake(..) | Secure::Over => {}
            }
            *secure = Secure::Over;
        }
        out
    }

    /// A connection goes idle: gives back what its TLS needs only meanwhile.
    pub(super) fn slim(&self, key: Key) {
        let mut connections = self.connections.borrow_mut();
        let secure = connections.get(key).and_then(|connection| connection.secure.as_deref_mut());
        if let Some(Secure::Session(session, _)) = secure {
            session.slim();
        }
    }
}
