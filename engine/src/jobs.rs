//! Work that would block a shard: cold files, names, later password hashes. One small pool for the process.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::thread;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded, unbounded};

use crate::connection::Key;
use crate::inbox::{Inbox, Letter};

/// Threads of the pool. They wait for disks, not for cores.
const THREADS: usize = 4;
/// Jobs that may wait; beyond this a request is refused rather than queued. Each shard may see the last place free.
const WAITING_MAX: usize = 1024;

/// What a job is to the request that has it done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// There is another answer if it is refused.
    Asked,
    /// A part of an answer that has begun, which would be cut without it. It always finds a place: each content that is
    /// being compressed has one at most, and their number is bounded.
    Begun,
}

type Job = Box<dyn FnOnce() + Send>;

/// Why a job gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobError {
    /// Too many are waiting.
    Busy,
    /// It panicked; the panic itself has been reported.
    Lost,
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JobError::Busy => "too many jobs are waiting",
            JobError::Lost => "a job panicked",
        })
    }
}

/// The pool. Clones share it; it ends when the last clone is gone and its queue is empty.
#[derive(Clone)]
pub(crate) struct Jobs {
    queue: Sender<Job>,
}

impl Jobs {
    pub(crate) fn start() -> io::Result<Jobs> {
        let (queue, jobs) = unbounded::<Job>();
        for number in 0..THREADS {
            let jobs = jobs.clone();
            thread::Builder::new().name(format!("job {number}")).spawn(move || work(&jobs))?;
        }
        Ok(Jobs { queue })
    }

    /// Jobs that wait for a thread.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Runs `job` on the pool and resumes the connection `key` of the shard behind `inbox` when it is done.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        (inbox, key): (&Arc<Inbox>, Key),
        claim: Claim,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JobError> {
        if claim == Claim::Asked && WAITING_MAX <= self.waiting() {
            return Err(JobError::Busy);
        }
        let (result_in, result_out) = bounded(1);
        let notice = Notice { inbox: Arc::clone(inbox), key };
        let job: Job = Box::new(move || {
            // Dropped last, also when the job panics: the connection always goes on.
            let _notice = notice;
            let result_in = result_in;
            let result = job();
            // The future may be gone with its connection.
            let _ = result_in.send(result);
        });
        self.queue.send(job).map_err(|_| JobError::Busy)?;
        poll_fn(|_| match result_out.try_recv() {
            Ok(result) => Poll::Ready(Ok(result)),
            Err(TryRecvError::Empty) => Poll::Pending,
            Err(TryRecvError::Disconnected) => Poll::Ready(Err(JobError::Lost)),
        })
        .await
    }
}

struct Notice {
    inbox: Arc<Inbox>,
    key: Key,
}

impl Drop for Notice {
    fn drop(&mut self) {
        self.inbox.post(Letter::Resume(self.key));
    }
}

fn work(jobs: &Receiver<Job>) {
    for job in jobs {
        // The panic hook has reported it; the pool must not shrink.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn what_has_begun_finds_a_place_where_others_are_refused() {
        let (inbox, _letters) = Inbox::new().expect("an inbox");
        let jobs = Jobs::start().expect("threads");
        let (release, held) = bounded::<()>(0);
        let run = |claim| {
            let held = held.clone();
            let job = move || held.recv().is_err();
            let mut run = pin!(jobs.run((&inbox, Key::from_bits(0)), claim, job));
            // Whether it waits; nobody waits for what it answers.
            run.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
        // Those that run do not wait.
        let mut taken = 0;
        while run(Claim::Asked).is_pending() {
            taken += 1;
            assert!(taken <= WAITING_MAX + THREADS, "there is no end of places");
        }
        assert!(WAITING_MAX <= taken, "{taken} places");
        assert_eq!(run(Claim::Asked), Poll::Ready(Err(JobError::Busy)));
        assert!(run(Claim::Begun).is_pending());
        assert_eq!(jobs.waiting(), WAITING_MAX + 1);
        // Without this all of them come to their end.
        drop(release);
    }
}
