//! FastCGI: what stands around an answer on its way from a server.

use proto_http::Progress;
use proto_http::fastcgi::{CgiParser, Part, Reply};
use proto_http::upstream::{BadResponse, ResponseHead, ResponseLimits};

use super::way::{Failure, Way};

/// Bytes of what a script has to say to the operator, about one request. What follows is left out.
const ERRORS_MAX: usize = 4096;

/// Takes an answer out of its records. The memory is used again.
#[derive(Default)]
pub(super) struct Records {
    reply: Reply,
    parser: CgiParser,
    /// As received.
    raw: Vec<u8>,
    /// What the script has to say to the operator.
    errors: Vec<u8>,
    /// Bytes that have come after the reply.
    surplus: usize,
}

impl Records {
    /// Nothing has come of the next reply.
    pub(super) fn begin(&mut self) {
        self.reply = Reply::new();
        self.parser = CgiParser::new();
        self.errors.clear();
        self.surplus = 0;
    }

    /// Lets go of what a rare large answer has left.
    pub(super) fn slim(&mut self) {
        super::slim(&mut self.raw);
        super::slim(&mut self.errors);
    }

    /// Whether the reply has come to its end.
    pub(super) fn is_done(&self) -> bool {
        self.reply.is_done()
    }

    /// Whether the connection can be used again.
    pub(super) fn keeps(&self) -> bool {
        self.is_done() && self.surplus == 0
    }

    /// Waits for more of the answer and appends it to `input`; its end is that of the reply.
    pub(super) async fn receive(&mut self, way: &Way<'_>, input: &mut Vec<u8>) -> Result<(), Failure> {
        let before = input.len();
        while input.len() == before {
            if self.is_done() {
                return Err(Failure::Ended);
            }
            self.raw.clear();
            match way.receive(&mut self.raw).await {
                // The end of the connection is not that of the reply: something is missing.
                Err(Failure::Ended) => return Err(Failure::Broken),
                received => received?,
            }
            self.take_apart(input)?;
        }
        Ok(())
    }

    fn take_apart(&mut self, input: &mut Vec<u8>) -> Result<(), Failure> {
        let mut at = 0;
        while at < self.raw.len() && !self.is_done() {
            let rest = &self.raw[at..];
            let step = self.reply.next(rest).map_err(Failure::Reply)?;
            match step.part {
                Part::Output(range) => input.extend_from_slice(&rest[range]),
                Part::Errors(range) => {
                    let room = ERRORS_MAX - self.errors.len();
                    let errors = &rest[range];
                    self.errors.extend_from_slice(&errors[..errors.len().min(room)]);
                }
                Part::Nothing | Part::End => {}
            }
            at += step.consumed;
        }
        self.surplus = self.raw.len() - at;
        Ok(())
    }

    /// Reads the head at the beginning of `input`.
    pub(super) fn parse(
        &mut self,
        input: &[u8],
        limits: &ResponseLimits,
        head: &mut ResponseHead,
    ) -> Result<Progress, BadResponse> {
        self.parser.parse(input, limits, head)
    }

    /// Puts what the script has said into the error log, a message for each line.
    pub(super) fn tell_errors(&mut self, group: &str) {
        let lines = self.errors.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        for line in lines.filter(|line| !line.is_empty()) {
            log::warn!("upstream {group}: {}", line.escape_ascii());
        }
        self.errors.clear();
    }
}
