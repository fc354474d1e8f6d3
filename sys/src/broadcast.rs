//! A ring in shared memory with one writer and any number of readers, none of which the writer knows or waits for.
//!
//! | Cell | What |
//! |---|---|
//! | 0 | the mark, with the version of the layout |
//! | 1 | bytes of records that there is room for: a power of two |
//! | 2 | a random number that names this ring |
//! | 3 | position of the oldest record that is whole |
//! | 4 | position up to which records are being written |
//! | 5 | position up to which they are whole |
//! | 6 | position of the newest record that is whole |
//! | 7 | not zero when nobody will write any more |
//!
//! Positions are bytes since the ring began and only grow; each is found at its remainder by the room. A record is two
//! cells and its bytes, filled up to whole cells: the first cell has the length in its lower half and the size of the
//! record before it in its upper one, so that readers can go back; the second has the number of the record, from 1.
//!
//! A record is read like this: copy it, then look at cell 4. If that has not come round to it, nothing of the copy can
//! have been overwritten. So what readers take is whole; those who are too slow notice, and by the numbers they know
//! how much they have missed. A writer that dies leaves the rest as it is, and its successor goes on behind it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::fence;

use crate::mem::{Cells, CellsView};

const MARK: u64 = u64::from_le_bytes(*b"KimTail\x01");

/// Cells of the header.
mod cell {
    pub(super) const MARK: usize = 0;
    pub(super) const ROOM: usize = 1;
    pub(super) const NAME: usize = 2;
    pub(super) const OLDEST: usize = 3;
    pub(super) const RESERVED: usize = 4;
    pub(super) const WHOLE: usize = 5;
    pub(super) const NEWEST: usize = 6;
    pub(super) const ENDED: usize = 7;
    /// How many there are.
    pub(super) const COUNT: usize = 8;
}

/// Bytes of a cell.
const CELL: u64 = size_of::<u64>() as u64;
/// Bytes before those of a record.
const HEAD: u64 = 2 * CELL;
/// Records of the largest size that a ring has room for.
const RECORDS_MIN: usize = 4;
/// Least room of a ring.
pub const ROOM_MIN: usize = 128 * 1024;
/// The position beyond which no ring comes in its life.
const POSITION_MAX: u64 = 1 << 62;
/// How often a reader that is overtaken while it reads tries again before it takes the newest.
const TRIES_MAX: usize = 16;

/// Most bytes of a record of a ring with room for `room` bytes: several of any size fit.
#[must_use]
pub const fn record_max(room: usize) -> usize {
    room / RECORDS_MIN
}

/// The memory of a ring, as its maker holds it.
#[derive(Debug)]
pub struct Memory {
    cells: Cells,
}

impl Memory {
    /// Makes a ring without records, with room for `room` bytes: a power of two, [`ROOM_MIN`] at least.
    ///
    /// # Errors
    /// `InvalidInput` for another number; no memory or descriptors left; no random numbers.
    pub fn create(room: usize) -> io::Result<Self> {
        if !room.is_power_of_two() || room < ROOM_MIN {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no room for a ring"));
        }
        let mut name = [0; size_of::<u64>()];
        crate::random::fill(&mut name)?;
        let cells = Cells::create("kimura-tail", cell::COUNT + room / CELL as usize)?;
        cells[cell::ROOM].store(room as u64, Relaxed);
        cells[cell::NAME].store(u64::from_ne_bytes(name), Relaxed);
        cells[cell::MARK].store(MARK, Release);
        Ok(Self { cells })
    }

    /// Takes over a ring that another program has made in this process.
    ///
    /// # Errors
    /// `InvalidData` when `fd` is none.
    pub fn inherit(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self { cells: open(fd)? })
    }

    /// For the one who writes.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.cells.fd()
    }

    /// For those who read, who cannot write by it.
    ///
    /// # Errors
    /// As [`Cells::read_only_fd`].
    pub fn read_only_fd(&self) -> io::Result<OwnedFd> {
        self.cells.read_only_fd()
    }

    /// Tells readers that nothing will come any more.
    pub fn end(&self) {
        self.cells[cell::ENDED].store(1, Release);
    }
}

/// Bytes of the memory behind `fd`, in cells, after a look at the first ones.
fn cells_of(fd: &OwnedFd) -> io::Result<usize> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "this is no ring of records of this version");
    let header = CellsView::from_fd(fd, cell::COUNT)?;
    let room = usize::try_from(header.load(cell::ROOM)).map_err(|_| bad())?;
    if header.load(cell::MARK) != MARK || !room.is_power_of_two() || room < ROOM_MIN {
        return Err(bad());
    }
    Ok(cell::COUNT + room / CELL as usize)
}

fn open(fd: OwnedFd) -> io::Result<Cells> {
    let len = cells_of(&fd)?;
    Cells::from_fd(fd, len)
}

/// The first two cells of a record.
#[derive(Clone, Copy, Debug)]
struct Head {
    len: u32,
    /// Size of the record before it; 0 when there is none.
    before: u32,
    /// From 1; 0 for what a writer that died has left.
    number: u64,
}

impl Head {
    fn first(self) -> u64 {
        u64::from(self.before) << 32 | u64::from(self.len)
    }

    fn of(first: u64, number: u64) -> Self {
        Self { len: first as u32, before: (first >> 32) as u32, number }
    }

    /// Bytes of the whole record.
    fn size(self) -> u64 {
        HEAD + u64::from(self.len).next_multiple_of(CELL)
    }
}

/// The one who writes.
#[derive(Debug)]
pub struct Writer {
    cells: Cells,
    room: u64,
    oldest: u64,
    end: u64,
    /// Size of the newest record.
    before: u32,
    newest: u64,
    /// Number of the next record.
    number: u64,
    /// Sizes of the records between the oldest and the end: a look at the old ones themselves would fetch memory for that
    /// alone.
    sizes: VecDeque<u32>,
    /// Most bytes of a record.
    longest: usize,
    scratch: Vec<u8>,
}

impl Writer {
    /// Goes on where the writer before has ended.
    ///
    /// # Errors
    /// `InvalidData` when `fd` is not that of a [`Memory`].
    pub fn attach(fd: OwnedFd) -> io::Result<Self> {
        let cells = open(fd)?;
        let load = |at: usize| cells[at].load(Acquire);
        let (room, oldest, whole) = (load(cell::ROOM), load(cell::OLDEST), load(cell::WHOLE));
        let (newest, reserved) = (load(cell::NEWEST), load(cell::RESERVED));
        let mut writer = Self {
            cells,
            room,
            oldest,
            end: whole,
            before: 0,
            newest,
            number: 1,
            sizes: VecDeque::new(),
            longest: record_max(room as usize),
            scratch: Vec::new(),
        };
        if !writer.is_sane() || !writer.measure() {
            // The one before was out of its mind: all that it has left is given up.
            writer.end = whole.min(POSITION_MAX) / CELL * CELL;
            (writer.oldest, writer.newest) = (writer.end, writer.end);
            writer.sizes.clear();
            writer.cells[cell::OLDEST].store(writer.oldest, Relaxed);
            writer.cells[cell::RESERVED].store(writer.end, Relaxed);
            writer.publish();
            return Ok(writer);
        }
        if oldest < whole {
            let head = writer.head(newest);
            writer.before = u32::try_from(head.size()).unwrap_or(0);
            writer.number = head.number.saturating_add(1);
        }
        // What the one before has begun may have overwritten what readers still take for whole.
        if whole + HEAD <= reserved && reserved - whole <= room {
            writer.skip(reserved);
        }
        Ok(writer)
    }

    /// Cuts records off that are longer than this, where there would be room for more.
    #[must_use]
    pub fn limited_to(mut self, longest: usize) -> Self {
        self.longest = self.longest.min(longest);
        self
    }

    /// Whether the cells say what a writer could have left.
    fn is_sane(&self) -> bool {
        let (oldest, newest, end) = (self.oldest, self.newest, self.end);
        let ordered = oldest <= end && end - oldest <= self.room && end <= POSITION_MAX;
        let whole_cells = [oldest, newest, end].iter().all(|position| position.is_multiple_of(CELL));
        let newest_is_last =
            oldest == end || (newest < end && oldest <= newest && newest + self.head(newest).size() == end);
        ordered && whole_cells && newest_is_last
    }

    /// Learns the sizes of all records; whether these lead to the newest one.
    fn measure(&mut self) -> bool {
        let (mut position, mut last) = (self.oldest, self.newest);
        while position < self.end {
            let size = self.head(position).size();
            self.sizes.push_back(u32::try_from(size).unwrap_or(u32::MAX));
            last = position;
            position += size;
        }
        position == self.end && last == self.newest
    }

    /// Makes a record of what lies between the end and `reserved`, which readers pass over.
    fn skip(&mut self, reserved: u64) {
        self.reserve(reserved);
        let len = u32::try_from(reserved - self.end).unwrap_or(u32::MAX).saturating_sub(HEAD as u32);
        let head = Head { len, before: self.before, number: 0 };
        self.put_head(head);
        self.publish_record(head);
        self.publish();
    }

    fn at(&self, position: u64) -> usize {
        place(position, self.room)
    }

    fn head(&self, position: u64) -> Head {
        let load = |position| self.cells[self.at(position)].load(Relaxed);
        Head::of(load(position), load(position + CELL))
    }

    fn put_head(&self, head: Head) {
        self.cells[self.at(self.end)].store(head.first(), Relaxed);
        self.cells[self.at(self.end + CELL)].store(head.number, Relaxed);
    }

    /// Puts the bytes of the record where they belong: in one piece, or in two where the ring ends.
    fn put_bytes(&self, bytes: &[[u8; CELL as usize]]) {
        let begin = self.at(self.end + HEAD);
        let (first, rest) = bytes.split_at(bytes.len().min(self.cells.len() - begin));
        for (cells, bytes) in [(&self.cells[begin..], first), (&self.cells[cell::COUNT..], rest)] {
            for (cell, bytes) in cells.iter().zip(bytes) {
                cell.store(u64::from_ne_bytes(*bytes), Relaxed);
            }
        }
    }

    fn publish_record(&mut self, head: Head) {
        let size = u32::try_from(head.size()).unwrap_or(0);
        self.newest = self.end;
        self.end += head.size();
        self.before = size;
        self.sizes.push_back(size);
    }

    /// Writes one record of these parts, one behind the other. Readers see it with the next [`Writer::publish`]. What
    /// is beyond [`record_max`], or what it is limited to, is cut off.
    pub fn append(&mut self, parts: &[&[u8]]) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        parts.iter().for_each(|part| scratch.extend_from_slice(part));
        scratch.truncate(self.longest);
        let head = Head { len: scratch.len() as u32, before: self.before, number: self.number };
        scratch.resize(scratch.len().next_multiple_of(CELL as usize), 0);
        // What is not published yet is not overwritten.
        if self.room / 2 < self.end - self.cells[cell::WHOLE].load(Relaxed) {
            self.publish();
        }
        self.reserve(self.end + head.size());
        self.put_head(head);
        self.put_bytes(scratch.as_chunks().0);
        self.publish_record(head);
        self.number += 1;
        self.scratch = scratch;
    }

    /// Gives up the oldest records up to where `end` needs the room, before anything of them is overwritten.
    fn reserve(&mut self, end: u64) {
        while self.oldest + self.room < end
            && let Some(size) = self.sizes.pop_front()
        {
            self.oldest += u64::from(size);
        }
        self.cells[cell::OLDEST].store(self.oldest, Relaxed);
        self.cells[cell::RESERVED].store(end, Relaxed);
        // Who sees anything of what is written next sees that it was reserved.
        fence(Release);
    }

    /// Shows readers what was written.
    pub fn publish(&mut self) {
        self.cells[cell::NEWEST].store(self.newest, Relaxed);
        self.cells[cell::WHOLE].store(self.end, Release);
    }
}

/// The index of the cell at a position.
fn place(position: u64, room: u64) -> usize {
    cell::COUNT + ((position & (room - 1)) / CELL) as usize
}

/// A ring, as readers see it. What is in there is believed in no way that could harm the reader: whoever writes may
/// have been taken over.
#[derive(Debug)]
pub struct Reader {
    view: CellsView,
    room: u64,
    /// Most bytes of a record.
    longest: usize,
}

/// Where a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    position: u64,
    /// Number of the last record that was seen or is not missed; 0 when none is.
    seen: u64,
}

impl Cursor {
    /// Number of the last record that was seen or passed over.
    #[must_use]
    pub fn seen(self) -> u64 {
        self.seen
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing now.
    Nothing,
    /// A record with this number.
    Record(u64),
    /// So many records were overwritten before they were read.
    Missed(u64),
}

impl Reader {
    /// Maps the ring that `fd` is of.
    ///
    /// # Errors
    /// `InvalidData` when it is none of this version.
    pub fn open(fd: &OwnedFd) -> io::Result<Self> {
        let view = CellsView::from_fd(fd, cells_of(fd)?)?;
        let room = view.load(cell::ROOM);
        Ok(Self { view, room, longest: record_max(room as usize) })
    }

    /// Takes no more than this of a record, whatever its writer says.
    #[must_use]
    pub fn limited_to(mut self, longest: usize) -> Self {
        self.longest = self.longest.min(longest);
        self
    }

    /// The random number that names the ring: record numbers of different rings say nothing of each other.
    #[must_use]
    pub fn name(&self) -> u64 {
        self.view.load(cell::NAME)
    }

    /// Grows with every record that has come.
    #[must_use]
    pub fn head(&self) -> u64 {
        let head = self.view.load(cell::WHOLE);
        fence(Acquire);
        head
    }

    /// Whether nothing will come any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.view.load(cell::ENDED) != 0
    }

    /// Behind the newest record.
    #[must_use]
    pub fn newest(&self) -> Cursor {
        match self.last() {
            Some((position, head)) => Cursor { position: position + head.size(), seen: head.number },
            None => Cursor { position: self.head(), seen: 0 },
        }
    }

    /// Takes the newest record into `record`; `false` when there is none.
    pub fn take_newest(&self, record: &mut Vec<u8>) -> bool {
        // One that is overwritten meanwhile has a successor.
        (0..TRIES_MAX).any(|_| {
            let newest = self.last();
            newest.is_some_and(|(position, head)| head.number != 0 && self.copy(position, head, record))
        })
    }

    /// Before the oldest record that is there.
    #[must_use]
    pub fn oldest(&self) -> Cursor {
        Cursor { position: self.view.load(cell::OLDEST), seen: 0 }
    }

    /// Behind the record with this number; what is gone between it and what is there counts as missed. `None` when
    /// there never was such a record.
    #[must_use]
    pub fn after(&self, number: u64) -> Option<Cursor> {
        let Some((mut position, mut head)) = self.last() else {
            return (number == 0).then(|| Cursor { position: self.head(), seen: 0 });
        };
        if head.number != 0 && head.number < number {
            return None;
        }
        loop {
            if head.number <= number && head.number != 0 {
                return Some(Cursor { position: position + head.size(), seen: number });
            }
            match self.before(position, head) {
                Some(earlier) => (position, head) = earlier,
                None => return Some(Cursor { position, seen: number }),
            }
        }
    }

    /// Before the last `count` records that `wanted` takes, of the last `scan_max`.
    pub fn last_of(&self, count: usize, scan_max: usize, mut wanted: impl FnMut(&[u8]) -> bool) -> Cursor {
        let newest = self.newest();
        let mut found = newest;
        let (mut left, mut record) = (count, Vec::new());
        let mut at = self.last();
        for _ in 0..scan_max {
            let Some((position, head)) = at.filter(|_| left > 0) else { break };
            if !self.copy(position, head, &mut record) {
                break;
            }
            if head.number != 0 && wanted(&record) {
                left -= 1;
                found = Cursor { position, seen: head.number - 1 };
            }
            at = self.before(position, head);
        }
        found
    }

    /// Takes the next record into `record`, or tells what comes in its place.
    pub fn next(&self, cursor: &mut Cursor, record: &mut Vec<u8>) -> Next {
        for _ in 0..TRIES_MAX {
            let whole = self.head();
            if cursor.position == whole {
                return Next::Nothing;
            }
            let oldest = self.view.load(cell::OLDEST);
            if cursor.position < oldest || whole < cursor.position {
                cursor.position = oldest;
            }
            let Some(head) = self.head_at(cursor.position, whole) else { continue };
            if !self.copy(cursor.position, head, record) {
                continue;
            }
            if head.number != 0 {
                let missed = head.number.saturating_sub(cursor.seen.saturating_add(1));
                if missed > 0 && cursor.seen > 0 {
                    cursor.seen = head.number - 1;
                    return Next::Missed(missed);
                }
                cursor.seen = head.number;
            }
            cursor.position += head.size();
            if head.number != 0 {
                return Next::Record(head.number);
            }
        }
        self.give_up(cursor)
    }

    /// Whatever happens here happens too fast: goes on with what comes next.
    fn give_up(&self, cursor: &mut Cursor) -> Next {
        let newest = self.newest();
        let missed = newest.seen.saturating_sub(cursor.seen);
        *cursor = newest;
        if missed > 0 { Next::Missed(missed) } else { Next::Nothing }
    }

    fn cell(&self, position: u64) -> u64 {
        self.view.load(place(position, self.room))
    }

    /// The head at a position, if it could be one.
    fn head_at(&self, position: u64, whole: u64) -> Option<Head> {
        if !position.is_multiple_of(CELL) {
            return None;
        }
        let head = Head::of(self.cell(position), self.cell(position + CELL));
        let fits = u64::from(head.len) <= self.room && position.checked_add(head.size())? <= whole;
        fits.then_some(head)
    }

    /// The newest record.
    fn last(&self) -> Option<(u64, Head)> {
        for _ in 0..TRIES_MAX {
            let whole = self.head();
            let position = self.view.load(cell::NEWEST);
            if let Some(head) = self.head_at(position, whole)
                && position + head.size() == whole
                && self.is_whole(position)
            {
                return Some((position, head));
            }
            if whole == 0 {
                return None;
            }
        }
        None
    }

    /// The record before this one, if it is still there.
    fn before(&self, position: u64, head: Head) -> Option<(u64, Head)> {
        let before = position.checked_sub(u64::from(head.before)).filter(|before| *before < position)?;
        let earlier = self.head_at(before, position)?;
        (before + earlier.size() == position && self.is_whole(before)).then_some((before, earlier))
    }

    /// Takes the bytes of a record; `false` when they may have been overwritten meanwhile.
    fn copy(&self, position: u64, head: Head, record: &mut Vec<u8>) -> bool {
        record.clear();
        if head.number != 0 {
            let len = (head.len as usize).min(self.longest);
            let cells = len.div_ceil(CELL as usize) as u64;
            for at in 0..cells {
                record.extend_from_slice(&self.cell(position + HEAD + at * CELL).to_ne_bytes());
            }
            record.truncate(len);
        }
        self.is_whole(position)
    }

    /// Whether nothing that was read from this position on can have been overwritten.
    fn is_whole(&self, position: u64) -> bool {
        fence(Acquire);
        self.view.load(cell::RESERVED) <= position.saturating_add(self.room)
    }
}

#[cfg(test)]
mod tests;
