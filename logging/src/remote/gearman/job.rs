//! The jobs that an offer of lines becomes. A job that may have got through is made again of the same lines, with the
//! same id.

use std::ops::Range;

use super::BATCH_MAX;
use super::packet::submit;
use crate::remote::{Offer, each_line};

/// Some lines of an offer.
struct Job {
    /// Where they are in it.
    place: Range<usize>,
    /// The number of the first one.
    number: u64,
    /// How many there are.
    count: usize,
}

/// How lines become jobs, and the jobs of the last offer.
pub(super) struct Jobs {
    function: Vec<u8>,
    /// Begins every id.
    queue: u64,
    /// 0 for one job a line.
    batch: usize,
    lines: Vec<u8>,
    jobs: Vec<Job>,
    /// How many of them a server has.
    taken: usize,
    /// The number of the first line that may have got through, and how many lines each job has from there on.
    sent: (u64, Vec<usize>),
}

impl Jobs {
    pub(super) fn new(function: &str, batch: usize) -> Self {
        Self {
            function: function.bytes().filter(|byte| *byte != 0).collect(),
            queue: 0,
            batch: batch.min(BATCH_MAX),
            lines: Vec::new(),
            jobs: Vec::new(),
            taken: 0,
            sent: (0, Vec::new()),
        }
    }

    /// Makes jobs of what is offered.
    pub(super) fn gather(&mut self, Offer { queue, first, lines }: Offer<'_>) {
        self.queue = queue;
        let (number, sizes) = std::mem::take(&mut self.sent);
        let mut again = sizes.into_iter().filter(|_| number == first);
        let mut same = again.next();
        self.lines.clear();
        self.lines.extend_from_slice(lines);
        self.jobs.clear();
        self.taken = 0;
        let mut job = Job { place: 0..0, number: first, count: 0 };
        for line in each_line(lines) {
            let full = match same {
                Some(size) => job.count == size,
                None => self.batch < job.place.len() + line.len(),
            };
            if full && job.count > 0 {
                let next = Job {
                    place: job.place.end..job.place.end,
                    number: job.number + job.count as u64,
                    count: 0,
                };
                self.jobs.push(std::mem::replace(&mut job, next));
                same = again.next();
            }
            job.place.end += line.len();
            job.count += 1;
        }
        if job.count > 0 {
            self.jobs.push(job);
        }
        self.sent.0 = first;
    }

    /// How many jobs no server has yet.
    pub(super) fn open(&self) -> usize {
        self.jobs.len() - self.taken
    }

    /// Appends the packet of the open job with this position, if there is one.
    pub(super) fn append(&self, out: &mut Vec<u8>, position: usize) -> Appended {
        let Some(Job { place, number, count }) = self.jobs.get(self.taken + position) else {
            return Appended::NoMore;
        };
        let lines = &self.lines[place.clone()];
        let unique = format!("{:016x}-{number}-{count}", self.queue);
        let workload = if self.batch == 0 { lines.strip_suffix(b"\n").unwrap_or(lines) } else { lines };
        submit(out, &self.function, unique.as_bytes(), workload);
        Appended::Job
    }

    /// A server has the next one.
    pub(super) fn take(&mut self) {
        self.taken = (self.taken + 1).min(self.jobs.len());
    }

    /// Bytes of the offer that servers have. The other jobs are remembered, for they may have got through.
    pub(super) fn delivered(&mut self) -> usize {
        let (taken, open) = self.jobs.split_at(self.taken);
        if let Some(next) = open.first() {
            self.sent = (next.number, open.iter().map(|job| job.count).collect());
        }
        taken.last().map_or(0, |job| job.place.end)
    }
}

/// Whether there was a job to append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appended {
    /// There was.
    Job,
    /// All are appended.
    NoMore,
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: &str = "000000000000002a";

    fn offer(first: u64, lines: &str) -> Offer<'_> {
        Offer { queue: 42, first, lines: lines.as_bytes() }
    }

    /// What a server gets of all open jobs: ids without the name of the queue, and workloads.
    fn open(jobs: &Jobs) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for position in 0.. {
            let mut out = Vec::new();
            if jobs.append(&mut out, position) == Appended::NoMore {
                break;
            }
            let text = String::from_utf8(out[12..].to_vec()).unwrap();
            let mut parts = text.splitn(3, '\0');
            assert_eq!(parts.next(), Some("log"));
            let unique = parts.next().unwrap().strip_prefix(QUEUE).unwrap().to_owned();
            assert!(QUEUE.len() + unique.len() <= 63, "servers keep no more of an id");
            all.push((unique, parts.next().unwrap().to_owned()));
        }
        assert_eq!(all.len(), jobs.open());
        all
    }

    /// Jobs of this size, of these lines.
    fn check(batch: usize, lines: &str, wanted: &[(&str, &str)]) {
        let mut jobs = Jobs::new("l\0og", batch);
        jobs.gather(offer(7, lines));
        let wanted: Vec<_> =
            wanted.iter().map(|(id, load)| (String::from(*id), String::from(*load))).collect();
        assert_eq!(open(&jobs), wanted, "{lines:?} by {batch}");
    }

    #[test]
    fn lines_become_jobs() {
        check(0, "", &[]);
        check(0, "a\n\nb\n", &[("-7-1", "a"), ("-8-1", ""), ("-9-1", "b")]);
        check(4, "a\nb\nc\n", &[("-7-2", "a\nb\n"), ("-9-1", "c\n")]);
        check(5, "a\nb\nc\n", &[("-7-2", "a\nb\n"), ("-9-1", "c\n")]);
        check(6, "a\nb\nc\n", &[("-7-3", "a\nb\nc\n")]);
        // A line that is longer than that is a job of its own.
        check(3, "a\nlong one\nb\n", &[("-7-1", "a\n"), ("-8-1", "long one\n"), ("-9-1", "b\n")]);
        check(
            usize::MAX,
            &"x\n".repeat(40_000),
            &[("-7-32768", &"x\n".repeat(32_768)), ("-32775-7232", &"x\n".repeat(7232))],
        );
    }

    #[test]
    fn what_may_have_got_through_is_the_same_job_again() {
        let mut jobs = Jobs::new("log", 4);
        jobs.gather(offer(0, "a\nb\nc\nd\ne\n"));
        jobs.take();
        assert_eq!(jobs.delivered(), 4);
        let before = [("-2-2", "c\nd\n"), ("-4-1", "e\n")].map(|(id, load)| (id.to_owned(), load.to_owned()));
        assert_eq!(open(&jobs), before);
        // More lines do not change the jobs that there were.
        jobs.gather(offer(2, "c\nd\ne\nf\ng\nh\n"));
        let after = [("-5-2", "f\ng\n"), ("-7-1", "h\n")].map(|(id, load)| (id.to_owned(), load.to_owned()));
        assert_eq!(open(&jobs), [before, after].concat());
        (0..9).for_each(|_| jobs.take());
        assert_eq!(jobs.delivered(), 12);
        // Other lines are other jobs.
        jobs.gather(offer(8, "i\nj\n"));
        assert_eq!(open(&jobs), [("-8-2".to_owned(), "i\nj\n".to_owned())]);
        assert_eq!(jobs.delivered(), 0);
        jobs.gather(offer(20, "x\n"));
        assert_eq!(open(&jobs), [("-20-1".to_owned(), "x\n".to_owned())]);
    }
}
