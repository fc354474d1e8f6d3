//! TLS as the configuration says it: which files it takes, and what they make.

use config::{
    ClientCertificates, Config, DefaultHost, HostName, Listen, Problems, Registry, Tls, TlsVersion, Transport,
};
use engine::Secured;
use site::Identity;
use site::upstream::GroupId;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tls::{
    Chain, ClientAuth, ClientTrust, Credential, Host, Hosts, Otherwise, PrivateKey, Settings, Severity,
    TicketKey, TicketKeys, Versions, Zeroizing,
};

mod outward;

pub(crate) use outward::Outwards;

/// For how long a session can be taken up again, in seconds.
const TICKET_SECONDS: u32 = 24 * 60 * 60;

/// A file that is handed over as what it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needed<'c> {
    pub(crate) path: &'c Path,
    /// The section that names it, and the key there; no key where the section itself stands for it.
    pub(crate) place: (&'c str, &'static str),
    pub(crate) secret: bool,
}

impl Needed<'_> {
    pub(crate) fn pointer(&self) -> String {
        let (section, key) = self.place;
        if key.is_empty() { section.to_owned() } else { format!("{section}/{key}") }
    }
}

/// All files that TLS takes, in the order in which [`Material`] reads them.
pub(crate) fn files(config: &Config) -> Vec<Needed<'_>> {
    let hosts = config.hosts.iter().filter_map(|host| host.tls.as_ref()).flat_map(files_of);
    let upstreams = config.all_upstreams().into_iter().filter_map(|upstream| upstream.tls.as_ref());
    hosts.chain(upstreams.flat_map(outward::files_of)).collect()
}

fn files_of(tls: &Tls) -> Vec<Needed<'_>> {
    let mut files = Vec::new();
    for certificate in &tls.certificates {
        let section = certificate.pointer.as_str();
        files.push(Needed { path: &certificate.chain, place: (section, "chain"), secret: false });
        files.push(Needed { path: &certificate.key, place: (section, "key"), secret: true });
        let staple = certificate.staple.as_deref();
        files.extend(staple.map(|path| Needed { path, place: (section, "staple"), secret: false }));
    }
    let section = tls.pointer.as_str();
    let authorities = tls.authorities.as_deref();
    files.extend(authorities.map(|path| Needed { path, place: (section, "authorities"), secret: false }));
    let revoked = tls.revoked.iter();
    files.extend(revoked.map(|path| Needed { path, place: (section, "revoked"), secret: false }));
    files
}

/// What the files of all hosts have made: one entry for each host of the configuration.
pub(crate) struct Material {
    hosts: Vec<Option<Host>>,
    /// How servers are spoken to that requests are passed on to.
    pub(crate) outward: Outwards,
}

/// What is wrong with a file: where the configuration names it, and the sentence of it (`cause: cure`).
pub(crate) struct Flaw {
    pub(crate) pointer: String,
    pub(crate) sentence: String,
}

impl Material {
    /// Reads all files; `contents` is what they hold, in the order of [`files`].
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn new(config: &Config, contents: Vec<Vec<u8>>) -> Result<Material, Vec<Flaw>> {
        let mut contents = contents.into_iter();
        let mut flaws = Vec::new();
        let mut hosts = Vec::new();
        for host in &config.hosts {
            hosts.push(host.tls.as_ref().and_then(|tls| {
                let needed = files_of(tls);
                let files = needed.iter().map(|file| File {
                    pointer: file.pointer(),
                    bytes: Zeroizing::new(contents.next().unwrap_or_default()),
                });
                match read_host(host, tls, files) {
                    Ok(read) => Some(read),
                    Err(flaw) => {
                        flaws.push(flaw);
                        None
                    }
                }
            }));
        }
        let mut outward = Outwards::new();
        for upstream in config.all_upstreams() {
            let Some(tls) = &upstream.tls else { continue };
            let needed = outward::files_of(tls);
            let files = needed.iter().map(|file| File {
                pointer: file.pointer(),
                bytes: Zeroizing::new(contents.next().unwrap_or_default()),
            });
            match outward::read(tls, files) {
                Ok(toward) => drop(outward.insert(GroupId::of(&upstream.name), toward)),
                Err(flaw) => flaws.push(flaw),
            }
        }
        if flaws.is_empty() { Ok(Material { hosts, outward }) } else { Err(flaws) }
    }

    /// What clients will not like: what they will refuse, and what is only to be told.
    pub(crate) fn judge(&self, config: &Config, registry: &Registry) -> (Problems, Vec<String>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        let (mut problems, mut warnings) = (Problems::new(), Vec::new());
        for (host, configured) in self.hosts.iter().zip(&config.hosts) {
            let (Some(host), Some(tls)) = (host, &configured.tls) else { continue };
            for found in tls::problems(host, now) {
                match found.severity() {
                    Severity::Error => {
                        let pointer = format!("{}/certificates", tls.pointer);
                        problems.push(Flaw { pointer, sentence: found.to_string() }.problem(registry));
                    }
                    Severity::Warning => warnings.push(format!("{}: {found}", configured.name)),
                }
            }
        }
        (problems, warnings)
    }

    /// What is served on each address, in the order of [`Config::listeners`]; none where there is no TLS.
    ///
    /// # Errors
    /// Names that collide, and what the cryptography does not take.
    pub(crate) fn serve(
        &self,
        config: &Config,
        tickets: &[TicketKey],
    ) -> Result<Vec<Option<Secured>>, tls::Error> {
        let tickets = if tickets.is_empty() { None } else { Some(TicketKeys::new(tickets, TICKET_SECONDS)?) };
        let listeners = config.listeners().into_iter();
        let secured = listeners.map(|listen| match listen.transport {
            Transport::Plain => Ok(None),
            Transport::Tls => self.on(config, listen, tickets.clone()).map(Some),
        });
        secured.collect()
    }

    fn on(
        &self,
        config: &Config,
        listen: &Listen,
        tickets: Option<TicketKeys>,
    ) -> Result<Secured, tls::Error> {
        let (mut hosts, mut sites, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (index, host) in config.hosts.iter().enumerate() {
            let listens = host.listen.as_ref().unwrap_or(&config.server.listen);
            let here = listens.iter().any(|other| other.address == listen.address);
            if let Some(own) = self.hosts[index].as_ref().filter(|_| here) {
                hosts.push(own.clone());
                sites.push(Identity::of(&host.name));
                places.push(index);
            }
        }
        let otherwise = match config.default_host {
            DefaultHost::First => Otherwise::Host(0),
            DefaultHost::Refuse => Otherwise::Refuse,
            DefaultHost::Named(index) => {
                let at = places.iter().position(|&place| place == index);
                at.map_or(Otherwise::Refuse, Otherwise::Host)
            }
        };
        let settings = Settings { hosts, otherwise, tickets, clock: Arc::new(WallClock) };
        Ok(Secured { hosts: Arc::new(Hosts::new(settings)?), sites: sites.into() })
    }
}

#[derive(Debug)]
pub(crate) struct WallClock;

impl tls::Clock for WallClock {
    fn unix_seconds(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

struct File {
    pointer: String,
    bytes: Zeroizing<Vec<u8>>,
}

impl File {
    fn flaw(&self, error: &tls::Error) -> Flaw {
        Flaw { pointer: self.pointer.clone(), sentence: error.to_string() }
    }
}

impl Flaw {
    /// Something that only shows when all files are there.
    pub(crate) fn of_all(error: &tls::Error) -> Flaw {
        Flaw { pointer: "/hosts".to_owned(), sentence: error.to_string() }
    }

    pub(crate) fn problem(&self, registry: &Registry) -> config::Problem {
        let (cause, cure) = self.sentence.split_once(": ").unwrap_or((&self.sentence, "correct the file"));
        registry.problem(&self.pointer, cause, cure)
    }
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.pointer, self.sentence)
    }
}

fn read_host(host: &config::Host, tls: &Tls, mut files: impl Iterator<Item = File>) -> Result<Host, Flaw> {
    let missing = || Flaw { pointer: tls.pointer.clone(), sentence: "a file was not handed over".to_owned() };
    let mut next = || files.next().ok_or_else(missing);
    let mut credentials = Vec::new();
    for certificate in &tls.certificates {
        let (chain, mut key) = (next()?, next()?);
        let read = Chain::from_pem(&chain.bytes).map_err(|error| chain.flaw(&error))?;
        let text = std::mem::take(&mut key.bytes);
        let private = PrivateKey::from_pem(text).map_err(|error| key.flaw(&error))?;
        let mut credential = Credential::new(read, &private).map_err(|error| key.flaw(&error))?;
        if certificate.staple.is_some() {
            let staple = next()?;
            credential =
                credential.with_staple(staple.bytes.to_vec()).map_err(|error| staple.flaw(&error))?;
        }
        credentials.push(credential);
    }
    let authorities = tls.authorities.as_ref().map(|_| next()).transpose()?;
    let revoked = tls.revoked.iter().map(|_| next()).collect::<Result<Vec<_>, _>>()?;
    let trust = authorities.map(|file| {
        let lists: Vec<&[u8]> = revoked.iter().map(|list| list.bytes.as_slice()).collect();
        ClientTrust::from_pem(&file.bytes, &lists).map(Arc::new).map_err(|error| match revoked.first() {
            Some(list) if matches!(error, tls::Error::BadRevocationList { .. }) => list.flaw(&error),
            _ => file.flaw(&error),
        })
    });
    let client_auth = match (trust.transpose()?, tls.clients) {
        (None, _) | (_, ClientCertificates::Off) => ClientAuth::Off,
        (Some(trust), ClientCertificates::Optional) => ClientAuth::Optional(trust),
        (Some(trust), ClientCertificates::Required) => ClientAuth::Required(trust),
        (Some(trust), ClientCertificates::Asked) => ClientAuth::Asked(trust),
    };
    let names = std::iter::once(&host.name).chain(&host.aliases).filter_map(server_name).collect();
    let versions = match tls.minimum {
        TlsVersion::Tls12 => Versions::From12,
        TlsVersion::Tls13 => Versions::Only13,
    };
    Ok(Host { id: host.name.to_string(), names, credentials, client_auth, versions })
}

/// The name as clients ask for it; they do not ask for addresses (RFC 6066 section 3).
fn server_name(name: &HostName) -> Option<String> {
    matches!(name, HostName::Exact(_) | HostName::Wildcard(_)).then(|| name.to_string())
}
