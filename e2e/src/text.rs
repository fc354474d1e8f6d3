//! The little text language of data files: escapes, variables, repetition, wildcards.

use std::collections::BTreeMap;

/// Variables of a running case: name to value.
pub type Variables = BTreeMap<String, String>;

/// Expands `${name}` and `${N*text}`, then the escapes `\r \n \t \0 \\ \" \$ \xNN`.
///
/// The result is bytes, since requests may hold any octet.
pub fn expand(text: &str, variables: &Variables) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '$']) {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        rest = match rest.strip_prefix("${") {
            Some(inner) => expand_braces(inner, variables, &mut out)?,
            None if rest.starts_with('\\') => expand_escape(&rest[1..], &mut out)?,
            None => {
                out.push(b'$');
                &rest[1..]
            }
        };
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

fn expand_braces<'t>(inner: &'t str, variables: &Variables, out: &mut Vec<u8>) -> Result<&'t str, String> {
    let (name, rest) = inner.split_once('}').ok_or("`${` without `}`")?;
    if let Some((count, unit)) = name.split_once('*') {
        let count: usize = count.parse().map_err(|_| format!("{count:?} is no number of repetitions"))?;
        let unit = expand(unit, variables)?;
        out.extend(unit.repeat(count));
    } else {
        let value = variables.get(name).ok_or_else(|| format!("no variable {name:?}"))?;
        out.extend_from_slice(value.as_bytes());
    }
    Ok(rest)
}

fn expand_escape<'t>(after: &'t str, out: &mut Vec<u8>) -> Result<&'t str, String> {
    let kind = after.chars().next().ok_or("`\\` at the end")?;
    let byte = match kind {
        'r' => b'\r',
        'n' => b'\n',
        't' => b'\t',
        '0' => 0,
        '\\' | '"' | '$' => kind as u8,
        'x' => {
            let digits = after.get(1..3).ok_or("`\\x` without two digits")?;
            out.push(u8::from_str_radix(digits, 16).map_err(|_| format!("`\\x{digits}` is no octet"))?);
            return Ok(&after[3..]);
        }
        other => return Err(format!("unknown escape `\\{other}`")),
    };
    out.push(byte);
    Ok(&after[1..])
}

/// Takes the content of a quoted string off the front: `"..."` gives (content still escaped, the rest).
pub fn quoted(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some((&inner[..at], &inner[at + 1..])),
            _ => {}
        }
    }
    None
}

/// Whether `text` is matched by `pattern`, in which `*` stands for any run of bytes.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let mut parts = pattern.split(|&byte| byte == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(middle) = last.replace(part) {
            let Some(at) = find(rest, middle) else { return false };
            rest = &rest[at + middle.len()..];
        }
    }
    match last {
        Some(tail) => rest.ends_with(tail),
        None => rest.is_empty(),
    }
}

/// Where `needle` begins in `haystack`.
#[must_use]
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Bytes as a person reads them: ASCII as it is, the rest escaped, long ones cut.
#[must_use]
pub fn show(bytes: &[u8]) -> String {
    const SHOWN: usize = 300;
    let cut = &bytes[..bytes.len().min(SHOWN)];
    let more = if bytes.len() > SHOWN { format!("... ({} bytes)", bytes.len()) } else { String::new() };
    format!("\"{}\"{more}", cut.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands() {
        let variables = Variables::from([("tag".to_owned(), "\"x\"".to_owned())]);
        for (text, wanted) in [
            ("plain", &b"plain"[..]),
            (r"a\r\n\x00\xff\\", b"a\r\n\0\xff\\"),
            ("${3*ab}${tag}", b"ababab\"x\""),
            ("$ and \\${tag}", b"$ and ${tag}"),
        ] {
            assert_eq!(expand(text, &variables).expect(text), wanted, "{text}");
        }
        for text in ["${no}", "${", r"\q", r"\x1", r"\", "${a*b}"] {
            assert!(expand(text, &variables).is_err(), "{text}");
        }
    }

    #[test]
    fn matches_wildcards() {
        for (pattern, text, wanted) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "ac", true),
            ("a*c", "a", false),
            ("*b*", "abc", true),
            ("*b*b*", "abc", false),
            ("a*a", "a", false),
            ("bytes */26", "bytes */26", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), wanted, "{pattern} on {text}");
        }
    }

    #[test]
    fn quotes() {
        assert_eq!(quoted(r#""a\"b" rest"#), Some((r#"a\"b"#, " rest")));
        assert_eq!(quoted("plain"), None);
        assert_eq!(quoted("\"open"), None);
    }
}
