//! Compresses files from descriptor to descriptor, in a thread that gets only the time that no other wants.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::error::Error;
use crate::notice::{Notice, Notices, Task};

/// Tasks that may wait: the supervisor gives one at a time.
const WAITING: usize = 4;
/// Bytes that are read at once.
const CHUNK: usize = 128 * 1024;
/// The default of zstd: about as fast as a disk writes.
const ZSTD_LEVEL: i32 = 3;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// The way to the thread, which begins with the first task.
pub struct Press {
    notices: Notices,
    jobs: Option<Sender<Job>>,
}

struct Job {
    id: u32,
    work: Work,
}

enum Work {
    Compress { method: Method, source: File, target: File },
    Sync(File),
}

impl Press {
    /// Says to `notices` how tasks have ended.
    #[must_use]
    pub fn new(notices: Notices) -> Self {
        Self { notices, jobs: None }
    }

    /// Has `source` compressed into `target`, which is empty, until it is on the disk.
    ///
    /// # Errors
    /// [`Error::Thread`].
    pub fn compress(
        &mut self,
        id: u32,
        method: Method,
        source: OwnedFd,
        target: OwnedFd,
    ) -> Result<(), Error> {
        let work = Work::Compress { method, source: source.into(), target: target.into() };
        self.give(Job { id, work })
    }

    /// Has a folder brought to the disk.
    ///
    /// # Errors
    /// [`Error::Thread`].
    pub fn sync(&mut self, id: u32, folder: OwnedFd) -> Result<(), Error> {
        self.give(Job { id, work: Work::Sync(folder.into()) })
    }

    fn give(&mut self, job: Job) -> Result<(), Error> {
        let jobs = match &self.jobs {
            Some(jobs) => jobs,
            None => self.jobs.insert(start(self.notices.clone())?),
        };
        // Who gives more than one task at once gets no answer to some.
        let _ = jobs.try_send(job);
        Ok(())
    }
}

fn start(notices: Notices) -> Result<Sender<Job>, Error> {
    let (jobs, waiting) = bounded(WAITING);
    let builder = thread::Builder::new().name("kimura-press".to_owned());
    builder.spawn(move || run(&waiting, &notices)).map_err(Error::Thread)?;
    Ok(jobs)
}

fn run(waiting: &Receiver<Job>, notices: &Notices) {
    if let Err(error) = sys::process::yield_to_all() {
        log::warn!("log files are compressed while others want the processor, too: {error}");
    }
    for Job { id, work } in waiting {
        let (task, result) = match work {
            Work::Compress { method, source, target } => (Task::Compress, compress(method, &source, &target)),
            Work::Sync(folder) => (Task::Sync, folder.sync_all()),
        };
        notices.send(Notice::Pressed { job: id, task, result });
    }
}

fn compress(method: Method, source: &File, target: &File) -> io::Result<()> {
    match method {
        Method::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(target, flate2::Compression::default());
            pour(source, &mut encoder)?;
            encoder.finish()?;
        }
        Method::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(target, ZSTD_LEVEL)?;
            encoder.include_checksum(true)?;
            pour(source, &mut encoder)?;
            encoder.finish()?;
        }
    }
    target.sync_all()
}

fn pour(mut source: &File, out: &mut impl Write) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match source.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => out.write_all(&chunk[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<u8> {
        (0..100_000).flat_map(|number| format!("line {number}\n").into_bytes()).collect()
    }

    fn check(method: Method, decompress: fn(File) -> Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a"), lines()).unwrap();
        let (source, target) = (File::open(at("a")).unwrap(), File::create(at("b")).unwrap());
        let (notices, inbox) = Notices::new().unwrap();
        let mut press = Press::new(notices);
        press.compress(1, method, source.into(), target.into()).unwrap();
        press.sync(2, File::open(folder.path()).unwrap().into()).unwrap();
        let mut done = Vec::new();
        while done.len() < 2 {
            assert!(sys::poll::readable(inbox.fd(), Some(std::time::Duration::from_secs(60))).unwrap());
            for notice in inbox.take() {
                let Notice::Pressed { job, task, result } = notice else { panic!("{notice:?}") };
                result.unwrap();
                done.push((job, task));
            }
        }
        assert_eq!(done, [(1, Task::Compress), (2, Task::Sync)]);
        assert!(decompress(File::open(at("b")).unwrap()) == lines());
        assert!(at("b").metadata().unwrap().len() < lines().len() as u64 / 3);
    }

    #[test]
    fn what_was_compressed_can_be_read_again() {
        check(Method::Gzip, |file| {
            let mut bytes = Vec::new();
            flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
            bytes
        });
        check(Method::Zstd, |file| zstd::stream::decode_all(file).unwrap());
    }

    #[test]
    fn a_full_disk_is_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), lines()).unwrap();
        let source = File::open(folder.path().join("a")).unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let error = compress(Method::Gzip, &source, &full).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
