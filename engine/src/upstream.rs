//! Connections to other servers, as one shard has them: links that carry a request of a client, and spare ones.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use site::upstream::Seat;

use crate::connection::{Key, Wait};
use crate::limits::INPUT_CAPACITY;
use crate::port::{Port, Side};

/// How long a server may take for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// To take a connection.
    pub(crate) connect: Duration,
    /// To take more of a request.
    pub(crate) request: Duration,
    /// To answer, and to send more of an answer.
    pub(crate) response: Duration,
    /// How long a link without a request is kept.
    pub(crate) spare: Duration,
}

/// A connection to a server.
pub(crate) struct Link {
    pub(crate) port: Rc<Port>,
    /// The server, over changes of the configuration.
    pub(crate) server: Seat,
    pub(crate) patience: Patience,
    /// Number of what was served when it began.
    pub(crate) served: u64,
    /// The connection of the client whose request it carries; none for a spare one.
    client: Cell<Option<Key>>,
    /// Whether that has been told that something has come, and has not looked yet.
    told: Cell<bool>,
    /// Requests that it has carried to their end.
    pub(crate) requests: Cell<u32>,
}

impl Link {
    pub(crate) fn new(server: Seat, patience: Patience, served: u64, client: Key) -> Link {
        Link {
            port: Rc::new(Port::new(Side::Server)),
            server,
            patience,
            served,
            client: Cell::new(Some(client)),
            told: Cell::new(false),
            requests: Cell::new(0),
        }
    }

    pub(crate) fn client(&self) -> Option<Key> {
        self.client.get()
    }

    /// Gives it to a client, or to nobody.
    pub(crate) fn lend(&self, client: Option<Key>) {
        self.client.set(client);
        self.told.set(false);
    }

    /// Notes that something has come; whether its client has to be told.
    pub(crate) fn note(&self) -> bool {
        !self.told.replace(true)
    }

    /// Its client looks at what has come.
    pub(crate) fn look(&self) {
        self.told.set(false);
    }

    /// What is waited for, and how long: whoever sends does not know to whom.
    pub(crate) fn patience(&self, wait: Wait) -> (Wait, Duration) {
        match wait {
            Wait::Connect => (wait, self.patience.connect),
            Wait::Spare => (wait, self.patience.spare),
            Wait::Response => (wait, self.patience.response),
            _ => (Wait::Request, self.patience.request),
        }
    }

    /// Whether nothing stands in the way of another request.
    pub(crate) fn is_fresh(&self) -> bool {
        let port = &self.port;
        let ended = port.ended.get() || port.broken.get() || port.deaf.get() || port.expired.get().is_some();
        !ended && !port.sending.get() && port.backlog() == 0
    }
}

/// The spare links of a shard.
#[derive(Default)]
pub(crate) struct Spares {
    by_server: HashMap<Seat, Vec<Rc<Link>>, foldhash::fast::RandomState>,
}

/// Received bytes that a spare link keeps room for.
const KEPT_BYTES_MAX: usize = 32 * 1024;

impl Spares {
    /// The one that was used last, which is the least likely to be closed by its server.
    pub(crate) fn take(&mut self, server: Seat) -> Option<Rc<Link>> {
        self.by_server.get_mut(&server)?.pop()
    }

    /// Takes one back that was just taken.
    pub(crate) fn put_back(&mut self, link: Rc<Link>) {
        self.by_server.entry(link.server).or_default().push(link);
    }

    /// Keeps a link, unless there are `most` of its server already or it is not fit for another request; whether it
    /// does.
    pub(crate) fn keep(&mut self, link: &Rc<Link>, most: usize) -> bool {
        let spares = self.by_server.entry(link.server).or_default();
        if !link.is_fresh() || most <= spares.len() {
            return false;
        }
        let mut received = link.port.received.borrow_mut();
        if KEPT_BYTES_MAX < received.capacity() {
            received.shrink_to(INPUT_CAPACITY);
        }
        spares.push(Rc::clone(link));
        true
    }

    /// Forgets a link that is on its way out.
    pub(crate) fn forget(&mut self, link: &Rc<Link>) {
        if let Some(spares) = self.by_server.get_mut(&link.server) {
            spares.retain(|spare| !Rc::ptr_eq(spare, link));
        }
    }

    /// Takes the links that are of no use any more.
    pub(crate) fn leave(&mut self, stays: impl Fn(&Link) -> bool) -> Vec<Rc<Link>> {
        let mut left = Vec::new();
        self.by_server.retain(|_, spares| {
            left.extend(spares.extract_if(.., |link| !stays(link)));
            !spares.is_empty()
        });
        left
    }
}

#[cfg(test)]
mod tests {
    use proto_http::{Head, HeadParser, Limits};
    use site::upstream::{Balancers, Visit};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Two servers.
    fn seats() -> [Seat; 2] {
        let text = r#"{ "upstreams": { "app": { "servers": ["127.0.0.1:1", "127.0.0.1:2"] } },
            "hosts": { "localhost": { "proxy": "app" } } }"#;
        let source = config::Source { name: "test.conf".to_owned(), text: text.to_owned() };
        let loaded = config::load(Some(source), &[]).unwrap();
        let site = site::compile(&loaded.config, &loaded.registry).unwrap();
        let mut balancers = Balancers::new(0, 0);
        balancers.renew(site.groups(), 0);
        let (text, mut head) = (b"GET / HTTP/1.0\r\n\r\n", Head::new());
        HeadParser::default().parse(text, &Limits::default(), &mut head).unwrap();
        let visit = Visit { request: head.view(text), client: None, tried: &[] };
        [(); 2].map(|()| balancers.choose(&site.groups()[0], &visit, 0).unwrap())
    }

    fn link(server: Seat) -> Rc<Link> {
        let patience = Patience { connect: SECOND, request: SECOND, response: SECOND, spare: SECOND };
        let link = Link::new(server, patience, 0, Key::from_bits(1));
        link.lend(None);
        Rc::new(link)
    }

    #[test]
    fn the_last_one_comes_first_and_no_more_are_kept_than_may() {
        let [one, two] = seats();
        let mut spares = Spares::default();
        let links: Vec<Rc<Link>> = (0..3).map(|_| link(one)).collect();
        assert!(spares.keep(&links[0], 2) && spares.keep(&links[1], 2));
        assert!(!spares.keep(&links[2], 2));
        assert!(spares.take(two).is_none());
        assert!(Rc::ptr_eq(&spares.take(one).unwrap(), &links[1]));
        spares.forget(&links[0]);
        assert!(spares.take(one).is_none());
    }

    #[test]
    fn what_is_not_fit_for_another_request_is_not_kept() {
        type Harm = fn(&Port);
        let harms: [Harm; 5] = [
            |port| port.ended.set(true),
            |port| port.broken.set(true),
            |port| port.deaf.set(true),
            |port| port.sending.set(true),
            |port| port.received.borrow_mut().push(b'x'),
        ];
        for harm in harms {
            let link = link(seats()[0]);
            harm(&link.port);
            assert!(!Spares::default().keep(&link, 2));
        }
    }

    #[test]
    fn links_to_servers_that_are_gone_leave() {
        let [one, two] = seats();
        let mut spares = Spares::default();
        let (stays, goes) = (link(one), link(two));
        assert!(spares.keep(&stays, 1) && spares.keep(&goes, 1));
        let left = spares.leave(|link| link.server == one);
        assert!(left.len() == 1 && Rc::ptr_eq(&left[0], &goes));
        assert!(spares.take(two).is_none() && spares.take(one).is_some());
    }

    #[test]
    fn a_client_is_told_once_until_it_looks() {
        let link = link(seats()[0]);
        assert!(link.note() && !link.note());
        link.look();
        assert!(link.note());
    }
}
