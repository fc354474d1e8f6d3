//! Work that would block a shard: cold files, names, later password hashes. One small pool for the process.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::thread;

use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded};

use crate::connection::Key;
use crate::inbox::{Inbox, Letter};

/// Threads of the pool. They wait for disks, not for cores.
const THREADS: usize = 4;
/// Jobs that may wait; beyond this a request is refused rather than queued.
const WAITING_MAX: usize = 1024;

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
        let (queue, jobs) = bounded::<Job>(WAITING_MAX);
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
        inbox: &Arc<Inbox>,
        key: Key,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JobError> {
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
        match self.queue.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return Err(JobError::Busy),
        }
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
