//! Where each location logs to, found once for each site.

use std::sync::Arc;

use config::{LogConditions, LogFormat, LogStatus, WhenFull};
use logging::{Addresses, Format, Logger, SinkId, Target, Template};
use site::Site;

use crate::error::Error;
use crate::kept::Wanted;

/// One log of a location.
pub(crate) struct LogTo {
    pub(crate) sink: SinkId,
    pub(crate) format: Format,
    pub(crate) addresses: Addresses,
    /// None takes every request.
    conditions: Option<Box<Conditions>>,
    when_full: WhenFull,
}

/// The logs of one location.
#[derive(Default)]
pub(crate) struct LocationLogs {
    pub(crate) all: Box<[LogTo]>,
    /// The sinks of those that requests wait for.
    pub(crate) holding: Box<[SinkId]>,
    /// Fields of answers that their lines have.
    pub(crate) wanted: Wanted,
}

/// The logs of all locations, by their ids. Shards share them.
#[derive(Clone)]
pub(crate) struct Logs(Arc<[LocationLogs]>);

impl Logs {
    /// # Errors
    /// [`Error::LogFormat`] for a template that is none.
    pub(crate) fn new(site: &Site, logger: &Logger) -> Result<Logs, Error> {
        let mut logs = Vec::new();
        for location in site.locations() {
            let index = location.id as usize;
            if logs.len() <= index {
                logs.resize_with(index + 1, LocationLogs::default);
            }
            let of_location: Result<Vec<Option<LogTo>>, Error> =
                location.logs.iter().map(|log| LogTo::new(log, logger)).collect();
            let all: Box<[LogTo]> = of_location?.into_iter().flatten().collect();
            let holding = all.iter().filter(|log| log.holds()).map(|log| log.sink).collect();
            let mut wanted = Wanted::default();
            all.iter().for_each(|log| wanted.add(&log.format));
            logs[index] = LocationLogs { all, holding, wanted };
        }
        Ok(Logs(logs.into()))
    }

    /// Those of one location.
    pub(crate) fn of(&self, location: u32) -> Option<&LocationLogs> {
        self.0.get(location as usize)
    }
}

impl LogTo {
    /// None when the logger does not know where it goes.
    fn new(log: &config::Log, logger: &Logger) -> Result<Option<LogTo>, Error> {
        let target = match &log.output {
            config::Output::Stdout => Target::Stdout,
            config::Output::Stderr => Target::Stderr,
            config::Output::File(path) => Target::File(path.clone()),
            config::Output::Receiver(receiver) => Target::Receiver(receiver.identity()),
        };
        let format = format(&log.format)?;
        let addresses = if log.anonymize { Addresses::Networks } else { Addresses::Whole };
        let conditions =
            (log.conditions != LogConditions::default()).then(|| Box::new(Conditions::new(&log.conditions)));
        Ok(logger.sink(&target).map(|sink| LogTo {
            sink,
            format,
            addresses,
            conditions,
            when_full: log.queue.when_full,
        }))
    }

    /// Whether requests wait while it cannot keep up.
    pub(crate) fn holds(&self) -> bool {
        self.when_full == WhenFull::Block
    }

    /// Whether a request is logged here.
    pub(crate) fn wants(&self, outcome: &Outcome) -> bool {
        self.conditions.as_ref().is_none_or(|conditions| conditions.hold(outcome))
    }
}

fn format(format: &LogFormat) -> Result<Format, Error> {
    Ok(match format {
        LogFormat::Common => Format::Common,
        LogFormat::Combined => Format::Combined,
        LogFormat::Json => Format::Json,
        LogFormat::Template(text) => {
            let template = Template::parse(text);
            Format::Template(Arc::new(template.map_err(|reason| Error::LogFormat { reason })?))
        }
    })
}

/// What became of a request, as far as conditions ask.
pub(crate) struct Outcome {
    /// 0 when no answer was begun.
    pub(crate) status: u16,
    pub(crate) duration_ns: u64,
    /// The request's own id.
    pub(crate) id: u128,
}

/// Which requests a log has.
struct Conditions {
    /// One bit for each status that is taken; without any, all are.
    statuses: Option<[u64; STATUSES.div_ceil(64)]>,
    slower_than_ns: Option<u64>,
    sample: u32,
}

/// One more than the largest status.
const STATUSES: usize = 600;

impl Conditions {
    fn new(conditions: &LogConditions) -> Conditions {
        let statuses = (!conditions.statuses.is_empty()).then(|| {
            let mut bits = [0; STATUSES.div_ceil(64)];
            for status in &conditions.statuses {
                let (first, count) = match *status {
                    LogStatus::Code(code) => (usize::from(code), 1),
                    LogStatus::Class(class) => (usize::from(class) * 100, 100),
                };
                for status in (first..first + count).filter(|&status| status < STATUSES) {
                    bits[status / 64] |= 1 << (status % 64);
                }
            }
            bits
        });
        let nanoseconds = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let slower_than_ns = conditions.slower_than.map(nanoseconds);
        Conditions { statuses, slower_than_ns, sample: conditions.sample }
    }

    fn hold(&self, outcome: &Outcome) -> bool {
        let status = usize::from(outcome.status);
        let taken = |bits: &[u64; STATUSES.div_ceil(64)]| {
            bits.get(status / 64).is_some_and(|word| word >> (status % 64) & 1 == 1)
        };
        self.statuses.as_ref().is_none_or(taken)
            && self.slower_than_ns.is_none_or(|least| least < outcome.duration_ns)
            && is_sample(outcome.id, self.sample)
    }
}

/// Whether the lower half of an id, taken as a fraction, is below one in `sample`.
fn is_sample(id: u128, sample: u32) -> bool {
    (u128::from(id as u64) * u128::from(sample)) >> 64 == 0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::request_ids::RequestIds;

    fn check(conditions: &LogConditions, taken: &[(u16, u64)], left: &[(u16, u64)]) {
        let compiled = Conditions::new(conditions);
        for (list, wanted) in [(taken, true), (left, false)] {
            for &(status, duration_ns) in list {
                let holds = compiled.hold(&Outcome { status, duration_ns, id: 0 });
                assert_eq!(holds, wanted, "{conditions:?}: {status} in {duration_ns} ns");
            }
        }
    }

    #[test]
    fn all_conditions_have_to_hold() {
        let all = LogConditions::default;
        check(&all(), &[(200, 0), (0, 0), (599, u64::MAX)], &[]);
        let statuses = vec![LogStatus::Code(404), LogStatus::Class(5)];
        let broken = LogConditions { statuses, ..all() };
        check(&broken, &[(404, 0), (500, 0), (599, 0)], &[(0, 0), (200, 0), (403, 0), (499, 0), (999, 0)]);
        let slow = LogConditions { slower_than: Some(Duration::from_micros(1)), ..all() };
        check(&slow, &[(200, 1001), (0, u64::MAX)], &[(200, 0), (200, 1000)]);
        let both = LogConditions { slower_than: slow.slower_than, ..broken };
        check(&both, &[(500, 1001)], &[(500, 1000), (200, 1001)]);
    }

    #[test]
    fn a_sample_is_one_in_so_many() {
        const COUNT: usize = 100_000;
        let ids = RequestIds::new();
        let ids: Vec<u128> = (0..COUNT).map(|_| ids.next()).collect();
        for sample in [1, 2, 10, 100] {
            let taken = ids.iter().filter(|&&id| is_sample(id, sample)).count();
            let wanted = COUNT / sample as usize;
            // More than ten standard deviations.
            assert!(taken.abs_diff(wanted) <= wanted / 3, "{taken} of {COUNT} for {sample}");
        }
        assert!(
            ids.iter().all(|&id| !is_sample(id, 100) || is_sample(id, 10)),
            "the rarer are among the others"
        );
    }
}
