//! Files that change while they are served, such as a certificate that is renewed: looked at now and then, by what the
//! system says of them. Whoever writes one is let finish first.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use crate::message::FileNeeds;

/// How often files are looked at. A change is taken up when the next look finds nothing new, so that a chain and its
/// key that are written one after the other come together.
const PERIOD: Duration = Duration::from_secs(2);
/// How long to wait after something else than the files was in the way.
const RETRY: Duration = Duration::from_secs(60);

/// By what a file is known to be the same; none for one that cannot be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(Option<Facts>);

/// What the system says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Facts {
    device: u64,
    inode: u64,
    len: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

impl Mark {
    pub(crate) const NONE: Mark = Mark(None);

    pub(crate) fn of(found: &Metadata) -> Mark {
        Mark(Some(Facts {
            device: found.dev(),
            inode: found.ino(),
            len: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
        }))
    }
}

/// The marks of files as they are now.
pub(crate) fn marks(files: &[FileNeeds]) -> Vec<Mark> {
    let mark = |file: &FileNeeds| std::fs::metadata(&file.path).map_or(Mark::NONE, |found| Mark::of(&found));
    files.iter().map(mark).collect()
}

/// What the last look has seen.
#[derive(Debug)]
pub(crate) struct Watch {
    last: Vec<Mark>,
    /// What was read and is not to be served: nobody needs to be told again.
    refused: Option<Vec<Mark>>,
    /// When to look next.
    pub(crate) due: Instant,
}

impl Watch {
    pub(crate) fn new(now: Instant) -> Self {
        Self { last: Vec::new(), refused: None, due: now + PERIOD }
    }

    /// Takes a look, at `now`; tells whether the files are to be read again, since they have come to rest and are others
    /// than those of `served`.
    pub(crate) fn look(&mut self, now: Instant, seen: Vec<Mark>, served: &[Mark]) -> bool {
        self.due = now + PERIOD;
        let rests = self.last == seen;
        let news = seen != served && self.refused.as_ref() != Some(&seen);
        self.last = seen;
        rests && news
    }

    /// What the last look has seen is not to be served.
    pub(crate) fn refuse(&mut self) {
        self.refused = Some(self.last.clone());
    }

    /// Waits for a better moment.
    pub(crate) fn later(&mut self, now: Instant) {
        self.due = now + RETRY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file whose length is that number.
    fn mark(len: u64) -> Mark {
        Mark(Some(Facts { device: 1, inode: 2, len, modified: (3, 4) }))
    }

    #[test]
    fn a_change_is_read_once_it_rests() {
        let served = [mark(1), mark(2)];
        let mut watch = Watch::new(Instant::now());
        for (what, seen, wanted) in [
            ("what is served", [mark(1), mark(2)], false),
            ("and again", [mark(1), mark(2)], false),
            ("one of two was written", [mark(7), mark(2)], false),
            ("the other one, too", [mark(7), mark(8)], false),
            ("both rest", [mark(7), mark(8)], true),
            ("one is gone for a moment", [Mark::NONE, mark(8)], false),
            ("and is as it was", [mark(1), mark(2)], false),
            ("still", [mark(1), mark(2)], false),
            ("one is gone", [Mark::NONE, mark(2)], false),
            ("for good", [Mark::NONE, mark(2)], true),
        ] {
            assert_eq!(watch.look(Instant::now(), seen.to_vec(), &served), wanted, "{what}");
        }
    }

    #[test]
    fn what_was_refused_is_told_once() {
        let served = [mark(1)];
        let mut watch = Watch::new(Instant::now());
        let look = |watch: &mut Watch, len| watch.look(Instant::now(), vec![mark(len)], &served);
        assert!(!look(&mut watch, 2) && look(&mut watch, 2));
        watch.refuse();
        assert!(!look(&mut watch, 2) && !look(&mut watch, 2));
        assert!(!look(&mut watch, 3) && look(&mut watch, 3), "another change is another matter");
        watch.refuse();
        assert!(!look(&mut watch, 2) && look(&mut watch, 2), "only the last one is remembered");
    }
}
