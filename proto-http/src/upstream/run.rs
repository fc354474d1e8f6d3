//! Field lines that go on as they came.

use crate::head::Span;
use crate::response::push_field;

/// Field lines on their way to another message. Those that follow each other and are written as they are written here
/// are copied at once.
pub(super) struct Run<'a> {
    buf: &'a [u8],
    /// What has not been copied yet; may be empty.
    lines: Span,
}

impl<'a> Run<'a> {
    /// For fields out of this buffer.
    pub(super) fn new(buf: &'a [u8]) -> Run<'a> {
        Run { buf, lines: Span::default() }
    }

    /// Appends a field, or leaves that to the next call.
    #[inline]
    pub(super) fn add(&mut self, name: Span, value: Span, out: &mut Vec<u8>) {
        match self.line(name, value) {
            Some(line) if self.lines.end() == line.start() && !self.lines.is_empty() => {
                self.lines = self.lines.with(line);
            }
            Some(line) => {
                self.end(out);
                self.lines = line;
            }
            None => {
                self.end(out);
                push_field(out, name.of(self.buf), value.of(self.buf));
            }
        }
    }

    /// Appends what has been left.
    #[inline]
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(std::mem::take(&mut self.lines).of(self.buf));
    }

    /// The whole line, if it has one space behind its colon, none behind its value, and the right end.
    fn line(&self, name: Span, value: Span) -> Option<Span> {
        let between = self.buf.get(name.end()..value.start())?;
        let behind = self.buf.get(value.end()..value.end() + END.len())?;
        (between == b": " && behind == END).then(|| Span::new(name.start(), value.end() + END.len()))
    }
}

const END: &[u8] = b"\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    /// Copies the fields of a text of which `of` says so, by their place.
    fn copied(text: &str, of: impl Fn(usize) -> bool) -> String {
        let (mut at, mut out) = (0, b"Own: 1\r\n".to_vec());
        let mut run = Run::new(text.as_bytes());
        for (place, line) in text.split_inclusive('\n').enumerate() {
            let (name, rest) = line.split_once(':').unwrap();
            let value = at + name.len() + 1 + rest.len() - rest.trim_start().len();
            if of(place) {
                let value = Span::new(value, value + rest.trim().len());
                run.add(Span::new(at, at + name.len()), value, &mut out);
            }
            at += line.len();
        }
        run.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_are_copied_in_order_and_written_anew_where_they_are_not_as_here() {
        for (text, whole) in [
            ("A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n", "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n"),
            ("A:1\r\nB: 2\r\nC:\t3\r\nD: 4 \r\n", "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n"),
            ("A: 1\r\nB:  2\r\nC: 3\nD:4\n", "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n"),
        ] {
            for chosen in 0..16 {
                let of = |place: usize| chosen & (1 << place) != 0;
                let lines: String = whole
                    .split_inclusive('\n')
                    .enumerate()
                    .filter(|(place, _)| of(*place))
                    .map(|(_, line)| line)
                    .collect();
                assert_eq!(copied(text, of), format!("Own: 1\r\n{lines}"), "{text:?} {chosen:b}");
            }
        }
    }
}
