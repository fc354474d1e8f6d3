//! One log whose file is put aside now and then: what is known of it, and how its file is exchanged.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use sys::calendar::Current;
use sys::fs::{FileId, Found, make_alike};

use super::archive::{Archive, Tidied};
use super::estate::{LOG_MODE, Sink};
use crate::message::{LogNeeds, Output, RotationNeeds};

/// Shortest time between two files of a log: a logger that asks for more is not heard.
pub(super) const TURN_MIN: Duration = Duration::from_secs(1);
/// Time until something is tried again that did not work.
pub(super) const RETRY: Duration = Duration::from_secs(10);
/// Files of a log that the logger may still write to, at most.
const BEFORE_MAX: usize = 8;

/// Beside its present file.
#[derive(Debug)]
pub(crate) struct Turning {
    /// When the file is put aside; none where others see to that.
    pub(crate) needs: Option<RotationNeeds>,
    /// Whether the configuration in force names the log.
    pub(crate) named: bool,
    /// Whether it gets the messages of the error log, too.
    pub(crate) messages: bool,
    /// Counts its files.
    pub(crate) turn: u32,
    /// Files that the logger may still write to.
    pub(crate) before: Vec<File>,
    /// The period in which the file was begun.
    current: Option<Current>,
    /// Not to be put aside before.
    pub(super) not_before: Instant,
    /// When to look whether the file is still in its place.
    pub(super) look: Instant,
    /// When to look for files that are not to be kept.
    pub(super) tidy: Instant,
    /// When to look for files that are to be compressed.
    pub(super) work: Option<Instant>,
    /// Files that were put aside.
    pub(crate) turned: u64,
    pub(crate) trouble: Trouble,
}

impl Default for Turning {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            needs: None,
            named: false,
            messages: false,
            turn: 0,
            before: Vec::new(),
            current: None,
            not_before: now,
            look: now,
            tidy: now,
            work: None,
            turned: 0,
            trouble: Trouble::default(),
        }
    }
}

/// What does not work: told once, counted each time.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    since: Option<&'static str>,
    pub(crate) count: u64,
}

impl Trouble {
    /// Something failed, and is tried again.
    pub(super) fn add(&mut self, what: &'static str, name: &str, why: &str) {
        self.count += 1;
        if self.since.is_none() {
            self.since = Some(what);
            log::error!(
                "{what} {name} fails: {why}; its lines go on to the file that is open, and it is tried again"
            );
        }
    }

    /// It has worked.
    pub(super) fn end(&mut self, what: &'static str, name: &str) {
        if self.since == Some(what) {
            self.since = None;
            log::warn!("{what} {name} works again");
        }
    }
}

/// What became of the wish to put a file aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    /// There is a new file; the one before has the name of one that was put aside.
    Aside,
    /// There is a new file; somebody else has moved or removed the one before.
    Anew,
    /// Nothing was to be done.
    Nothing,
}

impl Sink {
    /// It is put aside by these rules from now on, if the configuration still names it. Whether that is news.
    pub(crate) fn retune(&mut self, log: Option<&LogNeeds>, unix: u64) -> bool {
        self.turning.named = log.is_some();
        let messages = log.is_some_and(|log| log.messages);
        let news = std::mem::replace(&mut self.turning.messages, messages) != messages;
        let needs = log.and_then(|log| log.rotation);
        if self.turning.needs == needs {
            return news;
        }
        self.turning.needs = needs;
        self.begin_period(unix);
        let now = Instant::now();
        self.turning.look = now;
        self.turning.tidy = now;
        self.turning.work = needs.map(|_| now);
        true
    }

    /// The period of a file that has lines is that of the last of them: whoever wrote it may have ended long ago.
    fn begin_period(&mut self, unix: u64) {
        let found = self.found().filter(|found| found.len > 0);
        let begun = found.map_or(unix, |found| found.modified());
        self.turning.current = self
            .turning
            .needs
            .and_then(|needs| needs.every.map(|every| Current::at(every.into(), needs.clocks.into(), begun)));
    }

    fn found(&self) -> Option<Found> {
        Found::of(self.file.as_ref()?.as_fd()).ok().flatten()
    }

    /// Whether its file is to be put aside at `unix` seconds.
    pub(super) fn is_over(&mut self, unix: u64) -> bool {
        let (Some(needs), Some(found)) = (self.turning.needs, self.found()) else { return false };
        let old = self.turning.current.as_mut().is_some_and(|current| current.is_over(unix));
        if old && found.len == 0 {
            // Nothing happened: the file belongs to the period that has begun.
            self.begin_period(unix);
        }
        found.len > 0 && (old || needs.size.is_some_and(|size| found.len >= size))
    }

    /// Files that the logger writes to, or may still write to.
    pub(super) fn written(&self) -> Vec<FileId> {
        let files = self.file.iter().chain(&self.turning.before);
        files.filter_map(|file| FileId::of(file.as_fd()).ok()).collect()
    }

    /// Where its files are; `None` when it has none that are put aside.
    pub(super) fn archive(&self, others: Vec<OsString>) -> Option<Result<Archive<'_>, String>> {
        let (Output::File { path }, Some(needs)) = (&self.output, &self.turning.needs) else { return None };
        self.found()?;
        Some(Archive::open(path, needs, others).map_err(|error| error.to_string()))
    }

    /// Puts the file aside at `unix` seconds, unless it is empty, and begins a new one.
    pub(super) fn put_aside(&mut self, others: Vec<OsString>, unix: u64) -> Result<Turned, String> {
        let Output::File { path } = self.output.clone() else { return Ok(Turned::Nothing) };
        let Some(found) = self.found() else { return Ok(Turned::Nothing) };
        let Some(archive) = self.archive(others).transpose()? else { return Ok(Turned::Nothing) };
        let (folder, base) = (archive.folder(), archive.base());
        let sentence = |error: std::io::Error| error.to_string();
        let is_here = folder.find(base).map_err(sentence)?.is_some_and(|here| here.id == found.id);
        if is_here && found.len == 0 {
            return Ok(Turned::Nothing);
        }
        let aside = match is_here {
            true => {
                let name = archive.make_room(unix).map_err(sentence)?;
                folder.rename(base, &name).map_err(sentence)?;
                Some(name)
            }
            false => None,
        };
        match sys::fs::open_log(&path, LOG_MODE) {
            Ok(new) => {
                if let Some(old) = self.file.as_ref().filter(|_| is_here) {
                    // A file that is less alike is better than none.
                    let _ = make_alike(new.as_fd(), old.as_fd());
                }
                self.exchange(new, unix);
                self.turning.turned += u64::from(is_here);
                Ok(if is_here { Turned::Aside } else { Turned::Anew })
            }
            Err(error) => {
                if let Some(name) = aside {
                    // Where that fails, too, the lines are in the file that was put aside, and none is lost.
                    let _ = folder.rename(&name, base);
                }
                Err(error.cause())
            }
        }
    }

    /// Begins another file in place of one that others have removed or moved, where they see to it. Whether that was so.
    pub(super) fn begin_anew(&mut self, unix: u64) -> Result<bool, String> {
        let (Output::File { path }, Some(found)) = (self.output.clone(), self.found()) else {
            return Ok(false);
        };
        let there = FileId::at(&path).map_err(|error| error.to_string())?;
        if there == Some(found.id) {
            return Ok(false);
        }
        let new = sys::fs::open_log(&path, LOG_MODE).map_err(|error| error.cause())?;
        if let Some(old) = self.file.as_ref().filter(|_| there.is_none()) {
            // A file that is less alike is better than none.
            let _ = make_alike(new.as_fd(), old.as_fd());
        }
        self.exchange(new, unix);
        Ok(true)
    }

    /// Lines go to another file from now on.
    pub(crate) fn exchange(&mut self, new: File, unix: u64) {
        let old = self.file.replace(new);
        // What others hold of the authorities of a receiver is written to by nobody.
        if let Some(old) = old.filter(|_| matches!(self.output, Output::File { .. })) {
            if self.turning.before.len() >= BEFORE_MAX {
                self.turning.before.remove(0);
            }
            self.turning.before.push(old);
        }
        self.turning.turn = self.turning.turn.wrapping_add(1);
        self.begin_period(unix);
    }

    /// Whether the file is in its place.
    pub(super) fn is_in_place(&self, others: Vec<OsString>) -> Result<bool, String> {
        let Some(archive) = self.archive(others).transpose()? else { return Ok(true) };
        let there = archive.folder().find(archive.base()).map_err(|error| error.to_string())?;
        Ok(there.map(|there| there.id) == self.found().map(|found| found.id))
    }

    /// Removes files that are not to be kept at `unix` seconds.
    pub(super) fn tidy(&self, others: Vec<OsString>, unix: u64) -> Result<Tidied, String> {
        let Some(archive) = self.archive(others).transpose()? else { return Ok(Tidied::Wholly) };
        archive.tidy(unix, &self.written()).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use super::*;
    use crate::message::{Clocks, Every, Method, Naming};

    const NOON: u64 = 1_800_014_400;

    fn log(rotation: Option<RotationNeeds>) -> LogNeeds {
        LogNeeds { rotation, ..crate::fuzzing::tests::needs().error_log }
    }

    fn needs() -> RotationNeeds {
        RotationNeeds {
            size: Some(10),
            every: Some(Every::Hour),
            clocks: Clocks::Utc,
            keep: 2,
            keep_seconds: None,
            budget: None,
            method: Some(Method::Gzip),
            naming: Naming::Number,
        }
    }

    fn sink(path: &Path) -> Sink {
        let file = sys::fs::open_log(path, LOG_MODE).unwrap();
        let output = Output::File { path: path.to_owned() };
        let (room, turning) = (None, Turning::default());
        let mut sink = Sink { output, file: Some(file), room, hold_at: None, turning };
        assert!(
            sink.retune(Some(&log(Some(needs()))), NOON) && !sink.retune(Some(&log(Some(needs()))), NOON)
        );
        sink
    }

    fn write(sink: &Sink, text: &str) {
        sink.file.as_ref().unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_file_is_over_by_size_and_by_time_unless_it_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = sink(&folder.path().join("a.log"));
        assert!(!sink.is_over(NOON + 3600), "it is empty");
        assert!(!sink.is_over(NOON + 3601));
        write(&sink, "line\n");
        assert!(!sink.is_over(NOON + 7199), "its period is the one that was empty at its beginning");
        assert!(sink.is_over(NOON + 7200));
        sink.begin_period(NOON);
        let mut sink = self::sink(&folder.path().join("b.log"));
        write(&sink, "123456789");
        assert!(!sink.is_over(NOON));
        write(&sink, "\n");
        assert!(sink.is_over(NOON));
        sink.retune(None, NOON);
        assert!(!sink.is_over(NOON));
    }

    #[test]
    fn a_file_that_others_put_aside_is_begun_anew_where_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut sink = sink(&at("a.log"));
        sink.retune(Some(&log(None)), NOON);
        assert!(sink.turning.named && sink.turning.needs.is_none());
        assert!(!sink.begin_anew(NOON).unwrap(), "it is in its place");
        write(&sink, "one\n");
        std::fs::rename(at("a.log"), at("theirs")).unwrap();
        assert!(sink.begin_anew(NOON).unwrap());
        write(&sink, "two\n");
        // Somebody puts another one there.
        std::fs::rename(at("a.log"), at("second")).unwrap();
        std::fs::write(at("a.log"), "of logrotate\n").unwrap();
        assert!(sink.begin_anew(NOON).unwrap() && !sink.begin_anew(NOON).unwrap());
        write(&sink, "three\n");
        for (name, text) in [("theirs", "one\n"), ("second", "two\n"), ("a.log", "of logrotate\nthree\n")] {
            assert_eq!(std::fs::read_to_string(at(name)).unwrap(), text);
        }
        std::fs::rename(folder.path(), folder.path().with_extension("moved")).unwrap();
        assert!(sink.begin_anew(NOON).unwrap_err().contains("No such file"));
        write(&sink, "four\n");
        std::fs::rename(folder.path().with_extension("moved"), folder.path()).unwrap();
        assert!(!sink.begin_anew(NOON).unwrap(), "it is where it was");
        sink.retune(None, NOON);
        assert!(!sink.turning.named);
    }

    #[test]
    fn a_file_is_exchanged() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut sink = sink(&at("a.log"));
        assert_eq!(sink.put_aside(Vec::new(), NOON).unwrap(), Turned::Nothing);
        write(&sink, "one\n");
        assert_eq!(sink.put_aside(Vec::new(), NOON).unwrap(), Turned::Aside);
        assert_eq!((sink.turning.turn, sink.turning.before.len(), sink.turning.turned), (1, 1, 1));
        write(&sink, "two\n");
        // Somebody else moves it.
        assert!(sink.is_in_place(Vec::new()).unwrap());
        std::fs::rename(at("a.log"), at("theirs")).unwrap();
        assert!(!sink.is_in_place(Vec::new()).unwrap());
        assert_eq!(sink.put_aside(Vec::new(), NOON).unwrap(), Turned::Anew);
        write(&sink, "three\n");
        for (name, text) in [("a.log", "three\n"), ("theirs", "two\n"), ("a.log.1", "one\n")] {
            assert_eq!(std::fs::read_to_string(at(name)).unwrap(), text);
        }
        for _ in 0..2 * BEFORE_MAX {
            write(&sink, "more\n");
            sink.put_aside(Vec::new(), NOON).unwrap();
        }
        assert_eq!(sink.turning.before.len(), BEFORE_MAX);
        sink.turning.before.clear();
        sink.tidy(Vec::new(), NOON).unwrap();
        let names = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 4, "a.log, theirs, a.log.1 and a.log.2");
    }

    #[test]
    fn a_file_that_cannot_be_exchanged_is_written_on() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("folder");
        std::fs::create_dir(&place).unwrap();
        let mut sink = sink(&place.join("a.log"));
        write(&sink, "one\n");
        std::fs::rename(&place, folder.path().join("moved")).unwrap();
        assert!(sink.put_aside(Vec::new(), NOON).unwrap_err().contains("No such file"));
        assert!(sink.is_in_place(Vec::new()).is_err());
        write(&sink, "two\n");
        assert_eq!(std::fs::read_to_string(folder.path().join("moved/a.log")).unwrap(), "one\ntwo\n");
        std::fs::create_dir(&place).unwrap();
        assert_eq!(sink.put_aside(Vec::new(), NOON).unwrap(), Turned::Anew);
        write(&sink, "three\n");
        assert_eq!(std::fs::read_to_string(place.join("a.log")).unwrap(), "three\n");
    }
}
