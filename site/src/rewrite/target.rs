//! Where a rule leads: from a template to a path and a query, or to the value of `Location`.
//!
//! A template is written like a URL. What is substituted in it is data: in a path it is a part of a decoded path and
//! cannot make a dot segment, in a query and behind a `#` it is percent-encoded, and in the name of a host it has the
//! characters of one. So no value of a client ends the part that it stands in, breaks a line, or sends anybody to a
//! place that the rule does not name.

use proto_http::{Status, path};

use super::Fault;
use super::template::{Escape, Part, write};
use super::variable::{Variable, View};
use crate::exchange::keeps_slash;

/// Longest path, query or authority that is made, in bytes.
const MADE_MAX: usize = 16 * 1024;

/// A compiled target.
#[derive(Debug)]
pub(crate) struct Target {
    /// Scheme and authority; empty where it is a path of the same host.
    origin: Vec<Part>,
    /// Texts are decoded.
    path: Vec<Part>,
    query: Query,
    /// With its `#`; empty without one.
    fragment: Vec<Part>,
}

#[derive(Debug)]
enum Query {
    /// As it is by now.
    Kept,
    /// As the client has sent it.
    Asked,
    Dropped,
    Made(Vec<Part>),
}

/// What a target is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Another path within the server.
    Within,
    /// A place that the client is sent to.
    Redirect,
}

impl Target {
    pub(crate) fn new(parts: Vec<Part>, for_what: Use) -> Result<Target, Fault> {
        let begins_with_scheme = begins_with_scheme(&parts);
        if begins_with_scheme && for_what == Use::Within {
            return Err(Fault::new(
                "only a redirect can lead to a whole URL",
                "write \"redirect\": 301 or 302 beside it, or a path such as /new/$1",
            ));
        }
        if matches!(parts.first(), Some(Part::Text(text)) if text.starts_with(b"//")) {
            return Err(Fault::new(
                "what begins with two slashes is another host for a browser",
                "write the scheme as well: https://www.example.org/",
            ));
        }
        let mut splitter = Splitter {
            for_what,
            at: if begins_with_scheme { At::Scheme } else { At::Path },
            target: Target { origin: Vec::new(), path: Vec::new(), query: Query::Kept, fragment: Vec::new() },
        };
        for part in parts {
            match part {
                Part::Text(text) => splitter.text(&text)?,
                Part::Value(variable) => splitter.value(variable)?,
            }
        }
        let target = splitter.target;
        check_authority(&target.origin)?;
        target.check_path()?;
        Ok(target)
    }

    /// All that it is made of.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        let query = match &self.query {
            Query::Made(parts) => parts.as_slice(),
            Query::Kept | Query::Asked | Query::Dropped => &[],
        };
        self.origin.iter().chain(&self.path).chain(query).chain(&self.fragment)
    }

    /// What its path is made of.
    pub(crate) fn path(&self) -> &[Part] {
        &self.path
    }

    /// Whether it names a host.
    pub(crate) fn is_elsewhere(&self) -> bool {
        !self.origin.is_empty()
    }

    /// The path and query that it leads to within the server; no query where there is none.
    pub(crate) fn resolve(&self, view: &View<'_>, made: &mut Made) -> Result<(), Status> {
        make_path(&self.path, view, &mut made.path)?;
        made.query.clear();
        made.has_query = self.make_query(view, &mut made.query)?;
        Ok(())
    }

    /// The value of `Location`.
    pub(crate) fn location(&self, view: &View<'_>) -> Result<Vec<u8>, Status> {
        let mut location = Vec::new();
        self.make_origin(view, &mut location)?;
        let mut parts = self.path.as_slice();
        if let ([Part::Value(Variable::Mapped(map)), rest @ ..], true) = (parts, location.is_empty()) {
            map.write(view, &mut location);
            if is_url(&location) {
                // Whoever has written the map has chosen the place.
                location = harmless(&location);
                parts = rest;
            } else {
                location.clear();
            }
        }
        if !parts.is_empty() || location.is_empty() {
            let mut path = Vec::new();
            make_path(parts, view, &mut path)?;
            if path::has_encoded_slash(view.request.path()) {
                path::encode_keeping(&path, &mut location);
            } else {
                path::encode(&path, &mut location);
            }
        }
        let mut query = Vec::new();
        if self.make_query(view, &mut query)? {
            location.push(b'?');
            location.extend_from_slice(&query);
        }
        make_escaped(&self.fragment, view, &mut location);
        Ok(location)
    }

    fn make_origin(&self, view: &View<'_>, out: &mut Vec<u8>) -> Result<(), Status> {
        for part in &self.origin {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Value(variable) => {
                    let start = out.len();
                    variable.write(view, out);
                    if out[start..].is_empty() || !out[start..].iter().all(|&byte| is_of_host(byte)) {
                        return Err(Status::BAD_REQUEST);
                    }
                }
            }
        }
        within_bounds(out)
    }

    /// Answers whether there is one.
    fn make_query(&self, view: &View<'_>, out: &mut Vec<u8>) -> Result<bool, Status> {
        let kept = match &self.query {
            Query::Kept => view.query,
            Query::Asked => view.request.query(),
            Query::Dropped => None,
            Query::Made(parts) => {
                make_escaped(parts, view, out);
                // A client without a query leaves nothing to be joined.
                while out.last() == Some(&b'&') {
                    out.pop();
                }
                within_bounds(out)?;
                return Ok(!out.is_empty());
            }
        };
        out.extend_from_slice(kept.unwrap_or_default());
        Ok(kept.is_some())
    }

    /// Sees whether what is written is a path, whatever is substituted.
    fn check_path(&self) -> Result<(), Fault> {
        let mut path = Vec::new();
        for part in &self.path {
            match part {
                Part::Text(text) => path.extend_from_slice(text),
                Part::Value(_) => path.push(b'x'),
            }
        }
        if path.first() != Some(&b'/') {
            path.insert(0, b'/');
        }
        path::settle(&mut path)
            .map_err(|bad| Fault::new(bad.to_string(), "write the path that is meant, without detours"))
    }
}

/// A path and a query that were made.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) path: Vec<u8>,
    pub(crate) query: Vec<u8>,
    pub(crate) has_query: bool,
}

fn make_path(parts: &[Part], view: &View<'_>, out: &mut Vec<u8>) -> Result<(), Status> {
    out.clear();
    for part in parts {
        match part {
            Part::Text(text) => out.extend_from_slice(text),
            Part::Value(Variable::Asked) => out.extend_from_slice(view.asked),
            Part::Value(variable) => variable.write(view, out),
        }
    }
    if out.first() != Some(&b'/') {
        out.insert(0, b'/');
    }
    within_bounds(out)?;
    path::settle(out).map_err(path::BadPath::status)?;
    if keeps_slash(out, &view.request) {
        path::check_kept(out).map_err(path::BadPath::status)?;
    }
    Ok(())
}

fn within_bounds(made: &[u8]) -> Result<(), Status> {
    if made.len() <= MADE_MAX { Ok(()) } else { Err(Status::URI_TOO_LONG) }
}

/// Appends parts of a query or a fragment: values are percent-encoded unless they are already.
fn make_escaped(parts: &[Part], view: &View<'_>, out: &mut Vec<u8>) {
    for part in parts {
        match part {
            Part::Value(variable) if !variable.is_escaped() => {
                let start = out.len();
                variable.write(view, out);
                let value = out.split_off(start);
                escape(&value, out);
            }
            Part::Value(Variable::Query) if view.query.is_none_or(<[u8]>::is_empty) => {
                if out.ends_with(b"&") {
                    out.pop();
                }
            }
            part => write(std::slice::from_ref(part), view, Escape::Plain, out),
        }
    }
}

/// Appends `value` with everything but unreserved characters (RFC 3986 section 2.3) percent-encoded.
fn escape(value: &[u8], out: &mut Vec<u8>) {
    for &byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            push_escaped(byte, out);
        }
    }
}

fn push_escaped(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

/// Whether a byte can stand in an authority: of a name, an address, or before a port.
fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte)
}

/// `https://...` or `$scheme://...`.
fn begins_with_scheme(parts: &[Part]) -> bool {
    match parts {
        [Part::Value(Variable::Scheme), Part::Text(text), ..] => text.starts_with(b"://"),
        [Part::Text(text), ..] => is_url(text),
        _ => false,
    }
}

/// Whether it begins with a scheme and two slashes.
fn is_url(text: &[u8]) -> bool {
    text.windows(3).position(|three| three == b"://").is_some_and(|at| {
        let scheme = &text[..at];
        scheme.first().is_some_and(u8::is_ascii_alphabetic)
            && scheme.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte))
    })
}

/// Sees to it that no client decides whose place it is.
fn check_authority(origin: &[Part]) -> Result<(), Fault> {
    let Some(last) = origin.last() else { return Ok(()) };
    if matches!(last, Part::Text(text) if text.ends_with(b"://")) {
        return Err(Fault::new("the URL has no host", "write https://www.example.org/ or https://$host/"));
    }
    for (index, part) in origin.iter().enumerate() {
        match part {
            Part::Text(text) => {
                let authority = match text.windows(3).position(|three| three == b"://") {
                    Some(at) => &text[at + 3..],
                    None => text,
                };
                if !authority.iter().all(|&byte| is_of_host(byte)) {
                    let cause = "the host of the URL has a character that no host has";
                    return Err(Fault::new(cause, "write https://www.example.org/ or https://$host/"));
                }
            }
            Part::Value(variable) if variable.names_a_place() => {}
            // What follows decides whose name it is.
            Part::Value(_) => match origin.get(index + 1) {
                Some(Part::Text(text)) if text.starts_with(b".") && text.len() > 1 => {}
                _ => {
                    let cause = "the client would decide which host it is sent to";
                    let cure = "write the end of its name: https://$1.example.org/";
                    return Err(Fault::new(cause, cure));
                }
            },
        }
    }
    Ok(())
}

/// Which part of a URL comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Scheme,
    Authority,
    Path,
    Query,
    Fragment,
    /// Behind `$request_uri`.
    End,
}

/// Puts the parts of a template to the parts of a URL.
struct Splitter {
    for_what: Use,
    at: At,
    target: Target,
}

impl Splitter {
    fn text(&mut self, text: &[u8]) -> Result<(), Fault> {
        let mut rest = text;
        while !rest.is_empty() {
            let end = match self.at {
                At::Scheme => {
                    let slashes = rest.windows(3).position(|three| three == b"://");
                    slashes.map_or(rest.len(), |at| at + 3)
                }
                At::Authority => find(rest, b"/?#"),
                At::Path => find(rest, b"?#"),
                At::Query => find(rest, b"#"),
                At::Fragment => rest.len(),
                At::End => return Err(behind_the_end()),
            };
            let (here, after) = rest.split_at(end);
            self.put(here)?;
            rest = self.advance(after)?;
        }
        Ok(())
    }

    /// Puts text to the part of the URL that it belongs to.
    fn put(&mut self, text: &[u8]) -> Result<(), Fault> {
        if text.is_empty() {
            return Ok(());
        }
        match self.at {
            At::Scheme | At::Authority => self.target.origin.push(Part::Text(text.to_vec())),
            At::Path => self.target.path.push(Part::Text(decoded(text)?)),
            At::Query => self.query().push(Part::Text(harmless(text))),
            At::Fragment => self.target.fragment.push(Part::Text(harmless(text))),
            At::End => return Err(behind_the_end()),
        }
        Ok(())
    }

    /// Goes over to the next part of the URL, at a delimiter; answers what follows it.
    fn advance<'t>(&mut self, after: &'t [u8]) -> Result<&'t [u8], Fault> {
        match (self.at, after.first()) {
            (At::Scheme, _) => self.at = At::Authority,
            (At::Authority, Some(b'/')) => self.at = At::Path,
            (At::Authority | At::Path, Some(b'?')) => {
                self.at = At::Query;
                self.target.query = Query::Dropped;
                return Ok(&after[1..]);
            }
            (_, Some(b'#')) if self.at != At::Fragment => {
                if self.for_what == Use::Within {
                    let cause = "what stands behind a # is for browsers alone";
                    return Err(Fault::new(
                        cause,
                        "write %23 for the character, or \"redirect\": 302 beside it",
                    ));
                }
                self.at = At::Fragment;
                self.target.fragment.push(Part::Text(b"#".to_vec()));
                return Ok(&after[1..]);
            }
            _ => {}
        }
        Ok(after)
    }

    fn value(&mut self, variable: Variable) -> Result<(), Fault> {
        if matches!(variable, Variable::Asked | Variable::Path) && self.at == At::Authority {
            self.at = At::Path;
        }
        match (self.at, &variable) {
            (At::Path, Variable::Asked) if self.for_what == Use::Within => {
                let cause = "$request_uri is what the client has asked for, query and all";
                Err(Fault::new(cause, "write $path"))
            }
            (At::Path, Variable::Asked) => {
                self.target.path.push(Part::Value(variable));
                self.target.query = Query::Asked;
                self.at = At::End;
                Ok(())
            }
            // As it is written for nginx: $is_args$args. A query that turns out to be empty has no question mark.
            (At::Path, Variable::QuestionMark) => {
                self.at = At::Query;
                self.target.query = Query::Dropped;
                Ok(())
            }
            (At::Scheme | At::Authority, _) => {
                self.target.origin.push(Part::Value(variable));
                Ok(())
            }
            (At::Path, _) => {
                self.target.path.push(Part::Value(variable));
                Ok(())
            }
            (At::Query, _) => {
                self.query().push(Part::Value(variable));
                Ok(())
            }
            (At::Fragment, _) => {
                self.target.fragment.push(Part::Value(variable));
                Ok(())
            }
            (At::End, _) => Err(behind_the_end()),
        }
    }

    /// The parts of the query, which has begun.
    fn query(&mut self) -> &mut Vec<Part> {
        if !matches!(self.target.query, Query::Made(_)) {
            self.target.query = Query::Made(Vec::new());
        }
        match &mut self.target.query {
            Query::Made(parts) => parts,
            _ => unreachable!("it was made in the line before"),
        }
    }
}

fn behind_the_end() -> Fault {
    let cause = "$request_uri has the query of the client in it, so nothing can follow";
    Fault::new(cause, "let it be the last, or write $path and ?a=b&$args")
}

/// Where the first of these bytes is, or the end.
fn find(text: &[u8], bytes: &[u8]) -> usize {
    text.iter().position(|byte| bytes.contains(byte)).unwrap_or(text.len())
}

/// Text of a path as the rule's writer has put it, decoded.
fn decoded(text: &[u8]) -> Result<Vec<u8>, Fault> {
    path::decode(text).map_err(|bad| {
        Fault::new(
            bad.to_string(),
            "write the path as in the address bar of a browser; %25 is a percent sign",
        )
    })
}

/// Text of a query with what cannot stand in one percent-encoded.
fn harmless(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'!'..=b'~' if !b"\"<>#".contains(&byte) => out.push(byte),
            _ => push_escaped(byte, &mut out),
        }
    }
    out
}
