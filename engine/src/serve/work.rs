//! What serving keeps from request to request.

use proto_http::{Body, Head, HeadParser, Request};
use site::Trail;

use super::Refusal;
use crate::content::relay;
use crate::limits::INPUT_CAPACITY;
use crate::shard::Shard;

/// Buffers that serving needs; they go from connection to connection.
#[derive(Default)]
pub(crate) struct Work {
    /// Received; `input[start..]` begins with the head that is being read or served.
    pub(super) input: Vec<u8>,
    pub(super) start: usize,
    /// What has come after the head of a request with a body.
    pub(super) after_head: Vec<u8>,
    pub(super) parser: HeadParser,
    pub(super) head: Head,
    /// Decoded path.
    pub(super) path: Vec<u8>,
    /// Where rules have led.
    pub(super) trail: Trail,
    /// Responses not yet handed over.
    pub(super) out: Vec<u8>,
    pub(super) relay: relay::Work,
}

/// Where the bytes behind the head of a request are while it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// They follow it: it has no body, so they begin the next request. So many bytes are before them.
    Head(usize),
    /// They are apart from it, and begin with its body.
    Apart,
}

/// Buffers beyond this are not kept between connections.
const KEPT_BYTES_MAX: usize = 32 * 1024;

impl Work {
    /// Begins with a request whose head is so long, if it could be read.
    pub(super) fn begin(&mut self, shard: &Shard, head: Result<usize, Refusal>) -> Behind {
        if self.out.capacity() == 0 {
            self.out = shard.buffer();
        }
        self.relay.begin();
        let len = head.unwrap_or_default();
        if head.is_err() || self.view().body() == Body::None {
            return Behind::Head(len);
        }
        // A body is read while the head is still needed: its bytes move out of the way.
        let head_end = self.start + len;
        self.after_head.clear();
        self.after_head.extend_from_slice(&self.input[head_end..]);
        self.input.truncate(head_end);
        Behind::Apart
    }

    /// Goes on to what has come behind the request.
    pub(super) fn go_on(&mut self, behind: Behind) {
        match behind {
            Behind::Head(len) => self.start += len,
            Behind::Apart => {
                self.input.clear();
                self.start = 0;
                std::mem::swap(&mut self.input, &mut self.after_head);
            }
        }
    }

    /// Lets go of what a rare large request has left.
    pub(crate) fn slim(&mut self) {
        for buffer in [&mut self.input, &mut self.after_head, &mut self.path, &mut self.out] {
            buffer.clear();
            if KEPT_BYTES_MAX < buffer.capacity() {
                buffer.shrink_to(INPUT_CAPACITY);
            }
        }
        self.trail.slim();
        self.start = 0;
        self.relay.slim();
    }

    /// The request whose head was read last.
    fn view(&self) -> Request<'_> {
        self.head.view(&self.input[self.start..])
    }
}
