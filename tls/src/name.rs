//! Distinguished names as text, the way RFC 4514 writes them: the last attribute first.

use std::fmt::Write;

use crate::der::{self, Element};
use crate::limits::ATTRIBUTES_MAX;

/// Types of attributes by the bytes of their object identifier, and the short name that RFC 4514 3 or common use
/// gives them.
const TYPES: &[(&[u8], &str)] = &[
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 4], "SN"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "street"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 12], "title"),
    (&[0x55, 4, 42], "GN"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "emailAddress"),
];

/// The text of a name, whose DER element this is. `None` when it is broken or has too many attributes.
pub(crate) fn text(name: &Element<'_>) -> Option<String> {
    let mut parts = Vec::new();
    let mut attributes = 0;
    let mut sets = name.inside();
    while !sets.is_empty() {
        let mut set = sets.expect(der::SET)?.inside();
        let mut part = String::new();
        while !set.is_empty() {
            attributes += 1;
            if ATTRIBUTES_MAX < attributes {
                return None;
            }
            if !part.is_empty() {
                part.push('+');
            }
            attribute(&mut part, &set.expect(der::SEQUENCE)?)?;
        }
        parts.push(part);
    }
    parts.reverse();
    Some(parts.join(","))
}

fn attribute(out: &mut String, attribute: &Element<'_>) -> Option<()> {
    let mut reader = attribute.inside();
    let kind = reader.expect(der::OID)?.value;
    let value = reader.any()?;
    match TYPES.iter().find(|(oid, _)| *oid == kind) {
        Some((_, short)) => out.push_str(short),
        None => dotted(out, kind)?,
    }
    out.push('=');
    match string(&value) {
        Some(value) => escape(out, &value),
        // RFC 4514 2.4: what is not a string is written as the digits of its DER.
        None => {
            out.push('#');
            out.push_str(&hex(value.whole));
        }
    }
    Some(())
}

/// The characters of a string of any of the usual types.
pub(crate) fn string(value: &Element<'_>) -> Option<String> {
    match value.tag {
        der::UTF8_STRING | der::PRINTABLE_STRING | der::IA5_STRING => {
            str::from_utf8(value.value).ok().map(str::to_owned)
        }
        der::TELETEX_STRING => Some(value.value.iter().map(|&byte| char::from(byte)).collect()),
        der::BMP_STRING => {
            let (pairs, []) = value.value.as_chunks::<2>() else { return None };
            char::decode_utf16(pairs.iter().map(|&pair| u16::from_be_bytes(pair)))
                .collect::<Result<_, _>>()
                .ok()
        }
        _ => None,
    }
}

/// RFC 4514 2.4; control characters are escaped too, so that a name cannot break a line of a log.
fn escape(out: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            ' ' if index == 0 || index == last => out.push_str("\\ "),
            '#' if index == 0 => out.push_str("\\#"),
            _ if character.is_control() => {
                let mut utf8 = [0; 4];
                for byte in character.encode_utf8(&mut utf8).bytes() {
                    push_formatted(out, format_args!("\\{byte:02X}"));
                }
            }
            _ => out.push(character),
        }
    }
}

/// An object identifier in numbers.
fn dotted(out: &mut String, oid: &[u8]) -> Option<()> {
    let mut arcs = Vec::new();
    let mut arc: u64 = 0;
    for &byte in oid {
        arc = arc.checked_mul(0x80)? | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            arcs.push(arc);
            arc = 0;
        }
    }
    // X.690 8.19.4: the first number holds two arcs.
    let (&first, rest) = arcs.split_first()?;
    let top = (first / 40).min(2);
    push_formatted(out, format_args!("{top}.{}", first - top * 40));
    for arc in rest {
        push_formatted(out, format_args!(".{arc}"));
    }
    Some(())
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        push_formatted(&mut text, format_args!("{byte:02x}"));
    }
    text
}

fn push_formatted(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("a String takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::Reader;

    fn text_of(der: &[u8]) -> Option<String> {
        text(&Reader::new(der).expect(der::SEQUENCE)?)
    }

    fn element(tag: u8, value: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(value.len()).expect("short")], value].concat()
    }

    fn attribute(oid: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        element(der::SEQUENCE, &[element(der::OID, oid), element(tag, value)].concat())
    }

    #[test]
    fn names() {
        let cn = |tag, value: &[u8]| attribute(&[0x55, 4, 3], tag, value);
        let o = attribute(&[0x55, 4, 10], der::PRINTABLE_STRING, b"Org");
        let cases: &[(Vec<Vec<u8>>, Option<&str>)] = &[
            (vec![], Some("")),
            (vec![o.clone(), cn(der::UTF8_STRING, "J\u{f6}rg".as_bytes())], Some("CN=J\u{f6}rg,O=Org")),
            (vec![[o.clone(), cn(der::UTF8_STRING, b"x")].concat()], Some("O=Org+CN=x")),
            (vec![cn(der::UTF8_STRING, b" a,b\\ ")], Some("CN=\\ a\\,b\\\\\\ ")),
            (vec![cn(der::UTF8_STRING, b"#\n")], Some("CN=\\#\\0A")),
            (vec![cn(der::TELETEX_STRING, b"\xfc")], Some("CN=\u{fc}")),
            (vec![cn(der::BMP_STRING, &[0, b'a', 0x20, 0xac])], Some("CN=a\u{20ac}")),
            (vec![cn(der::BMP_STRING, &[0])], Some("CN=#1e0100")),
            (vec![cn(der::UTF8_STRING, &[0xff])], Some("CN=#0c01ff")),
            (vec![attribute(&[0x2a, 0x86, 0x48, 1], der::UTF8_STRING, b"x")], Some("1.2.840.1=x")),
            (vec![attribute(&[], der::UTF8_STRING, b"x")], None),
            (vec![attribute(&[0xff; 30], der::UTF8_STRING, b"x")], None),
            (vec![vec![1, 1, 1]], None),
        ];
        for (sets, expected) in cases {
            let sets: Vec<u8> = sets.iter().flat_map(|set| element(der::SET, set)).collect();
            assert_eq!(text_of(&element(der::SEQUENCE, &sets)).as_deref(), *expected);
        }
    }
}
