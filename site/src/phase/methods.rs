//! Which methods a location takes.

use proto_http::{Method, Status};

use super::Flow;
use crate::{Action, Answer, Exchange};

/// The methods of a location. OPTIONS is always answered; TRACE and CONNECT never are.
#[derive(Debug)]
pub(crate) struct Methods {
    allowed: Vec<String>,
    /// Value of `Allow`.
    allow: String,
}

impl Methods {
    pub(crate) fn new(allowed: &[String]) -> Methods {
        let mut listed: Vec<&str> = allowed.iter().map(String::as_str).collect();
        if !listed.contains(&"OPTIONS") {
            listed.push("OPTIONS");
        }
        Methods { allow: listed.join(", "), allowed: allowed.to_vec() }
    }

    pub(crate) fn run(&self, exchange: &Exchange<'_>) -> Flow<'_> {
        let request = &exchange.request;
        let method = request.method_bytes();
        let status = match request.method() {
            // TRACE would send back what a script may not see; CONNECT is for proxies.
            Method::Trace | Method::Connect => Status::METHOD_NOT_ALLOWED,
            _ if self.allowed.iter().any(|allowed| allowed.as_bytes() == method) => return Flow::Next,
            Method::Options => Status::NO_CONTENT,
            // RFC 9110 section 9.1: a method that is not even known is 501.
            Method::Other => Status::NOT_IMPLEMENTED,
            _ => Status::METHOD_NOT_ALLOWED,
        };
        let answer = Answer { allow: Some(&self.allow), ..Answer::with(status) };
        Flow::Done(Action::Respond(answer))
    }
}
