//! Where a head that fills up ends.

use memchr::memchr;

use super::error::BadResponse;

/// What ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineEnd {
    /// CR LF alone: a lone LF could end the line for one reader and not for another (RFC 9112 section 2.2).
    CrLf,
    /// LF, too, as scripts may write it (RFC 3875 section 6.2).
    Either,
}

/// Looks for lines as bytes come: no byte is looked at again because more have come.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// Where the line begins that has not come to its end.
    start: usize,
    /// How far its end has been looked for.
    at: usize,
    /// Lines that have come to their end.
    count: usize,
}

impl Lines {
    /// Whether nothing has been looked at.
    #[inline]
    pub(crate) fn is_new(&self) -> bool {
        self.at == 0
    }

    /// Where what stands after the empty line begins, if that is there. So many lines at most may stand before it.
    pub(crate) fn end(
        &mut self,
        window: &[u8],
        most: usize,
        line_end: LineEnd,
    ) -> Result<Option<usize>, BadResponse> {
        while let Some(found) = memchr(b'\n', &window[self.at..]) {
            let end = self.at + found;
            let line = &window[self.start..end];
            let line = match (line.strip_suffix(b"\r"), line_end) {
                (Some(line), _) => line,
                (None, LineEnd::Either) => line,
                (None, LineEnd::CrLf) => return Err(BadResponse::LineEnd),
            };
            match line.first() {
                None => return Ok(Some(end + 1)),
                Some(b' ' | b'\t') => return Err(BadResponse::FieldFolded),
                Some(_) if self.count == most => return Err(BadResponse::TooManyFields),
                Some(_) => {}
            }
            self.count += 1;
            self.start = end + 1;
            self.at = self.start;
        }
        self.at = window.len();
        Ok(None)
    }
}
