//! Texts with `$variables`.

use std::sync::Arc;

use super::Fault;
use super::map::Map;
use super::variable::{FACTS, Scope, Variable, View};

/// Longest template in bytes.
const TEXT_MAX: usize = 4096;
/// Most variables of one.
const VARIABLES_MAX: usize = 64;

/// Media types of scripts (RFC 9239 section 6), in lower case.
const SCRIPTS: [&str; 5] = [
    "text/javascript",
    "application/javascript",
    "application/x-javascript",
    "text/ecmascript",
    "application/ecmascript",
];

/// A piece of a template.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// Stands for itself.
    Text(Vec<u8>),
    /// Stands for what the request says.
    Value(Variable),
}

/// How values are written so that they end nothing that is around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// As they are.
    Plain,
    /// For text and quoted attributes of HTML and XML.
    Html,
    /// For the inside of a text of JSON.
    Json,
    /// For the inside of a text of a script, whatever its quotes are.
    Script,
    /// For the value of a field: what would end the line, or is no part of a value, is percent-encoded (RFC 9110 section
    /// 5.5).
    Field,
}

/// Reads `text`: `$name` and `${name}` are variables, `$$` is a dollar.
pub(crate) fn parse(text: &str, scope: &Scope<'_>) -> Result<Vec<Part>, Fault> {
    if TEXT_MAX < text.len() {
        return Err(Fault::new(format!("the text is longer than {TEXT_MAX} bytes"), "make it shorter"));
    }
    let mut parts = Vec::new();
    let mut plain = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        plain.extend_from_slice(before.as_bytes());
        if let Some(after) = after.strip_prefix('$') {
            plain.push(b'$');
            rest = after;
            continue;
        }
        let (name, after) = name(after)?;
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        parts.push(Part::Value(scope.find(name)?));
        rest = after;
    }
    plain.extend_from_slice(rest.as_bytes());
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    if VARIABLES_MAX < parts.iter().filter(|part| matches!(part, Part::Value(_))).count() {
        return Err(Fault::new(format!("the text has more than {VARIABLES_MAX} variables"), "use less"));
    }
    Ok(parts)
}

/// The name at the beginning of `text`, which stands behind a `$`, and what follows it.
fn name(text: &str) -> Result<(&str, &str), Fault> {
    let nameless = || Fault::new("a $ without a name behind it", "write $$ for a dollar");
    if let Some(inner) = text.strip_prefix('{') {
        let (name, after) = inner.split_once('}').ok_or_else(nameless)?;
        return if name.is_empty() { Err(nameless()) } else { Ok((name, after)) };
    }
    // $1 followed by a digit is that digit, as everywhere.
    let numbered = text.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    match if numbered { 1 } else { end } {
        0 => Err(nameless()),
        end => Ok(text.split_at(end)),
    }
}

/// Appends what the parts stand for.
pub(crate) fn write(parts: &[Part], view: &View<'_>, escape: Escape, out: &mut Vec<u8>) {
    for part in parts {
        match part {
            Part::Text(text) => out.extend_from_slice(text),
            Part::Value(variable) => {
                let start = out.len();
                variable.write(view, out);
                escape.apply(start, out);
            }
        }
    }
}

/// The value of a field, from what a request says.
#[derive(Clone, Debug)]
pub(crate) struct FieldTemplate {
    parts: Vec<Part>,
}

impl FieldTemplate {
    /// Reads a text.
    pub(crate) fn parse(text: &str, maps: &[(String, Arc<Map>)]) -> Result<FieldTemplate, Fault> {
        let parts = parse(text, &Scope { maps, facts: FACTS, ..Scope::default() })?;
        Ok(FieldTemplate { parts })
    }

    /// The value, where it is the same for all requests.
    pub(crate) fn fixed(&self) -> Option<&[u8]> {
        match &self.parts[..] {
            [] => Some(b""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends a line with this name; none where there is no value.
    pub(crate) fn write_line(&self, name: &str, view: &View<'_>, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        let value = out.len();
        write(&self.parts, view, Escape::Field, out);
        if out[value..].trim_ascii().is_empty() {
            return out.truncate(begin);
        }
        out.extend_from_slice(b"\r\n");
    }
}

impl Escape {
    /// That of a media type.
    pub(crate) fn of(media_type: &str) -> Escape {
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "text/html" | "text/xml" | "application/xml" => Escape::Html,
            "application/json" => Escape::Json,
            essence if SCRIPTS.contains(&essence) => Escape::Script,
            essence if essence.ends_with("+json") => Escape::Json,
            essence if essence.ends_with("+xml") => Escape::Html,
            _ => Escape::Plain,
        }
    }

    /// Rewrites what `out` has from `start` on.
    fn apply(self, start: usize, out: &mut Vec<u8>) {
        match self {
            Escape::Plain => return,
            Escape::Field if !out[start..].iter().any(is_control) => return,
            Escape::Field | Escape::Html | Escape::Json | Escape::Script => {}
        }
        let value = out.split_off(start);
        if self == Escape::Field {
            return value.iter().for_each(|byte| push_visible(*byte, out));
        }
        // What is no UTF-8 would make the whole body none.
        for c in String::from_utf8_lossy(&value).chars() {
            match (self, c) {
                (Escape::Html, '<') => out.extend_from_slice(b"&lt;"),
                (Escape::Html, '>') => out.extend_from_slice(b"&gt;"),
                (Escape::Html, '&') => out.extend_from_slice(b"&amp;"),
                (Escape::Html, '"') => out.extend_from_slice(b"&quot;"),
                (Escape::Html, '\'') => out.extend_from_slice(b"&#39;"),
                (Escape::Json | Escape::Script, '"' | '\\') => out.extend_from_slice(&[b'\\', c as u8]),
                // RFC 8259 section 7; < as well, for JSON within a page.
                (Escape::Json | Escape::Script, '\0'..='\x1f' | '<' | '\x7f')
                // All else that ends a text of a script or begins a part of it that is run.
                | (Escape::Script, '\'' | '`' | '$' | '\u{2028}' | '\u{2029}') => {
                    out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
                }
                _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
}

fn is_control(byte: &u8) -> bool {
    byte.is_ascii_control() && *byte != b'\t'
}

fn push_visible(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if is_control(&byte) {
        out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    } else {
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_nothing_around_them() {
        for (media_type, value, wanted) in [
            ("text/plain", "<a>&\"", "<a>&\""),
            ("text/html; charset=utf-8", "<a b='c'>&\"", "&lt;a b=&#39;c&#39;&gt;&amp;&quot;"),
            ("image/svg+xml", "<", "&lt;"),
            ("application/json", "a\"b\\c\n<\u{7f}\u{fc}", "a\\\"b\\\\c\\u000a\\u003c\\u007f\u{fc}"),
            ("application/problem+json", "\"", "\\\""),
            ("application/json", "'`$", "'`$"),
            ("application/javascript", "\"</script>\\", "\\\"\\u003c/script>\\\\"),
            ("text/javascript; charset=utf-8", "'+f()+'\n", "\\u0027+f()+\\u0027\\u000a"),
            ("Text/ECMAScript", "`${f()}\u{2028}", "\\u0060\\u0024{f()}\\u2028"),
        ] {
            let mut out = b"before".to_vec();
            out.extend_from_slice(value.as_bytes());
            Escape::of(media_type).apply("before".len(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), format!("before{wanted}"), "{media_type}");
        }
        for (value, wanted) in
            [(&b"a\tb \xfc"[..], &b"a\tb \xfc"[..]), (b"a\r\nX: b\0\x7f", b"a%0D%0AX: b%00%7F"), (b"", b"")]
        {
            let mut out = value.to_vec();
            Escape::Field.apply(0, &mut out);
            assert_eq!(out, wanted);
        }
    }
}
