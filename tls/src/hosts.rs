//! All that is served by TLS: names, certificates, rules for clients, tickets. Made from parts, and never changed:
//! another certificate, list or ticket key makes another [`Hosts`], and connections that are open keep theirs.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, ServerConfig};

use crate::chain::Credential;
use crate::client_auth::{ClientAuth, digest_of};
use crate::clock::{Adapter, Clock};
use crate::error::Error;
use crate::limits::{CERTIFICATES_PER_HOST_MAX, TICKETS_ASKED_MAX, TICKETS_GIVEN};
use crate::provider;
use crate::tickets::{TicketKeys, Ticketer};

/// Versions of TLS that a host speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// 1.2 and 1.3.
    #[default]
    From12,
    /// 1.3 alone.
    Only13,
}

/// A host.
#[derive(Clone, Debug)]
pub struct Host {
    /// Tells this host from all others, on other addresses too, and stays over reloads: tickets are bound to it.
    pub id: String,
    /// Names, exact or with `*.` in front for all names below.
    pub names: Vec<String>,
    /// At least one. With several, the cheapest to sign with that has the name and that the client understands is taken.
    pub credentials: Vec<Credential>,
    /// Whether clients are asked for a certificate.
    pub client_auth: ClientAuth,
    /// Versions.
    pub versions: Versions,
}

/// What becomes of a client that asks for another name, or for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It is served by this one of the hosts.
    Host(usize),
    /// It is refused by an alert.
    Refuse,
}

/// All parts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The hosts; their order gives them their numbers.
    pub hosts: Vec<Host>,
    /// What becomes of other names.
    pub otherwise: Otherwise,
    /// Keys of the tickets; without, no session is resumed.
    pub tickets: Option<TicketKeys>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

/// Protocols above TLS (RFC 7301), the best first. A client that offers others only is refused.
const PROTOCOLS: &[&[u8]] = &[b"http/1.1", b"http/1.0"];

/// All that is served by TLS on an address.
#[derive(Debug)]
pub struct Hosts {
    served: Vec<Served>,
    exact: HashMap<Box<str>, usize>,
    /// By what follows `*.`.
    wildcard: HashMap<Box<str>, usize>,
    otherwise: Otherwise,
    clock: Arc<dyn Clock>,
}

/// A host, ready.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    /// Whose order of suites is the server's.
    config: Arc<ServerConfig>,
    /// Whose order of suites is the client's.
    obliging: Arc<ServerConfig>,
    pub(crate) client_auth: ClientAuth,
    policy: [u8; 32],
}

impl Served {
    /// Tells whether two hosts are the same and judge clients in the same way.
    pub(crate) fn policy(&self) -> [u8; 32] {
        self.policy
    }

    /// The configuration for a client that offers these suites. The order is ours, unless the client would rather have
    /// ChaCha20: then it has no AES in hardware, and knows better.
    pub(crate) fn config_for(&self, suites: &[CipherSuite]) -> Arc<ServerConfig> {
        let first = suites.iter().find(|suite| provider::has(**suite));
        let config = if first.is_some_and(|&suite| provider::is_chacha(suite)) {
            &self.obliging
        } else {
            &self.config
        };
        Arc::clone(config)
    }
}

/// The same with the server's order of suites, and with the client's.
fn orders(mut config: ServerConfig) -> (Arc<ServerConfig>, Arc<ServerConfig>) {
    config.ignore_client_order = false;
    let obliging = Arc::new(config.clone());
    config.ignore_client_order = true;
    (Arc::new(config), obliging)
}

impl Hosts {
    /// Makes everything ready.
    ///
    /// # Errors
    /// A host has no certificate or too many, or a name that cannot be one or that another host has, or
    /// [`Otherwise::Host`] is none of them.
    pub fn new(settings: Settings) -> Result<Hosts, Error> {
        let Settings { hosts, otherwise, tickets, clock } = settings;
        if let Otherwise::Host(host) = otherwise
            && hosts.len() <= host
        {
            return Err(Error::NoSuchHost { host });
        }
        let mut all =
            Hosts { served: Vec::new(), exact: HashMap::new(), wildcard: HashMap::new(), otherwise, clock };
        for host in hosts {
            for name in &host.names {
                all.add_name(name)?;
            }
            all.served.push(Served::new(host, &all.clock)?);
        }
        Ok(match tickets {
            Some(tickets) => all.with_tickets(&tickets),
            None => all,
        })
    }

    /// The same with other ticket keys, for a rotation. Cheap: certificates are shared.
    pub fn with_tickets(&self, keys: &TicketKeys) -> Hosts {
        let served = self.served.iter().map(|served| served.with_tickets(keys, &self.clock)).collect();
        Hosts {
            served,
            exact: self.exact.clone(),
            wildcard: self.wildcard.clone(),
            otherwise: self.otherwise,
            clock: self.clock.clone(),
        }
    }

    /// The number of the host that serves a name, `None` when nobody does.
    pub fn find(&self, name: Option<&str>) -> Option<usize> {
        name.and_then(|name| self.find_named(name)).or(match self.otherwise {
            Otherwise::Host(host) => Some(host),
            Otherwise::Refuse => None,
        })
    }

    fn find_named(&self, name: &str) -> Option<usize> {
        let name = name.to_ascii_lowercase();
        if let Some(&host) = self.exact.get(name.as_str()) {
            return Some(host);
        }
        // The longest wildcard wins: labels are cut off from the left.
        let mut rest = name.as_str();
        while let Some((_, below)) = rest.split_once('.') {
            if let Some(&host) = self.wildcard.get(below) {
                return Some(host);
            }
            rest = below;
        }
        None
    }

    pub(crate) fn served(&self, host: usize) -> &Served {
        &self.served[host]
    }

    pub(crate) fn unix_seconds(&self) -> u64 {
        self.clock.unix_seconds()
    }

    /// Adds a name of the host that comes next.
    fn add_name(&mut self, name: &str) -> Result<(), Error> {
        let host = self.served.len();
        let lower = name.to_ascii_lowercase();
        let (names, key) = match lower.strip_prefix("*.") {
            Some(below) => (&mut self.wildcard, below),
            None => (&mut self.exact, lower.as_str()),
        };
        if key.is_empty() || key.contains('*') {
            return Err(Error::BadName { name: name.to_owned() });
        }
        match names.insert(key.into(), host) {
            Some(other) if other != host => Err(Error::NameTwice { name: name.to_owned() }),
            _ => Ok(()),
        }
    }
}

impl Served {
    fn new(host: Host, clock: &Arc<dyn Clock>) -> Result<Served, Error> {
        let Host { id, credentials, client_auth, versions, .. } = host;
        let versions: &[_] = match versions {
            Versions::From12 => &[&TLS13, &TLS12],
            Versions::Only13 => &[&TLS13],
        };
        let mut config =
            ServerConfig::builder_with_details(provider::provider(), Arc::new(Adapter(clock.clone())))
                .with_protocol_versions(versions)
                .map_err(|error| Error::Settings { reason: error.to_string() })?
                .with_client_cert_verifier(client_auth.verifier())
                .with_cert_resolver(Arc::new(Choice::new(credentials)?));
        config.alpn_protocols = PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        // RFC 7627 5.4: without it a session of TLS 1.2 does not prove who is at its other end.
        config.require_ems = client_auth.trust().is_some();
        let policy = digest_of([id.as_bytes(), &client_auth.digest()].into_iter());
        let (config, obliging) = orders(config);
        Ok(Served { config, obliging, client_auth, policy })
    }

    fn with_tickets(&self, keys: &TicketKeys, clock: &Arc<dyn Clock>) -> Served {
        let mut config = ServerConfig::clone(&self.config);
        config.ticketer =
            Arc::new(Ticketer { keys: keys.clone(), policy: self.policy, clock: clock.clone() });
        config.send_tls13_tickets = TICKETS_GIVEN;
        config.max_tls13_tickets = TICKETS_ASKED_MAX;
        let (config, obliging) = orders(config);
        Served { config, obliging, ..self.clone() }
    }
}

/// The certificates of a host, the cheapest to sign with first.
#[derive(Debug)]
struct Choice {
    credentials: Vec<(Credential, Arc<CertifiedKey>)>,
}

impl Choice {
    fn new(mut credentials: Vec<Credential>) -> Result<Choice, Error> {
        match credentials.len() {
            0 => return Err(Error::NothingForHost),
            count if CERTIFICATES_PER_HOST_MAX < count => {
                return Err(Error::TooManyForHost { certificates: count });
            }
            _ => {}
        }
        credentials.sort_by_key(Credential::cost);
        let ready = |credential: Credential| {
            let key = Arc::new(credential.certified().clone());
            (credential, key)
        };
        Ok(Choice { credentials: credentials.into_iter().map(ready).collect() })
    }
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let (schemes, name) = (hello.signature_schemes(), hello.server_name());
        let mut fallback = None;
        for (credential, key) in &self.credentials {
            if key.key.choose_scheme(schemes).is_none() {
                continue;
            }
            if self.credentials.len() == 1 || name.is_none_or(|name| credential.covers(name)) {
                return Some(key.clone());
            }
            fallback = fallback.or(Some(key));
        }
        // With none that fits the handshake fails for want of a common signature, which is what is wrong.
        fallback.or(self.credentials.first().map(|(_, key)| key)).cloned()
    }
}
