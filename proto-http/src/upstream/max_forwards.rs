//! `Max-Forwards` (RFC 9110 section 7.6.2).

use crate::{Known, Method, Request};

/// How far a request may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxForwards {
    /// As far as it likes.
    Unbounded,
    /// No further: we are its final recipient.
    Here,
    /// So many times more, once it has left.
    Left(u64),
}

impl MaxForwards {
    /// What a request says, which counts for TRACE and OPTIONS alone. A value that is no number counts as none.
    #[must_use]
    pub fn of(request: &Request<'_>) -> MaxForwards {
        if !matches!(request.method(), Method::Options | Method::Trace) {
            return MaxForwards::Unbounded;
        }
        let mut values = request.all(Known::MaxForwards);
        let (Some(value), None) = (values.next(), values.next()) else { return MaxForwards::Unbounded };
        match number(value) {
            Some(0) => MaxForwards::Here,
            Some(hops) => MaxForwards::Left(hops - 1),
            None => MaxForwards::Unbounded,
        }
    }
}

fn number(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value).ok().filter(|_| value.iter().all(u8::is_ascii_digit))?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Head, HeadParser, Limits};

    #[test]
    fn hops_count_for_trace_and_options() {
        for (method, fields, wanted) in [
            ("OPTIONS", "", MaxForwards::Unbounded),
            ("OPTIONS", "Max-Forwards: 0\r\n", MaxForwards::Here),
            ("TRACE", "Max-Forwards: 10\r\n", MaxForwards::Left(9)),
            ("GET", "Max-Forwards: 0\r\n", MaxForwards::Unbounded),
            ("OPTIONS", "Max-Forwards: x\r\n", MaxForwards::Unbounded),
            ("OPTIONS", "Max-Forwards: +1\r\n", MaxForwards::Unbounded),
            ("OPTIONS", "Max-Forwards: 99999999999999999999\r\n", MaxForwards::Unbounded),
            ("OPTIONS", "Max-Forwards: 0\r\nMax-Forwards: 1\r\n", MaxForwards::Unbounded),
        ] {
            let text = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            let mut head = Head::default();
            HeadParser::default().parse(text.as_bytes(), &Limits::default(), &mut head).expect("a head");
            assert_eq!(MaxForwards::of(&head.view(text.as_bytes())), wanted, "{text}");
        }
    }
}
