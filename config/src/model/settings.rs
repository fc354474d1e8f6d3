//! What a host and each of its locations can set, and `/defaults` for all of them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::{
    Auth, CacheFor, Compression, Cors, FieldRule, ForwardedBefore, ForwardedFields, Log, ProxyHost, Shaping,
    Upstream,
};

/// The settings in force in one host or location, with everything inherited.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Folder that is served. Always there when `handler` is [`Handler::Files`] and nothing takes its place in a location,
    /// or in a host without locations; that it exists is for a later stage to check.
    pub root: Option<PathBuf>,
    /// File names tried, in this order, when a folder is asked for.
    pub index: Vec<String>,
    /// Who makes the response.
    pub handler: Handler,
    /// What is shown of the logs in place of what the handler makes; `None` is nothing.
    pub comet: Option<Comet>,
    /// Whom requests are passed on to in place of the handler; `None` is nobody.
    pub proxy: Option<Arc<Upstream>>,
    /// Which host they name there.
    pub proxy_host: ProxyHost,
    /// Which fields tell there who asks.
    pub proxy_forwarded: ForwardedFields,
    /// What becomes of those that come from trusted proxies.
    pub proxy_forwarded_before: ForwardedBefore,
    /// Most bytes of a request's content that are taken before a server is chosen; 0 passes it on as it comes.
    pub request_buffering: u64,
    /// Protocols that connections may go on in there, none of those that carry requests.
    pub proxy_upgrade: Vec<String>,
    /// Rules that allow and deny, as they are written; a later stage reads them.
    pub access: Vec<String>,
    /// Whether a request needs a client certificate; `None` leaves it to the host's TLS.
    pub client_certificate: Option<ClientCertificate>,
    /// Methods that are allowed, upper case; `None` leaves it to the handler.
    pub methods: Option<Vec<String>>,
    /// Charset parameter for text types; `None` adds none.
    pub charset: Option<String>,
    /// File name extension (lower case, no dot) to media type, before the built-in table.
    pub types: BTreeMap<String, String>,
    /// Media type of files with an unknown extension.
    pub default_type: String,
    /// What happens with names that begin with a dot.
    pub dotfiles: Dotfiles,
    /// Which symbolic links are followed.
    pub symlinks: Symlinks,
    /// What folders without an index are listed as; `None` is 403.
    pub listing: Option<Listing>,
    /// Whether responses carry an entity tag.
    pub etag: bool,
    /// Rules about the fields of responses, in the order of the file; none is about the same field as another.
    pub headers: Vec<FieldRule>,
    /// Those about fields that tell browsers what to keep from doing; `headers` goes before them.
    pub security: Vec<FieldRule>,
    /// Value of `Cache-Control` by media type, unless the response has one; none says nothing.
    pub cache: BTreeMap<CacheFor, Option<String>>,
    /// What scripts of other origins may do; `None` leaves it to others.
    pub cors: Option<Arc<Cors>>,
    /// What is sent as the body of error responses.
    pub error_pages: BTreeMap<ErrorStatus, ErrorPage>,
    /// What errors without one are told in.
    pub error_format: ErrorFormat,
    /// Whether errors of an upstream get these in place of what it sends.
    pub intercept: bool,
    /// Whether only rules, errors and upstreams lead here.
    pub internal: bool,
    /// Whether an upstream may name a path of the host that is sent in place of its answer.
    pub accel: bool,
    /// Rules about the fields of requests to upstreams; none is [`FieldAction::Default`](super::FieldAction) or for some
    /// statuses.
    pub proxy_headers: Vec<FieldRule>,
    /// Where requests are logged; nowhere when it is empty.
    pub access_logs: Vec<Arc<Log>>,
    /// Whether responses carry the id of their request.
    pub request_id: bool,
    /// Who has to log in; `None` is nobody.
    pub auth: Option<Arc<Auth>>,
    /// How contents are compressed; `None` is not at all.
    pub compression: Option<Arc<Compression>>,
    /// What clients may use here, beside what they may at the whole server; `None` is everything.
    pub shaping: Option<Arc<Shaping>>,
    /// Largest request body in bytes; `u64::MAX` is unlimited, 0 refuses every body.
    pub body_size: u64,
}

/// Who makes the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// Files below `root`.
    Files,
    /// The request itself, for diagnosis.
    Echo,
    /// The numbers of the server, for Prometheus.
    Metrics,
}

/// What is shown of the logs, as it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comet {
    /// Requests to the host itself.
    Host,
    /// Requests to all hosts.
    Access,
    /// Messages of the error log.
    Errors,
    /// Requests and messages.
    All,
}

/// Whether a request needs a client certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// None is looked at.
    Off,
    /// One that was shown has to hold.
    Optional,
    /// There has to be one that holds.
    Required,
}

/// What happens with names that begin with a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dotfiles {
    /// They are not found.
    Hide,
    /// They are served like any other.
    Serve,
}

/// What a folder without an index is listed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// A page.
    Html,
    /// JSON.
    Json,
    /// What the client would rather have.
    Auto,
}

/// Which symbolic links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symlinks {
    /// Those that stay below `root`.
    Inside,
    /// All.
    Follow,
    /// None.
    Never,
}

/// What is sent as the body of an error response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorPage {
    /// A file, read when the configuration is; that it exists is for a later stage to check.
    File(PathBuf),
    /// This text.
    Inline {
        /// Value of `Content-Type`.
        media_type: String,
        /// The text.
        body: String,
    },
    /// Whatever file the host has at this path, when it is needed.
    To(String),
}

/// What errors are told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorFormat {
    /// Pages.
    Html,
    /// JSON (RFC 9457).
    Json,
    /// What the client would rather have.
    Auto,
}

/// Which error responses a page is for. A code goes before its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorStatus {
    /// Key `404`: this status, 400..=599.
    Code(u16),
    /// Key `4xx` or `5xx`: every status of the class, 4 or 5.
    Class(u8),
}

impl fmt::Display for ErrorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorStatus::Code(code) => write!(f, "{code}"),
            ErrorStatus::Class(class) => write!(f, "{class}xx"),
        }
    }
}
