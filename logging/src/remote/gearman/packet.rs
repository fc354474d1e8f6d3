//! Packets of the Gearman protocol, as its servers document it: a magic word, a type and a length, four bytes each and
//! big-endian, and then arguments with a NUL between.

use crate::remote::quoted;

/// From us.
const REQUEST: [u8; 4] = *b"\0REQ";
/// To us.
const RESPONSE: [u8; 4] = *b"\0RES";
const SUBMIT_JOB_BG: u32 = 18;
const NOOP: u32 = 6;
const JOB_CREATED: u32 = 8;
const ERROR: u32 = 19;

/// Bytes before the arguments.
const HEADER: usize = 12;
/// Most bytes of a response: a handle, or an error in words.
const RESPONSE_MAX: usize = 4096;

/// Appends a background job. Neither name has a NUL.
pub(super) fn submit(out: &mut Vec<u8>, function: &[u8], unique: &[u8], workload: &[u8]) {
    let length = function.len() + unique.len() + workload.len() + 2;
    let length = u32::try_from(length).expect("a job is one of the blocks that a sink offers");
    out.extend_from_slice(&REQUEST);
    out.extend_from_slice(&SUBMIT_JOB_BG.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    for name in [function, unique] {
        out.extend_from_slice(name);
        out.push(0);
    }
    out.extend_from_slice(workload);
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Response {
    /// It has the next one of our jobs.
    Created,
    /// It does not take the next one of our jobs: why, in its words.
    Refused(String),
    /// Nothing of interest.
    Nothing,
}

/// Why a server is not to be listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Nonsense {
    /// What it says is not Gearman.
    NotGearman,
    /// A response is longer than any honest one.
    TooLong(u32),
    /// It answers what nobody has asked.
    Unasked(u32),
}

/// The first response in `heard` and its bytes; none while it is not all there.
pub(super) fn response(heard: &[u8]) -> Result<Option<(Response, usize)>, Nonsense> {
    let magic = heard.len().min(RESPONSE.len());
    if heard[..magic] != RESPONSE[..magic] {
        return Err(Nonsense::NotGearman);
    }
    let Some((header, rest)) = heard.split_first_chunk::<HEADER>() else { return Ok(None) };
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (kind, length) = (number(4), number(8));
    let length = match usize::try_from(length) {
        Ok(fits) if fits <= RESPONSE_MAX => fits,
        _ => return Err(Nonsense::TooLong(length)),
    };
    let Some(arguments) = rest.get(..length) else { return Ok(None) };
    let response = match kind {
        JOB_CREATED => Response::Created,
        ERROR => Response::Refused(quoted(
            &arguments.iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect::<Vec<_>>(),
        )),
        NOOP => Response::Nothing,
        _ => return Err(Nonsense::Unasked(kind)),
    };
    Ok(Some((response, HEADER + length)))
}

impl std::fmt::Display for Nonsense {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotGearman => f.write_str("it does not speak Gearman: is the port that of a job server?"),
            Self::TooLong(length) => write!(f, "it announces a response of {length} bytes, which none has"),
            Self::Unasked(kind) => write!(f, "it sends a packet of type {kind}, which nobody has asked for"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_as_it_is_sent() {
        let mut out = Vec::new();
        submit(&mut out, b"log", b"id-1", b"a\nb\0\n");
        let wanted = b"\0REQ\0\0\0\x12\0\0\0\x0elog\0id-1\0a\nb\0\n";
        assert_eq!(out.escape_ascii().to_string(), wanted.escape_ascii().to_string());
    }

    #[test]
    fn responses() {
        use Nonsense::*;
        let created = b"\0RES\0\0\0\x08\0\0\0\x05H:x:1";
        let long = [&b"\0RES\0\0\0\x13\0\0\x10\0"[..], &[b'x'; RESPONSE_MAX]].concat();
        for (heard, wanted) in [
            (&created[..], Ok(Some((Response::Created, 17)))),
            (b"\0RES\0\0\0\x08\0\0\0\0", Ok(Some((Response::Created, 12)))),
            (b"\0RES\0\0\0\x06\0\0\0\0more", Ok(Some((Response::Nothing, 12)))),
            (
                b"\0RES\0\0\0\x13\0\0\0\x0aQUEUE\0\x1b[m\n",
                Ok(Some((Response::Refused("QUEUE \\u{1b}[m\\n".to_owned()), 22))),
            ),
            // Just within, and just over.
            (&long, Ok(Some((Response::Refused("x".repeat(120)), 4108)))),
            (b"\0RES\0\0\0\x13\0\0\x10\x01", Err(TooLong(4097))),
            (b"\0RES\0\0\0\x08\xff\xff\xff\xff", Err(TooLong(u32::MAX))),
            (b"\0RES\0\0\0\x0d\0\0\0\0", Err(Unasked(13))),
            (b"\0REQ\0\0\0\x08\0\0\0\0", Err(NotGearman)),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", Err(NotGearman)),
            (b"\n", Err(NotGearman)),
            (b"", Ok(None)),
        ] {
            assert_eq!(response(heard), wanted, "{}", heard.escape_ascii());
        }
        for len in 0..created.len() {
            assert_eq!(response(&created[..len]), Ok(None), "{len} bytes");
        }
    }
}
