//! Open files of one shard, small contents in memory: bounded in number and in bytes.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::quality::RandomState;
use proto_http::condition::Validators;
use proto_http::date;
use sys::fs::Stat;

use crate::coded_forms::{CodedForms, Form};

/// A file that is open and described.
pub(crate) struct OpenFile {
    pub(crate) fd: Arc<OwnedFd>,
    pub(crate) stat: Stat,
    /// Of the content as it is before it is coded.
    pub(crate) media_type: String,
    pub(crate) form: Form,
    /// Whether others may get another form.
    pub(crate) varies: bool,
    /// Its path below the root, where there may be other forms beside it.
    pub(crate) name: Box<[u8]>,
    /// Which of the names of indexes it has, if a folder was asked for.
    pub(crate) index: Option<usize>,
    pub(crate) coded: CodedForms,
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

    /// What tells this content from others.
    pub(crate) fn validators(&self) -> Validators<'_> {
        Validators { etag: self.etag.as_deref().map(str::as_bytes), last_modified: Some(self.modified) }
    }

    /// Bytes of contents that are kept in memory, those of coded forms included.
    pub(crate) fn memory(&self) -> usize {
        self.prepared.as_ref().map_or(0, |prepared| prepared.bytes.len()) + self.coded.memory()
    }
}

/// What is known of the files of all locations that find and describe them alike.
pub(crate) struct Scope {
    number: u64,
    /// Only files that are there have entries, bounded in number: a hash that is made for speed will do.
    paths: RefCell<HashMap<Box<[u8]>, Entry, RandomState>>,
}

struct Entry {
    file: Rc<OpenFile>,
    used: Cell<bool>,
}

impl Scope {
    pub(crate) fn new(number: u64) -> Scope {
        Scope { number, paths: RefCell::default() }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

/// The open files of one shard.
pub(crate) struct FileCache {
    bounds: Cell<Bounds>,
    entries: RefCell<Entries>,
}

#[derive(Clone, Copy)]
struct Bounds {
    entries_max: usize,
    small_max: u64,
    /// Of a file that is kept in coded forms, before it is coded.
    coded_max: u64,
    memory_max: usize,
    valid_ns: u64,
}

impl Bounds {
    fn new(config: &config::FileCache) -> Bounds {
        Bounds {
            entries_max: config.entries,
            small_max: config.small_body as u64,
            coded_max: config.compressed_body as u64,
            memory_max: config.memory,
            valid_ns: u64::try_from(config.valid.as_nanos()).unwrap_or(u64::MAX),
        }
    }
}

/// All entries of all scopes.
#[derive(Default)]
struct Entries {
    /// Which one to look at next when room is needed.
    order: VecDeque<(Rc<Scope>, Box<[u8]>)>,
    memory: usize,
}

impl FileCache {
    pub(crate) fn new(config: &config::FileCache) -> FileCache {
        FileCache { bounds: Cell::new(Bounds::new(config)), entries: RefCell::default() }
    }

    /// The entry for a path, and whether it is fresh enough to be used unseen.
    pub(crate) fn get(&self, scope: &Scope, path: &[u8], now: u64) -> Option<(Rc<OpenFile>, bool)> {
        let paths = scope.paths.borrow();
        let entry = paths.get(path)?;
        entry.used.set(true);
        Some((Rc::clone(&entry.file), self.is_fresh(entry.file.checked.get(), now)))
    }

    /// Keeps a file for a path; answers how many others had to go.
    pub(crate) fn put(&self, scope: &Rc<Scope>, path: &[u8], file: &Rc<OpenFile>) -> u64 {
        let bounds = self.bounds.get();
        if bounds.entries_max == 0 {
            return 0;
        }
        let mut entries = self.entries.borrow_mut();
        entries.remove(scope, path);
        entries.memory += file.memory();
        let entry = Entry { file: Rc::clone(file), used: Cell::new(false) };
        scope.paths.borrow_mut().insert(path.into(), entry);
        entries.order.push_back((Rc::clone(scope), path.into()));
        entries.shrink(bounds)
    }

    /// Changes the coded forms of a file; answers how many entries had to go for them.
    pub(crate) fn change_forms(
        &self,
        (scope, path): (&Scope, &[u8]),
        plain: &Rc<OpenFile>,
        change: impl FnOnce(&CodedForms),
    ) -> u64 {
        let mut entries = self.entries.borrow_mut();
        // One that has gone from the cache meanwhile ends with the request.
        let is_kept = scope.paths.borrow().get(path).is_some_and(|entry| Rc::ptr_eq(&entry.file, plain));
        let before = plain.memory();
        change(&plain.coded);
        if !is_kept {
            return 0;
        }
        entries.memory = entries.memory - before + plain.memory();
        entries.shrink(self.bounds.get())
    }

    /// Whether what was seen at a time, in monotonic nanoseconds, can be used unseen.
    pub(crate) fn is_fresh(&self, seen: u64, now: u64) -> bool {
        now.saturating_sub(seen) < self.bounds.get().valid_ns
    }

    /// Drops the entry for a path, if there is one.
    pub(crate) fn forget(&self, scope: &Rc<Scope>, path: &[u8]) {
        self.entries.borrow_mut().remove(scope, path);
    }

    /// Takes other bounds and lets go of all scopes but these; answers how many entries had to go. An exchange that
    /// still holds another scope may put something into it; the next call lets go of that.
    pub(crate) fn adapt(&self, config: &config::FileCache, scopes: &[Rc<Scope>]) -> u64 {
        let bounds = Bounds::new(config);
        self.bounds.set(bounds);
        let kept: HashSet<u64> = scopes.iter().map(|scope| scope.number).collect();
        let mut entries = self.entries.borrow_mut();
        let mut gone = 0;
        for (scope, path) in std::mem::take(&mut entries.order) {
            if kept.contains(&scope.number) {
                entries.order.push_back((scope, path));
            } else {
                entries.drop_entry(&scope, &path);
                gone += 1;
            }
        }
        gone + entries.shrink(bounds)
    }

    /// Whether the content of a file of this size is kept in memory.
    pub(crate) fn keeps(&self, len: u64) -> bool {
        let bounds = self.bounds.get();
        bounds.entries_max > 0 && len <= bounds.small_max
    }

    /// Whether what a file of this size is compressed to is kept.
    pub(crate) fn keeps_coded(&self, len: u64) -> bool {
        let bounds = self.bounds.get();
        bounds.entries_max > 0 && len <= bounds.coded_max
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
    fn remove(&mut self, scope: &Rc<Scope>, path: &[u8]) {
        if self.drop_entry(scope, path) {
            self.order.retain(|(of, known)| !Rc::ptr_eq(of, scope) || **known != *path);
        }
    }

    /// Drops an entry whose place in the order is looked after by the caller.
    fn drop_entry(&mut self, scope: &Scope, path: &[u8]) -> bool {
        let Some(entry) = scope.paths.borrow_mut().remove(path) else { return false };
        self.memory -= entry.file.memory();
        true
    }

    /// Evicts until the bounds are kept; answers how many entries that took.
    fn shrink(&mut self, bounds: Bounds) -> u64 {
        let mut evicted = 0;
        while bounds.entries_max < self.order.len() || bounds.memory_max < self.memory {
            evicted += u64::from(self.evict_one());
        }
        evicted
    }

    /// Second chance: the oldest entry goes, unless it was used since it was last looked at.
    fn evict_one(&mut self) -> bool {
        while let Some((scope, path)) = self.order.pop_front() {
            let used = scope.paths.borrow().get(&path).is_some_and(|entry| entry.used.replace(false));
            if used && !self.order.is_empty() {
                self.order.push_back((scope, path));
                continue;
            }
            if self.drop_entry(&scope, &path) {
                return true;
            }
        }
        false
    }
}
