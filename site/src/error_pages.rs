//! What is sent with errors.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use config::ErrorFormat;
use proto_http::{Known, Request, Status};

use crate::{Page, accept};

/// What is sent with errors in one location.
#[derive(Clone, Debug)]
pub struct ErrorPages {
    /// Sorted by status.
    pub(crate) by_status: Vec<(u16, Arc<Instead>)>,
    pub(crate) client: Option<Arc<Instead>>,
    pub(crate) server: Option<Arc<Instead>>,
    pub(crate) format: ErrorFormat,
}

/// What is configured for an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Instead {
    Page(Page),
    /// Whatever file the host has at this path, normalised.
    To(Vec<u8>),
}

/// What an error gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told<'p> {
    /// This body.
    Page(Cow<'p, Page>),
    /// Whatever file the host has at this path.
    To(&'p [u8]),
}

impl ErrorPages {
    pub(crate) fn none(format: ErrorFormat) -> ErrorPages {
        ErrorPages { by_status: Vec::new(), client: None, server: None, format }
    }

    /// What a request gets with an error.
    #[must_use]
    pub fn told(&self, status: Status, request: Option<&Request<'_>>) -> Told<'_> {
        let instead = self.get(status);
        if self.is_json_for(request) {
            return match instead {
                Some(Instead::Page(page)) if page.is_json() => Told::Page(Cow::Borrowed(page)),
                _ => Told::Page(Cow::Owned(problem(status))),
            };
        }
        match instead {
            Some(Instead::Page(page)) => Told::Page(Cow::Borrowed(page)),
            Some(Instead::To(path)) => Told::To(path),
            None => Told::Page(Cow::Owned(Page::builtin(status))),
        }
    }

    /// What it gets where a path cannot help: an error on the way to the page of an error.
    #[must_use]
    pub fn told_at_last(&self, status: Status, request: Option<&Request<'_>>) -> Cow<'_, Page> {
        match self.told(status, request) {
            Told::Page(page) => page,
            Told::To(_) => Cow::Owned(Page::builtin(status)),
        }
    }

    /// Whether there is something for an error of an upstream, in place of what it sends.
    #[must_use]
    pub fn replaces(&self, status: Status, request: Option<&Request<'_>>) -> bool {
        400 <= status.code() && (self.get(status).is_some() || self.is_json_for(request))
    }

    /// Whether what is told depends on what the client would rather have.
    #[must_use]
    pub fn depends_on_accept(&self) -> bool {
        self.format == ErrorFormat::Auto
    }

    /// What is for a status: its own, else its class's.
    fn get(&self, status: Status) -> Option<&Instead> {
        let code = status.code();
        if let Ok(at) = self.by_status.binary_search_by_key(&code, |(status, _)| *status) {
            return Some(&self.by_status[at].1);
        }
        match status.class() {
            4 => self.client.as_deref(),
            5 => self.server.as_deref(),
            _ => None,
        }
    }

    fn is_json_for(&self, request: Option<&Request<'_>>) -> bool {
        match self.format {
            ErrorFormat::Html => false,
            ErrorFormat::Json => true,
            ErrorFormat::Auto => {
                request.is_some_and(|request| accept::prefers_json(request.all(Known::Accept)))
            }
        }
    }
}

/// A problem for programs (RFC 9457): about:blank says that the status is all there is to say (section 4.2.1).
fn problem(status: Status) -> Page {
    let mut body = String::from("{\"type\":\"about:blank\",\"title\":");
    crate::json::string(&mut body, status.reason().as_bytes());
    let _ = writeln!(body, ",\"status\":{}}}", status.code());
    Page { media_type: "application/problem+json".to_owned(), body: body.into_bytes() }
}
