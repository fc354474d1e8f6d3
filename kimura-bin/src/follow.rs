//! `kimura logs`: what is logged, as it comes, from the memory in which the server keeps it for viewers.

use crate::arguments::{Form, Order};
use crate::error::Error;
use crate::options;
use crate::order;
use crate::print;
use crate::usage::Usage;
use logging::tail::{self, Entry, Filter, Kind};
use std::os::fd::OwnedFd;
use std::time::Duration;
use sys::broadcast::{Cursor, Next, Reader};
use sys::spawn::Child;

/// Lines that are printed when nobody says how many.
const LAST: usize = 20;
/// Most lines of before.
const LAST_MAX: usize = 1_000_000;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// Lines that are printed at a time.
const LINES_PER_LOOK: usize = 1_000;

/// Whether to go on when all that is there is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stay {
    #[default]
    Leave,
    Follow,
}

/// What is to be seen.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct View {
    pub(crate) stay: Stay,
    /// Lines of before; none for the usual number.
    last: Option<usize>,
    filter: Filter,
}

impl View {
    /// Takes the number of lines of before.
    pub(crate) fn last(&mut self, text: String) -> Result<(), Usage> {
        self.last = Some(text.parse().ok().filter(|&count| count <= LAST_MAX).ok_or(Usage::BadCount(text))?);
        Ok(())
    }

    /// Takes what lines have to fit.
    pub(crate) fn hear(&mut self, id: options::Id, text: &str) -> Result<(), Usage> {
        let taken = match id {
            options::Id::Host => self.filter.host(text),
            options::Id::Status => self.filter.status(text),
            options::Id::Client => self.filter.client(text),
            _ => self.filter.text(text),
        };
        taken.map_err(Usage::BadFilter)
    }

    fn wants<'r>(&self, record: &'r [u8]) -> Option<Entry<'r>> {
        let entry = Entry::parse(record).filter(|entry| entry.facts.kind != Kind::Copy)?;
        self.filter.takes(&entry).then_some(entry)
    }
}

/// Prints what is wanted.
///
/// # Errors
/// Why the server does not show it, or it cannot be printed.
pub(crate) fn follow(order: &Order, view: &View) -> Result<(), Error> {
    let (ring, server) = order::ring(order)?;
    let reader = tail::open(&ring).map_err(Error::process("read the memory of the server"))?;
    let mut cursor =
        reader.last_of(view.last.unwrap_or(LAST), usize::MAX, |record| view.wants(record).is_some());
    loop {
        let ended = reader.has_ended() || has_ended(server.as_ref());
        // What was written before the end is there by now.
        let look = look(&reader, &mut cursor, view, order.form);
        let gone = !print::out_while_read(&look.text).map_err(Error::process("write to standard output"))?;
        if gone || (!look.more && (view.stay == Stay::Leave || ended)) {
            if ended && view.stay == Stay::Follow {
                print::note("kimura: the server has ended");
            }
            return Ok(());
        }
        if !look.more {
            wait(server.as_ref());
        }
    }
}

/// What came of a look at the ring.
struct Look {
    text: String,
    /// Whether there may be more at once.
    more: bool,
}

fn look(reader: &Reader, cursor: &mut Cursor, view: &View, form: Form) -> Look {
    let (mut text, mut record) = (String::new(), Vec::new());
    for _ in 0..LINES_PER_LOOK {
        match reader.next(cursor, &mut record) {
            Next::Nothing => return Look { text, more: false },
            Next::Missed(count) => {
                print::note(&format!("kimura: {count} lines came faster than they could be shown"));
            }
            Next::Record(number) => {
                if let Some(entry) = view.wants(&record) {
                    put(&mut text, number, &entry, form);
                }
            }
        }
    }
    Look { text, more: true }
}

fn put(text: &mut String, number: u64, entry: &Entry<'_>, form: Form) {
    match form {
        Form::People => {
            // The formats have seen to it already; the memory could still be written by somebody else.
            let plain = |c: char| if c.is_control() { '?' } else { c };
            text.extend(String::from_utf8_lossy(entry.line).chars().map(plain));
        }
        Form::Json => {
            let mut object = Vec::new();
            entry.object(&mut object, &number.to_string());
            text.push_str(&String::from_utf8_lossy(&object));
        }
    }
    text.push('\n');
}

/// Waits for a moment, or for the end of the server.
fn wait(server: Option<&Child>) {
    let fds: Vec<_> = server.iter().map(|server| server.fd()).collect();
    // Whatever goes wrong here shows with the next look.
    let _ = sys::poll::any_readable(&fds, Some(PAUSE));
}

fn has_ended(server: Option<&Child>) -> bool {
    server.is_some_and(|server| sys::poll::readable(server.fd(), Some(Duration::ZERO)).unwrap_or(true))
}

/// The memory of the server and its process, which may be known to nobody here.
pub(crate) type Source = (OwnedFd, Option<Child>);
