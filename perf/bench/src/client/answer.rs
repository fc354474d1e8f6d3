//! Enough of an HTTP/1.1 response head to know where the response ends.

use crate::error::AnswerProblem;

/// The longest head that is read.
pub(crate) const HEAD_MAX: usize = 16 << 10;

/// A complete head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Bytes of the head with its empty line.
    pub(crate) len: usize,
    /// Bytes of the body by Content-Length.
    pub(crate) body: u64,
}

/// Reads the head at the beginning of `buf`; `None` if it is not complete yet.
pub(crate) fn head(buf: &[u8]) -> Result<Option<Head>, AnswerProblem> {
    let Some(end) = buf.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if buf.len() > HEAD_MAX { Err(AnswerProblem::Head) } else { Ok(None) };
    };
    let text = buf.get(..end).and_then(|head| std::str::from_utf8(head).ok()).ok_or(AnswerProblem::Head)?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1."))
        .and_then(|rest| rest.split(' ').nth(1)?.parse().ok())
        .ok_or(AnswerProblem::Head)?;
    let body = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .ok_or(AnswerProblem::NoLength)?;
    Ok(Some(Head { status, len: end + 4, body }))
}

/// The head at the beginning of `buf`, in most cases without reading all of it: a server's answers for one file
/// are of one length, so where `last` fits, its end and its status are all that is looked at.
pub(crate) fn head_like(buf: &[u8], last: Option<(Head, Status)>) -> Result<Option<Head>, AnswerProblem> {
    if let Some((like, status)) = last
        && buf.get(..status.len()) == Some(&status)
        && buf.get(like.len - 4..like.len) == Some(b"\r\n\r\n")
    {
        return Ok(Some(like));
    }
    head(buf)
}

/// `HTTP/1.1 200`.
pub(crate) type Status = [u8; 12];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Option<Head>, &str>) {
        assert_eq!(
            head(text.as_bytes()).map_err(|problem| problem.to_string()),
            expected.map_err(str::to_owned)
        );
    }

    #[test]
    fn heads() {
        let bad = Err("the head is not HTTP/1.x or too long");
        check(
            "HTTP/1.1 200 OK\r\nA: b\r\ncontent-LENGTH: 13\r\n\r\nHe",
            Ok(Some(Head { status: 200, len: 45, body: 13 })),
        );
        check(
            "HTTP/1.0 404 Not Found\r\nContent-Length:0\r\n\r\n",
            Ok(Some(Head { status: 404, len: 44, body: 0 })),
        );
        check("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n", Ok(None));
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Err("it has no Content-Length"));
        check("SSH-2.0\r\n\r\n", bad);
        check(&"x".repeat(HEAD_MAX + 1), bad);
    }

    #[test]
    fn a_head_unlike_the_last_is_read_in_full() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n";
        let last = head(answer).unwrap().unwrap();
        let like = |buf: &[u8]| head_like(buf, Some((last, *b"HTTP/1.1 200"))).unwrap();
        assert_eq!(like(answer), Some(last));
        assert_eq!(like(&answer[..answer.len() - 1]), None);
        let longer = like(b"HTTP/1.1 200 OK\r\nContent-Length: 131\r\n\r\n").unwrap();
        assert_eq!((longer.len, longer.body), (last.len + 1, 131));
        assert_eq!(like(b"HTTP/1.1 404 No\r\nContent-Length: 13\r\n\r\n").unwrap().status, 404);
    }
}
