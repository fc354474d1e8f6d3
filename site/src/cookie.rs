//! Cookies of a request.

use proto_http::{Known, Request};

/// The value of the first cookie of that name (RFC 6265 section 5.4: `a=1; b=2`), as it was sent.
pub(crate) fn find<'r>(request: &Request<'r>, name: &[u8]) -> Option<&'r [u8]> {
    let pairs = request.all(Known::Cookie).flat_map(|field| field.split(|byte| *byte == b';'));
    pairs.map(<[u8]>::trim_ascii).find_map(|pair| {
        let (known, value) = pair.split_at_checked(name.len())?;
        if known == name { value.strip_prefix(b"=") } else { None }
    })
}

#[cfg(test)]
mod tests {
    use proto_http::{Head, HeadParser, Limits};

    use super::*;

    #[test]
    fn the_first_one_of_a_name_is_found() {
        for (fields, wanted) in [
            ("Cookie: a=1; id=2; id=3\r\n", Some("2")),
            ("Cookie: a=1\r\nCookie: id=x=y\r\n", Some("x=y")),
            ("Cookie: id=\r\n", Some("")),
            ("Cookie:id=1;a\r\n", Some("1")),
            ("Cookie: xid=1; idx=2; ID=3; id\r\n", None),
            ("X: id=1\r\n", None),
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            let mut head = Head::default();
            HeadParser::default().parse(text.as_bytes(), &Limits::default(), &mut head).expect("a head");
            let found = find(&head.view(text.as_bytes()), b"id");
            assert_eq!(found, wanted.map(str::as_bytes), "{fields}");
        }
    }
}
