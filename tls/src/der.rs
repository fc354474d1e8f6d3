//! DER (X.690): a reader of type, length and value that takes any bytes and never looks outside of them.

/// Reads one element after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

/// One element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) value: &'a [u8],
    /// Tag, length and value.
    pub(crate) whole: &'a [u8],
}

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const PRINTABLE_STRING: u8 = 0x13;
pub(crate) const TELETEX_STRING: u8 = 0x14;
pub(crate) const IA5_STRING: u8 = 0x16;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const BMP_STRING: u8 = 0x1e;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// The tag `[number]` of a constructed element that depends on its context.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// The tag `[number]` of a primitive element that depends on its context.
pub(crate) const fn context_primitive(number: u8) -> u8 {
    0x80 | number
}

/// Bytes of a length that is written in the long form; more than three are beyond every bound here.
const LENGTH_BYTES_MAX: usize = 3;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next element, whatever it is.
    pub(crate) fn any(&mut self) -> Option<Element<'a>> {
        let (&tag, rest) = self.bytes.split_first()?;
        // Tags of several bytes do not occur in what is read here.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, header) = length(rest)?;
        let end = 1 + header + length;
        let whole = self.bytes.get(..end)?;
        self.bytes = &self.bytes[end..];
        Some(Element { tag, value: &whole[1 + header..], whole })
    }

    /// The next element, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Option<Element<'a>> {
        self.any().filter(|element| element.tag == tag)
    }

    /// The next element if it has this tag; else nothing is read.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<Element<'a>> {
        let mut ahead = *self;
        let element = ahead.expect(tag)?;
        *self = ahead;
        Some(element)
    }
}

impl<'a> Element<'a> {
    /// What the element consists of.
    pub(crate) fn inside(&self) -> Reader<'a> {
        Reader::new(self.value)
    }
}

/// The length and by how many bytes it is written.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let &first = bytes.first()?;
    if first < 0x80 {
        return Some((usize::from(first), 1));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || LENGTH_BYTES_MAX < count {
        return None;
    }
    let digits = bytes.get(1..=count)?;
    let length = digits.iter().fold(0, |sum, &digit| sum << 8 | usize::from(digit));
    // X.690 10.1: the shortest form is the only one.
    let shortest = digits[0] != 0 && 0x80 <= length;
    shortest.then_some((length, 1 + count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements() {
        let good: &[(&[u8], u8, usize)] =
            &[(&[0x02, 0x01, 0x05], INTEGER, 1), (&[0x30, 0x00, 0xff], SEQUENCE, 0)];
        for (bytes, tag, len) in good {
            let element = Reader::new(bytes).any().expect("an element");
            assert_eq!((element.tag, element.value.len()), (*tag, *len), "{bytes:?}");
        }
        let bad: &[&[u8]] = &[
            &[0x30, 0x01],
            &[0x30],
            &[],
            &[0x1f, 0x81, 0x00],
            &[0x04, 0x80],
            &[0x04, 0x81, 0x01, 0x00],
            &[0x04, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x04, 0x83, 0xff, 0xff, 0xff],
        ];
        for bytes in bad {
            assert!(Reader::new(bytes).any().is_none(), "{bytes:?}");
        }
        let long = [&[0x04, 0x81, 0x80][..], &[7; 0x80]].concat();
        assert_eq!(Reader::new(&long).expect(OCTET_STRING).expect("an element").value, &[7; 0x80]);
    }

    #[test]
    fn an_optional_element_that_is_not_there_reads_nothing() {
        let mut reader = Reader::new(&[0x02, 0x01, 0x05]);
        assert!(reader.optional(BOOLEAN).is_none());
        assert!(reader.optional(INTEGER).is_some());
        assert!(reader.is_empty());
    }
}
