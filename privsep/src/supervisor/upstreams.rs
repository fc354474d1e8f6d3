//! Servers that requests are passed on to, as commands see them. What was ordered is kept here: it holds for workers that
//! come later, and for the program that takes over.

use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use sys::net::Address;

use super::control::Id;
use super::reply::Reply;
use super::run::Supervisor;
use super::worker::{Phase, Worker};
use crate::link::LinkError;
use crate::message::{ToWorker, UpstreamChange, UpstreamNeeds, UpstreamOrder, UpstreamsReport};
use crate::sealed::{seal, unseal};

/// Most orders that hold at a time.
const ORDERS_MAX: usize = 1024;
/// Most bytes of the name of a group or a server in an order: longer ones are not repeated to whoever sends them.
const NAME_LEN_MAX: usize = 1024;
/// Heaviest server, as in a configuration.
const WEIGHT_MAX: u32 = 1000;
/// How long a worker may take to report.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most commands that wait for reports.
const WAITING_MAX: usize = 64;

/// What was ordered, and who waits for a report.
#[derive(Debug, Default)]
pub(crate) struct Upstreams {
    orders: Vec<UpstreamOrder>,
    waiting: Vec<Waiting>,
}

/// A command that waits for the report of a worker.
#[derive(Debug)]
struct Waiting {
    id: Id,
    generation: u32,
    deadline: Instant,
    wants: Wants,
}

/// What a command is answered when the report has come.
#[derive(Debug)]
enum Wants {
    /// The report.
    Report,
    /// That this holds: a worker that reports has heard all orders before, and so have its shards.
    Word(String),
}

impl Wants {
    fn reply(self, report: &UpstreamsReport) -> Reply {
        match self {
            Wants::Report => Reply::Upstreams(Box::new(report.clone())),
            Wants::Word(what) => Reply::Done(what),
        }
    }

    /// The order holds all the same, for the next worker at the latest.
    fn without_report(self) -> Reply {
        match self {
            Wants::Report => Reply::Refused(NO_REPORT.to_owned()),
            Wants::Word(what) => Reply::Done(format!("{what}, as soon as a worker has time to hear it")),
        }
    }
}

impl Upstreams {
    /// With the orders that the program before this one has left.
    pub(crate) fn inherit(orders: Vec<UpstreamOrder>, needs: &[UpstreamNeeds]) -> Self {
        let mut upstreams = Self { orders, waiting: Vec::new() };
        upstreams.adopt(needs);
        upstreams
    }

    /// What a successor is left.
    pub(crate) fn orders(&self) -> &Vec<UpstreamOrder> {
        &self.orders
    }

    /// Forgets what means nothing in another configuration; answers whether anything was.
    pub(crate) fn adopt(&mut self, needs: &[UpstreamNeeds]) -> bool {
        let before = self.orders.len();
        let configured = |order: &UpstreamOrder| {
            let group = needs.iter().find(|group| group.name == order.group);
            group.map(|group| group.servers.contains(&order.server))
        };
        // A server that the configuration has by now was not added.
        let is_addition = |order: &UpstreamOrder| matches!(order.change, UpstreamChange::Add { .. });
        self.orders.retain(|order| configured(order).is_some_and(|has| !has || !is_addition(order)));
        let added: Vec<(String, String)> = self
            .orders
            .iter()
            .filter(|order| is_addition(order))
            .map(|order| (order.group.clone(), order.server.clone()))
            .collect();
        self.orders.retain(|order| {
            configured(order) == Some(true)
                || added.iter().any(|(group, server)| *group == order.group && *server == order.server)
        });
        self.orders.len() != before
    }

    /// Tells a worker what was ordered; nothing when nothing was.
    pub(crate) fn tell(&self, worker: &Worker) -> Result<(), LinkError> {
        if self.orders.is_empty() { Ok(()) } else { self.send(worker) }
    }

    fn send(&self, worker: &Worker) -> Result<(), LinkError> {
        let sealed = seal(&self.orders).map_err(LinkError::System)?;
        worker.link.send(&ToWorker::UpstreamOrders, &[sealed.as_fd()])
    }

    /// When nobody waits any longer.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.waiting.iter().map(|waiting| waiting.deadline).min()
    }

    fn find(&self, group: &str, server: &str) -> impl Iterator<Item = UpstreamChange> {
        let of = |order: &&UpstreamOrder| order.group == group && order.server == server;
        self.orders.iter().filter(of).map(|order| order.change).collect::<Vec<_>>().into_iter()
    }

    /// Does what a command orders; answers what was done, or why nothing was.
    fn order(
        &mut self,
        needs: &[UpstreamNeeds],
        (group, server): (&str, &str),
        change: UpstreamChange,
    ) -> Result<String, String> {
        if NAME_LEN_MAX < group.len().max(server.len()) {
            return Err(
                "the name is too long for an upstream or a server; `kimura upstreams` lists them".to_owned()
            );
        }
        let Some(known) = needs.iter().find(|known| known.name == group) else {
            return Err(format!("there is no upstream {group:?}; `kimura upstreams` lists them"));
        };
        let server = written(server);
        let is_configured = known.servers.contains(&server);
        let is_addition = |change: &UpstreamChange| matches!(change, UpstreamChange::Add { .. });
        let is_added = self.find(group, &server).any(|change| is_addition(&change));
        let order = self.find(group, &server).find(|change| !is_addition(change));
        let is_there = (is_configured || is_added) && order != Some(UpstreamChange::Remove);
        let what = match change {
            UpstreamChange::Add { weight, .. } => {
                if is_there && order.is_none() {
                    return Err(format!(
                        "upstream {group} has {server} already; `kimura upstreams` lists them"
                    ));
                }
                if !(1..=WEIGHT_MAX).contains(&weight) {
                    return Err(format!("{weight} is no weight; weights go from 1 to {WEIGHT_MAX}"));
                }
                if !is_configured && !is_added {
                    reachable(&server)?;
                    self.push(UpstreamOrder { group: group.to_owned(), server: server.clone(), change })?;
                }
                self.forget(group, &server, |change| !is_addition(&change));
                "gets requests"
            }
            UpstreamChange::Drain | UpstreamChange::Remove if !is_there => {
                return Err(format!("upstream {group} has no {server}; `kimura upstreams` lists them"));
            }
            UpstreamChange::Drain if order.is_some() => {
                return Err(format!("upstream {group}: {server} gets no requests already"));
            }
            UpstreamChange::Drain => {
                self.push(UpstreamOrder { group: group.to_owned(), server: server.clone(), change })?;
                "gets no more requests"
            }
            UpstreamChange::Remove => {
                self.forget(group, &server, |_| true);
                if is_configured {
                    self.push(UpstreamOrder { group: group.to_owned(), server: server.clone(), change })?;
                }
                "is removed"
            }
        };
        Ok(format!("upstream {group}: {server} {what}"))
    }

    fn push(&mut self, order: UpstreamOrder) -> Result<(), String> {
        if self.orders.len() == ORDERS_MAX {
            return Err(format!(
                "{ORDERS_MAX} orders hold already; write what is to stay into the configuration"
            ));
        }
        self.orders.push(order);
        Ok(())
    }

    fn forget(&mut self, group: &str, server: &str, which: impl Fn(UpstreamChange) -> bool) {
        self.orders.retain(|order| order.group != group || order.server != server || !which(order.change));
    }
}

/// A server as groups name it.
fn written(server: &str) -> String {
    server.parse().map_or_else(|_| server.to_owned(), |address: Address| address.to_string())
}

/// Whether a server that is to be added can be connected to.
fn reachable(server: &str) -> Result<(), String> {
    let wrong = || {
        format!(
            "{server:?} is no address of a server; write an IP address and a port, as in 192.0.2.1:9000, or unix:PATH"
        )
    };
    let address: Address = server.parse().map_err(|_| wrong())?;
    let at = match &address {
        Address::V4(at) => Some((IpAddr::V4(*at.ip()), at.port())),
        Address::V6(at) => Some((IpAddr::V6(*at.ip()), at.port())),
        Address::Unix(_) => None,
    };
    match at {
        Some((ip, port)) if ip.is_unspecified() || port == 0 => Err(wrong()),
        _ => Ok(()),
    }
}

/// Whether a report has nothing that could do something to a terminal.
fn is_harmless(report: &UpstreamsReport) -> bool {
    let plain = |text: &String| !text.chars().any(char::is_control);
    report.servers.iter().all(|one| plain(&one.group) && plain(&one.server) && plain(&one.address))
}

impl Supervisor<'_> {
    /// `kimura upstreams`.
    pub(super) fn report_upstreams(&mut self, id: Id) {
        if self.deployment.needs.upstreams.is_empty() {
            // The workers cannot pass anything on, and have nobody to ask.
            let report = UpstreamsReport { servers: Vec::new() };
            return self.answer(id, Reply::Upstreams(Box::new(report)));
        }
        self.await_report(id, Wants::Report);
    }

    /// Asks the worker that serves for its report, for a command.
    fn await_report(&mut self, id: Id, wants: Wants) {
        let serving = self.workers.iter().rev().find(|worker| worker.phase == Phase::Serving);
        let asked = serving.filter(|worker| worker.link.send(&ToWorker::ReportUpstreams, &[]).is_ok());
        match asked.map(|worker| worker.generation) {
            Some(generation) if self.estate.upstreams.waiting.len() < WAITING_MAX => {
                let deadline = Instant::now() + PATIENCE;
                self.estate.upstreams.waiting.push(Waiting { id, generation, deadline, wants });
            }
            _ => self.answer(id, wants.without_report()),
        }
    }

    /// A worker reports. One report is for all who wait for it.
    pub(super) fn hear_upstreams(&mut self, at: usize, sealed: Option<OwnedFd>) {
        let generation = self.workers[at].generation;
        // What nobody has asked for is not looked at.
        if !self.estate.upstreams.waiting.iter().any(|waiting| waiting.generation == generation) {
            return;
        }
        let report: Option<UpstreamsReport> = sealed.and_then(|sealed| unseal(&sealed).ok());
        let Some(report) = report.filter(is_harmless) else {
            return self.distrust(at, &"its report is none");
        };
        let waiting = std::mem::take(&mut self.estate.upstreams.waiting);
        let (asked, others) =
            waiting.into_iter().partition(|waiting: &Waiting| waiting.generation == generation);
        self.estate.upstreams.waiting = others;
        for waiting in asked {
            self.answer(waiting.id, waiting.wants.reply(&report));
        }
    }

    /// Nobody waits for a report that does not come: the worker is late, or has ended.
    pub(super) fn look_after_upstreams(&mut self, now: Instant) {
        let waiting = std::mem::take(&mut self.estate.upstreams.waiting);
        let (vain, others) = waiting.into_iter().partition(|waiting: &Waiting| {
            waiting.deadline <= now || self.worker_at(waiting.generation).is_none()
        });
        self.estate.upstreams.waiting = others;
        for waiting in vain {
            self.answer(waiting.id, waiting.wants.without_report());
        }
    }

    /// `kimura upstream add`, `drain` and `remove`.
    pub(super) fn order_upstream(&mut self, id: Id, group: &str, server: &str, change: UpstreamChange) {
        let needs = &self.deployment.needs.upstreams;
        match self.estate.upstreams.order(needs, (group, server), change) {
            Ok(what) => {
                log::info!("{what}");
                self.publish_upstreams();
                self.await_report(id, Wants::Word(what));
            }
            Err(why) => self.answer(id, Reply::Refused(why)),
        }
    }

    /// Tells every worker what was ordered.
    pub(super) fn publish_upstreams(&self) {
        for worker in &self.workers {
            // Whoever cannot be told is about to end, and the next one is told from the beginning.
            if let Err(error) = self.estate.upstreams.send(worker) {
                log::error!("worker {} cannot be told of upstream servers: {error}", worker.generation);
            }
        }
    }
}

/// What is said when nobody can report.
const NO_REPORT: &str = "no worker reports now; try again in a moment";

#[cfg(test)]
mod tests {
    use super::*;

    const ADD: UpstreamChange = UpstreamChange::Add { weight: 1, backup: false };
    const DRAIN: UpstreamChange = UpstreamChange::Drain;
    const REMOVE: UpstreamChange = UpstreamChange::Remove;

    fn needs(servers: &[&str]) -> Vec<UpstreamNeeds> {
        let servers = servers.iter().map(|&server| server.to_owned()).collect();
        vec![UpstreamNeeds { name: "app".to_owned(), servers }]
    }

    /// Gives orders to the group `app` that has one server; tells what was said, and what holds then.
    fn check(orders: &[(&str, UpstreamChange, &str)], wanted: &[(&str, UpstreamChange)]) {
        let mut upstreams = Upstreams::default();
        for (server, change, said) in orders {
            let answer = upstreams.order(&needs(&["127.0.0.1:1", "app.example:1"]), ("app", server), *change);
            let text = answer.unwrap_or_else(|why| why);
            assert!(text.contains(said), "{server} {change:?}: {text}");
        }
        let found: Vec<_> =
            upstreams.orders.iter().map(|order| (order.server.as_str(), order.change)).collect();
        assert_eq!(found, wanted, "{orders:?}");
    }

    #[test]
    fn orders_undo_each_other() {
        let (own, other, named) = ("127.0.0.1:1", "127.0.0.1:2", "app.example:1");
        check(&[(own, DRAIN, "gets no more requests"), (own, DRAIN, "already")], &[(own, DRAIN)]);
        check(&[(own, DRAIN, ""), (own, ADD, "gets requests")], &[]);
        check(&[(own, ADD, "has 127.0.0.1:1 already")], &[]);
        check(&[(own, REMOVE, "is removed"), (own, DRAIN, "has no 127.0.0.1:1")], &[(own, REMOVE)]);
        check(&[(own, DRAIN, ""), (own, REMOVE, "is removed"), (own, ADD, "gets requests")], &[]);
        check(&[(named, REMOVE, "is removed"), (named, REMOVE, "has no app.example:1")], &[(named, REMOVE)]);
        check(&[(other, ADD, "gets requests"), (other, ADD, "already")], &[(other, ADD)]);
        check(&[(other, ADD, ""), (other, DRAIN, ""), (other, ADD, "gets requests")], &[(other, ADD)]);
        check(&[(other, ADD, ""), (other, DRAIN, ""), (other, REMOVE, "is removed")], &[]);
        check(&[("[0:0::1]:2", ADD, "[::1]:2 gets requests")], &[("[::1]:2", ADD)]);
        for wrong in ["other.example:2", ":2", "127.0.0.1:0", "127.0.0.1", "[::]:1", "unix:sock", ""] {
            check(&[(wrong, ADD, "is no address of a server")], &[]);
        }
        for weight in [0, 1001] {
            check(&[(other, UpstreamChange::Add { weight, backup: false }, "is no weight")], &[]);
        }
    }

    #[test]
    fn what_means_nothing_any_more_is_forgotten() {
        let mut upstreams = Upstreams::default();
        let before = needs(&["127.0.0.1:1"]);
        for (server, change) in [("127.0.0.1:1", DRAIN), ("127.0.0.1:2", ADD), ("127.0.0.1:2", DRAIN)] {
            upstreams.order(&before, ("app", server), change).unwrap();
        }
        assert!(upstreams.order(&before, ("none", "127.0.0.1:1"), DRAIN).is_err());
        assert!(!upstreams.adopt(&before));
        let left = |upstreams: &Upstreams, needs: &[UpstreamNeeds]| {
            Upstreams::inherit(upstreams.orders.clone(), needs).orders.len()
        };
        assert_eq!(left(&upstreams, &before), 3);
        assert_eq!(left(&upstreams, &needs(&["127.0.0.1:3"])), 2, "a server of the configuration has gone");
        assert_eq!(
            left(&upstreams, &needs(&["127.0.0.1:1", "127.0.0.1:2"])),
            2,
            "one that was added is there"
        );
        assert_eq!(left(&upstreams, &[]), 0);
    }

    #[test]
    fn orders_are_bounded() {
        let mut upstreams = Upstreams::default();
        let needs = needs(&[]);
        for port in 1..=ORDERS_MAX {
            upstreams.order(&needs, ("app", &format!("127.0.0.1:{port}")), ADD).unwrap();
        }
        assert!(upstreams.order(&needs, ("app", "127.0.0.2:1"), ADD).unwrap_err().contains("hold already"));
    }
}
