//! Heads that are whole but for their empty line: finding, removing and adding lines.

const END: &[u8] = b"\r\n";

/// Appends a line.
pub(super) fn push(out: &mut Vec<u8>, name: &str, value: impl AsRef<[u8]>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_ref());
    out.extend_from_slice(END);
}

/// The value of the first field of this name, with the spaces before it.
pub(super) fn find<'h>(head: &'h [u8], name: &str) -> Option<&'h [u8]> {
    let (start, end) = line(head, 0, name)?;
    Some(&head[start + name.len() + 1..end - END.len()])
}

/// Removes all fields of this name.
pub(super) fn remove(out: &mut Vec<u8>, head_at: usize, name: &str) {
    let mut from = head_at;
    while let Some((start, end)) = line(out, from, name) {
        out.drain(start..end);
        from = start.saturating_sub(END.len());
    }
}

/// Where the first line with this name begins and ends behind the end of the line at `from`; the status line is
/// never one.
fn line(head: &[u8], from: usize, name: &str) -> Option<(usize, usize)> {
    let mut start = from + end_of_line(&head[from..])?;
    while start < head.len() {
        let end = start + end_of_line(&head[start..])?;
        let is_it = head[start..end].split_at_checked(name.len()).is_some_and(|(own, rest)| {
            rest.first() == Some(&b':') && own.eq_ignore_ascii_case(name.as_bytes())
        });
        if is_it {
            return Some((start, end));
        }
        start = end;
    }
    None
}

/// Length of the first line with its end.
fn end_of_line(text: &[u8]) -> Option<usize> {
    text.windows(END.len()).position(|pair| pair == END).map(|at| at + END.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_and_removed() {
        const HEAD: &[u8] = b"HTTP/1.1 200 A: b\r\nA: 1\r\nAB: 2\r\na: 3\r\nC:\r\n";
        for (name, value, rest) in [
            ("A", Some(&b" 1"[..]), &b"HTTP/1.1 200 A: b\r\nAB: 2\r\nC:\r\n"[..]),
            ("ab", Some(b" 2"), b"HTTP/1.1 200 A: b\r\nA: 1\r\na: 3\r\nC:\r\n"),
            ("C", Some(b""), b"HTTP/1.1 200 A: b\r\nA: 1\r\nAB: 2\r\na: 3\r\n"),
            ("D", None, HEAD),
            ("HTTP/1.1 200 A", None, HEAD),
        ] {
            assert_eq!(find(HEAD, name), value, "{name}");
            let mut out = [b"before\r\nA: 0\r\n", HEAD].concat();
            remove(&mut out, 14, name);
            assert_eq!(out, [b"before\r\nA: 0\r\n", rest].concat(), "{name}");
        }
    }
}
