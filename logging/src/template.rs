//! Lines as an operator lays them out: text with `$variables`, taken apart once, so that writing a line looks no
//! name up.
//!
//! A value stays in its place: whatever escapes the value of a quoted text log is escaped here, too, and so is the
//! character of the template that ends the value, and a space where no quotes enclose it.

mod parts;

use std::fmt;

use self::parts::{Part, parts};
use crate::civil::Stamp;
use crate::details::{Answer, Detail, Value};
use crate::escape::{CLIP_MARK, Plain, plain_without, with_plain};
use crate::format::{LINE_MAX, address, room, status};
use crate::moment::{Directive, Moment, Times};
use crate::number::{decimal, hexadecimal, hundredths, seconds};
use crate::record::{Record, RequestId};
use crate::text;
use crate::variable::Variable;

/// Most bytes of the text of a template.
pub const TEMPLATE_MAX: usize = 4096;
/// Most variables of a template.
const VARIABLES_MAX: usize = 128;
/// Bytes that are kept free for each variable: enough for a time, a number, an address and an own request id, and for
/// the mark of a value that is clipped to nothing.
const LEAST: usize = 48;
/// The same for a request line, in which only the target is clipped further than to its room.
const LEAST_REQUEST: usize = room::METHOD + room::PROTOCOL + 3 * CLIP_MARK.len() + 2;
/// The same for the whole line; the rest is for whichever value needs it first.
const LEAST_LINE: usize = LINE_MAX * 3 / 4;

/// A template, ready for use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Box<[u8]>),
    Place(Box<Place>),
}

/// How far the times of lines are from UTC.
const UTC: &[u8] = b"+00:00";

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    variable: Variable,
    /// What may stand for itself in the value.
    plain: Plain,
    /// Bytes that everything behind it takes at least.
    after: usize,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadTemplate {
    /// It has no variable.
    Constant,
    /// There is no variable of this name.
    Unknown(String),
    /// A `$` without a name behind it, or a `${` without its end.
    Nameless,
    /// A time of this name without the form that it is to have.
    Formless(String),
    /// The form of a time without its end.
    Endless,
    /// A time whose form has nothing of the time.
    Timeless,
    /// Times have nothing of this name, which begins with its `%`.
    Directive(String),
    /// A quote is open at the end, so that it cannot be told where values end.
    Unclosed,
    /// A character that would break lines or act on a screen.
    Control(char),
    /// Longer than [`TEMPLATE_MAX`], or with too many variables.
    TooLong,
}

impl fmt::Display for BadTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("no variable is in it: write for example $remote_addr"),
            Self::Unknown(name) => {
                write!(f, "there is no variable ${name}: docs/logs.md lists those that there are")
            }
            Self::Nameless => f.write_str(
                "no name follows a $: write a variable such as $status or ${status}, or $$ for a $",
            ),
            Self::Formless(name) => write!(
                f,
                "${name} does not say which form the time has: write for example ${name}{{%Y-%m-%d %H:%M:%S}}"
            ),
            Self::Endless => {
                f.write_str("the form of a time is not closed: write } behind it, as in $time{%F %T}")
            }
            Self::Timeless => f.write_str(
                "the form of a time has nothing of it: write for example $time{%F %T}, $time{%s} for seconds since \
                 1970, or $time{%s%3N} for milliseconds",
            ),
            Self::Directive(letters) => {
                write!(f, "a time has no {letters:?}: docs/logs.md lists what it has, and %% stands for a %")
            }
            Self::Unclosed => f.write_str("a quote is not closed: write \\\" on both sides of a value"),
            Self::Control(character) => {
                write!(
                    f,
                    "it has the character U+{:04X}: leave it out, each line ends by itself",
                    *character as u32
                )
            }
            Self::TooLong => write!(
                f,
                "it is longer than {TEMPLATE_MAX} bytes or has more than {VARIABLES_MAX} variables: shorten it"
            ),
        }
    }
}

impl std::error::Error for BadTemplate {}

impl Template {
    /// Takes a text apart.
    ///
    /// # Errors
    /// See [`BadTemplate`].
    pub fn parse(text: &str) -> Result<Template, BadTemplate> {
        if text.len() > TEMPLATE_MAX {
            return Err(BadTemplate::TooLong);
        }
        if let Some(control) = text.chars().find(|&c| c != '\t' && crate::escape::is_hazard(c)) {
            return Err(BadTemplate::Control(control));
        }
        let parts = parts(text)?;
        match parts.iter().filter(|part| matches!(part, Part::Variable(_))).count() {
            0 => Err(BadTemplate::Constant),
            1..=VARIABLES_MAX => Ok(Template { pieces: pieces(parts)? }),
            _ => Err(BadTemplate::TooLong),
        }
    }

    /// The fields of answers that are in it, some perhaps more than once, by their names in lower case.
    pub(crate) fn answer_fields(&self) -> impl Iterator<Item = (Answer, &[u8])> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Place(place) => match &place.variable {
                Variable::AnswerField(answer, name) => Some((*answer, &**name)),
                _ => None,
            },
            Piece::Literal(_) => None,
        })
    }

    /// Appends a line without its newline.
    pub(crate) fn append(&self, out: &mut Vec<u8>, record: &Record<'_>, stamp: &Stamp) {
        let end = out.len() + LINE_MAX - 1;
        let mut begin = Stamp::new();
        let times = Times::of(record, stamp, &mut begin);
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Place(place) => place.write(out, end, record, &times),
            }
        }
    }
}

fn pieces(parts: Vec<Part>) -> Result<Vec<Piece>, BadTemplate> {
    let mut quoted = false;
    let mut plains = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        // A request line has spaces of its own between its words.
        let spaces = quoted && *part != Part::Variable(Variable::Request);
        plains.push(plain(spaces, parts.get(index + 1)));
        if let Part::Literal(text) = part {
            quoted ^= text.matches('"').count() % 2 == 1;
        }
    }
    if quoted {
        return Err(BadTemplate::Unclosed);
    }
    let mut after = 0;
    let mut pieces = Vec::with_capacity(parts.len());
    for (part, plain) in parts.into_iter().zip(plains).rev() {
        let (piece, least) = piece(part, plain, after);
        after += least;
        pieces.push(piece);
    }
    pieces.reverse();
    if after > LEAST_LINE { Err(BadTemplate::TooLong) } else { Ok(pieces) }
}

/// A piece, and how many bytes are kept free for it.
fn piece(part: Part, plain: Plain, after: usize) -> (Piece, usize) {
    match part {
        Part::Literal(text) => {
            let len = text.len();
            (Piece::Literal(text.into_bytes().into()), len)
        }
        // These are the same for every line that this process writes.
        Part::Variable(Variable::ProcessId) => constant(&std::process::id().to_string(), &plain),
        Part::Variable(Variable::HostName) => constant(&sys::process::host_name(), &plain),
        Part::Variable(variable) => {
            let least = match variable {
                Variable::Request => LEAST_REQUEST,
                Variable::Time(..) => Directive::WIDTH_MAX,
                _ => LEAST,
            };
            (Piece::Place(Box::new(Place { variable, plain, after })), least)
        }
    }
}

fn constant(value: &str, plain: &Plain) -> (Piece, usize) {
    let mut bytes = Vec::new();
    with_plain(&mut bytes, value.as_bytes(), room::HOST, plain);
    let len = bytes.len();
    (Piece::Literal(bytes.into()), len)
}

/// What may stand for itself in a value before `next`.
fn plain(spaces: bool, next: Option<&Part>) -> Plain {
    let space = (!spaces).then_some(b' ');
    let end = match next {
        // The escape is made of letters and digits, so that these cannot be escaped.
        Some(Part::Literal(text)) => text.bytes().next().filter(|byte| !byte.is_ascii_alphanumeric()),
        _ => None,
    };
    plain_without(space.into_iter().chain(end))
}

impl Place {
    /// `end` is where the line has to end at the latest.
    fn write(&self, out: &mut Vec<u8>, end: usize, record: &Record<'_>, times: &Times<'_>) {
        let end_of_request = times.at(Moment::End);
        let put = |out: &mut Vec<u8>, value: &[u8]| {
            let left = end.saturating_sub(out.len() + self.after + CLIP_MARK.len());
            with_plain(out, value, self.variable.room().min(left), &self.plain);
        };
        match &self.variable {
            Variable::RemoteAddress => address(out, record.client, record.addresses),
            Variable::RemoteUser => put(out, record.user),
            Variable::TimeLocal => out.extend_from_slice(end_of_request.stamp.local()),
            Variable::TimeIso8601 => {
                out.extend_from_slice(end_of_request.stamp.rfc3339());
                out.extend_from_slice(UTC);
            }
            Variable::Milliseconds => seconds(out, record.unix_us / 1000),
            Variable::BeginMilliseconds => seconds(out, record.begin_us() / 1000),
            Variable::Time(moment, directive) => directive.write(out, times.at(*moment)),
            Variable::Request => self.request(out, end, record),
            Variable::Method => put(out, record.method),
            Variable::Target => put(out, record.target),
            Variable::Query => put(out, query(record.target).unwrap_or_default()),
            Variable::QuestionMark => put(out, query(record.target).map_or(b"", |_| b"?")),
            Variable::Protocol => put(out, record.protocol),
            Variable::ServerName => put(out, record.host),
            Variable::Status => status(out, record.status),
            Variable::BodyBytesSent => decimal(out, record.body_bytes_sent),
            Variable::RequestLength => decimal(out, record.bytes_received),
            Variable::GzipRatio => match record.compression_hundredths() {
                Some(ratio) => hundredths(out, ratio),
                None => put(out, b""),
            },
            Variable::RequestTime => seconds(out, record.duration_ns / 1_000_000),
            Variable::RequestMicroseconds => decimal(out, record.duration_ns / 1000),
            Variable::Completion => put(out, if record.complete { b"OK" } else { b"" }),
            // They have become literals.
            Variable::ProcessId | Variable::HostName => {}
            Variable::RequestId => match record.request_id {
                RequestId::Own(id) => out.extend_from_slice(&hexadecimal(id)),
                RequestId::Given(id) => put(out, id),
            },
            Variable::Https => {
                tell(record, Detail::TlsVersion, |value| put(out, value.map_or(b"", |_| b"on")));
            }
            Variable::Detail(detail) => tell(record, *detail, |value| match value {
                Some(Value::Number(number)) => decimal(out, number),
                Some(Value::Second(unix)) => {
                    let mut stamp = Stamp::new();
                    stamp.set(unix);
                    out.extend_from_slice(stamp.rfc3339());
                    out.extend_from_slice(UTC);
                }
                Some(Value::Address(client)) => address(out, client, record.addresses),
                Some(Value::Bytes(bytes)) => put(out, bytes),
                None => put(out, b""),
            }),
            Variable::Field(name) => field(record, Detail::Field(name), |value| put(out, value)),
            Variable::AnswerField(answer, name) => {
                field(record, Detail::AnswerField(*answer, name), |value| put(out, value));
            }
            Variable::Cookie(name) => {
                let put = |cookies: &[u8]| put(out, pair(cookies, b';', name).unwrap_or_default());
                field(record, Detail::Field(b"cookie"), put);
            }
            Variable::Argument(name) => {
                let found = query(record.target).and_then(|query| pair(query, b'&', name));
                put(out, found.unwrap_or_default());
            }
        }
    }

    /// Three words, or a dash for a request line that could not be read.
    fn request(&self, out: &mut Vec<u8>, end: usize, record: &Record<'_>) {
        let left = end.saturating_sub(out.len() + self.after + LEAST_REQUEST);
        text::request(out, record, room::TARGET.min(left), &self.plain);
    }
}

/// Has `write` write a fact, or what stands for its absence.
fn tell(record: &Record<'_>, detail: Detail<'_>, mut write: impl FnMut(Option<Value<'_>>)) {
    let mut told = false;
    record.details.tell(detail, &mut |value| {
        debug_assert!(!told, "a fact is told once");
        told = true;
        write(Some(value));
    });
    if !told {
        write(None);
    }
}

/// Has `write` write a field, or nothing.
fn field(record: &Record<'_>, field: Detail<'_>, mut write: impl FnMut(&[u8])) {
    tell(record, field, |value| match value {
        Some(Value::Bytes(bytes)) => write(bytes),
        _ => write(b""),
    });
}

/// What follows the first `?` of a target.
fn query(target: &[u8]) -> Option<&[u8]> {
    let at = target.iter().position(|&byte| byte == b'?')?;
    Some(&target[at + 1..])
}

/// The value of the first pair with this name in a list of `name=value`.
fn pair<'l>(list: &'l [u8], separator: u8, name: &[u8]) -> Option<&'l [u8]> {
    let pairs = list.split(|&byte| byte == separator).map(<[u8]>::trim_ascii);
    pairs.filter_map(|pair| pair.strip_prefix(name)).find_map(|rest| rest.strip_prefix(b"="))
}

#[cfg(test)]
mod tests;
