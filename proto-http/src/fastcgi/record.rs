//! Records to an application (section 3.3).

/// Most bytes of content in a record.
pub const CONTENT_MAX: usize = u16::MAX as usize;

/// Bytes before the content of a record.
pub(super) const HEAD_LEN: usize = 8;
/// The only version there is.
pub(super) const VERSION: u8 = 1;
/// The id of the only request on a connection; 0 is for what is about the application itself.
pub(super) const REQUEST_ID: u16 = 1;

/// What a record is about (section 8).
pub(super) mod kind {
    pub(in super::super) const BEGIN: u8 = 1;
    pub(in super::super) const ABORT: u8 = 2;
    pub(in super::super) const END: u8 = 3;
    pub(in super::super) const PARAMS: u8 = 4;
    pub(in super::super) const INPUT: u8 = 5;
    pub(in super::super) const OUTPUT: u8 = 6;
    pub(in super::super) const ERRORS: u8 = 7;
}

/// What becomes of the connection after the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// The application leaves it open (`FCGI_KEEP_CONN`).
    Kept,
    /// The application closes it.
    Last,
}

/// Begins a request that wants a response (section 5.1).
pub fn write_begin(lifetime: Lifetime, out: &mut Vec<u8>) {
    const RESPONDER: u8 = 1;
    const KEEP_CONNECTION: u8 = 1;
    let flags = if lifetime == Lifetime::Kept { KEEP_CONNECTION } else { 0 };
    let content = [0, RESPONDER, flags, 0, 0, 0, 0, 0];
    write_head(kind::BEGIN, content.len(), out);
    out.extend_from_slice(&content);
}

/// Appends what stands before so many bytes of the request's content, which follow: 1..=[`CONTENT_MAX`].
pub fn write_input_head(len: usize, out: &mut Vec<u8>) {
    debug_assert!(0 < len, "an empty record ends the content");
    write_head(kind::INPUT, len, out);
}

/// Ends the request's content.
pub fn write_end_of_input(out: &mut Vec<u8>) {
    write_head(kind::INPUT, 0, out);
}

/// Gives up the request (section 5.4).
pub fn write_abort(out: &mut Vec<u8>) {
    write_head(kind::ABORT, 0, out);
}

pub(super) fn write_head(kind: u8, len: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&head(kind, len));
}

/// A head without padding, which the specification leaves to the sender.
pub(super) fn head(kind: u8, len: usize) -> [u8; HEAD_LEN] {
    let [high, low] = u16::try_from(len).expect("a record holds no more").to_be_bytes();
    let [id_high, id_low] = REQUEST_ID.to_be_bytes();
    [VERSION, kind, id_high, id_low, high, low, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_golden() {
        let written = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            out
        };
        let cases: [(Vec<u8>, &[u8]); 5] = [
            (
                written(&|out| write_begin(Lifetime::Kept, out)),
                b"\x01\x01\0\x01\0\x08\0\0\0\x01\x01\0\0\0\0\0",
            ),
            (written(&|out| write_begin(Lifetime::Last, out)), b"\x01\x01\0\x01\0\x08\0\0\0\x01\0\0\0\0\0\0"),
            (written(&|out| write_input_head(CONTENT_MAX, out)), b"\x01\x05\0\x01\xff\xff\0\0"),
            (written(&write_end_of_input), b"\x01\x05\0\x01\0\0\0\0"),
            (written(&write_abort), b"\x01\x02\0\x01\0\0\0\0"),
        ];
        for (found, expected) in cases {
            assert_eq!(found, expected);
        }
    }
}
