//! Rust source without its literals, and without its comments.
//!
//! Enough of the lexical grammar to tell code from text: nested comments, raw strings, and lifetimes, which
//! begin like character literals.

/// Blanks comments and literals with spaces; line breaks stay, so that line numbers do.
pub(crate) fn code_of(source: &str) -> String {
    blank(source, |_| true)
}

/// Blanks literals alone.
pub(crate) fn prose_of(source: &str) -> String {
    blank(source, |text| !text.starts_with('/'))
}

/// Blanks the comments and literals that `is_meant` picks.
fn blank(source: &str, is_meant: impl Fn(&str) -> bool) -> String {
    let mut kept = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = text_length(rest, kept.chars().next_back());
        let (text, after) = rest.split_at(length.max(first.len_utf8()));
        if length == 0 || !is_meant(text) {
            kept.push_str(text);
        } else {
            kept.extend(text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = after;
    }
    kept
}

/// Bytes of the comment or literal at the front; 0 when there is code.
fn text_length(rest: &str, before: Option<char>) -> usize {
    let within_name = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return comment_length(rest);
    }
    if rest.starts_with('"') {
        return quoted_length(rest, '"');
    }
    if rest.starts_with('\'') {
        return character_length(rest);
    }
    if within_name { 0 } else { prefixed_length(rest) }
}

fn comment_length(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Length of a literal with escapes that begins with the quote.
fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `'x'` and `'\n'` are literals, `'a` is a lifetime.
fn character_length(rest: &str) -> usize {
    let mut inner = rest[1..].chars();
    match (inner.next(), inner.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted_length(rest, '\''),
        _ => 0,
    }
}

/// `r"..."`, `r#"..."#`, `b"..."`, `b'x'`, `br"..."`, `c"..."`.
fn prefixed_length(rest: &str) -> usize {
    let prefix = ["br", "cr", "b", "c", "r"].into_iter().find(|prefix| rest.starts_with(prefix));
    let Some(prefix) = prefix else { return 0 };
    let body = &rest[prefix.len()..];
    if !prefix.ends_with('r') {
        return match body.chars().next() {
            Some(quote @ ('"' | '\'')) => prefix.len() + quoted_length(body, quote),
            _ => 0,
        };
    }
    let hashes = body.len() - body.trim_start_matches('#').len();
    if !body[hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let inside = hashes + 1;
    let length = body[inside..].find(&end).map_or(body.len(), |at| inside + at + end.len());
    prefix.len() + length
}

/// Whether `word` stands in `line` as a word of its own.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(is_name);
        let after = line[at + word.len()..].chars().next().is_some_and(is_name);
        !before && !after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_code_from_text() {
        for (source, wanted) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            ("f(\"x\\\"y\") g", "f(      ) g"),
            ("r#\"a\"b\"# c", "         c"),
            ("b\"ab\" b'a' c", "           c"),
            ("'a' '\\'' x", "         x"),
            ("&'a str", "&'a str"),
            ("for r in bar", "for r in bar"),
            ("\"open", "     "),
            ("r#type", "r#type"),
        ] {
            assert_eq!(code_of(source), wanted, "{source}");
        }
    }

    #[test]
    fn keeps_comments_in_prose() {
        assert_eq!(prose_of("f(\"a\") // b \"c\"\n"), "f(   ) // b \"c\"\n");
    }

    #[test]
    fn finds_words() {
        for (line, wanted) in [
            ("unsafe {", true),
            ("pub unsafe fn", true),
            ("#![forbid(unsafe_code)]", false),
            ("not_unsafe", false),
        ] {
            assert_eq!(has_word(line, "unsafe"), wanted, "{line}");
        }
    }
}
