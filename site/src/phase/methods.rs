//! Which methods a location takes.

use proto_http::{Method, Status};

use super::Flow;
use crate::{Action, Answer, Exchange, Indexes};

/// The methods of a location. OPTIONS is always answered, here or by whom it is passed on to; TRACE and CONNECT never are.
#[derive(Debug)]
pub(crate) struct Methods {
    /// None is all.
    allowed: Option<Vec<String>>,
    /// Value of `Allow`.
    allow: String,
    /// Whether the index of a folder is in the charge of whoever takes more: then folders are asked for it first.
    indexes: Indexes,
}

impl Methods {
    pub(crate) fn new(allowed: &[String]) -> Methods {
        let mut listed: Vec<&str> = allowed.iter().map(String::as_str).collect();
        if !listed.contains(&"OPTIONS") {
            listed.push("OPTIONS");
        }
        Methods { allow: listed.join(", "), allowed: Some(allowed.to_vec()), indexes: Indexes::Stay }
    }

    /// Whatever the one knows who answers; `usual` are named where that one is not asked.
    pub(crate) fn all(usual: &[String]) -> Methods {
        Methods { allowed: None, ..Methods::new(usual) }
    }

    /// Those of files, of which some may be sent by other locations.
    pub(crate) fn of_files(allowed: &[String], indexes: Indexes) -> Methods {
        Methods { indexes, ..Methods::new(allowed) }
    }

    fn leads(&self, exchange: &Exchange<'_>) -> bool {
        use Method::{Delete, Patch, Post, Put};
        self.indexes == Indexes::MayLead
            && exchange.path.ends_with(b"/")
            && matches!(exchange.request.method(), Post | Put | Patch | Delete)
    }

    fn allows(&self, method: &[u8]) -> bool {
        let Some(allowed) = &self.allowed else { return true };
        allowed.iter().any(|allowed| allowed.as_bytes() == method)
    }

    pub(crate) fn run(&self, exchange: &Exchange<'_>) -> Flow<'_> {
        let request = &exchange.request;
        let method = request.method_bytes();
        let status = match request.method() {
            // TRACE would send back what a script may not see; CONNECT is for proxies.
            Method::Trace | Method::Connect => Status::METHOD_NOT_ALLOWED,
            _ if self.allows(method) || self.leads(exchange) => return Flow::Next,
            Method::Options => Status::NO_CONTENT,
            // RFC 9110 section 9.1: a method that is not even known is 501.
            Method::Other => Status::NOT_IMPLEMENTED,
            _ => Status::METHOD_NOT_ALLOWED,
        };
        let answer = Answer { allow: Some(&self.allow), ..Answer::with(status) };
        Flow::Done(Action::Respond(answer))
    }
}
