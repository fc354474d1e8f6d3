//! `/hosts`: names, which must be unique, and locations.

use std::collections::HashMap;

use super::idle::{self, Reach};
use super::layer::{Inherited, Layer};
use super::{Catalog, rewriting, server, tls};
use crate::cause::Cause;
use crate::matcher;
use crate::model::{Host, Location, Matcher};
use crate::name::HostName;
use crate::problem::{Problem, Problems};
use crate::reader::Reader;
use crate::source::{Origin, Source};
use crate::syntax;
use crate::table::{host, place, top};
use crate::tree::{Data, Member};

pub(super) fn read(
    top: &Reader<'_>,
    (defaults, catalog): (&Inherited, &Catalog),
    source: Option<&Source>,
    problems: &mut Problems,
) -> Vec<Host> {
    let mut names = Names { taken: HashMap::new(), source };
    let mut hosts = Vec::new();
    for (member, reader) in top.named(&top::HOSTS, problems) {
        let name = names.of_key(member, reader.pointer(), problems);
        let aliases = reader.get(&host::NAMES, problems).unwrap_or_default();
        names.of_aliases(member, &aliases, problems);
        let inherited = defaults.with(Layer::read(&reader, catalog, problems)).shaped_at(reader.pointer());
        inherited.check_maker(&reader, problems);
        idle::check_fields(&reader, inherited.settings(), problems);
        let locations = locations(&reader, (&inherited, catalog), source, problems);
        let rewriting = rewriting::read(&reader, problems);
        if reader.exists() && locations.is_empty() && inherited.lacks_root() && !has_rules(&reader) {
            problems.push(Problem::new(source, &member.origin, reader.pointer(), Cause::NoRoot));
        }
        let parts = locations.iter().map(|location| &location.settings);
        let reach = Reach::of(std::iter::once(inherited.settings()).chain(parts));
        idle::check_relaying(&reader, reach, problems);
        let listen = server::listen(&reader, &host::LISTEN, problems);
        let tls = tls::read(&reader, problems);
        hosts.extend(name.map(|name| Host {
            name,
            aliases: aliases.into_iter().map(|(_, alias)| alias).collect(),
            listen,
            tls,
            settings: inherited.into_settings(),
            rewriting,
            locations,
            pointer: reader.pointer().to_owned(),
        }));
    }
    hosts
}

/// The names that hosts already have, and where they got them.
struct Names<'s> {
    taken: HashMap<HostName, Origin>,
    source: Option<&'s Source>,
}

impl Names<'_> {
    fn of_key(&mut self, member: &Member, pointer: &str, problems: &mut Problems) -> Option<HostName> {
        match syntax::host_name(&member.name) {
            Ok(name) => {
                self.take(&name, &member.origin, pointer, problems);
                Some(name)
            }
            Err(flaw) => {
                problems.push(Problem::new(self.source, &member.origin, pointer, Cause::Malformed(flaw)));
                None
            }
        }
    }

    fn of_aliases(&mut self, host: &Member, aliases: &[(String, HostName)], problems: &mut Problems) {
        let Some(Data::List(items)) = host.node.member(host::NAMES.name).map(|names| &names.node.data) else {
            return;
        };
        // A list is read whole or not at all, so its items and the names stand in the same order.
        for (item, (pointer, alias)) in items.iter().zip(aliases) {
            self.take(alias, &item.origin, pointer, problems);
        }
    }

    fn take(&mut self, name: &HostName, origin: &Origin, pointer: &str, problems: &mut Problems) {
        match self.taken.get(name) {
            None => drop(self.taken.insert(name.clone(), origin.clone())),
            Some(first) => problems.push(
                Problem::new(self.source, origin, pointer, Cause::DuplicateName(name.to_string())).note(
                    "first",
                    self.source,
                    first,
                ),
            ),
        }
    }
}

fn locations(
    host: &Reader<'_>,
    (inherited, catalog): (&Inherited, &Catalog),
    source: Option<&Source>,
    problems: &mut Problems,
) -> Vec<Location> {
    let mut seen: HashMap<Matcher, &Origin> = HashMap::new();
    let mut locations = Vec::new();
    for (member, reader) in host.named(&host::LOCATIONS, problems) {
        let inherited = inherited.with(Layer::read(&reader, catalog, problems));
        inherited.check_maker(&reader, problems);
        idle::check_fields(&reader, inherited.settings(), problems);
        idle::check_relaying(&reader, Reach::of(std::iter::once(inherited.settings())), problems);
        let problem = |cause| Problem::new(source, &member.origin, reader.pointer(), cause);
        let matcher = match matcher::matcher(&member.name) {
            Ok(matcher) => matcher,
            Err(flaw) => {
                problems.push(problem(Cause::Malformed(flaw)));
                continue;
            }
        };
        // "= /x" and "=/x" are two keys for one thing.
        if let Some(first) = seen.insert(matcher.clone(), &member.origin) {
            problems.push(problem(Cause::DuplicateLocation).note("first", source, first));
        }
        let rewriting = rewriting::read(&reader, problems);
        if reader.exists() && inherited.lacks_root() && !has_rules(&reader) {
            problems.push(problem(Cause::NoRoot));
        }
        locations.push(Location {
            matcher,
            settings: inherited.into_settings(),
            rewriting,
            pointer: reader.pointer().to_owned(),
        });
    }
    locations
}

/// Whether requests can be answered or led elsewhere without any file.
fn has_rules(reader: &Reader<'_>) -> bool {
    reader.has(&place::REWRITE) || reader.has(&place::RETURN)
}
