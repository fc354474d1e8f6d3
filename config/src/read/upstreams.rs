//! `/upstreams`, and what hosts and locations choose from it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::cause::{Cause, Flaw};
use crate::model::{
    Balance, Eject, Fastcgi, Health, Preamble, Upstream, UpstreamAddress, UpstreamPart, UpstreamProtocol,
    UpstreamServer, UpstreamTimeouts, UpstreamTls, UpstreamTrust,
};
use crate::near::nearest;
use crate::place;
use crate::pointer;
use crate::problem::{Problem, Problems};
use crate::reader::Reader;
use crate::source::Source;
use crate::syntax::{self, ProxyScheme, ProxyTo};
use crate::table::{
    self, settings, top, upstream, upstream_eject, upstream_fastcgi, upstream_health, upstream_timeouts,
    upstream_tls,
};
use crate::tree::quoted;

/// Most servers of one group.
const SERVERS_MAX: usize = 256;
/// Most groups that have a name.
const GROUPS_MAX: usize = 1024;

/// The groups of `/upstreams`.
pub(super) struct Upstreams {
    /// By name; none for one that has a problem of its own.
    groups: Vec<(String, Option<Arc<Upstream>>)>,
}

impl Upstreams {
    pub(super) fn read(top: &Reader<'_>, source: Option<&Source>, problems: &mut Problems) -> Upstreams {
        let mut groups = Vec::new();
        for (member, reader) in top.named(&top::UPSTREAMS, problems) {
            if let Err(flaw) = syntax::upstream_name(&member.name) {
                let cause = Cause::Malformed(flaw);
                problems.push(Problem::new(source, &member.origin, reader.pointer(), cause));
            }
            groups.push((member.name.clone(), group(&member.name, &reader, problems).map(Arc::new)));
        }
        if GROUPS_MAX < groups.len() {
            let flaw = Flaw::new(
                format!("{} groups are more than {GROUPS_MAX}", groups.len()),
                "remove those that no \"proxy\" names",
            );
            problems.extend(top.at_value(&top::UPSTREAMS, Cause::Conflict(flaw)));
        }
        Upstreams { groups }
    }

    /// The groups that have no problem, in the order of the file.
    pub(super) fn named(&self) -> Vec<Arc<Upstream>> {
        self.groups.iter().filter_map(|(_, group)| group.clone()).collect()
    }

    /// What the `proxy` of a place says, if it says something right.
    pub(super) fn chosen(
        &self,
        place: &Reader<'_>,
        problems: &mut Problems,
    ) -> Option<Option<Arc<Upstream>>> {
        match place.get(&settings::PROXY, problems)? {
            None => Some(None),
            Some(ProxyTo::Group(name)) => match self.groups.iter().find(|(known, _)| *known == name) {
                Some((_, group)) => group.clone().map(Some),
                None => {
                    let near = nearest(&name, self.groups.iter().map(|(known, _)| known.as_str()));
                    let near = near.map(str::to_owned);
                    problems.extend(place.at_value(&settings::PROXY, Cause::UnknownUpstream { name, near }));
                    None
                }
            },
            Some(ProxyTo::Server(name, address, scheme, alone)) => {
                if let Some(flaw) = alone.and_then(|host| self.written_as_url(&host, scheme)) {
                    problems.extend(place.at_value(&settings::PROXY, Cause::Conflict(flaw)));
                    return None;
                }
                let pointer = pointer::join(place.pointer(), settings::PROXY.name);
                let tls = (scheme == ProxyScheme::Https).then(|| UpstreamTls {
                    name: None,
                    trust: UpstreamTrust::System,
                    certificate: None,
                    pointer: pointer.clone(),
                });
                Some(Some(Arc::new(Upstream { tls, ..single(name, address, pointer) })))
            }
        }
    }

    /// What is wrong with a URL whose host is that of a group: elsewhere it stands for the group, and nobody would notice that
    /// it is looked for by DNS.
    fn written_as_url(&self, host: &str, scheme: ProxyScheme) -> Option<Flaw> {
        let (name, _) = self.groups.iter().find(|(name, _)| name.eq_ignore_ascii_case(host))?;
        let what = format!("the group /upstreams/{name} is named like a server");
        let (tls, server) = match scheme {
            ProxyScheme::Http => ("", format!("http://{host}:{}", place::HTTP)),
            ProxyScheme::Https => (", and \"tls\" in the group", format!("https://{host}:{}", place::HTTPS)),
        };
        Some(Flaw::new(
            what,
            format!("write \"{name}\" alone{tls}; if a server of that name is meant, {server}"),
        ))
    }
}

/// A group of this server alone, with all else as it is where nobody says it.
fn single(name: String, address: UpstreamAddress, pointer: String) -> Upstream {
    let server = UpstreamServer { address, weight: 1, part: UpstreamPart::Regular, pointer: pointer.clone() };
    let nothing = Reader::of_nothing(&table::UPSTREAM, pointer);
    group_of(name, vec![server], &nothing, &mut Problems::new())
}

/// A section of `/upstreams`, if it is right.
fn group(name: &str, reader: &Reader<'_>, problems: &mut Problems) -> Option<Upstream> {
    let servers = servers(reader, problems);
    let group = group_of(name.to_owned(), servers.clone().unwrap_or_default(), reader, problems);
    servers.map(|_| group)
}

fn group_of(
    name: String,
    servers: Vec<UpstreamServer>,
    reader: &Reader<'_>,
    problems: &mut Problems,
) -> Upstream {
    let timeouts = reader.section(&upstream::TIMEOUTS, problems);
    let protocol = reader.or_default(&upstream::PROTOCOL, problems);
    let preamble = reader.or_default(&upstream::PROXY_PROTOCOL, problems);
    let keep_alive = keep_alive((protocol, preamble), reader, problems);
    Upstream {
        name,
        protocol,
        fastcgi: fastcgi(protocol, reader, problems),
        preamble,
        balance: balance(reader, problems),
        sticky: reader.get(&upstream::STICKY, problems),
        slow_start: reader.or_default(&upstream::SLOW_START, problems),
        eject: eject(&reader.section(&upstream::EJECT, problems), problems),
        health: health(reader, problems),
        resolve: reader.or_default(&upstream::RESOLVE, problems),
        keep_alive,
        timeouts: UpstreamTimeouts {
            connect: timeouts.or_default(&upstream_timeouts::CONNECT, problems),
            send: timeouts.or_default(&upstream_timeouts::SEND, problems),
            response: timeouts.or_default(&upstream_timeouts::RESPONSE, problems),
            idle: timeouts.or_default(&upstream_timeouts::IDLE, problems),
        },
        tls: tls(reader, &servers, problems),
        pointer: reader.pointer().to_owned(),
        servers,
    }
}

/// How many connections are kept to each server.
fn keep_alive(
    (protocol, preamble): (UpstreamProtocol, Preamble),
    reader: &Reader<'_>,
    problems: &mut Problems,
) -> u32 {
    let told = reader.has(&upstream::KEEP_ALIVE);
    let most = u32::try_from(reader.or_default(&upstream::KEEP_ALIVE, problems)).unwrap_or(u32::MAX);
    if preamble != Preamble::None {
        if told && most > 0 {
            let flaw = Flaw::new(
                "a connection that begins with the address of one client cannot be kept for others",
                "remove it, or write \"proxy_protocol\": \"off\"",
            );
            problems.extend(reader.at_value(&upstream::KEEP_ALIVE, Cause::Conflict(flaw)));
        }
        return 0;
    }
    // An application that has a process for each connection would have none left for others.
    if protocol == UpstreamProtocol::Fastcgi && !told { 0 } else { most }
}

fn fastcgi(protocol: UpstreamProtocol, reader: &Reader<'_>, problems: &mut Problems) -> Fastcgi {
    if protocol != UpstreamProtocol::Fastcgi && reader.has(&upstream::FASTCGI) {
        let what = "the servers of this group speak HTTP, and have no scripts";
        let flaw = Flaw::new(what, "remove it, or write \"protocol\": \"fastcgi\"");
        problems.extend(reader.at_value(&upstream::FASTCGI, Cause::Conflict(flaw)));
    }
    let scripts = reader.section(&upstream::FASTCGI, problems);
    let variables = scripts.or_default(&upstream_fastcgi::VARIABLES, problems);
    Fastcgi {
        root: scripts.get(&upstream_fastcgi::ROOT, problems),
        index: scripts.or_default(&upstream_fastcgi::INDEX, problems),
        ending: scripts.or_default(&upstream_fastcgi::ENDING, problems),
        script: scripts.or_default(&upstream_fastcgi::SCRIPT, problems),
        variables: variables.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
    }
}

/// TLS with the servers, if the section is there.
fn tls(group: &Reader<'_>, servers: &[UpstreamServer], problems: &mut Problems) -> Option<UpstreamTls> {
    if !group.has(&upstream::TLS) {
        return None;
    }
    let reader = group.section(&upstream::TLS, problems);
    let name = reader.get(&upstream_tls::NAME, problems);
    if name.is_none() && servers.iter().any(|server| matches!(server.address, UpstreamAddress::Unix(_))) {
        let what = "a server at a Unix socket has no name that its certificate could have";
        let flaw = Flaw::new(what, r#"write "name": "app.example.org" here"#);
        problems.extend(group.at_value(&upstream::TLS, Cause::Conflict(flaw)));
    }
    let authorities = reader.get(&upstream_tls::AUTHORITIES, problems);
    let verify = reader.or_default(&upstream_tls::VERIFY, problems);
    if !verify && reader.has(&upstream_tls::AUTHORITIES) {
        let flaw = Flaw::new(
            "servers that need not prove who they are need nobody who vouches for them",
            "remove \"authorities\", or let \"verify\" be true",
        );
        problems.extend(reader.at_value(&upstream_tls::AUTHORITIES, Cause::Conflict(flaw)));
    }
    let trust = match (verify, authorities) {
        (false, _) => UpstreamTrust::Anybody,
        (true, Some(path)) => UpstreamTrust::In(path),
        (true, None) => UpstreamTrust::System,
    };
    let (chain, key) = (reader.get(&upstream_tls::CHAIN, problems), reader.get(&upstream_tls::KEY, problems));
    if chain.is_some() != key.is_some() {
        let flaw = Flaw::new("a certificate and its key go together", "write both \"chain\" and \"key\"");
        problems.extend(reader.at_itself(Cause::Conflict(flaw)));
    }
    Some(UpstreamTls { name, trust, certificate: chain.zip(key), pointer: reader.pointer().to_owned() })
}

fn balance(reader: &Reader<'_>, problems: &mut Problems) -> Balance {
    let balance = reader.or_default(&upstream::BALANCE, problems);
    if matches!(balance, Balance::Hash(_)) {
        let cure = "remove it, or choose another \"balance\"";
        let slow_start = Flaw::new("\"slow_start\" has no meaning where \"balance\" is a hash", cure);
        problems.extend(reader.at_value(&upstream::SLOW_START, Cause::Conflict(slow_start)));
        let what = "\"balance\" chooses by a hash, and the cookie of \"sticky\" would put that aside";
        problems.extend(reader.at_value(&upstream::STICKY, Cause::Conflict(Flaw::new(what, cure))));
    }
    balance
}

fn eject(reader: &Reader<'_>, problems: &mut Problems) -> Eject {
    let eject = Eject {
        failures: reader.or_default(&upstream_eject::FAILURES, problems),
        window: reader.or_default(&upstream_eject::WINDOW, problems),
        duration: reader.or_default(&upstream_eject::DURATION, problems),
        duration_max: reader.or_default(&upstream_eject::DURATION_MAX, problems),
        panic: u8::try_from(reader.or_default(&upstream_eject::PANIC, problems)).unwrap_or(u8::MAX),
    };
    if eject.duration_max < eject.duration {
        let flaw = Flaw::new(
            "a server is out for longer than at most",
            "let \"duration_max\" be at least \"duration\"",
        );
        let longer = reader.at_value(&upstream_eject::DURATION, Cause::Conflict(flaw.clone()));
        problems
            .extend(longer.or_else(|| reader.at_value(&upstream_eject::DURATION_MAX, Cause::Conflict(flaw))));
    }
    eject
}

fn health(group: &Reader<'_>, problems: &mut Problems) -> Option<Health> {
    let reader = group.section(&upstream::HEALTH, problems);
    let whole = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let statuses = reader.or_default(&upstream_health::STATUS, problems);
    let health = Health {
        path: reader.get(&upstream_health::PATH, problems),
        host: reader.get(&upstream_health::HOST, problems),
        statuses: statuses.into_iter().map(|(_, status)| status).collect(),
        interval: reader.or_default(&upstream_health::INTERVAL, problems),
        timeout: reader.or_default(&upstream_health::TIMEOUT, problems),
        rise: whole(reader.or_default(&upstream_health::RISE, problems)),
        fall: whole(reader.or_default(&upstream_health::FALL, problems)),
    };
    if health.interval < health.timeout {
        let flaw = Flaw::new(
            "a check may take longer than until the next one",
            "let \"timeout\" be at most \"interval\"",
        );
        let longer = reader.at_value(&upstream_health::TIMEOUT, Cause::Conflict(flaw.clone()));
        problems
            .extend(longer.or_else(|| reader.at_value(&upstream_health::INTERVAL, Cause::Conflict(flaw))));
    }
    if !reader.has(&upstream_health::PATH) {
        for name in [upstream_health::HOST.name, upstream_health::STATUS.name] {
            let flaw = Flaw::new(
                format!("\"{name}\" has no meaning without a request"),
                "remove it, or write the \"path\" of one",
            );
            problems.extend(reader.at_named(name, Cause::Conflict(flaw)));
        }
    }
    reader.exists().then_some(health)
}

fn servers(reader: &Reader<'_>, problems: &mut Problems) -> Option<Vec<UpstreamServer>> {
    let before = problems.len();
    if !reader.has(&upstream::SERVERS) {
        let cure = format!("write for example \"servers\": {}", r#"["127.0.0.1:9000"]"#);
        let flaw = Flaw::new("the group has no servers", cure);
        problems.extend(reader.at_itself(Cause::Conflict(flaw)));
    }
    let servers: Vec<_> =
        reader.get(&upstream::SERVERS, problems)?.into_iter().map(|(_, server)| server).collect();
    if SERVERS_MAX < servers.len() {
        let what = format!("{} servers are more than {SERVERS_MAX}", servers.len());
        let flaw = Flaw::new(what, "make several groups of them");
        problems.extend(reader.at_value(&upstream::SERVERS, Cause::Conflict(flaw)));
    }
    let mut seen = HashSet::new();
    for (index, server) in servers.iter().enumerate() {
        if !seen.insert(&server.address) {
            let what = format!("{} is in the list twice", quoted(&server.address.to_string()));
            let flaw = Flaw::new(what, "list each server once; a \"weight\" gives one more requests");
            problems.extend(reader.at_item(&upstream::SERVERS, index, Cause::Conflict(flaw)));
        }
    }
    if servers.iter().all(|server| server.part == UpstreamPart::Backup) {
        let flaw = Flaw::new("every server is a backup", "let at least one be none");
        problems.extend(reader.at_value(&upstream::SERVERS, Cause::Conflict(flaw)));
    }
    (problems.len() == before).then_some(servers)
}
