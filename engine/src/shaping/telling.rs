//! How shards learn what clients have used on others: each reports, a plain thread gathers the reports of a short while, and
//! all shards get them in one table that never changes.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use site::shaping::Use;

use crate::inbox::{Inbox, Letter};

/// What one shard has used.
pub(crate) struct Report {
    pub(crate) shard: usize,
    pub(crate) uses: Vec<Use>,
}

/// Reports of each shard that may wait. What finds no room is told with the next one.
const REPORTS_MAX: usize = 2;

/// How long reports are gathered once the first has come.
const GATHER: Duration = Duration::from_millis(20);

/// Where a shard reports to.
#[derive(Clone)]
pub(crate) struct Telling {
    shard: usize,
    to: Sender<Report>,
}

impl Telling {
    /// Whether a report would be taken.
    pub(crate) fn has_room(&self) -> bool {
        !self.to.is_full()
    }

    /// Hands a report over; what finds no room comes back, and is to be told with the next one.
    pub(crate) fn tell(&self, uses: Vec<Use>) -> Result<(), Vec<Use>> {
        self.to.try_send(Report { shard: self.shard, uses }).map_err(|lost| lost.into_inner().uses)
    }
}

/// Starts the thread; answers where each of the shards reports to. A shard by itself has nobody to tell. The thread ends
/// with the last of them.
pub(crate) fn start(shards: usize) -> (Vec<Option<Telling>>, Gathering) {
    if shards < 2 {
        return (vec![None; shards], Gathering(None));
    }
    let (to, from) = bounded(shards * REPORTS_MAX);
    let telling = (0..shards).map(|shard| Some(Telling { shard, to: to.clone() })).collect();
    (telling, Gathering(Some(from)))
}

/// The side that gathers.
pub(crate) struct Gathering(Option<Receiver<Report>>);

impl Gathering {
    /// Hands on what is gathered to these, from a thread of its own.
    ///
    /// # Errors
    ///
    /// When there can be no thread.
    pub(crate) fn run(self, inboxes: Vec<Arc<Inbox>>) -> io::Result<()> {
        let Some(from) = self.0 else { return Ok(()) };
        let run = move || {
            while let Ok(first) = from.recv() {
                thread::sleep(GATHER);
                let reports: Arc<[Report]> = std::iter::once(first).chain(from.try_iter()).collect();
                inboxes.iter().for_each(|inbox| inbox.post(Letter::Used(Arc::clone(&reports))));
            }
        };
        thread::Builder::new().name("kimura-limits".to_owned()).spawn(run).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use site::shaping::{Delta, ScopeId};

    #[test]
    fn what_finds_no_room_comes_back() {
        const SHARDS: usize = 2;
        let (telling, gathering) = start(SHARDS);
        let [Some(first), Some(second)] = &telling[..] else { panic!("each has somebody to tell") };
        let report = |requests| {
            let delta = Delta { requests, running: 1, ..Delta::default() };
            vec![Use { scope: ScopeId(1), who: None, delta }]
        };
        // One shard takes all of the room, after the other one has looked for some.
        assert!(second.has_room());
        for number in 0..SHARDS * REPORTS_MAX {
            assert_eq!(first.tell(report(number as u64)), Ok(()));
        }
        assert!(!second.has_room());
        assert_eq!(second.tell(report(7)), Err(report(7)));
        let from = gathering.0.expect("two shards tell each other");
        assert_eq!(from.try_recv().map(|report| report.shard), Ok(0));
        assert_eq!(second.tell(report(7)), Ok(()));
        drop(from);
        assert_eq!(first.tell(report(8)), Err(report(8)), "nobody gathers any more");
    }
}
