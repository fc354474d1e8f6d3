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
    /// The same, compressed here.
    Made(Coding),
}

impl Form {
    /// How the content is coded.
    pub(crate) fn coding(self) -> Option<Coding> {
        match self {
            Form::Plain => None,
            Form::Sibling(coding) | Form::Made(coding) => Some(coding),
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
    made: Made,
}

/// What has come of compressing the file.
#[derive(Default)]
enum Made {
    /// Nobody has tried.
    #[default]
    Untried,
    /// Somebody is at it.
    UnderWay,
    /// It does not get smaller.
    Futile,
    Done(Rc<OpenFile>),
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
        slot.looked = Some(now);
        slot.sibling = sibling;
    }

    /// The file as it was compressed here.
    pub(crate) fn made(&self, coding: Coding) -> Option<Rc<OpenFile>> {
        match &self.slots.borrow()[coding.index()].made {
            Made::Done(file) => Some(Rc::clone(file)),
            Made::Untried | Made::UnderWay | Made::Futile => None,
        }
    }

    /// Whether it is of no use to compress the file.
    pub(crate) fn is_futile(&self, coding: Coding) -> bool {
        matches!(self.slots.borrow()[coding.index()].made, Made::Futile)
    }

    /// Whether somebody is compressing the file.
    pub(crate) fn is_under_way(&self, coding: Coding) -> bool {
        matches!(self.slots.borrow()[coding.index()].made, Made::UnderWay)
    }

    /// Takes down what came of compressing the file; `None` when it does not get smaller.
    pub(crate) fn set_made(&self, coding: Coding, made: Option<Rc<OpenFile>>) {
        self.slots.borrow_mut()[coding.index()].made = made.map_or(Made::Futile, Made::Done);
    }

    /// Bytes of all contents that are kept in memory.
    pub(crate) fn memory(&self) -> usize {
        let of_slot = |slot: &Slot| {
            let made = match &slot.made {
                Made::Done(file) => file.memory(),
                Made::Untried | Made::UnderWay | Made::Futile => 0,
            };
            made + slot.sibling.as_ref().map_or(0, |file| file.memory())
        };
        self.slots.borrow().iter().map(of_slot).sum()
    }
}

/// Says of a file that it is being compressed, for as long as this lives.
pub(crate) struct UnderWay {
    file: Rc<OpenFile>,
    coding: Coding,
}

impl UnderWay {
    pub(crate) fn begin(file: &Rc<OpenFile>, coding: Coding) -> UnderWay {
        let made = &mut file.coded.slots.borrow_mut()[coding.index()].made;
        if matches!(made, Made::Untried) {
            *made = Made::UnderWay;
        }
        UnderWay { file: Rc::clone(file), coding }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let made = &mut self.file.coded.slots.borrow_mut()[self.coding.index()].made;
        // Nothing has come of it: the client has left, or the file could not be read.
        if matches!(made, Made::UnderWay) {
            *made = Made::Untried;
        }
    }
}
