//! Which paths a location is for, as its key says it.

use crate::cause::Flaw;
use crate::model::Matcher;
use crate::tree::quoted;

/// The key of a location: `/prefix/`, `= /exact`, `~ pattern`.
pub(crate) fn matcher(text: &str) -> Result<Matcher, Flaw> {
    if let Some(path) = text.strip_prefix('=') {
        return location_path(path.trim_start()).map(Matcher::Exact);
    }
    if text.starts_with("~*") {
        return Err(Flaw::new("\"~*\" is not known here", "write \"~ (?i)pattern\" to ignore case"));
    }
    if let Some(pattern) = text.strip_prefix('~') {
        let pattern = pattern.trim_start();
        if pattern.is_empty() {
            return Err(Flaw::new(
                "the pattern is empty",
                "write a regular expression, such as \"~ \\\\.png$\"",
            ));
        }
        return Ok(Matcher::Pattern(pattern.to_owned()));
    }
    location_path(text).map(Matcher::Prefix)
}

fn location_path(path: &str) -> Result<String, Flaw> {
    let flaw = |what: &str, cure: &str| Err(Flaw::new(format!("the location {} {what}", quoted(path)), cure));
    if !path.starts_with('/') {
        return flaw("is no path", "write \"/prefix/\", \"= /exact/path\" or \"~ pattern\"");
    }
    if path.contains(['?', '#']) {
        return flaw("has a query or fragment", "leave it out: locations compare paths only");
    }
    if path.contains("//") || path.split('/').any(|segment| segment == "." || segment == "..") {
        return flaw(
            "can never match",
            "write the path as it is after \"//\", \".\" and \"..\" are resolved",
        );
    }
    if path.contains('\0') {
        return flaw("can never match", "remove the NUL character");
    }
    if has_escape(path) {
        return flaw(
            "can never match: paths are compared after they are decoded",
            "write what the escape stands for, as in \"/a b/\" for \"/a%20b/\"",
        );
    }
    Ok(path.to_owned())
}

/// Whether a percent sign with two hexadecimal digits is in it.
fn has_escape(path: &str) -> bool {
    let is_escape = |three: &[u8]| three[0] == b'%' && three[1..].iter().all(u8::is_ascii_hexdigit);
    path.as_bytes().windows(3).any(is_escape)
}
