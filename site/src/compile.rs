//! From a typed configuration to a [`Site`]: opens folders, reads error pages, compiles patterns.
//!
//! All problems are collected; a site comes out only when there are none.

mod inside;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use auth::access::{Asked, Rules};
use config::{
    Config, ErrorPage, ErrorStatus, ForwardedFields, Handler, Listen, Matcher, Place, Problems, Registry,
    Rewriting, Settings, Upstream, UpstreamAddress, UpstreamProtocol, UpstreamServer,
};
use proto_http::upstream::Announce;
use sys::net::Address;

use crate::carrier::Carrier;
use crate::clients::Clients;
use crate::compression::Compression;
use crate::error_pages::{ErrorPages, Instead};
use crate::fields::Fields;
use crate::host::{Host, Site};
use crate::indexes::Indexes;
use crate::location::{Accel, Files, Location, Locations};
use crate::media::MediaTypes;
use crate::names;
use crate::own_address;
use crate::page::Page;
use crate::phase::{Access, BodyLimit, Dotfiles, Expectation, Gate, Methods, Phase};
use crate::rewrite::{
    Attempts, Fault, HasFiles, Map, Maps, Reply, RuleCompiler, RuleList, compile_pattern, find_rings,
    is_built_in,
};
use crate::shaping::{ScopeId, Shaping};
use crate::upstream::{Group, GroupId, Named, Relay, RequestChanges, Scripts, Server};

/// Largest error page: it is kept in memory.
const PAGE_MAX: u64 = 1 << 20;

/// Compiles the hosts of `config`; `registry` tells where each value stands, for the problems.
///
/// # Errors
///
/// Every folder, page and pattern that cannot be used, each with its place and the cure.
pub fn compile(config: &Config, registry: &Registry) -> Result<Site, Problems> {
    let mut compiler = Compiler {
        registry,
        problems: Problems::new(),
        roots: HashMap::new(),
        groups: Vec::new(),
        next_id: 0,
        maps: Arc::default(),
        place: (String::new(), None),
        carrier: Carrier::default(),
    };
    compiler.maps = Arc::new(config.maps.iter().filter_map(|map| compiler.map(map)).collect());
    config.upstreams.iter().for_each(|upstream| drop(compiler.group(upstream)));
    let hosts = config
        .hosts
        .iter()
        .map(|host| compiler.host(host, host.listen.as_ref().unwrap_or(&config.server.listen)));
    let hosts = hosts.collect::<Vec<_>>();
    let clients = Clients::compile(config, registry, &mut compiler.problems);
    let shaping = Shaping::compile(config, registry, &mut compiler.problems);
    let listeners = names::by_listener(config);
    own_address::check(config, &listeners, registry, &mut compiler.problems);
    if !compiler.problems.is_empty() {
        return Err(compiler.problems);
    }
    // Without a problem no host is missing.
    let hosts = hosts.into_iter().flatten().collect();
    Ok(Site { listeners, hosts, groups: compiler.groups, clients, shaping })
}

/// The limits of a configuration alone, to go by others of them; none where it has none.
///
/// # Errors
///
/// Networks that are none.
pub fn shaping(loaded: &config::Loaded) -> Result<Option<Arc<Shaping>>, Problems> {
    let mut problems = Problems::new();
    let shaping = Shaping::compile(&loaded.config, &loaded.registry, &mut problems);
    if problems.is_empty() { Ok(shaping) } else { Err(problems) }
}

/// What a place says of its requests before its handler.
struct Ruled {
    rules: Option<Box<RuleList>>,
    reply: Option<Reply>,
    attempts: Option<Attempts>,
}

/// Who makes the responses of a place, beside its settings.
struct Makes<'c> {
    reply: Option<Reply>,
    attempts: Option<Attempts>,
    files: Option<&'c Arc<Files>>,
    indexes: Indexes,
}

struct Compiler<'c> {
    registry: &'c Registry,
    problems: Problems,
    /// Folders already open, so that locations share them.
    roots: HashMap<PathBuf, Arc<OwnedFd>>,
    /// Groups of servers already compiled.
    groups: Vec<Arc<Group>>,
    next_id: u32,
    maps: Arc<Maps>,
    /// The host that is being compiled, and the path that all paths of its part begin with, if there is one.
    place: (String, Option<String>),
    /// What the host that is being compiled wants to be carried by.
    carrier: Carrier,
}

impl Compiler<'_> {
    fn problem(&mut self, pointer: &str, cause: &str, cure: &str) {
        self.problems.push(self.registry.problem(pointer, cause, cure));
    }

    /// A map; for a wrong one an empty one stands in, so that those who use its variable are not told that it is missing.
    fn map(&mut self, map: &config::Map) -> Option<(String, Arc<Map>)> {
        if is_built_in(&map.name) {
            let cause = format!(
                "${} is a variable that is always there, so that nothing would get to the map",
                map.name
            );
            self.problem(&map.pointer, &cause, "give the map another name, which is that of its variable");
            return None;
        }
        let compiled = Map::new(map).unwrap_or_else(|(pointer, Fault { cause, cure })| {
            self.problem(&pointer, &cause, &cure);
            Map::default()
        });
        Some((map.name.clone(), Arc::new(compiled)))
    }

    fn host(&mut self, host: &config::Host, listens: &[Listen]) -> Option<Host> {
        self.carrier = Carrier::new(host, listens);
        self.place = (host.name.to_string(), Some("/".to_owned()));
        let indexes = |own, settings: &Settings, rewriting| {
            let all = host.locations.iter().map(|part| &part.matcher);
            Indexes::of(&settings.index, (own, rewriting), all)
        };
        let at_root = indexes(None, &host.settings, &host.rewriting);
        let named = (String::new(), at_root);
        let mut root = self.location(&host.settings, &host.rewriting, &host.pointer, named);
        // They are looked at before any location is.
        let rules = root.as_mut().and_then(|root| root.rules.take());
        let mut exact = Vec::new();
        let mut patterns = Vec::new();
        let mut prefixes = Vec::new();
        for part in &host.locations {
            self.place.1 = match &part.matcher {
                Matcher::Prefix(path) => Some(path.clone()),
                Matcher::Exact(_) | Matcher::Pattern(_) => None,
            };
            let indexes = indexes(Some(&part.matcher), &part.settings, &part.rewriting);
            let named = (part.matcher.to_string(), indexes);
            let Some(location) = self.location(&part.settings, &part.rewriting, &part.pointer, named) else {
                continue;
            };
            match &part.matcher {
                Matcher::Exact(path) => exact.push((path.clone().into_bytes(), location)),
                Matcher::Prefix(path) => prefixes.push((path.clone().into_bytes(), location)),
                Matcher::Pattern(text) => {
                    if let Some(pattern) = self.pattern(text, &part.pointer) {
                        patterns.push((pattern, location));
                    }
                }
            }
        }
        prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let locations = Locations { exact, patterns, prefixes, root: root? };
        self.check_pages(&locations, host);
        for (pointer, Fault { cause, cure }) in find_rings(rules.as_deref(), &locations) {
            self.problem(&pointer, &cause, &cure);
        }
        Some(Host { name: host.name.to_string(), locations, rules })
    }

    /// The rules of a place, the answer to all of its requests, and what it tries; none at all where something of it
    /// cannot be used.
    fn rewriting(
        &mut self,
        rewriting: &Rewriting,
        files: Option<&Arc<Files>>,
        pointer: &str,
    ) -> Option<Ruled> {
        let maps = Arc::clone(&self.maps);
        let has_files = if files.is_some() { HasFiles::Yes } else { HasFiles::No };
        let mut compiler = RuleCompiler::new(&maps, has_files);
        let rules = compiler.rules(&rewriting.rules);
        let reply = rewriting.answer.as_ref().and_then(|answer| compiler.answer(answer));
        let at = format!("{pointer}/try");
        let attempts = match (rewriting.attempts.as_slice(), files) {
            ([], _) => None,
            (attempts, Some(files)) => compiler.attempts(attempts, files, at),
            (_, None) => {
                let cause = "nothing says in which folder the files are: there is no \"root\"";
                self.problem(&at, cause, "write \"root\": \"www\" beside it");
                None
            }
        };
        let is_whole = compiler.faults.is_empty();
        for (pointer, Fault { cause, cure }) in compiler.faults {
            self.problem(&pointer, &cause, &cure);
        }
        is_whole.then_some(Ruled { rules, reply, attempts })
    }

    /// Where files are, if a place serves any, or could look for some.
    fn place_of_files(
        &mut self,
        id: u32,
        (settings, rewriting): (&Settings, &Rewriting),
        pointer: &str,
        (fields, compression): (&Arc<Fields>, Option<&Arc<Compression>>),
    ) -> Option<Option<Arc<Files>>> {
        let serves =
            settings.handler == Handler::Files && settings.proxy.is_none() && settings.comet.is_none();
        let looks = !rewriting.rules.is_empty() || !rewriting.attempts.is_empty();
        // A host that only has locations needs no folder of its own: everything else is 404.
        let Some(path) = settings.root.as_ref().filter(|_| serves && rewriting.answer.is_none() || looks)
        else {
            return Some(None);
        };
        let root = self.root(path, pointer)?;
        let files = Files { compression: compression.cloned(), ..files(id, root, settings, fields) };
        Some(Some(Arc::new(files)))
    }

    fn pattern(&mut self, text: &str, pointer: &str) -> Option<regex::bytes::Regex> {
        match compile_pattern(text) {
            Ok(pattern) => Some(pattern),
            Err(Fault { cause, cure }) => {
                self.problem(pointer, &cause, &cure);
                None
            }
        }
    }

    fn location(
        &mut self,
        settings: &Settings,
        rewriting: &Rewriting,
        pointer: &str,
        (key, indexes): (String, Indexes),
    ) -> Option<Location> {
        let id = self.next_id;
        self.next_id += 1;
        let fields = Fields::new(settings, &self.carrier.fields, &self.maps);
        let fields = match fields {
            Ok(fields) => Arc::new(fields),
            Err((name, Fault { cause, cure })) => {
                let at = self.setting(pointer, &format!("headers/{name}"));
                self.problem(&at, &cause, &cure);
                return None;
            }
        };
        let error_pages = self.error_pages(settings, pointer);
        let compression = settings.compression.as_deref().map(Compression::new).map(Arc::new);
        let described = (&fields, compression.as_ref());
        let files = self.place_of_files(id, (settings, rewriting), pointer, described)?;
        let Ruled { rules, reply, attempts } = self.rewriting(rewriting, files.as_ref(), pointer)?;
        let makes = Makes { reply, attempts, files: files.as_ref(), indexes };
        let chain = self.chain(settings, makes, pointer, &fields)?;
        let accel = match settings.proxy {
            Some(_) if settings.accel => Some(self.accel(id, settings, pointer, described)?),
            _ => None,
        };
        let logs = settings.access_logs.clone();
        let body_size = settings.body_size;
        Some(Location {
            id,
            chain,
            rules,
            files,
            indexes,
            fields,
            error_pages,
            intercept: settings.intercept,
            accel,
            logs,
            key,
            request_id: settings.request_id,
            compression,
            body_size,
            shaping: settings.shaping.as_ref().map(|shaping| ScopeId::of(&shaping.scope)),
        })
    }

    fn chain(
        &mut self,
        settings: &Settings,
        makes: Makes<'_>,
        pointer: &str,
        fields: &Arc<Fields>,
    ) -> Option<Vec<Phase>> {
        let Makes { reply, attempts, files, indexes } = makes;
        let comet = settings.comet.map(|shows| self.comet(shows, settings, pointer));
        let leads_on = attempts.as_ref().is_some_and(Attempts::leads_on);
        let methods = methods(settings, reply.is_some() || leads_on, indexes);
        let certificate = settings.client_certificate;
        if let Some([cause, cure]) = certificate.and_then(|own| self.carrier.contradiction(own)) {
            let at = self.setting(pointer, "client_certificate");
            self.problem(&at, cause, cure);
            return None;
        }
        let mut chain = Vec::new();
        if settings.internal {
            chain.push(Phase::Internal);
        }
        chain.extend(self.carrier.phases(certificate));
        chain.extend(self.access(settings, pointer)?);
        chain.extend(fields.answers_preflights().then_some(Phase::Preflight));
        chain.extend(settings.auth.as_ref().map(|auth| Phase::Login(self.gate(auth))));
        chain.extend([Phase::Expectation(Expectation), Phase::Methods(methods)]);
        if settings.body_size < u64::MAX {
            chain.push(Phase::BodyLimit(BodyLimit(settings.body_size)));
        }
        if let Some(reply) = reply {
            chain.push(Phase::Reply(reply));
            return Some(chain);
        }
        if let Some(comet) = comet {
            chain.push(Phase::Comet(comet?));
            return Some(chain);
        }
        if let Some(upstream) = &settings.proxy {
            let scripts = self.scripts(upstream, settings, pointer, fields)?;
            let (group, host) = (self.group(upstream), settings.proxy_host.clone());
            let changes = self.changes(settings, pointer)?;
            chain.extend(attempts.map(Phase::Try));
            chain.push(Phase::Relay(Relay {
                group,
                host,
                scripts,
                changes,
                announce: announce(settings.proxy_forwarded),
                before: settings.proxy_forwarded_before,
                buffering: settings.request_buffering,
                upgrades: settings.proxy_upgrade.clone(),
            }));
            return Some(chain);
        }
        if settings.handler == Handler::Files && settings.dotfiles == config::Dotfiles::Hide {
            chain.push(Phase::Dotfiles(Dotfiles));
        }
        chain.extend(attempts.map(Phase::Try));
        match settings.handler {
            Handler::Echo => chain.push(Phase::Echo),
            Handler::Files => chain.extend(files.cloned().map(Phase::Files)),
            Handler::Metrics => chain.push(self.metrics(settings, pointer)?),
        }
        Some(chain)
    }

    /// What the fields of requests to upstreams are changed to.
    fn changes(&mut self, settings: &Settings, pointer: &str) -> Option<RequestChanges> {
        match RequestChanges::new(&settings.proxy_headers, &self.maps) {
            Ok(changes) => Some(changes),
            Err((name, Fault { cause, cure })) => {
                let at = self.setting(pointer, &format!("proxy_headers/{name}"));
                self.problem(&at, &cause, &cure);
                None
            }
        }
    }

    /// Which scripts requests are for; none within where the servers speak HTTP.
    fn scripts(
        &mut self,
        upstream: &Upstream,
        settings: &Settings,
        pointer: &str,
        fields: &Arc<Fields>,
    ) -> Option<Option<Scripts>> {
        if upstream.protocol != UpstreamProtocol::Fastcgi {
            return Some(None);
        }
        let scripts = Scripts::of(&upstream.fastcgi, settings.root.as_deref());
        let Some(mut scripts) = scripts else {
            let cause = "scripts are to be run, and nobody says in which folder they are";
            let at = self.setting(pointer, "proxy");
            self.problem(&at, cause, "write \"root\" beside it, or in \"fastcgi\" of the group");
            return None;
        };
        if let Some(path) = settings.root.as_ref().filter(|_| Scripts::are_here(&upstream.fastcgi)) {
            let root = self.root(path, pointer)?;
            // The location that is being compiled has the last id.
            scripts.files = Some(Arc::new(files(self.next_id - 1, root, settings, fields)));
        }
        Some(Some(scripts))
    }

    /// The group, compiled once.
    fn group(&mut self, upstream: &Upstream) -> Arc<Group> {
        let id = GroupId::of(&upstream.name);
        if let Some(group) = self.groups.iter().find(|known| known.id == id) {
            return Arc::clone(group);
        }
        let (mut servers, mut named) = (Vec::new(), Vec::new());
        for UpstreamServer { address, weight, part, .. } in &upstream.servers {
            let (name, weight, part) = (address.to_string(), *weight, *part);
            match at(address) {
                Ok(address) => servers.push(Arc::new(Server { name, address, weight, part })),
                Err(place) => named.push(Named { place, weight, part }),
            }
        }
        let group = Arc::new(Group {
            id,
            name: upstream.name.clone(),
            protocol: upstream.protocol,
            preamble: upstream.preamble,
            scripts: (upstream.protocol == UpstreamProtocol::Fastcgi)
                .then(|| Scripts::of(&upstream.fastcgi, Some(Path::new(""))))
                .flatten(),
            servers,
            named,
            balance: upstream.balance.clone(),
            sticky: upstream.sticky.clone(),
            slow_start: upstream.slow_start,
            eject: upstream.eject,
            health: upstream.health.clone(),
            resolve: upstream.resolve,
            keep_alive: upstream.keep_alive,
            timeouts: upstream.timeouts,
        });
        self.groups.push(Arc::clone(&group));
        group
    }

    /// What an upstream may have sent: with a root, files below it as well (X-Sendfile).
    fn accel(
        &mut self,
        id: u32,
        settings: &Settings,
        pointer: &str,
        (fields, compression): (&Arc<Fields>, Option<&Arc<Compression>>),
    ) -> Option<Accel> {
        let Some(path) = &settings.root else { return Some(Accel { folder: None }) };
        let root = self.root(path, pointer)?;
        let folder = path.as_os_str().as_encoded_bytes();
        let folder = folder.strip_suffix(b"/").unwrap_or(folder).to_vec();
        let files = Files { compression: compression.cloned(), ..files(id, root, settings, fields) };
        Some(Accel { folder: Some((folder, Arc::new(files))) })
    }

    /// The phase of access rules, if there are any; none at all where they cannot be used.
    fn access(&mut self, settings: &Settings, pointer: &str) -> Option<Option<Phase>> {
        let rules = match Rules::parse(settings.access.iter().map(String::as_str)) {
            Ok(rules) => rules,
            Err(bad) => {
                let sentence = bad.fault.to_string();
                let (cause, cure) = sentence.split_once(": ").unwrap_or((&sentence, "write another"));
                self.rule_problem(pointer, bad.index, cause, cure);
                return None;
            }
        };
        let (mut fit, asks_for_certificates) = (true, self.carrier.clients.is_some());
        for (index, asked) in rules.asks() {
            let (cause, cure) = match asked {
                Asked::User => (
                    "the rule is about users, and rules are asked before anybody logs in",
                    r#"leave users out, and name them in "require" of "auth""#,
                ),
                Asked::Certificate if asks_for_certificates => continue,
                Asked::Certificate => (
                    "the rule is about client certificates, and the host asks for none",
                    r#"write "clients": "optional" into its "tls""#,
                ),
            };
            self.rule_problem(pointer, index, cause, cure);
            fit = false;
        }
        let judge = self.carrier.clients.map(|(host, _)| host);
        fit.then(|| (!rules.is_empty()).then(|| Phase::Access(Access { rules, judge })))
    }

    fn rule_problem(&mut self, pointer: &str, index: usize, cause: &str, cure: &str) {
        let at = format!("{}/{index}", self.setting(pointer, "access"));
        self.problem(&at, cause, cure);
    }

    fn gate(&mut self, auth: &config::Auth) -> Gate {
        let mut exempt = Vec::new();
        for (pointer, text) in &auth.exempt {
            match text.parse() {
                Ok(prefix) => exempt.push(prefix),
                Err(bad) => {
                    let sentence = auth::BadPrefix::to_string(&bad);
                    let (cause, cure) = sentence.split_once(": ").unwrap_or((&sentence, "correct it"));
                    self.problem(pointer, cause, cure);
                }
            }
        }
        Gate::new(auth, exempt)
    }

    fn root(&mut self, path: &Path, pointer: &str) -> Option<Arc<OwnedFd>> {
        if let Some(root) = self.roots.get(path) {
            return Some(Arc::clone(root));
        }
        match sys::fs::open_root(path) {
            Ok(root) => {
                let root = Arc::new(root);
                self.roots.insert(path.to_owned(), Arc::clone(&root));
                Some(root)
            }
            Err(error) => {
                let at = self.setting(pointer, "root");
                let (what, cure) = refusal(&error, "folder");
                self.problem(&at, &format!("the folder {} {what}", path.display()), cure);
                None
            }
        }
    }

    fn error_pages(&mut self, settings: &Settings, pointer: &str) -> ErrorPages {
        let mut pages = ErrorPages::none(settings.error_format);
        let types = MediaTypes::new(settings);
        for (status, page) in &settings.error_pages {
            let instead = match page {
                ErrorPage::File(path) => self.page(path, &types, pointer, status).map(Instead::Page),
                ErrorPage::Inline { media_type, body } => Some(Instead::Page(Page {
                    media_type: media_type.clone(),
                    body: body.clone().into_bytes(),
                })),
                ErrorPage::To(path) => self.path_of_page(path, pointer, status),
            };
            let Some(instead) = instead.map(Arc::new) else { continue };
            match status {
                ErrorStatus::Code(code) => pages.by_status.push((*code, instead)),
                ErrorStatus::Class(4) => pages.client = Some(instead),
                ErrorStatus::Class(_) => pages.server = Some(instead),
            }
        }
        pages.by_status.sort_by_key(|(code, _)| *code);
        pages
    }

    fn path_of_page(&mut self, path: &str, pointer: &str, status: &ErrorStatus) -> Option<Instead> {
        let mut scratch = Vec::new();
        match proto_http::path::normalize(path.as_bytes(), &mut scratch) {
            Ok(path) => Some(Instead::To(path.to_vec())),
            Err(bad) => {
                let at = format!("{}/{status}/to", self.setting(pointer, "error_pages"));
                self.problem(&at, &bad.to_string(), "write a path as a browser would ask for it");
                None
            }
        }
    }

    /// The pages of errors have to be files, so that none leads to another error's page and on.
    fn check_pages(&mut self, locations: &Locations, host: &config::Host) {
        let parts = host.locations.iter().map(|part| (&part.settings, part.pointer.as_str()));
        for (settings, pointer) in std::iter::once((&host.settings, host.pointer.as_str())).chain(parts) {
            for (status, page) in &settings.error_pages {
                let ErrorPage::To(path) = page else { continue };
                let location = locations.find(path.as_bytes());
                if location.served_files().is_none() {
                    let at = format!("{}/{status}/to", self.setting(pointer, "error_pages"));
                    let cause =
                        format!("no files are served at {path}, so that this error would lead to another");
                    self.problem(
                        &at,
                        &cause,
                        "name a path below a \"root\"; it may be one that is \"internal\"",
                    );
                }
            }
        }
    }

    fn page(&mut self, path: &Path, types: &MediaTypes, pointer: &str, status: &ErrorStatus) -> Option<Page> {
        let read = std::fs::metadata(path).and_then(|meta| {
            if PAGE_MAX < meta.len() {
                return Err(std::io::Error::from(std::io::ErrorKind::FileTooLarge));
            }
            std::fs::read(path)
        });
        match read {
            Ok(body) => {
                let name = path.file_name().map(std::ffi::OsStr::as_encoded_bytes).unwrap_or_default();
                Some(Page { media_type: types.of(name).to_owned(), body })
            }
            Err(error) => {
                let at = format!("{}/{status}", self.setting(pointer, "error_pages"));
                let (what, cure) = refusal(&error, "file");
                self.problem(&at, &format!("the error page {} {what}", path.display()), cure);
                None
            }
        }
    }

    /// Where a setting that holds at `pointer` stands: there, or at what it is inherited from.
    fn setting(&self, pointer: &str, key: &str) -> String {
        let own = format!("{pointer}/{key}");
        let host = pointer.split_once("/locations/").map(|(host, _)| format!("{host}/{key}"));
        let inherited = host.into_iter().chain([format!("/defaults/{key}")]);
        let mut places = std::iter::once(own.clone()).chain(inherited);
        places.find(|place| self.registry.get(place).is_some()).unwrap_or(own)
    }
}

/// What a place takes: what it says, or else what the one knows who makes its responses.
fn methods(settings: &Settings, ruled: bool, indexes: Indexes) -> Methods {
    let all = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].map(str::to_owned);
    match (&settings.methods, settings.handler) {
        (Some(methods), _) => Methods::new(methods),
        (None, _) if ruled => Methods::all(&all),
        (None, _) if settings.comet.is_some() => Methods::new(&all[..2]),
        (None, _) if settings.proxy.is_some() => Methods::all(&all),
        (None, Handler::Echo) => Methods::new(&all),
        (None, Handler::Metrics) => Methods::new(&all[..2]),
        (None, Handler::Files) => Methods::of_files(&all[..2], indexes),
    }
}

/// Where a server is, or the name that is to be looked up for that.
fn at(address: &UpstreamAddress) -> Result<Address, Place> {
    match address {
        UpstreamAddress::Unix(path) => Ok(Address::Unix(path.clone())),
        UpstreamAddress::Tcp(place) => match place.host.parse() {
            Ok(IpAddr::V4(host)) => Ok(Address::V4(SocketAddrV4::new(host, place.port))),
            Ok(IpAddr::V6(host)) => Ok(Address::V6(SocketAddrV6::new(host, place.port, 0, 0))),
            Err(_) => Err(place.clone()),
        },
    }
}

fn files(id: u32, root: Arc<OwnedFd>, settings: &Settings, fields: &Arc<Fields>) -> Files {
    Files {
        location: id,
        root,
        index: settings.index.clone(),
        symlinks: settings.symlinks,
        dotfiles: settings.dotfiles,
        types: MediaTypes::new(settings),
        etag: settings.etag,
        compression: None,
        listing: settings.listing.map(|listing| (listing, settings.dotfiles)),
        fields: Arc::clone(fields),
    }
}

/// What went wrong with a file or folder, and the cure.
fn refusal(error: &std::io::Error, what: &str) -> (String, &'static str) {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => ("does not exist".to_owned(), "create it, or correct the path"),
        ErrorKind::PermissionDenied => {
            ("cannot be opened: permission denied".to_owned(), "let the server's user read it")
        }
        ErrorKind::NotADirectory => ("is no folder".to_owned(), "name a folder"),
        ErrorKind::IsADirectory => ("is a folder".to_owned(), "name a file"),
        ErrorKind::FileTooLarge => ("is larger than 1 MiB".to_owned(), "make it smaller"),
        _ => (format!("cannot be used as a {what}: {error}"), "correct the path"),
    }
}

fn announce(fields: ForwardedFields) -> Announce {
    match fields {
        ForwardedFields::XForwarded => Announce::XForwarded,
        ForwardedFields::Forwarded => Announce::Forwarded,
        ForwardedFields::Both => Announce::Both,
        ForwardedFields::None => Announce::Nothing,
    }
}
