//! Places that pass requests on to the address at which they have come, and to the same place there.

use std::collections::HashSet;
use std::net::IpAddr;

use config::{Config, Host, Problems, ProxyHost, Registry, Rewriting, Settings, UpstreamAddress};
use sys::net::Address;

use crate::names::Names;

/// Looks for them; `names` has one table for each of [`Config::listeners`]. Where rules have a say, a request may come to
/// another place the second time.
pub(crate) fn check(config: &Config, names: &[Names], registry: &Registry, problems: &mut Problems) {
    let mut told = HashSet::new();
    for (index, host) in config.hosts.iter().enumerate().filter(|(_, host)| !has_rules(&host.rewriting)) {
        let parts = host.locations.iter().filter(|part| !has_rules(&part.rewriting));
        let places = std::iter::once(&host.settings).chain(parts.map(|part| &part.settings));
        for (settings, server, address) in
            places.flat_map(|settings| own(config, (index, host), names, settings))
        {
            if told.insert(server) {
                let cause = format!(
                    "{address} is an address at which {} itself listens, so that requests would go round in circles",
                    host.name
                );
                let cure = match settings.proxy_host {
                    ProxyHost::Keep => {
                        "name the server that is meant; another host of ours gets them with \"proxy_host\""
                    }
                    ProxyHost::Upstream | ProxyHost::Name(_) => "name the server that is meant",
                };
                problems.push(registry.problem(server, cause, cure));
            }
        }
    }
}

/// Whether rules have a say in what becomes of requests, or all are answered before they are passed on.
fn has_rules(rewriting: &Rewriting) -> bool {
    !rewriting.rules.is_empty() || rewriting.answer.is_some()
}

/// The servers of a place by which requests come back to its host, each by its JSON Pointer, with the address.
fn own<'c>(
    config: &'c Config,
    (index, host): (usize, &Host),
    names: &[Names],
    settings: &'c Settings,
) -> Vec<(&'c Settings, &'c str, String)> {
    let mut found = Vec::new();
    let listens = host.listen.as_ref().unwrap_or(&config.server.listen);
    for server in settings.proxy.iter().flat_map(|upstream| &upstream.servers) {
        for (listener, names) in config.listeners().into_iter().zip(names) {
            let listens = listens.iter().any(|listen| listen.address == listener.address);
            let address = server.address.to_string();
            let back = match &settings.proxy_host {
                ProxyHost::Keep => true,
                ProxyHost::Upstream if matches!(server.address, UpstreamAddress::Unix(_)) => {
                    names.find_text("localhost") == Some(index)
                }
                ProxyHost::Upstream => names.find_text(&address) == Some(index),
                ProxyHost::Name(name) => names.find_text(name) == Some(index),
            };
            if listens && back && leads_to(&server.address, &listener.address) {
                found.push((settings, server.pointer.as_str(), address));
                break;
            }
        }
    }
    found
}

/// Whether who connects to `server` comes to who listens on `own`, as far as that can be told without a look at the
/// machine.
fn leads_to(server: &UpstreamAddress, own: &Address) -> bool {
    let place = match (server, own) {
        (UpstreamAddress::Unix(path), Address::Unix(own)) => return path == own,
        (UpstreamAddress::Tcp(place), Address::V4(_) | Address::V6(_)) => place,
        (UpstreamAddress::Unix(_), _) | (UpstreamAddress::Tcp(_), Address::Unix(_)) => return false,
    };
    let (ip, port) = match own {
        Address::V4(own) => (IpAddr::V4(*own.ip()), own.port()),
        Address::V6(own) => (IpAddr::V6(*own.ip()), own.port()),
        Address::Unix(_) => return false,
    };
    // RFC 6761 section 6.3: the name is that of a loopback address, of either kind.
    let is_loopback = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    place.port == port
        && match place.host.parse::<IpAddr>() {
            // To connect to no address is to connect to oneself.
            Ok(to) => to == ip || to.is_ipv4() == ip.is_ipv4() && ip.is_unspecified() && is_loopback(to),
            Err(_) => place.host.eq_ignore_ascii_case("localhost") && is_loopback(ip),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(servers: &str, host: &str, rest: &str) -> usize {
        let text = format!(
            r#"{{"server": {{"listen": ["127.0.0.1:8080", "[::]:8081", "unix:/run/kimura.sock"]}},
                "upstreams": {{"group": {{"servers": [{servers}]}}}},
                "hosts": {{"first": {{"proxy": "group", "proxy_host": "{host}"{rest}}}, "second": {{"return": 204}}}}}}"#
        );
        let source = config::Source { name: "own.conf".to_owned(), text };
        let loaded = config::load(Some(source), &[]).unwrap_or_else(|problems| panic!("{problems}"));
        let mut problems = Problems::new();
        let names = crate::names::by_listener(&loaded.config);
        check(&loaded.config, &names, &loaded.registry, &mut problems);
        problems.len()
    }

    #[test]
    fn requests_that_come_back_are_found() {
        for (servers, host, rest, expected) in [
            (r#""127.0.0.1:8080""#, "keep", "", 1),
            (r#""localhost:8080""#, "keep", "", 1),
            (r#""127.0.0.1:8080", "127.0.0.1:9000", "unix:/run/kimura.sock""#, "keep", "", 2),
            (r#""[::1]:8081""#, "keep", "", 1),
            (r#""127.0.0.1:8081""#, "keep", "", 0),
            (r#""127.0.0.2:8080""#, "keep", "", 0),
            (r#""127.0.0.1:8082""#, "keep", "", 0),
            (r#""unix:/run/other.sock""#, "keep", "", 0),
            // The host that is asked there is another one.
            (r#""127.0.0.1:8080""#, "second", "", 0),
            (r#""127.0.0.1:8080""#, "First", "", 1),
            // No host has this name, so that the first one answers.
            (r#""127.0.0.1:8080""#, "upstream", "", 1),
            (r#""127.0.0.1:8080""#, "keep", r#", "listen": ["127.0.0.1:8090"]"#, 0),
            (r#""127.0.0.1:8080""#, "keep", r#", "rewrite": [{"path": "^/a", "to": "/b"}]"#, 0),
        ] {
            assert_eq!(found(servers, host, rest), expected, "{servers} {host} {rest}");
        }
    }
}
