//! `kimura explain`: the way of a URL through the configuration, without a server. What decides is what serves.

use crate::arguments::Wishes;
use crate::error::Error;
use crate::settings::{self, Origin, Unloadable};
use crate::url::{Secure, Url};
use config::{Config, Dotfiles, HostName, Transport};
use proto_http::{Head, HeadParser, Limits, Progress, Request, Status, path};
use site::{
    Action, Arrival, Client, Event, Exchange, Files, Identity, Inquiry, Kind, Miss, Place, Relay, Security,
    Site, Trail, Walk, decide, decide_admitted, decide_untried, file_for,
};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::os::fd::AsFd;
use sys::fs::{Cached, Symlinks};
use sys::net::Address;

/// What is to be explained.
#[derive(Debug, PartialEq)]
pub(crate) struct Explain {
    pub(crate) url: Url,
    pub(crate) method: String,
    /// Lines, as they go over the wire.
    pub(crate) fields: Vec<String>,
    pub(crate) from: IpAddr,
    pub(crate) wishes: Wishes,
}

/// Prints how the configuration deals with a request.
///
/// # Errors
/// What is wrong with the configuration, or why it cannot be read.
pub(crate) fn told(explain: &Explain) -> Result<String, Error> {
    let folder = std::env::current_dir().map_err(Error::process("find the current folder"))?;
    let origin = Origin::find(&explain.wishes).map_err(Error::Unreadable)?;
    let text = origin.text(&folder).map_err(Error::Unreadable)?;
    let subject = origin.subject(&explain.wishes.overrides);
    let loaded = settings::load(&subject, text).map_err(|unloadable| match unloadable {
        Unloadable::Problems(problems) => Error::Wrong(problems.to_string()),
        Unloadable::NoText(why) => Error::Unreadable(why),
    })?;
    let site = site::compile(&loaded.config, &loaded.registry)
        .map_err(|problems| Error::Wrong(problems.to_string()))?;
    Ok(Teller { site: &site, config: &loaded.config, out: String::new() }.tell(explain))
}

/// Writes the account.
struct Teller<'s> {
    site: &'s Site,
    config: &'s Config,
    out: String,
}

impl Teller<'_> {
    fn line(&mut self, what: &str, text: &str) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.out, "{what:<9} {text}");
    }

    fn tell(mut self, explain: &Explain) -> String {
        let authority =
            explain.url.authority.clone().unwrap_or_else(|| self.config.hosts[0].name.to_string());
        let mut head = format!("{} {} HTTP/1.1\r\n", explain.method, explain.url.target);
        if !explain.fields.iter().any(|field| field.to_ascii_lowercase().starts_with("host:")) {
            let _ = write!(head, "Host: {authority}\r\n");
        }
        for field in &explain.fields {
            let _ = write!(head, "{field}\r\n");
        }
        head.push_str("\r\n");
        self.line("request", &format!("{} {} from {}", explain.method, explain.url.target, explain.from));
        let mut parsed = Head::default();
        match HeadParser::default().parse(head.as_bytes(), &Limits::default(), &mut parsed) {
            Ok(Progress::Done { .. }) => self.request(explain, &parsed.view(head.as_bytes())),
            Ok(Progress::NeedMore) => self.line("outcome", "the head has no end"),
            Err(bad) => self.line("outcome", &format!("{}: {bad}", bad.status())),
        }
        self.out
    }

    fn request(&mut self, explain: &Explain, request: &Request<'_>) {
        let mut scratch = Vec::new();
        let raw = if request.is_options_star() { b"/" } else { request.path() };
        let asked = match path::normalize_keeping(raw, &mut scratch) {
            Ok(asked) => asked,
            Err(bad) => return self.line("outcome", &format!("{}: {bad}", bad.status())),
        };
        let listener = self.listener(&explain.url);
        let place = match self.site.locate(listener, request, asked) {
            Ok(place) => place,
            Err(Status::MISDIRECTED_REQUEST) => {
                let status = Status::MISDIRECTED_REQUEST;
                return self.line("outcome", &format!("{status}: no host has this name here"));
            }
            Err(status) => {
                let why = "with its encoded slash decoded the path would lead to another location";
                return self.line("outcome", &format!("{status}: {why}"));
            }
        };
        self.line("host", &place.host.name);
        let client = self.site.clients.find(Some(explain.from), request);
        let security = match explain.url.secure {
            Secure::No => Security::Plain,
            Secure::Yes => {
                let name: Result<HostName, _> = place.host.name.parse();
                let host = Identity::of(&name.expect("the configuration has it as a name"));
                Security::Tls { host, client: Client::Unknown }
            }
        };
        let inquiry = Inquiry { request: *request, asked, client, security };
        self.walk(Walk::new(place.host), &inquiry);
    }

    /// The listening address that the URL would be asked from, as far as it tells.
    fn listener(&self, url: &Url) -> usize {
        let transport = match url.secure {
            Secure::No => Transport::Plain,
            Secure::Yes => Transport::Tls,
        };
        let listeners = self.config.listeners();
        let at = |wanted: Option<u16>| {
            listeners.iter().position(|listen| {
                let port = match &listen.address {
                    Address::V4(address) => Some(address.port()),
                    Address::V6(address) => Some(address.port()),
                    Address::Unix(_) => None,
                };
                listen.transport == transport && (wanted.is_none() || port == wanted)
            })
        };
        url.port().and_then(|port| at(Some(port))).or_else(|| at(None)).unwrap_or(0)
    }

    fn walk(&mut self, mut walk: Walk<'_>, inquiry: &Inquiry<'_>) {
        let mut trail = Trail::default();
        trail.begin(inquiry.asked, inquiry.request.query());
        loop {
            let arrival = walk.go(inquiry, &mut trail, &mut |event| self.event(event));
            let (place, action) = match arrival {
                Arrival::Asks(files) => {
                    let (kind, path) = trail.asked();
                    let there = is_there(files, kind, path);
                    let noun = if kind == Kind::File { "file" } else { "folder" };
                    let verdict = if there { "is there" } else { "is not there" };
                    self.line(noun, &format!("{} {verdict}", shown(path)));
                    trail.answer(there);
                    continue;
                }
                Arrival::Circle { rule, .. } => {
                    let status = Status::INTERNAL_SERVER_ERROR;
                    return self.line(
                        "outcome",
                        &format!("{status}: the rules lead in circles, the last is {rule}"),
                    );
                }
                Arrival::Answered(place, action) => (place, action),
                Arrival::Place(place) => {
                    let phases: Vec<&str> = place.location.phases().collect();
                    self.line("phases", &phases.join(", "));
                    (place, decide(&seen(inquiry, place, &trail)))
                }
                Arrival::Untried(place) => (place, decide_untried(&seen(inquiry, place, &trail))),
            };
            let action = match action {
                Action::NeedLogin(gate) => {
                    self.line("login", &format!("needed, else 401: {}", gate.challenge));
                    decide_admitted(&seen(inquiry, place, &trail))
                }
                action => action,
            };
            match action {
                Action::Try(_) => {}
                Action::File(files) => match index_elsewhere(files, place, trail.path()) {
                    Some(path) => {
                        self.line("index", &shown(&path));
                        walk.lead_to(&mut trail, &path, "the index of a folder");
                    }
                    None => return self.outcome(&file_for(files, inquiry.request.method()), &trail),
                },
                action => return self.outcome(&action, &trail),
            }
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Location("") => self.line("location", "none; what the host says itself"),
            Event::Location(key) => self.line("location", key),
            Event::Missed(rule, Miss::Path) => self.line("rule", &format!("{rule}: the path does not match")),
            Event::Missed(rule, Miss::Conditions) => {
                self.line("rule", &format!("{rule}: its conditions do not hold"));
            }
            Event::Matched(rule) => self.line("rule", &format!("{rule}: matches")),
            Event::Moved(path, query) => self.line("leads to", &with_query(path, query)),
        }
    }

    fn outcome(&mut self, action: &Action<'_>, trail: &Trail) {
        let path = with_query(trail.path(), trail.query());
        let text = match action {
            Action::Respond(answer) => answer.status.to_string(),
            Action::Redirect { status, location } => format!("{status}: {}", shown(location)),
            Action::Reply { status, media_type, body } => {
                format!("{status}: {} bytes of {media_type}", body.len())
            }
            Action::File(files) => file(files, trail.path()),
            Action::ToTls(_) => format!("{}: the same with TLS", Status::PERMANENT_REDIRECT),
            Action::Relay(relay) => relayed(relay, trail.path())
                .unwrap_or_else(|| format!("the upstream {} is asked for {path}", relay.group.name)),
            Action::Comet(..) => "live logs".to_owned(),
            Action::Metrics => "the numbers of the server".to_owned(),
            Action::Echo => "the body of the request is sent back".to_owned(),
            Action::HangUp => "the connection is closed without an answer".to_owned(),
            Action::Try(_) | Action::NeedLogin(_) => "it goes on".to_owned(),
        };
        self.line("outcome", &text);
    }
}

fn seen<'x>(inquiry: &Inquiry<'x>, place: Place<'x>, trail: &'x Trail) -> Exchange<'x> {
    Exchange {
        request: inquiry.request,
        path: trail.path(),
        query: trail.query(),
        asked: inquiry.asked,
        place,
        client: inquiry.client,
        security: inquiry.security,
        holder: None,
    }
}

/// Why an upstream is not asked for a script, if it is not.
fn relayed(relay: &Relay, path: &[u8]) -> Option<String> {
    let scripts = relay.scripts.as_ref()?;
    let status = Status::NOT_FOUND;
    let Some(script) = scripts.rule.find(path) else {
        return Some(format!("{status}: the path names no script"));
    };
    let (files, path) = (scripts.files.as_ref()?, [script.path, script.index].concat());
    let is_hidden = files.dotfiles == Dotfiles::Hide && path::has_hidden_segment(&path);
    let is_missing = is_hidden || !is_there(files, Kind::File, &path);
    is_missing.then(|| format!("{status}: there is no script {} below root", shown(&path)))
}

fn file(files: &Files, path: &[u8]) -> String {
    let folder = path.ends_with(b"/");
    let found = if folder {
        index(files, path)
    } else {
        Some(path.to_vec()).filter(|path| is_there(files, Kind::File, path))
    };
    match found {
        Some(path) => format!("the file {} below root", shown(&path)),
        None if !folder && is_there(files, Kind::Folder, path) => {
            format!("{}: {}/, since it is a folder", Status::MOVED_PERMANENTLY, shown(path))
        }
        None if folder && is_there(files, Kind::Folder, path) => {
            format!("the folder {} below root, which has no index", shown(path))
        }
        None => format!("{}: there is no file {} below root", Status::NOT_FOUND, shown(path)),
    }
}

/// The path of the index of a folder.
fn index(files: &Files, folder: &[u8]) -> Option<Vec<u8>> {
    let mut paths = files.index.iter().map(|index| [folder, index.as_bytes()].concat());
    paths.find(|path| is_there(files, Kind::File, path))
}

/// The same, where another location is in charge of it.
fn index_elsewhere(files: &Files, place: Place<'_>, path: &[u8]) -> Option<Vec<u8>> {
    if !place.may_lead_from(path) {
        return None;
    }
    index(files, path).filter(|path| place.leads_to(path))
}

/// As the engine looks, by somebody who has time to wait.
fn is_there(files: &Files, kind: Kind, path: &[u8]) -> bool {
    let symlinks = match files.symlinks {
        config::Symlinks::Inside => Symlinks::Inside,
        config::Symlinks::Follow => Symlinks::Follow,
        config::Symlinks::Never => Symlinks::Never,
    };
    let wanted = match kind {
        Kind::File if path.ends_with(b"/") => return false,
        Kind::File => sys::fs::Kind::File,
        Kind::Folder => sys::fs::Kind::Directory,
    };
    let relative = path.strip_prefix(b"/").unwrap_or(path);
    let relative = relative.strip_suffix(b"/").unwrap_or(relative);
    if relative.is_empty() {
        return kind == Kind::Folder;
    }
    sys::fs::open_beneath(files.root.as_fd(), relative, symlinks, Cached::Any)
        .and_then(|file| sys::fs::stat(file.as_fd()))
        .is_ok_and(|stat| stat.kind == wanted)
}

fn with_query(path: &[u8], query: Option<&[u8]>) -> String {
    let query = query.map(|query| format!("?{}", shown(query)));
    format!("{}{}", shown(path), query.unwrap_or_default())
}

/// Text of a request, with nothing in it that a terminal would obey.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
