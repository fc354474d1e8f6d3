//! Where the lines of a log wait: in memory, or in a file that outlives the server.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use perf::tally::{self, EPOCH_AT, HEAD_CELLS, LAYOUT, LAYOUT_AT, MARK, MARK_AT};
use perf::{TALLY_CELLS, Tally};
use sys::fs::{allocate, open_spill};
use sys::mem::Cells;

use super::estate::name;
use crate::message::{LogNeeds, SpillNeeds, Trouble};

/// Most cells for the lines of one log: 1 GiB, what describes them, and what many shards have under way.
const CELLS_MAX: usize = 1 << 29;
/// Bytes of a cell.
const CELL: usize = size_of::<u64>();
/// Looks at a file until it is seen between two changes; another look comes anyway.
const LOOKS: usize = 10;

/// Room for the lines of a log.
#[derive(Debug)]
pub(crate) enum Room {
    Memory(Cells),
    File(Spill),
}

impl Room {
    /// Makes room for the lines of `log`: so many cells.
    pub(crate) fn make(log: &LogNeeds, cells: u64) -> Result<Self, Trouble> {
        let range = TALLY_CELLS..=CELLS_MAX;
        let cells = usize::try_from(cells).ok().filter(|cells| range.contains(cells)).unwrap_or(0);
        match &log.spill {
            Some(needs) => Spill::open(needs, log, cells).map(Self::File),
            None => Cells::create("kimura-log", cells).map(Self::Memory).map_err(|error| Trouble {
                pointer: log.pointer.clone(),
                cause: format!("there is no memory for the lines of {}: {error}", name(&log.output)),
                cure: "let fewer lines wait".to_owned(),
            }),
        }
    }

    /// What the program before this one has left.
    pub(crate) fn inherit(fd: OwnedFd, cells: u64, spill: Option<PathBuf>) -> io::Result<Self> {
        let cells = usize::try_from(cells).map_err(io::Error::other)?;
        Ok(match spill {
            Some(path) => Self::File(Spill { path, file: fd.into(), cells }),
            None => Self::Memory(Cells::from_fd(fd, cells)?),
        })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Memory(cells) => cells.fd(),
            Self::File(spill) => spill.file.as_fd(),
        }
    }

    pub(crate) fn cells(&self) -> u64 {
        match self {
            Self::Memory(cells) => cells.len() as u64,
            Self::File(spill) => spill.cells as u64,
        }
    }

    /// The file, if it is one.
    pub(crate) fn spill(&self) -> Option<&Path> {
        match self {
            Self::Memory(_) => None,
            Self::File(spill) => Some(&spill.path),
        }
    }

    /// What has become of the lines in this life of the server.
    pub(crate) fn tally(&self, epoch: u64) -> Tally {
        match self {
            Self::Memory(cells) => Tally::read(cells),
            Self::File(spill) => spill.tally(epoch),
        }
    }
}

/// A file in which lines wait. It is read, and never mapped: whoever has a file mapped that gets shorter is killed.
#[derive(Debug)]
pub(crate) struct Spill {
    path: PathBuf,
    file: File,
    cells: usize,
}

impl Spill {
    /// Opens and locks the file, with all its room on the disk. One with lines in it keeps its size, whatever is asked for.
    fn open(needs: &SpillNeeds, log: &LogNeeds, cells: usize) -> Result<Self, Trouble> {
        let trouble =
            |cause, cure: &str| Trouble { pointer: needs.pointer.clone(), cause, cure: cure.to_owned() };
        let path = needs.path.clone();
        let file = open_spill(&path).map_err(|error| trouble(error.cause(), error.cure()))?;
        let found = Found::of(&file, cells);
        let failed = |error: io::Error| {
            let cause = format!(
                "there is no room for the lines of {} in {}: {error}",
                name(&log.output),
                path.display()
            );
            trouble(cause, "make room on the disk, or let fewer lines wait")
        };
        let found = found.map_err(&failed)?;
        let cells = match found {
            Found::Nothing => {
                // What is no whole file of ours would be none at the next start either.
                let made = file.set_len(0).and_then(|()| allocate(file.as_fd(), (cells * CELL) as u64));
                made.inspect_err(|_| drop(file.set_len(0))).map_err(&failed)?;
                cells
            }
            Found::Lines(left) => {
                allocate(file.as_fd(), (left * CELL) as u64).map_err(&failed)?;
                if left != cells {
                    log::warn!(
                        "{} has another size, and lines in it: it keeps its size until the server starts without any",
                        path.display()
                    );
                }
                left
            }
            Found::Other(what) => {
                let cause = format!("lines cannot wait in {}, which {what}", path.display());
                return Err(trouble(cause, "name another file, or take this one away"));
            }
        };
        Ok(Self { path, file, cells })
    }

    fn tally(&self, epoch: u64) -> Tally {
        for _ in 0..LOOKS {
            let Some(before) = head(&self.file) else { break };
            if before[EPOCH_AT] != epoch {
                // The logger has not opened it yet: what it says is of another life.
                break;
            }
            let settled = before[tally::VERSION].is_multiple_of(2);
            if settled
                && head(&self.file).is_some_and(|after| after[tally::VERSION] == before[tally::VERSION])
            {
                return Tally::read(&before.map(AtomicU64::new));
            }
        }
        Tally::default()
    }
}

/// What is in a file.
enum Found {
    /// Nothing that anybody needs.
    Nothing,
    /// Lines that wait, in a file of so many cells.
    Lines(usize),
    /// Something else: what it does.
    Other(&'static str),
}

impl Found {
    /// In a file that would have so many cells if it were new.
    fn of(file: &File, cells: usize) -> io::Result<Self> {
        let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        if len == 0 {
            return Ok(Self::Nothing);
        }
        let Some(head) = head(file) else { return Ok(Self::Other("has something else in it")) };
        Ok(match (head[MARK_AT], head[LAYOUT_AT]) {
            // Made, and never used.
            (0, 0) if len == cells * CELL && head.iter().all(|&cell| cell == 0) => Self::Nothing,
            (MARK, _) if head[tally::QUEUED] == 0 => Self::Nothing,
            (MARK, LAYOUT) if len / CELL <= CELLS_MAX => Self::Lines(len / CELL),
            (MARK, _) => Self::Other("has lines in it that another version of the program has left"),
            _ => Self::Other("has something else in it"),
        })
    }
}

/// The cells at the beginning of a file; none in one that is shorter.
fn head(file: &File) -> Option<[u64; HEAD_CELLS]> {
    let mut bytes = [0; HEAD_CELLS * CELL];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let (cells, _) = bytes.as_chunks::<CELL>();
    let mut head = [0; HEAD_CELLS];
    head.iter_mut().zip(cells).for_each(|(cell, bytes)| *cell = u64::from_ne_bytes(*bytes));
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Output;

    const CELLS: usize = 1000;

    fn open(path: &Path, cells: usize) -> Result<Spill, String> {
        let needs = SpillNeeds { path: path.to_owned(), pointer: "/logs/main/spill".to_owned() };
        let log = LogNeeds {
            output: Output::Stdout,
            cells: cells as u64,
            cells_per_shard: 0,
            hold_at: None,
            spill: Some(needs.clone()),
            rotation: None,
            named: false,
            messages: false,
            pointer: String::new(),
        };
        Spill::open(&needs, &log, cells).map_err(|trouble| {
            assert_eq!(trouble.pointer, "/logs/main/spill");
            trouble.cause
        })
    }

    /// What another program could have left at the beginning of a file.
    fn left(mark: u64, layout: u64, queued: u64, epoch: u64) -> Vec<u8> {
        let mut head = [0; HEAD_CELLS];
        head[MARK_AT] = mark;
        head[LAYOUT_AT] = layout;
        head[EPOCH_AT] = epoch;
        (head[tally::TAKEN], head[tally::QUEUED]) = (queued, queued);
        let mut bytes: Vec<u8> = head.into_iter().flat_map(u64::to_ne_bytes).collect();
        bytes.resize(CELLS * CELL, 0);
        bytes
    }

    #[test]
    fn a_file_of_something_else_is_left_alone_and_one_with_lines_keeps_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spill");
        for (bytes, wanted) in [
            (Vec::new(), Ok(2 * CELLS)),
            (left(MARK, LAYOUT, 0, 1), Ok(2 * CELLS)),
            (left(MARK, LAYOUT + 1, 0, 1), Ok(2 * CELLS)),
            (left(MARK, LAYOUT, 3, 1), Ok(CELLS)),
            (left(MARK, LAYOUT + 1, 3, 1), Err("another version")),
            (left(0, 0, 0, 0), Err("something else")),
            (left(MARK + 1, LAYOUT, 0, 1), Err("something else")),
            (b"root:x:0:0:".to_vec(), Err("something else")),
        ] {
            std::fs::write(&path, &bytes).unwrap();
            match (open(&path, 2 * CELLS), wanted) {
                (Ok(spill), Ok(cells)) => {
                    assert_eq!(spill.cells, cells);
                    assert_eq!(std::fs::metadata(&path).unwrap().len(), (cells * CELL) as u64);
                    assert!(open(&path, CELLS).unwrap_err().contains("another log, or of another server"));
                }
                (Err(cause), Err(wanted)) => {
                    assert!(cause.contains(wanted), "{cause}");
                    assert_eq!(std::fs::read(&path).unwrap(), bytes);
                }
                (got, wanted) => panic!("{:?}, not {wanted:?}", got.map(|spill| spill.cells)),
            }
        }
    }

    #[test]
    fn what_another_life_has_counted_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spill");
        std::fs::write(&path, left(MARK, LAYOUT, 3, 7)).unwrap();
        let spill = open(&path, CELLS).unwrap();
        assert_eq!((spill.tally(7).queued, spill.tally(8)), (3, Tally::default()));
        // A file that somebody has cut.
        spill.file.set_len(10).unwrap();
        assert_eq!(spill.tally(7), Tally::default());
    }

    #[test]
    fn a_disk_without_room_is_told_and_nothing_is_left_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spill");
        // More than any file system has.
        let cause = open(&path, 1 << 59).unwrap_err();
        assert!(cause.contains("there is no room for the lines of standard output"), "{cause}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    }
}
