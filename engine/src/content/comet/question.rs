//! What a viewer asks for: where to begin, and which lines.

use config::Comet as Shows;
use logging::tail::{BadFilter, Entry, Filter, Kind};
use site::Comet;

use super::super::Responder;
use super::last_event_id;

/// Lines that a viewer gets at first at most.
const LAST_MAX: usize = 1_000;

/// Where a viewer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// With what comes after a line of this number in the ring of this name.
    After { ring: u64, number: u64 },
    /// With so many lines that were there before.
    Last(usize),
}

/// All that is asked for, and what the place lets be seen.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) start: Start,
    filter: Filter,
    shows: Shows,
    /// The host of the place.
    host: String,
}

impl Question {
    fn new(comet: &Comet) -> Question {
        let (shows, host) = (comet.shows, comet.host.clone());
        Question { start: Start::Last(0), filter: Filter::default(), shows, host }
    }

    /// What a record says, if it is to be shown.
    pub(super) fn takes<'r>(&self, record: &'r [u8]) -> Option<Entry<'r>> {
        let entry = Entry::parse(record)?;
        let own = || entry.facts.host.eq_ignore_ascii_case(self.host.as_bytes());
        let shown = match (entry.facts.kind, self.shows) {
            (Kind::Request, Shows::Host) => own(),
            (Kind::Request, Shows::Access | Shows::All) | (Kind::Message, Shows::Errors | Shows::All) => true,
            // A copy is of an exchange that is shown already.
            _ => false,
        };
        (shown && self.filter.takes(&entry)).then_some(entry)
    }

    /// Takes one part of the query.
    fn hear(&mut self, name: &str, value: &str) -> Result<(), String> {
        let bad = |bad: BadFilter| bad.to_string();
        match name {
            "host" => self.filter.host(value).map_err(bad),
            "status" => self.filter.status(value).map_err(bad),
            "client" => self.filter.client(value).map_err(bad),
            "text" => self.filter.text(value).map_err(bad),
            "after" => {
                self.start = place(value).ok_or_else(|| {
                    format!("{value:?} is no place in the log: give the id of a line as it came")
                })?;
                Ok(())
            }
            "last" => {
                let count = value.parse().ok().filter(|&count| count <= LAST_MAX);
                let count = count.ok_or_else(|| {
                    format!("{value:?} is no number of lines: give one of {LAST_MAX} at most")
                })?;
                if matches!(self.start, Start::Last(_)) {
                    self.start = Start::Last(count);
                }
                Ok(())
            }
            _ => {
                Err(format!("{name:?} means nothing here: ask for host, status, client, text, after or last"))
            }
        }
    }
}

/// What the request asks for; an error says why it cannot be, for people.
pub(super) fn of(responder: &Responder<'_>, comet: &Comet) -> Result<Question, String> {
    let query = responder.request.and_then(|request| request.query()).unwrap_or_default();
    parse(comet, query, last_event_id(responder))
}

pub(super) fn parse(comet: &Comet, query: &[u8], last_event_id: Option<&[u8]>) -> Result<Question, String> {
    let mut question = Question::new(comet);
    for part in query.split(|&byte| byte == b'&').filter(|part| !part.is_empty()) {
        let (name, value) = match part.iter().position(|&byte| byte == b'=') {
            Some(at) => (&part[..at], &part[at + 1..]),
            None => (part, &b""[..]),
        };
        question.hear(&decoded(name)?, &decoded(value)?)?;
    }
    // A browser that comes again says by this field where it was; the address is still that of the first time.
    let id = last_event_id.filter(|id| !id.is_empty()).and_then(|id| std::str::from_utf8(id).ok());
    if let Some(start) = id.and_then(place) {
        question.start = start;
    }
    Ok(question)
}

/// A place as [`super::View::place`] writes it.
fn place(text: &str) -> Option<Start> {
    let (ring, number) = text.split_once('-')?;
    let ring = u64::from_str_radix(ring, 16).ok()?;
    Some(Start::After { ring, number: number.parse().ok()? })
}

/// A part of a query in plain (URL standard, application/x-www-form-urlencoded).
fn decoded(text: &[u8]) -> Result<String, String> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, left @ ..] = rest {
        rest = left;
        match (byte, left) {
            (b'+', _) => plain.push(b' '),
            (b'%', [high, low, left @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let value = digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low);
                let value = value.and_then(|value| u8::try_from(value).ok());
                plain.push(value.ok_or("a percent sign is not followed by two digits: write it as %25")?);
                rest = left;
            }
            (b'%', _) => return Err("the query ends in the middle of a sign: write % as %25".to_owned()),
            _ => plain.push(*byte),
        }
    }
    String::from_utf8(plain).map_err(|_| "the query is no UTF-8: encode it so".to_owned())
}
