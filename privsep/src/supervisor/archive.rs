//! The files of a log that were put aside: how they are called, which of them are kept, and nothing else in their folder.

use std::cmp::Reverse;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use sys::calendar::Zone;
use sys::fs::{FileId, Found, LogFolder};

use crate::message::{Method, Naming, RotationNeeds};

/// Most names of a folder that are looked at.
const NAMES_MAX: usize = 100_000;
/// Highest number in a name.
const NUMBER_MAX: u32 = 99_999;
/// Digits of a date and of a time of day.
const DATE_DIGITS: usize = 8;
const TIME_DIGITS: usize = 6;
/// Files that are removed at once; the others have their turn later.
const REMOVALS_MAX: usize = 64;

/// Where the files of a log are.
pub(crate) struct Archive<'n> {
    folder: LogFolder,
    /// The name of the file that is written.
    base: OsString,
    needs: &'n RotationNeeds,
    /// Names of other logs.
    others: Vec<OsString>,
}

/// A file that was put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aside {
    pub(crate) name: OsString,
    pub(crate) mark: Mark,
    /// None as long as it is not compressed.
    pub(crate) method: Option<Method>,
    pub(crate) found: Found,
}

/// What a name says of the order in which files were put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Date and time, and a number for those of the same second.
    Date(String, u32),
    Number(u32),
}

impl Archive<'_> {
    /// That of the log file `path`, without `others`, which are files of their own.
    pub(crate) fn open<'n>(
        path: &Path,
        needs: &'n RotationNeeds,
        others: Vec<OsString>,
    ) -> io::Result<Archive<'n>> {
        let folder = LogFolder::of(path).map_err(|error| io::Error::other(error.cause()))?;
        let base = path.file_name().unwrap_or_default().to_owned();
        Ok(Archive { folder, base, needs, others })
    }

    pub(crate) fn folder(&self) -> &LogFolder {
        &self.folder
    }

    pub(crate) fn base(&self) -> &OsStr {
        &self.base
    }

    /// The name of a result that is not whole yet.
    pub(crate) fn unfinished(&self) -> OsString {
        with(&self.base, ".compressing")
    }

    /// All files that were put aside, the newest first.
    pub(crate) fn asides(&self) -> io::Result<Vec<Aside>> {
        let mut asides = Vec::new();
        for name in self.folder.names(&self.base, NAMES_MAX)? {
            let Some((mark, method)) = read_name(&self.base, self.needs.naming, &name) else { continue };
            if self.others.contains(&name) {
                continue;
            }
            if let Some(found) = self.folder.find(&name)? {
                asides.push(Aside { name, mark, method, found });
            }
        }
        asides.sort_by_cached_key(|aside| match &aside.mark {
            // Clocks show an hour twice when they are set back; what was written last is the newest all the same.
            Mark::Date(date, number) => {
                (Reverse(aside.found.modified_ns), Reverse(date.clone()), Reverse(*number))
            }
            Mark::Number(number) => (Reverse(-i128::from(*number)), Reverse(String::new()), Reverse(0)),
        });
        Ok(asides)
    }

    /// Makes room for a file that is put aside at `unix` seconds: its name.
    pub(crate) fn make_room(&self, unix: u64) -> io::Result<OsString> {
        match self.needs.naming {
            Naming::Date => self.free_date(&Zone::from(self.needs.clocks).stamp(unix)),
            Naming::Number => self.shift(),
        }
    }

    fn free_date(&self, date: &str) -> io::Result<OsString> {
        for number in 0..NUMBER_MAX {
            let name = write_name(&self.base, &Mark::Date(date.to_owned(), number));
            if self.is_free(&name)? {
                return Ok(name);
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// Whether nothing has this name, compressed or not.
    fn is_free(&self, name: &OsStr) -> io::Result<bool> {
        for form in [None, Some(Method::Gzip), Some(Method::Zstd)] {
            if self.folder.has(&with(name, ending(form)))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gives all files from number 1 to the first gap the next number.
    fn shift(&self) -> io::Result<OsString> {
        let name = |number| write_name(&self.base, &Mark::Number(number));
        let mut gap = 1;
        while !self.is_free(&name(gap))? {
            gap += 1;
            if gap > NUMBER_MAX {
                return Err(ErrorKind::AlreadyExists.into());
            }
        }
        for number in (1..gap).rev() {
            for form in [None, Some(Method::Gzip), Some(Method::Zstd)] {
                let (from, to) = (with(&name(number), ending(form)), with(&name(number + 1), ending(form)));
                match self.folder.rename(&from, &to) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(name(1))
    }

    /// Removes what is not to be kept at `unix` seconds, but for files that may still be written to. Whether that was
    /// all, and how many bytes less there are.
    pub(crate) fn tidy(&self, unix: u64, written: &[FileId]) -> io::Result<Tidied> {
        let asides = self.asides()?;
        let surplus = surplus(&asides, self.needs, unix);
        let surplus: Vec<&Aside> = surplus.filter(|aside| !written.contains(&aside.found.id)).collect();
        for aside in surplus.iter().take(REMOVALS_MAX) {
            self.folder.remove(&aside.name)?;
        }
        Ok(if surplus.len() > REMOVALS_MAX { Tidied::Partly } else { Tidied::Wholly })
    }

    /// Removes originals whose results are whole: whoever wanted to do it was killed. The oldest file that is to be
    /// compressed, but for those that may still be written to.
    pub(crate) fn next(&self, written: &[FileId]) -> io::Result<Option<Aside>> {
        let (packed, plain): (Vec<Aside>, Vec<Aside>) =
            self.asides()?.into_iter().partition(|aside| aside.method.is_some());
        let mut next = None;
        for aside in plain.into_iter().filter(|aside| !written.contains(&aside.found.id)) {
            if packed.iter().any(|packed| packed.mark == aside.mark) {
                self.folder.remove(&aside.name)?;
            } else {
                next = Some(aside);
            }
        }
        Ok(next.filter(|_| self.needs.method.is_some()))
    }

    /// The name that a file has now, if it is still there and not compressed.
    pub(crate) fn name_of(&self, id: FileId) -> io::Result<Option<OsString>> {
        let plain = |aside: &Aside| aside.method.is_none() && aside.found.id == id;
        Ok(self.asides()?.into_iter().find(plain).map(|aside| aside.name))
    }
}

/// How far the removal of surplus files has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tidied {
    Wholly,
    Partly,
}

/// Files that are not kept, the newest of all excepted. An original whose result is there as well counts once.
fn surplus<'a>(
    asides: &'a [Aside],
    needs: &RotationNeeds,
    unix: u64,
) -> impl Iterator<Item = &'a Aside> + use<'a> {
    let RotationNeeds { keep, keep_seconds, budget, .. } = *needs;
    let (mut count, mut bytes, mut full) = (0_u32, 0_u64, false);
    let mut last: Option<&Mark> = None;
    asides.iter().filter(move |aside| {
        if last != Some(&aside.mark) {
            count += 1;
        }
        last = Some(&aside.mark);
        bytes = bytes.saturating_add(aside.found.len);
        let old = keep_seconds.is_some_and(|most| unix.saturating_sub(aside.found.modified()) > most);
        full |= count > 1 && (count > keep || budget.is_some_and(|budget| bytes > budget));
        full || old
    })
}

fn with(name: &OsStr, ending: &str) -> OsString {
    let mut bytes = name.as_bytes().to_vec();
    bytes.extend_from_slice(ending.as_bytes());
    OsString::from_vec(bytes)
}

/// How names of compressed files end.
pub(crate) fn ending(method: Option<Method>) -> &'static str {
    match method {
        None => "",
        Some(Method::Gzip) => ".gz",
        Some(Method::Zstd) => ".zst",
    }
}

/// The name of a compressed file.
pub(crate) fn packed(name: &OsStr, method: Method) -> OsString {
    with(name, ending(Some(method)))
}

fn write_name(base: &OsStr, mark: &Mark) -> OsString {
    match mark {
        Mark::Date(date, 0) => with(base, &format!("-{date}")),
        Mark::Date(date, number) => with(base, &format!("-{date}.{number}")),
        Mark::Number(number) => with(base, &format!(".{number}")),
    }
}

/// What the name of a file that was put aside says; `None` for all other names.
fn read_name(base: &OsStr, naming: Naming, name: &OsStr) -> Option<(Mark, Option<Method>)> {
    let rest = name.as_bytes().strip_prefix(base.as_bytes())?;
    let rest = str::from_utf8(rest).ok()?;
    let (rest, method) = [Method::Gzip, Method::Zstd]
        .into_iter()
        .find_map(|method| Some((rest.strip_suffix(ending(Some(method)))?, Some(method))))
        .unwrap_or((rest, None));
    let mark = match naming {
        Naming::Date => {
            let rest = rest.strip_prefix('-')?;
            let (date, number) = match rest.split_once('.') {
                Some((date, number)) => (date, read_number(number)?),
                None => (rest, 0),
            };
            let (day, time) = date.split_once('-')?;
            let digits =
                |text: &str, len| text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
            (digits(day, DATE_DIGITS) && digits(time, TIME_DIGITS))
                .then(|| Mark::Date(date.to_owned(), number))?
        }
        Naming::Number => Mark::Number(read_number(rest.strip_prefix('.')?)?),
    };
    Some((mark, method))
}

/// A number from 1 as it is written in names: without zeros in front.
fn read_number(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    ((1..=NUMBER_MAX).contains(&number) && number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests;
