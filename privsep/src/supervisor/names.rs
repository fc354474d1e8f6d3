//! Names of receivers of logs, looked up again now and then: by a check of the text in force, for nobody else opens what
//! tells where name servers are. Only what has changed goes to the logger.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::change::{Asker, Change};
use super::estate::{Sink, is_same, name};
use super::examination::Examination;
use super::reply::Reply;
use super::run::Supervisor;
use crate::message::{Depth, GearmanServer, LogNeeds, Output, Receiver, SyslogWay};

/// How often names are looked up when all receivers can be reached.
const PERIOD: Duration = Duration::from_secs(60);
/// The same when one of them cannot.
const PERIOD_OF_TROUBLE: Duration = Duration::from_secs(5);

/// When names are looked up.
#[derive(Debug)]
pub(crate) struct Names {
    last: Instant,
    /// When it is looked whether it is time.
    due: Instant,
}

impl Names {
    pub(crate) fn new(now: Instant) -> Self {
        Self { last: now, due: now + PERIOD_OF_TROUBLE }
    }

    /// Whether names are to be looked up at `now`.
    fn look(&mut self, now: Instant, trouble: impl FnOnce() -> bool) -> bool {
        self.due = now + PERIOD_OF_TROUBLE;
        let is_time = self.last + PERIOD <= now || trouble();
        if is_time {
            self.last = now;
        }
        is_time
    }
}

impl Supervisor<'_> {
    /// When it is to be looked after names; never where there are none.
    pub(super) fn names_due(&self) -> Option<Instant> {
        let named = self.deployment.needs.access_logs.iter().any(|log| log.named);
        (named && !self.is_ending()).then_some(self.names.due)
    }

    /// Has names looked up when it is time.
    pub(super) fn look_after_names(&mut self, now: Instant) {
        if self.names_due().is_none_or(|due| now < due) {
            return;
        }
        let (estate, epoch) = (&self.estate, self.estate.epoch);
        let fails = |sink: &Sink| {
            let is_remote = matches!(sink.output, Output::Receiver { .. });
            is_remote && sink.tally(epoch).is_some_and(|tally| tally.failing)
        };
        if !self.names.look(now, || estate.sinks().iter().any(fails)) || self.busy().is_some() {
            return;
        }
        let (subject, text) = (self.deployment.subject.clone(), self.deployment.text.as_fd());
        match Examination::again(&self.stage, self.hello(), subject, text, Depth::Names) {
            Ok(examination) => self.change = Some(Change::new(Asker::Names, false, examination)),
            Err(error) => self.tell(Asker::Names, Reply::Refused(error.to_string())),
        }
    }

    /// Tells the logger which receivers are elsewhere now.
    pub(super) fn adopt_addresses(&mut self, found: &[LogNeeds]) {
        for at in 0..self.estate.sinks().len() {
            let known = &self.estate.sinks()[at].output;
            let found = found.iter().find(|log| is_same(known, &log.output));
            let Some(moved) = found.and_then(|log| moved(known, &log.output)) else { continue };
            log::info!("{} is elsewhere now, as its name says", name(&moved));
            for log in &mut self.deployment.needs.access_logs {
                if is_same(&log.output, &moved) {
                    log.output = moved.clone();
                }
            }
            self.estate.sinks_mut()[at].output = moved;
            self.tell_sink(at);
        }
    }
}

/// A receiver with the addresses that were found, if these are others. Where none was found, those before hold: it may be
/// the name server that is away.
fn moved(known: &Output, found: &Output) -> Option<Output> {
    let mut moved = known.clone();
    let (Output::Receiver { receiver: now, .. }, Output::Receiver { receiver: found, .. }) =
        (&mut moved, found)
    else {
        return None;
    };
    match (now, found) {
        (Receiver::Syslog { way: now, .. }, Receiver::Syslog { way: found, .. }) => match (now, found) {
            (SyslogWay::Udp { address: now }, SyslogWay::Udp { address: found }) if !found.is_empty() => {
                now.clone_from(found);
            }
            (SyslogWay::Tcp { addresses: now }, SyslogWay::Tcp { addresses: found })
            | (SyslogWay::Tls { addresses: now, .. }, SyslogWay::Tls { addresses: found, .. }) => {
                take(now, found);
            }
            _ => {}
        },
        (Receiver::Gearman { servers: now, .. }, Receiver::Gearman { servers: found, .. }) => {
            for GearmanServer { name, addresses } in now {
                let same = found.iter().find(|server| server.name == *name);
                same.into_iter().for_each(|server| take(addresses, &server.addresses));
            }
        }
        _ => {}
    }
    (moved != *known).then_some(moved)
}

fn take(now: &mut Vec<String>, found: &[String]) {
    if !found.is_empty() {
        *now = found.to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::tests::{gearman, syslog};

    fn output(receiver: Receiver) -> Output {
        let text = |text: &str| text.to_owned();
        Output::Receiver { log: text("main"), identity: text("a"), title: text("b"), receiver }
    }

    fn over(way: SyslogWay) -> Output {
        let mut receiver = syslog();
        if let Receiver::Syslog { way: now, .. } = &mut receiver {
            *now = way;
        }
        output(receiver)
    }

    fn tcp(addresses: &[&str]) -> Output {
        over(SyslogWay::Tcp { addresses: addresses.iter().map(|&address| address.to_owned()).collect() })
    }

    fn udp(address: &str) -> Output {
        over(SyslogWay::Udp { address: address.to_owned() })
    }

    fn servers(addresses: [&[&str]; 2]) -> Output {
        let mut receiver = gearman();
        if let Receiver::Gearman { servers, .. } = &mut receiver {
            *servers = ["one", "two"]
                .into_iter()
                .zip(addresses)
                .map(|(name, addresses)| GearmanServer {
                    name: name.to_owned(),
                    addresses: addresses.iter().map(|&address| address.to_owned()).collect(),
                })
                .collect();
        }
        output(receiver)
    }

    #[test]
    fn what_was_found_is_taken_and_nothing_forgotten() {
        for (known, found, wanted) in [
            (tcp(&["a"]), tcp(&["a"]), None),
            (tcp(&["a"]), tcp(&["b", "c"]), Some(tcp(&["b", "c"]))),
            (tcp(&["a"]), tcp(&[]), None),
            (udp("a"), udp("b"), Some(udp("b"))),
            (udp("a"), udp(""), None),
            (udp("a"), tcp(&["b"]), None),
            (udp("a"), Output::Stdout, None),
            (Output::Stdout, Output::Stdout, None),
            (servers([&["a"], &["b"]]), servers([&["c"], &[]]), Some(servers([&["c"], &["b"]]))),
        ] {
            assert_eq!(moved(&known, &found), wanted, "{known:?} {found:?}");
        }
    }

    #[test]
    fn names_are_looked_up_sooner_when_there_is_trouble() {
        let begin = Instant::now();
        let mut names = Names::new(begin);
        for (seconds, trouble, wanted) in
            [(5, false, false), (10, true, true), (65, false, false), (70, false, true), (75, true, true)]
        {
            let now = begin + Duration::from_secs(seconds);
            assert_eq!(names.look(now, || trouble), wanted, "after {seconds} s");
            assert_eq!(names.due, now + PERIOD_OF_TROUBLE);
        }
    }
}
