//! Content codings, and which of them a client takes (RFC 9110 sections 8.4.1 and 12.5.3).

use arrayvec::ArrayVec;

use crate::token::{is_token_byte, trim};
use crate::{Known, Request};

/// A content coding that the server knows to apply. That a content has none is told by `None` beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `gzip` (RFC 1952).
    Gzip,
    /// `zstd` (RFC 8878).
    Zstd,
    /// `br` (RFC 7932).
    Brotli,
}

impl Coding {
    /// Number of codings.
    pub const COUNT: usize = 3;

    /// All of them; each stands at [`Coding::index`].
    pub const ALL: [Coding; Coding::COUNT] = [Coding::Gzip, Coding::Zstd, Coding::Brotli];

    /// Its name in `Content-Encoding`.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Zstd => "zstd",
            Coding::Brotli => "br",
        }
    }

    /// A number below [`Coding::COUNT`] of its own.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    fn named(name: &[u8]) -> Option<Coding> {
        // RFC 9110 section 8.4.1.3: `x-gzip` means the same.
        if name.eq_ignore_ascii_case(b"x-gzip") {
            return Some(Coding::Gzip);
        }
        Coding::ALL.into_iter().find(|coding| name.eq_ignore_ascii_case(coding.token().as_bytes()))
    }
}

/// Codings in order.
pub type Codings = ArrayVec<Coding, { Coding::COUNT }>;

/// A weight in thousandths (RFC 9110 section 12.4.2); 0 is "not acceptable".
type Quality = u16;
const WHOLE: Quality = 1000;

/// What a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    codings: [Quality; Coding::COUNT],
    /// `None` where nothing is said of it: it is acceptable, and every coding that is goes before it.
    identity: Option<Quality>,
}

impl Accepted {
    /// Reads all `Accept-Encoding` fields of a request. Without one any coding is acceptable, but nobody has
    /// asked for it: so none is, as every other server has it.
    #[must_use]
    pub fn of(request: &Request<'_>) -> Accepted {
        if request.field(Known::AcceptEncoding).is_none() {
            return Accepted { codings: [0; Coding::COUNT], identity: None };
        }
        Accepted::read(request.all(Known::AcceptEncoding))
    }

    /// Reads values that make up one list. A member that is malformed says nothing; of two for the same coding the
    /// lower one holds, since what is not wanted must not be sent.
    fn read<'v>(values: impl Iterator<Item = &'v [u8]>) -> Accepted {
        let mut listed = [None; Coding::COUNT];
        let (mut identity, mut others) = (None, None);
        let members = values.flat_map(|value| value.split(|&byte| byte == b',')).map(trim);
        for (name, quality) in members.filter_map(member) {
            let slot = match Coding::named(name) {
                Some(coding) => &mut listed[coding.index()],
                None if name == b"*" => &mut others,
                None if name.eq_ignore_ascii_case(b"identity") => &mut identity,
                None => continue,
            };
            *slot = Some(slot.map_or(quality, |known: Quality| known.min(quality)));
        }
        // RFC 9110 section 12.5.3: `*` is for what is not listed, and forbids even `identity` with q=0.
        Accepted {
            codings: listed.map(|quality| quality.or(others).unwrap_or(0)),
            identity: identity.or(others),
        }
    }

    /// Those of the `offered` codings that the client takes no less gladly than a content without any, the dearest
    /// first, equally dear ones in the order offered.
    #[must_use]
    pub fn among(&self, offered: impl Iterator<Item = Coding>) -> Codings {
        let quality = |coding: Coding| self.codings[coding.index()];
        let floor = self.identity.unwrap_or(0);
        let mut wanted = Codings::new();
        for coding in offered.filter(|&coding| 0 < quality(coding) && floor <= quality(coding)) {
            let at = wanted.iter().position(|&other| quality(other) < quality(coding));
            // No coding is offered twice; a second one would be no news.
            if !wanted.contains(&coding) {
                wanted.insert(at.unwrap_or(wanted.len()), coding);
            }
        }
        wanted
    }

    /// Whether the client takes a content without a coding. Where it does not, and none that it takes is at hand, it
    /// gets one all the same, as if its content was not negotiated: the other choice would be 406, which helps
    /// nobody (RFC 9110 section 12.4.1).
    #[must_use]
    pub fn takes_identity(&self) -> bool {
        self.identity != Some(0)
    }
}

/// Name and quality of a list member.
fn member(member: &[u8]) -> Option<(&[u8], Quality)> {
    let semicolon = member.iter().position(|&byte| byte == b';');
    let (name, quality) = match semicolon {
        Some(at) => (trim(&member[..at]), weight(trim(&member[at + 1..]))?),
        None => (member, WHOLE),
    };
    (!name.is_empty() && name.iter().all(|&byte| is_token_byte(byte))).then_some((name, quality))
}

/// `q=0.123`, in thousandths (RFC 9110 section 12.4.2).
fn weight(text: &[u8]) -> Option<Quality> {
    let (b'q' | b'Q', b"=", value) = (*text.first()?, text.get(1..2)?, text.get(2..)?) else { return None };
    let (whole, fraction) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    let mut thousandths = 0;
    for place in 0..3 {
        let digit = fraction.get(place).copied().unwrap_or(b'0');
        thousandths = thousandths * 10 + Quality::from(digit.checked_sub(b'0').filter(|&digit| digit < 10)?);
    }
    match (whole, thousandths) {
        (b'0', thousandths) => Some(thousandths),
        (b'1', 0) => Some(WHOLE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERED: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

    /// What fields with these values come to: the codings in their order, and `none` where that is refused.
    fn negotiate(values: &[&str]) -> String {
        let accepted = Accepted::read(values.iter().map(|value| value.as_bytes()));
        let codings = accepted.among(OFFERED.into_iter());
        let mut words: Vec<&str> = codings.iter().map(|coding| coding.token()).collect();
        words.extend((!accepted.takes_identity()).then_some("!"));
        words.join(" ")
    }

    #[test]
    fn one_field_is_negotiated() {
        let cases = [
            ("", ""),
            ("gzip", "gzip"),
            ("GZip", "gzip"),
            ("x-gzip", "gzip"),
            ("deflate", ""),
            ("compress, gzip", "gzip"),
            ("gzip, deflate, br, zstd", "zstd br gzip"),
            ("gzip,deflate,br", "br gzip"),
            (" gzip\t,\tbr ", "br gzip"),
            (",,gzip,,", "gzip"),
            ("gzip;q=1.0, br;q=0.5", "gzip br"),
            ("gzip;q=0.001, br;q=0.002, zstd;q=0.003", "zstd br gzip"),
            ("gzip;q=0.3,br;q=0.3,zstd;q=0.2", "br gzip zstd"),
            ("gzip ; q=0.5 , br;q=0.4", "gzip br"),
            ("gzip;Q=0.5, br;Q=1", "br gzip"),
            ("gzip;q=0", ""),
            ("gzip;q=0.000", ""),
            ("gzip;q=0, br", "br"),
            ("*", "zstd br gzip"),
            ("*;q=0.5", "zstd br gzip"),
            ("*;q=0", "!"),
            ("gzip, *;q=0", "gzip !"),
            ("gzip;q=0, *", "zstd br"),
            ("br;q=0.5, *;q=1", "zstd gzip"),
            ("identity", ""),
            ("identity;q=0", "!"),
            ("identity;q=0, gzip", "gzip !"),
            ("identity;q=0, gzip;q=0.1", "gzip !"),
            ("identity, *;q=0", ""),
            ("identity;q=0.5, gzip;q=0.4, br;q=0.6", "br"),
            ("identity;q=0.5, gzip;q=0.5", "gzip"),
            ("identity;q=1, gzip;q=0.9", ""),
            // RFC 9110 section 12.5.3 has these as examples.
            ("compress, gzip", "gzip"),
            ("compress;q=0.5, gzip;q=1.0", "gzip"),
            ("gzip;q=1.0, identity; q=0.5, *;q=0", "gzip"),
            // Of two for one coding the lower one holds.
            ("gzip, gzip;q=0", ""),
            ("gzip;q=0, x-gzip", ""),
            ("gzip;q=0.2, br;q=0.3, gzip", "br gzip"),
            ("identity;q=0, identity", "!"),
        ];
        for (value, expected) in cases {
            assert_eq!(negotiate(&[value]), expected, "{value}");
        }
    }

    #[test]
    fn malformed_members_say_nothing() {
        let members = [
            "gzip;q=2",
            "gzip;q=1.1",
            "gzip;q=1.001",
            "gzip;q=0.1234",
            "gzip;q=.5",
            "gzip;q=-1",
            "gzip;q=+1",
            "gzip;q=",
            "gzip;q",
            "gzip;",
            "gzip;level=1",
            "gzip;q=0.5;x=y",
            "gzip;q=\"1\"",
            "gzip;q =1",
            "gzip;q= 1",
            "gz ip",
            "\"gzip\"",
            "gzip/1",
            ";q=1",
            "=",
            "gzip;q=0.5x",
            "gzip;q=1e0",
            "gzip;q=01",
            "gzip;q=00",
            "gzip;q=0.\u{7f}",
        ];
        for member in members {
            assert_eq!(negotiate(&[member]), "", "{member}");
            assert_eq!(negotiate(&[&format!("{member}, br")]), "br", "{member}");
        }
        // A number may end in its point.
        assert_eq!(negotiate(&["gzip;q=1."]), "gzip");
        assert_eq!(negotiate(&["gzip;q=0."]), "");
    }

    #[test]
    fn several_fields_are_one_list() {
        assert_eq!(negotiate(&["gzip", "br;q=0.5"]), "gzip br");
        assert_eq!(negotiate(&["identity;q=0", "gzip"]), "gzip !");
        assert_eq!(negotiate(&["gzip", "*;q=0"]), "gzip !");
        assert_eq!(negotiate(&["", ""]), "");
    }

    #[test]
    fn the_server_chooses_among_equals() {
        let accepted = Accepted::read([&b"gzip, br, zstd;q=0.9"[..]].into_iter());
        let order = |offered: &[Coding]| accepted.among(offered.iter().copied()).to_vec();
        assert_eq!(order(&[Coding::Gzip, Coding::Brotli]), [Coding::Gzip, Coding::Brotli]);
        assert_eq!(order(&[Coding::Brotli, Coding::Gzip]), [Coding::Brotli, Coding::Gzip]);
        assert_eq!(order(&[Coding::Zstd, Coding::Gzip]), [Coding::Gzip, Coding::Zstd]);
        assert_eq!(order(&[Coding::Gzip, Coding::Gzip]), [Coding::Gzip]);
        assert_eq!(order(&[]), []);
    }

    #[test]
    fn every_coding_has_a_name_and_a_number() {
        for (index, coding) in Coding::ALL.into_iter().enumerate() {
            assert_eq!(coding.index(), index);
            assert_eq!(Coding::named(coding.token().as_bytes()), Some(coding));
        }
    }
}
