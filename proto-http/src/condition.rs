//! Conditional requests (RFC 9110 section 13).

use crate::{Known, Method, Request, date};

/// What is known of the content that would be sent.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    /// Entity tag with its quotes; a weak one begins with `W/`.
    pub etag: Option<&'a [u8]>,
    /// Seconds since 1970.
    pub last_modified: Option<u64>,
}

/// How to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Answer, with the range asked for if there is one.
    Proceed,
    /// Answer with the whole content, although a range was asked for.
    ProceedWithoutRange,
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
}

/// Evaluates the preconditions of a request in the order of RFC 9110 section 13.2.2.
#[must_use]
pub fn evaluate(request: &Request<'_>, validators: &Validators<'_>) -> Verdict {
    let reads = matches!(request.method(), Method::Get | Method::Head);
    let date_of = |field| request.field(field).and_then(date::parse);

    // Step 1 and 2: the client wants to change or read what it has seen.
    if request.field(Known::IfMatch).is_some() {
        if !request.all(Known::IfMatch).any(|list| lists(list, validators.etag, strong)) {
            return Verdict::PreconditionFailed;
        }
    } else if let (Some(since), Some(modified)) =
        (date_of(Known::IfUnmodifiedSince), validators.last_modified)
        && since < modified
    {
        return Verdict::PreconditionFailed;
    }

    // Step 3 and 4: the client has it already.
    if request.field(Known::IfNoneMatch).is_some() {
        if request.all(Known::IfNoneMatch).any(|list| lists(list, validators.etag, weak)) {
            return if reads { Verdict::NotModified } else { Verdict::PreconditionFailed };
        }
    } else if reads
        && let (Some(since), Some(modified)) = (date_of(Known::IfModifiedSince), validators.last_modified)
        && modified <= since
    {
        return Verdict::NotModified;
    }

    // Step 5: a range only of what the client has the rest of.
    match request.field(Known::IfRange) {
        Some(condition) if !same(condition, validators) => Verdict::ProceedWithoutRange,
        _ => Verdict::Proceed,
    }
}

/// Whether a condition of the request names this entity tag: it is about the content that has it, so that a server
/// with several contents for the same target does well to choose that one.
#[must_use]
pub fn names(request: &Request<'_>, etag: &[u8]) -> bool {
    let listed = |field| request.all(field).any(|list| tags(list).any(|tag| weak(tag, etag)));
    listed(Known::IfNoneMatch) || listed(Known::IfMatch) || listed(Known::IfRange)
}

/// `If-Range` holds an entity tag or a date; both have to match exactly (RFC 9110 section 13.1.5).
fn same(condition: &[u8], validators: &Validators<'_>) -> bool {
    if condition.starts_with(b"\"") || condition.starts_with(b"W/") {
        return validators.etag.is_some_and(|etag| strong(condition, etag));
    }
    match (date::parse(condition), validators.last_modified) {
        (Some(date), Some(modified)) => date == modified,
        _ => false,
    }
}

/// Whether a list of entity tags, or `*`, has this one.
fn lists(list: &[u8], etag: Option<&[u8]>, compare: fn(&[u8], &[u8]) -> bool) -> bool {
    if list.trim_ascii() == b"*" {
        return true;
    }
    let Some(etag) = etag else { return false };
    tags(list).any(|tag| compare(tag, etag))
}

/// The members of a list of entity tags; a comma within quotes does not end one. Stops where the list is broken.
fn tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let skip = rest.iter().position(|b| !matches!(b, b',' | b' ' | b'\t'))?;
        let tag = &rest[skip..];
        let open = if tag.starts_with(b"W/\"") { 3 } else { 1 };
        if tag.get(open - 1) != Some(&b'"') {
            return None;
        }
        let close = open + tag[open..].iter().position(|&b| b == b'"')?;
        rest = &tag[close + 1..];
        Some(&tag[..=close])
    })
}

/// RFC 9110 section 8.8.3.2: equal, and none of them weak.
fn strong(a: &[u8], b: &[u8]) -> bool {
    a == b && !a.starts_with(b"W/")
}

/// RFC 9110 section 8.8.3.2: equal but for weakness.
fn weak(a: &[u8], b: &[u8]) -> bool {
    a.strip_prefix(b"W/").unwrap_or(a) == b.strip_prefix(b"W/").unwrap_or(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Head, HeadParser, Limits, Progress};

    const MODIFIED: u64 = 784_111_777;

    fn verdict(method: &str, fields: &str) -> Verdict {
        let validators = Validators { etag: Some(b"\"a,b\""), last_modified: Some(MODIFIED) };
        of_request(method, fields, |request| evaluate(request, &validators))
    }

    fn of_request<T>(method: &str, fields: &str, tell: impl FnOnce(&Request<'_>) -> T) -> T {
        let text = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut head = Head::default();
        let limits = Limits { head_bytes: 4096, target_bytes: 1024, fields: 16 };
        let parsed = HeadParser::new().parse(text.as_bytes(), &limits, &mut head);
        assert!(matches!(parsed, Ok(Progress::Done { .. })), "{text}");
        tell(&head.view(text.as_bytes()))
    }

    #[test]
    fn conditions_name_entity_tags() {
        let cases = [
            ("", false),
            ("If-None-Match: \"a,b\"\r\n", true),
            ("If-None-Match: W/\"a,b\"\r\n", true),
            ("If-None-Match: \"x\", \"a,b\"\r\n", true),
            ("If-None-Match: *\r\n", false),
            ("If-None-Match: \"a\"\r\n", false),
            ("If-Match: \"a,b\"\r\n", true),
            ("If-Range: \"a,b\"\r\n", true),
            ("If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n", false),
            ("X-A: \"a,b\"\r\n", false),
        ];
        for (fields, expected) in cases {
            assert_eq!(of_request("GET", fields, |request| names(request, b"\"a,b\"")), expected, "{fields}");
        }
    }

    #[test]
    fn conditions_are_evaluated_in_order() {
        use Verdict::{NotModified, PreconditionFailed, Proceed, ProceedWithoutRange};
        let cases = [
            ("GET", "", Proceed),
            ("GET", "If-None-Match: \"a,b\"\r\n", NotModified),
            ("GET", "If-None-Match: W/\"a,b\"\r\n", NotModified),
            ("GET", "If-None-Match: \"x\", \"a,b\"\r\n", NotModified),
            ("GET", "If-None-Match: \"x\"\r\nIf-None-Match: \"a,b\"\r\n", NotModified),
            ("GET", "If-None-Match: *\r\n", NotModified),
            ("HEAD", "If-None-Match: *\r\n", NotModified),
            ("PUT", "If-None-Match: *\r\n", PreconditionFailed),
            ("GET", "If-None-Match: \"x\"\r\n", Proceed),
            ("GET", "If-None-Match: a,b\r\n", Proceed),
            ("GET", "If-None-Match: \"a,b\r\n", Proceed),
            ("GET", "If-Match: \"a,b\"\r\n", Proceed),
            ("GET", "If-Match: *\r\n", Proceed),
            ("GET", "If-Match: W/\"a,b\"\r\n", PreconditionFailed),
            ("GET", "If-Match: \"x\"\r\n", PreconditionFailed),
            ("GET", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", NotModified),
            ("GET", "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", NotModified),
            ("GET", "If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n", NotModified),
            ("GET", "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", Proceed),
            ("POST", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", Proceed),
            ("GET", "If-Modified-Since: soon\r\n", Proceed),
            // If-None-Match goes before If-Modified-Since (RFC 9110 section 13.1.3).
            ("GET", "If-None-Match: \"x\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", Proceed),
            ("GET", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", PreconditionFailed),
            ("GET", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", Proceed),
            ("GET", "If-Unmodified-Since: never\r\n", Proceed),
            ("GET", "If-Match: \"a,b\"\r\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", Proceed),
            ("GET", "If-Range: \"a,b\"\r\n", Proceed),
            ("GET", "If-Range: W/\"a,b\"\r\n", ProceedWithoutRange),
            ("GET", "If-Range: \"x\"\r\n", ProceedWithoutRange),
            ("GET", "If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n", Proceed),
            ("GET", "If-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n", ProceedWithoutRange),
        ];
        for (method, fields, expected) in cases {
            assert_eq!(verdict(method, fields), expected, "{method} {fields}");
        }
    }
}
