//! What the log may know of the servers that a request was tried at.

use std::io::Write;

use logging::{Detail, Value};
use site::upstream::Seat;

use crate::shard::Shard;

/// One try. Times are monotonic, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Try {
    pub(super) seat: Seat,
    pub(super) begun: u64,
    /// When there was a link, if it came to that.
    pub(super) linked: Option<u64>,
    /// When the head of the answer had come, if it came to that.
    pub(super) headed: Option<u64>,
    pub(super) ended: u64,
    /// Of the answer, or for a failure; none when the client has not waited for either.
    pub(super) status: Option<u16>,
    /// Bytes of the answer's content.
    pub(super) content: u64,
}

/// Most bytes of a fact about all tries. There are few of them, and addresses are short.
const TEXT_MAX: usize = 512;

const NS_PER_MS: u64 = 1_000_000;
const MS_PER_SECOND: u64 = 1000;

/// Tells a fact, of one try after the other; nothing for a request that was not passed on.
pub(crate) fn tell(tries: &[Try], shard: &Shard, detail: Detail<'_>, hear: &mut dyn FnMut(Value<'_>)) {
    let mut text = [0; TEXT_MAX];
    let mut rest = &mut text[..];
    for (number, one) in tries.iter().enumerate() {
        // No space, which would have to be escaped.
        let separator = if number == 0 { "" } else { "," };
        // What has no room is left out.
        let _ = rest.write_all(separator.as_bytes()).and_then(|()| one.write(shard, detail, &mut rest));
    }
    let len = TEXT_MAX - rest.len();
    if len > 0 {
        hear(Value::Bytes(&text[..len]));
    }
}

impl Try {
    fn write(&self, shard: &Shard, detail: Detail<'_>, out: &mut &mut [u8]) -> std::io::Result<()> {
        let after = |at: Option<u64>| at.map(|at| at.saturating_sub(self.begun) / NS_PER_MS);
        let millis = match detail {
            Detail::UpstreamAddress => {
                let balancers = shard.balancers.borrow();
                let name = balancers.server(self.seat).map_or("-", |server| server.name.as_str());
                return out.write_all(name.as_bytes());
            }
            Detail::UpstreamStatus => {
                return match self.status {
                    Some(status) => write!(out, "{status}"),
                    None => out.write_all(b"-"),
                };
            }
            Detail::UpstreamLength => return write!(out, "{}", self.content),
            Detail::UpstreamConnectTime => after(self.linked),
            Detail::UpstreamHeaderTime => after(self.headed),
            _ => after(Some(self.ended)),
        };
        match millis {
            Some(millis) => write!(out, "{}.{:03}", millis / MS_PER_SECOND, millis % MS_PER_SECOND),
            None => out.write_all(b"-"),
        }
    }
}
