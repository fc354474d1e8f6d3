//! Open files of one shard, small contents in memory: bounded in number and in bytes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use proto_http::date;
use sys::fs::Stat;

/// A file that is open and described.
pub(crate) struct OpenFile {
    pub(crate) fd: Arc<OwnedFd>,
    pub(crate) stat: Stat,
    pub(crate) media_type: String,
    /// With quotes; `None` where entity tags are off.
    pub(crate) etag: Option<String>,
    /// Seconds since 1970.
    pub(crate) modified: u64,
    pub(crate) last_modified: [u8; date::LEN],
    /// The whole 200 response for a connection that lives on, if the content is small.
    pub(crate) prepared: Option<Prepared>,
    /// When the path was last looked at, in monotonic nanoseconds.
    pub(crate) checked: Cell<u64>,
}

/// Head and content in one piece. Only the date has to be filled in.
pub(crate) struct Prepared {
    pub(crate) bytes: Box<[u8]>,
    /// Where the value of `Date` stands.
    pub(crate) date_at: usize,
    /// Where the content begins.
    pub(crate) content_at: usize,
}

impl OpenFile {
    /// The content, if it is kept in memory.
    pub(crate) fn content(&self) -> Option<&[u8]> {
        self.prepared.as_ref().map(|prepared| &prepared.bytes[prepared.content_at..])
    }

    fn memory(&self) -> usize {
        self.prepared.as_ref().map_or(0, |prepared| prepared.bytes.len())
    }
}

/// The open files of one shard.
pub(crate) struct FileCache {
    entries: RefCell<Entries>,
    entries_max: usize,
    small_max: u64,
    memory_max: usize,
    valid_ns: u64,
}

#[derive(Default)]
struct Entries {
    by_path: Vec<HashMap<Box<[u8]>, Entry>>,
    /// Which entry to look at next when room is needed.
    order: std::collections::VecDeque<(u32, Box<[u8]>)>,
    memory: usize,
}

struct Entry {
    file: Rc<OpenFile>,
    used: Cell<bool>,
}

impl FileCache {
    pub(crate) fn new(config: &config::FileCache) -> FileCache {
        FileCache {
            entries: RefCell::default(),
            entries_max: config.entries,
            small_max: config.small_body as u64,
            memory_max: config.memory,
            valid_ns: u64::try_from(config.valid.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// The entry for a path of a location, and whether it is fresh enough to be used unseen.
    pub(crate) fn get(&self, location: u32, path: &[u8], now: u64) -> Option<(Rc<OpenFile>, bool)> {
        let entries = self.entries.borrow();
        let entry = entries.by_path.get(location as usize)?.get(path)?;
        entry.used.set(true);
        let fresh = now.saturating_sub(entry.file.checked.get()) < self.valid_ns;
        Some((Rc::clone(&entry.file), fresh))
    }

    /// Keeps a file for a path; answers how many others had to go.
    pub(crate) fn put(&self, location: u32, path: &[u8], file: &Rc<OpenFile>) -> u64 {
        if self.entries_max == 0 {
            return 0;
        }
        let mut entries = self.entries.borrow_mut();
        entries.remove(location, path);
        let index = location as usize;
        if entries.by_path.len() <= index {
            entries.by_path.resize_with(index + 1, HashMap::new);
        }
        entries.memory += file.memory();
        let entry = Entry { file: Rc::clone(file), used: Cell::new(false) };
        entries.by_path[index].insert(path.into(), entry);
        entries.order.push_back((location, path.into()));
        let mut evicted = 0;
        while self.entries_max < entries.order.len() || self.memory_max < entries.memory {
            evicted += u64::from(entries.evict_one());
        }
        evicted
    }

    /// Drops the entry for a path, if there is one.
    pub(crate) fn forget(&self, location: u32, path: &[u8]) {
        self.entries.borrow_mut().remove(location, path);
    }

    /// Whether the content of a file of this size is kept in memory.
    pub(crate) fn keeps(&self, len: u64) -> bool {
        self.entries_max > 0 && len <= self.small_max
    }

    /// Frees descriptors when the process has none left; `false` if there was nothing to free.
    pub(crate) fn make_room(&self) -> bool {
        let mut entries = self.entries.borrow_mut();
        let half = entries.order.len().div_ceil(2);
        for _ in 0..half {
            entries.evict_one();
        }
        half > 0
    }
}

impl Entries {
    fn remove(&mut self, location: u32, path: &[u8]) {
        let removed = self.by_path.get_mut(location as usize).and_then(|paths| paths.remove(path));
        if let Some(entry) = removed {
            self.memory -= entry.file.memory();
            self.order.retain(|(of, known)| *of != location || **known != *path);
        }
    }

    /// Second chance: the oldest entry goes, unless it was used since it was last looked at.
    fn evict_one(&mut self) -> bool {
        while let Some((location, path)) = self.order.pop_front() {
            let Some(paths) = self.by_path.get_mut(location as usize) else { continue };
            let Some(entry) = paths.get(&path) else { continue };
            if entry.used.replace(false) && !self.order.is_empty() {
                self.order.push_back((location, path));
                continue;
            }
            if let Some(entry) = paths.remove(&path) {
                self.memory -= entry.file.memory();
            }
            return true;
        }
        false
    }
}
