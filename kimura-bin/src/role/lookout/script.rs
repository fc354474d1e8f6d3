//! What a health check asks an application that speaks FastCGI, and what its answer says.

use proto_http::fastcgi::{
    CgiParser, Environment, Lifetime, Part, Reply, Script, write_begin, write_end_of_input,
};
use proto_http::upstream::{
    Announce, Forwarding, HostField, Named, ResponseHead, ResponseLimits, Rules, Scheme, Trust,
};
use proto_http::{Head, HeadParser, Limits, Progress, Status};
use site::upstream::Scripts;
use std::io::{self, ErrorKind};

/// Appends a GET, whose text is that of HTTP. Its path is that of the script, or a name that the application knows itself.
///
/// # Errors
/// The text is no request.
pub(super) fn ask(text: &[u8], scripts: &Scripts, out: &mut Vec<u8>) -> io::Result<()> {
    let mut head = Head::new();
    match HeadParser::default().parse(text, &Limits::default(), &mut head) {
        Ok(Progress::Done { .. }) => {}
        Ok(Progress::NeedMore) | Err(_) => return Err(ErrorKind::InvalidInput.into()),
    }
    let request = head.view(text);
    let named = Named::default();
    let path = request.path();
    write_begin(Lifetime::Last, out);
    let environment = Environment {
        request,
        named: &named,
        method: request.method_bytes(),
        path,
        query: request.query(),
        script: Script { path, index: b"", rest: b"" },
        root: &scripts.root,
        host: HostField::Kept(b"localhost"),
        content: None,
        client: None,
        client_port: None,
        server: None,
        user: None,
        forwarding: Forwarding {
            peer: None,
            trust: Trust::Nobody,
            scheme: Scheme::Http,
            announce: Announce::Nothing,
        },
        rules: Rules::NONE,
        variables: &scripts.variables,
    };
    environment.write(out);
    write_end_of_input(out);
    Ok(())
}

/// An answer, as far as it has come.
pub(super) struct Answer {
    reply: Reply,
    parser: CgiParser,
    head: ResponseHead,
    output: Vec<u8>,
    /// What has come and is not taken apart yet.
    rest: Vec<u8>,
}

impl Answer {
    pub(super) fn new() -> Answer {
        Answer {
            reply: Reply::new(),
            parser: CgiParser::new(),
            head: ResponseHead::new(),
            output: Vec::new(),
            rest: Vec::new(),
        }
    }

    /// Takes what has come; answers the status, once that is there.
    ///
    /// # Errors
    /// It is no answer, or has ended without a status.
    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<Option<Status>> {
        let bad = || io::Error::from(ErrorKind::InvalidData);
        self.rest.extend_from_slice(bytes);
        let mut at = 0;
        while at < self.rest.len() && !self.reply.is_done() {
            let step = self.reply.next(&self.rest[at..]).map_err(|_| bad())?;
            if let Part::Output(range) = step.part {
                self.output.extend_from_slice(&self.rest[at..][range]);
            }
            if step.consumed == 0 {
                break;
            }
            at += step.consumed;
        }
        self.rest.drain(..at);
        let parsed = self.parser.parse(&self.output, &ResponseLimits::default(), &mut self.head);
        match parsed.map_err(|_| bad())? {
            Progress::Done { len } => Ok(Some(self.head.view(&self.output[..len]).status())),
            Progress::NeedMore if self.reply.is_done() => Err(bad()),
            Progress::NeedMore => Ok(None),
        }
    }
}
