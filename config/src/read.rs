//! Tree to typed configuration: every value read once, problems collected, defaults in their place.

mod auth;
mod compression;
mod conditions;
mod fields;
mod hosts;
mod idle;
mod layer;
mod logs;
mod maps;
mod receiver;
mod rewriting;
mod server;
mod shaping;
mod tls;
mod upstreams;

pub(crate) use fields::Preset;
use idle::Reach;
use layer::{Inherited, Layer};
use logs::Logs;
use upstreams::Upstreams;

use crate::cause::Cause;
use crate::model::{Config, DefaultHost, Host};
use crate::problem::{Problem, Problems};
use crate::reader::Reader;
use crate::source::Source;
use crate::syntax::DefaultName;
use crate::table::top;
use crate::tree::Node;

/// The configuration that the tree says. When `problems` is not empty afterwards, it is not to be used.
pub(crate) fn config(root: &Node, source: Option<&Source>, problems: &mut Problems) -> Config {
    let before = problems.len();
    let reader = Reader::of_root(root, source, problems);
    // Only editors use the value; it is read so that a wrong type is found.
    let _schema = reader.get(&top::SCHEMA, problems);
    let logs = Logs::read(&reader, source, problems);
    let server = server::read(&reader.section(&top::SERVER, problems), &logs, problems);
    let catalog = Catalog { logs, upstreams: Upstreams::read(&reader, source, problems) };
    let of_defaults = reader.section(&top::DEFAULTS, problems);
    let defaults = Inherited::builtin().with(Layer::read(&of_defaults, &catalog, problems));
    idle::check_fields(&of_defaults, defaults.settings(), problems);
    let hosts = hosts::read(&reader, (&defaults, &catalog), source, problems);
    idle::check_relaying(&of_defaults, Reach::of(hosts.iter().flat_map(Host::places)), problems);
    if hosts.is_empty() && problems.len() == before {
        let key = root.member(top::HOSTS.name).map(|member| &member.origin);
        problems.push(Problem::new(source, key.unwrap_or(&root.origin), "/hosts", Cause::NoHosts));
    }
    tls::check(root, source, &server, &hosts, problems);
    let maps = maps::read(&reader, source, problems);
    let default_host = default_host(&reader, &hosts, problems);
    let Catalog { logs, upstreams } = catalog;
    Config { server, logs: logs.named(), upstreams: upstreams.named(), maps, hosts, default_host }
}

/// What places choose from by name.
struct Catalog {
    logs: Logs,
    upstreams: Upstreams,
}

fn default_host(reader: &Reader<'_>, hosts: &[Host], problems: &mut Problems) -> DefaultHost {
    let name = match reader.or_default(&top::DEFAULT_HOST, problems) {
        DefaultName::First => return DefaultHost::First,
        DefaultName::Refuse => return DefaultHost::Refuse,
        DefaultName::Named(name) => name,
    };
    let answers = |host: &Host| host.name == name || host.aliases.contains(&name);
    if let Some(index) = hosts.iter().position(answers) {
        return DefaultHost::Named(index);
    }
    let known: Vec<String> = hosts.iter().map(|host| host.name.to_string()).collect();
    let name = name.to_string();
    let near = crate::near::nearest(&name, known.iter().map(String::as_str)).map(str::to_owned);
    if let Some(problem) = reader.at_value(&top::DEFAULT_HOST, Cause::UnknownHost { name, near }) {
        problems.push(problem);
    }
    DefaultHost::Refuse
}
