//! JSON Pointers (RFC 6901).

/// `base` with one more token, escaped.
pub(crate) fn join(base: &str, token: &str) -> String {
    // RFC 6901 section 3: "~" first, or the "~" of "~1" would be escaped again.
    format!("{base}/{}", token.replace('~', "~0").replace('/', "~1"))
}

/// The pointer of `tokens`.
pub(crate) fn of<S: AsRef<str>>(tokens: &[S]) -> String {
    tokens.iter().fold(String::new(), |base, token| join(&base, token.as_ref()))
}

/// The tokens of `pointer`, unescaped; `None` when it is no JSON Pointer.
pub(crate) fn tokens(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    pointer.strip_prefix('/')?.split('/').map(unescape).collect()
}

fn unescape(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escaped, rest) = match part.as_bytes().first() {
            Some(b'0') => ('~', &part[1..]),
            Some(b'1') => ('/', &part[1..]),
            _ => return None,
        };
        plain.push(escaped);
        plain.push_str(rest);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_way_there_and_back() {
        for token in ["", "a", "/", "~", "~1", "~0", "a/b~c", "= /x", "ü"] {
            let pointer = of(&[token, "next"]);
            assert_eq!(tokens(&pointer), Some(vec![token.to_owned(), "next".to_owned()]), "{pointer}");
        }
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for text in ["a", "a/b", "/~", "/~2", "/a~/b"] {
            assert_eq!(tokens(text), None, "{text}");
        }
        assert_eq!(tokens(""), Some(vec![]));
        assert_eq!(tokens("/"), Some(vec![String::new()]));
    }
}
