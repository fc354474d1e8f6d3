//! What a file can be sent as: itself, or one of its coded forms, which live and end with its entry in the cache.

use std::cell::RefCell;
use std::rc::Rc;

use proto_http::Coding;

use crate::file_cache::OpenFile;

/// What an open file is to those who ask for its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// What they ask for.
    Plain,
    /// The same, compressed by somebody and put beside it.
    Sibling(Coding),
}

impl Form {
    /// How the content is coded.
    pub(crate) fn coding(self) -> Option<Coding> {
        match self {
            Form::Plain => None,
            Form::Sibling(coding) => Some(coding),
        }
    }
}

/// What the name of a compressed file ends in.
pub(crate) fn suffix(coding: Coding) -> &'static str {
    match coding {
        Coding::Gzip => ".gz",
        Coding::Zstd => ".zst",
        Coding::Brotli => ".br",
    }
}

/// The coded forms of one file.
#[derive(Default)]
pub(crate) struct CodedForms {
    slots: RefCell<[Slot; Coding::COUNT]>,
}

#[derive(Default)]
struct Slot {
    /// When a sibling was last looked for, in monotonic nanoseconds.
    looked: Option<u64>,
    sibling: Option<Rc<OpenFile>>,
}

impl CodedForms {
    /// When a sibling was last looked for, and what was found.
    pub(crate) fn sibling(&self, coding: Coding) -> (Option<u64>, Option<Rc<OpenFile>>) {
        let slot = &self.slots.borrow()[coding.index()];
        (slot.looked, slot.sibling.clone())
    }

    /// Takes down what a look at `now` has found.
    pub(crate) fn set_sibling(&self, coding: Coding, now: u64, sibling: Option<Rc<OpenFile>>) {
        let slot = &mut self.slots.borrow_mut()[coding.index()];
        *slot = Slot { looked: Some(now), sibling };
    }

    /// Bytes of all contents that are kept in memory.
    pub(crate) fn memory(&self) -> usize {
        let slots = self.slots.borrow();
        slots.iter().filter_map(|slot| slot.sibling.as_ref()).map(|file| file.memory()).sum()
    }
}
