//! Where lines end up.

use crate::error::Error;
use crate::forward::Forward;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

/// Who may read and write a new file, less the umask.
const MODE: u32 = 0o666;

/// Names a sink of the logger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SinkId(u16);

impl SinkId {
    /// The position of the sink in the order in which they were opened, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(crate) fn position<'t>(
        targets: impl IntoIterator<Item = &'t Option<Target>>,
        target: &Target,
    ) -> Option<Self> {
        let index = targets.into_iter().position(|opened| opened.as_ref() == Some(target))?;
        u16::try_from(index).ok().map(Self)
    }
}

/// What the operator can name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A file, made if missing, appended to.
    File(PathBuf),
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Target {
    /// Opens the target for appending.
    pub(crate) fn open(&self) -> Result<File, Error> {
        match self {
            Self::File(path) => sys::fs::open_log(path, MODE).map_err(Error::Open),
            // A descriptor of its own: the standard handles buffer and lock.
            Self::Stdout => own(&io::stdout()).map_err(Error::Stream),
            Self::Stderr => own(&io::stderr()).map_err(Error::Stream),
        }
    }

    /// The name used in messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdout => "standard output".to_owned(),
            Self::Stderr => "standard error".to_owned(),
        }
    }
}

/// What a sink writes to.
pub(crate) enum Out {
    /// A file or stream of this process.
    File(File),
    /// The logger process.
    Forward(Forward),
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Forward(forward) => forward.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn own(stream: &impl AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

/// The sinks of a logger, opened before it starts and before privileges are given up.
#[derive(Default)]
pub struct Sinks {
    sinks: Vec<Sink>,
    /// To the logger process, if there is one.
    socket: Option<Arc<OwnedFd>>,
}

impl Sinks {
    /// No sinks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All of `targets`, written by the logger process at the other end of `socket`, which knows each by its place.
    #[must_use]
    pub fn forward(targets: Vec<Target>, socket: OwnedFd) -> Self {
        let mut sinks = Self { sinks: Vec::new(), socket: Some(Arc::new(socket)) };
        targets.into_iter().for_each(|target| sinks.forward_more(target));
        sinks
    }

    /// One more of those.
    pub(crate) fn forward_more(&mut self, target: Target) {
        let (Some(socket), Ok(SinkId(number))) = (&self.socket, id_of(self.sinks.len())) else { return };
        let out = Out::Forward(Forward::new(Arc::clone(socket), number));
        self.sinks.push(Sink::new(target.name(), Some(target), out));
    }

    /// Opens `target`, once: the same target gives the same sink.
    ///
    /// # Errors
    /// [`Error::Open`] or [`Error::Stream`] when the system refuses, [`Error::TooManySinks`].
    pub fn open(&mut self, target: &Target) -> Result<SinkId, Error> {
        if let Some(id) = SinkId::position(self.sinks.iter().map(|sink| &sink.target), target) {
            return Ok(id);
        }
        let file = target.open()?;
        self.add(Sink::new(target.name(), Some(target.clone()), Out::File(file)))
    }

    /// Takes a descriptor that somebody else opened for appending; it cannot be reopened.
    ///
    /// # Errors
    /// [`Error::TooManySinks`].
    pub fn adopt(&mut self, name: &str, fd: OwnedFd) -> Result<SinkId, Error> {
        self.add(Sink::new(name.to_owned(), None, Out::File(File::from(fd))))
    }

    fn add(&mut self, sink: Sink) -> Result<SinkId, Error> {
        let id = id_of(self.sinks.len())?;
        self.sinks.push(sink);
        Ok(id)
    }

    pub(crate) fn targets(&self) -> Vec<Option<Target>> {
        self.sinks.iter().map(|sink| sink.target.clone()).collect()
    }

    pub(crate) fn get_mut(&mut self, id: SinkId) -> Option<&mut Sink> {
        self.sinks.get_mut(id.index())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Sink> {
        self.sinks.iter()
    }
}

fn id_of(index: usize) -> Result<SinkId, Error> {
    u16::try_from(index).map(SinkId).map_err(|_| Error::TooManySinks)
}

/// One destination and its state of health.
pub(crate) struct Sink<W = Out> {
    name: String,
    target: Option<Target>,
    out: W,
    /// The last write failed; what fails further is counted and not reported again.
    failing: bool,
    /// The last line is incomplete, as a full disk leaves it.
    torn: bool,
    lost_in_outage: u64,
    /// Lines written whole.
    pub(crate) written: u64,
    /// Lines given up because of write errors.
    pub(crate) lost: u64,
}

impl<W: Write> Sink<W> {
    pub(crate) fn new(name: String, target: Option<Target>, out: W) -> Self {
        Self { name, target, out, failing: false, torn: false, lost_in_outage: 0, written: 0, lost: 0 }
    }

    /// Writes whole lines. An error costs the lines that were not written, is reported when it begins and when it
    /// ends, and every later call tries again.
    pub(crate) fn write(&mut self, lines: &[u8]) {
        let result = if self.torn {
            write_counting(&mut self.out, b"\n").map_err(|(_, cause)| (0, cause))
        } else {
            Ok(())
        };
        let result = result.and_then(|()| {
            self.torn = false;
            write_counting(&mut self.out, lines)
        });
        match result {
            Ok(()) => {
                self.written += newlines(lines);
                self.recovered();
            }
            Err((done, cause)) => self.failed(&lines[..done], &lines[done..], &cause),
        }
    }

    fn failed(&mut self, done: &[u8], rest: &[u8], cause: &io::Error) {
        self.torn |= done.last().is_some_and(|&byte| byte != b'\n');
        let lost = newlines(rest);
        self.written += newlines(done);
        self.lost += lost;
        self.lost_in_outage += lost;
        if !self.failing {
            self.failing = true;
            log::error!(
                "writing to {} fails: {cause}; its lines are dropped and counted until it works again",
                self.name
            );
        }
    }

    fn recovered(&mut self) {
        if self.failing {
            self.failing = false;
            log::warn!("writing to {} works again; {} lines were lost", self.name, self.lost_in_outage);
            self.lost_in_outage = 0;
        }
    }
}

impl Sink {
    /// Writes whole lines; the facts about them go along to a logger process.
    pub(crate) fn write_with(&mut self, lines: &[u8], facts: &[u8]) {
        if let Out::Forward(forward) = &mut self.out {
            forward.tell(facts);
        }
        self.write(lines);
    }

    /// Goes on with another file.
    pub(crate) fn replace(&mut self, file: File) {
        self.out = Out::File(file);
        self.torn = false;
    }
}

/// Writes all of `bytes`, or says how many were written before what error.
fn write_counting(out: &mut impl Write, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut done = 0;
    while done < bytes.len() {
        match out.write(&bytes[done..]) {
            Ok(0) => return Err((done, ErrorKind::WriteZero.into())),
            Ok(count) => done += count,
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(cause) => return Err((done, cause)),
        }
    }
    Ok(())
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// A disk that follows a script: each write takes at most so many bytes, or fails.
    struct Disk {
        script: VecDeque<Result<usize, ErrorKind>>,
        bytes: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = self.script.pop_front().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
            self.bytes.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Writes `one\ntwo\n`, then `three\n`, then `four\n` to a disk that follows `script`.
    fn check(script: &[Result<usize, ErrorKind>], on_disk: &str, written: u64, lost: u64) {
        let disk = Disk { script: script.iter().copied().collect(), bytes: Vec::new() };
        let mut sink = Sink::new("a disk".to_owned(), None, disk);
        for lines in ["one\ntwo\n", "three\n", "four\n"] {
            sink.write(lines.as_bytes());
        }
        assert_eq!(String::from_utf8_lossy(&sink.out.bytes), on_disk, "{script:?}");
        assert_eq!((sink.written, sink.lost), (written, lost), "{script:?}");
    }

    #[test]
    fn a_failing_disk_costs_lines_but_never_joins_two() {
        use ErrorKind::{Interrupted, StorageFull};
        check(&[], "one\ntwo\nthree\nfour\n", 4, 0);
        check(&[Ok(1), Err(Interrupted), Ok(2)], "one\ntwo\nthree\nfour\n", 4, 0);
        check(&[Err(StorageFull)], "three\nfour\n", 2, 2);
        check(&[Ok(4), Err(StorageFull)], "one\nthree\nfour\n", 3, 1);
        // Torn in the middle of a line: the next one begins on a line of its own.
        check(&[Ok(5), Err(StorageFull)], "one\nt\nthree\nfour\n", 3, 1);
        check(&[Ok(5), Err(StorageFull), Err(StorageFull)], "one\nt\nfour\n", 2, 2);
        check(&[Ok(5), Err(StorageFull), Ok(1), Err(StorageFull)], "one\nt\nfour\n", 2, 2);
        check(&[Ok(0)], "three\nfour\n", 2, 2);
    }
}
