//! Who a client is: the other end of a connection, or whom a trusted proxy speaks for.

use std::net::IpAddr;

use auth::Prefix;
use config::{Arrival, ClientAddress, Config, Problems, Registry};
use proto_http::{Request, forwarded};

/// Stands for whoever connects to a Unix socket.
const UNIX: &str = "unix";

/// Which proxies are believed, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clients {
    trusted: Vec<Prefix>,
    trusts_unix: bool,
    found: ClientAddress,
    /// By listening address.
    arrivals: Vec<Arrival>,
}

impl Clients {
    /// As `config` says; what is wrong goes to `problems`.
    pub(crate) fn compile(config: &Config, registry: &Registry, problems: &mut Problems) -> Clients {
        let server = &config.server;
        let mut clients = Clients {
            trusted: Vec::new(),
            trusts_unix: false,
            found: server.client_address,
            arrivals: config.listeners().into_iter().map(|listen| listen.arrival).collect(),
        };
        for (index, text) in server.trusted.iter().enumerate() {
            if text == UNIX {
                clients.trusts_unix = true;
                continue;
            }
            clients.trusted.extend(network(text, &format!("/server/trusted/{index}"), registry, problems));
        }
        if server.client_address != ClientAddress::Socket && server.trusted.is_empty() {
            let cause = "the field is believed from trusted proxies only, and none is trusted";
            let cure = r#"write "trusted": ["10.0.0.0/8"] in /server, with their networks"#;
            problems.push(registry.problem("/server/client_address", cause, cure));
        }
        let allowed = server.bans.iter().flat_map(|bans| bans.allow.iter().enumerate());
        for (index, text) in allowed {
            network(text, &format!("/server/bans/allow/{index}"), registry, problems);
        }
        clients
    }

    /// Who connects to the listening address with that index.
    #[must_use]
    pub fn arrival(&self, listener: usize) -> Arrival {
        self.arrivals[listener]
    }

    /// Whether the other end of a connection is believed for whom it speaks; none is the end of a Unix socket.
    #[must_use]
    pub fn trusts(&self, peer: Option<IpAddr>) -> bool {
        match peer {
            Some(address) => self.trusted.iter().any(|prefix| prefix.contains(address)),
            None => self.trusts_unix,
        }
    }

    /// From whom a request comes whose connection is with `peer`.
    ///
    /// Begins with the nearest proxy and goes on as long as each is trusted: what stands before the first that is not,
    /// that one may have made up.
    #[must_use]
    pub fn find(&self, peer: Option<IpAddr>, request: &Request<'_>) -> Option<IpAddr> {
        let hops = match self.found {
            ClientAddress::Socket => return peer,
            _ if !self.trusts(peer) => return peer,
            ClientAddress::XForwardedFor => forwarded::x_forwarded_for(request),
            ClientAddress::Forwarded => forwarded::forwarded(request),
        };
        let mut client = peer;
        for hop in hops.into_iter().rev() {
            // Whoever names nobody is as far as it can be followed.
            let Some(address) = hop else { return client };
            client = Some(address);
            if !self.trusts(client) {
                return client;
            }
        }
        client
    }
}

/// The network that `text` says; none and a problem where it says none.
pub(crate) fn network(
    text: &str,
    pointer: &str,
    registry: &Registry,
    problems: &mut Problems,
) -> Option<Prefix> {
    text.parse()
        .map_err(|bad: auth::BadPrefix| {
            let sentence = bad.to_string();
            let (cause, cure) = sentence.split_once(": ").unwrap_or((&sentence, "write a network"));
            problems.push(registry.problem(pointer, cause, cure));
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_http::{Head, HeadParser, Limits};

    fn check(found: ClientAddress, peer: &str, fields: &str, wanted: &str) {
        let clients = Clients {
            trusted: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            trusts_unix: true,
            found,
            arrivals: Vec::new(),
        };
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut head = Head::default();
        HeadParser::default().parse(text.as_bytes(), &Limits::default(), &mut head).expect("a head");
        let client = clients.find(peer.parse().ok(), &head.view(text.as_bytes()));
        let client = client.map_or("unix".to_owned(), |client| client.to_string());
        assert_eq!(client, wanted, "{found:?} {peer} {fields}");
    }

    #[test]
    fn a_client_is_whom_the_last_trusted_proxy_names() {
        use ClientAddress::{Forwarded, Socket, XForwardedFor};
        let spoofed = "X-Forwarded-For: 192.0.2.66, 192.0.2.7\r\n";
        for (found, peer, fields, wanted) in [
            (Socket, "10.0.0.1", spoofed, "10.0.0.1"),
            (XForwardedFor, "10.0.0.1", spoofed, "192.0.2.7"),
            (XForwardedFor, "192.0.2.1", spoofed, "192.0.2.1"),
            (XForwardedFor, "unix", spoofed, "192.0.2.7"),
            (XForwardedFor, "10.0.0.1", "", "10.0.0.1"),
            (XForwardedFor, "10.0.0.1", "X-Forwarded-For: 192.0.2.7, 10.1.1.1, 2001:db8::7\r\n", "192.0.2.7"),
            (XForwardedFor, "10.0.0.1", "X-Forwarded-For: 10.1.1.1\r\n", "10.1.1.1"),
            (XForwardedFor, "10.0.0.1", "X-Forwarded-For: ::ffff:192.0.2.7\r\n", "192.0.2.7"),
            (XForwardedFor, "10.0.0.1", "X-Forwarded-For: 192.0.2.7, unknown\r\n", "10.0.0.1"),
            (XForwardedFor, "10.0.0.1", "X-Forwarded-For: 192.0.2.7, x, 10.1.1.1\r\n", "10.1.1.1"),
            (XForwardedFor, "10.0.0.1", "Forwarded: for=192.0.2.7\r\n", "10.0.0.1"),
            (Forwarded, "10.0.0.1", "Forwarded: for=192.0.2.66, for=192.0.2.7\r\n", "192.0.2.7"),
            (Forwarded, "10.0.0.1", "Forwarded: for=192.0.2.7, for=\"[2001:db8::7]:80\"\r\n", "192.0.2.7"),
            (Forwarded, "192.0.2.1", "Forwarded: for=192.0.2.7\r\n", "192.0.2.1"),
        ] {
            check(found, peer, fields, wanted);
        }
    }
}
