//! Kimura's configuration: one JSON file with comments becomes a [`Config`] in which every value is
//! checked, and a [`Registry`] that knows where each value came from.
//!
//! The way of a configuration:
//!
//! - `parse`: text to a tree in which every key and value knows its place;
//! - `overrides`: values of the command line are put over it;
//! - `read`: the tree becomes the typed [`Config`], every value read by its row in the `table` of keys,
//!   all [`Problems`] collected;
//! - `registry`: the tree is kept, to answer where a value comes from and to show the problems that
//!   later stages find.
//!
//! Nothing here opens a file or a socket: whether a folder exists, a pattern compiles or an address is
//! free, later stages find out, and report with [`Registry::problem`].

#![forbid(unsafe_code)]

mod builtin;
mod cause;
mod explain;
mod fields;
mod kind;
mod matcher;
mod model;
mod name;
mod near;
mod overrides;
mod parse;
mod place;
mod pointer;
mod problem;
mod public;
mod read;
mod reader;
mod reference;
mod registry;
mod schema;
mod source;
mod syntax;
mod table;
mod tree;

pub use builtin::builtin;
pub use cause::{Cause, Flaw};
pub use explain::Explanation;
pub use model::{
    Arrival, Attempt, Auth, Balance, Bans, CacheFor, ClientAddress, ClientCertificate, ClientCertificates,
    Coding, Comet, Compress, Compression, Condition, Config, Content, Control, Cors, DefaultHost, Dotfiles,
    Effect, Eject, ErrorFormat, ErrorPage, ErrorStatus, Every, Fastcgi, FieldAction, FieldRule, FileAt,
    FileCache, ForwardedBefore, ForwardedFields, Handler, HashBy, Health, Host, Labels, Level, Limits,
    Listen, Listing, Location, Log, LogConditions, LogFormat, LogQueue, LogStatus, Map, Matcher, NO_ANSWER,
    OriginPattern, OriginPort, Origins, Output, Peer, Place, Preamble, ProxyHost, Quota, Rank, Rate,
    Receiver, ReceiverKind, Remote, Requirement, Return, Rewriting, Rotate, RotatedNames, Rule, Satisfy,
    Scheme, Server, Settings, ShapedBy, Shaping, Shards, Subject, Symlinks, Syslog, SyslogFraming,
    SyslogShape, SyslogTransport, Then, TimeZone, Timeouts, Tls, TlsCertificate, TlsVersion, Transport,
    Upstream, UpstreamAddress, UpstreamPart, UpstreamProtocol, UpstreamServer, UpstreamTimeouts, UpstreamTls,
    UpstreamTrust, Way, WhenFull,
};
pub use name::{BadHostName, HostName};
pub use near::nearest;
pub use overrides::Override;
pub use parse::TEXT_MAX;
pub use problem::{Problem, Problems};
pub use reference::reference;
pub use registry::{Entry, Registry};
pub use schema::schema;
pub use source::{Origin, Position, Source};

use tree::Node;

/// A configuration without problems.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What to do.
    pub config: Config,
    /// Who said so.
    pub registry: Registry,
}

/// Reads `source` with `overrides` over it; without a source, the built-in configuration that serves the
/// current folder.
///
/// # Errors
/// Everything that is wrong, as far as the text alone tells.
pub fn load(source: Option<Source>, overrides: &[Override]) -> Result<Loaded, Problems> {
    let Some(mut source) = source else { return builtin(None, overrides) };
    if source.text.starts_with(BYTE_ORDER_MARK) {
        source.text.remove(0);
    }
    let mut problems = Problems::new();
    match parse::parse(&source, &mut problems) {
        Some(tree) => finish(Some(source), tree, overrides, problems),
        None => Err(problems),
    }
}

/// Some editors put it in front of a text; it means nothing in UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

fn finish(
    source: Option<Source>,
    mut tree: Node,
    overrides: &[Override],
    mut problems: Problems,
) -> Result<Loaded, Problems> {
    let before = problems.len();
    problems.extend(overrides.iter().filter_map(|value| value.apply(&mut tree).err()));
    if problems.len() > before {
        // What an override left half done would only give problems that are none.
        return Err(problems);
    }
    let config = read::config(&tree, source.as_ref(), &mut problems);
    problems.or(())?;
    Ok(Loaded { config, registry: Registry::new(source, tree) })
}
