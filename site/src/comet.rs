//! A place that shows what is logged, as it comes.

use config::Comet as Shows;

/// What is shown where.
#[derive(Debug)]
pub struct Comet {
    /// What there is to be seen.
    pub shows: Shows,
    /// The host that it is a part of, as the configuration lists it.
    pub host: String,
    /// What all of its paths begin with; ends with a slash.
    pub base: String,
}

/// What is asked for there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The page for people.
    Page,
    /// Lines as they come, in one answer without an end (server-sent events).
    Events,
    /// Lines that have come, or the next ones.
    Poll,
}

impl Comet {
    pub(crate) fn new(shows: Shows, host: String, base: String) -> Comet {
        Comet { shows, host, base }
    }

    /// What a normalised path asks for.
    pub(crate) fn part(&self, path: &[u8]) -> Option<Part> {
        match path.strip_prefix(self.base.as_bytes())? {
            b"" => Some(Part::Page),
            b"events" => Some(Part::Events),
            b"poll" => Some(Part::Poll),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_part() {
        let comet = Comet::new(Shows::All, "a.example".to_owned(), "/live/".to_owned());
        for (path, part) in [
            ("/live/", Some(Part::Page)),
            ("/live/events", Some(Part::Events)),
            ("/live/poll", Some(Part::Poll)),
            ("/live", None),
            ("/live/events/", None),
            ("/live/x", None),
            ("/events", None),
        ] {
            assert_eq!(comet.part(path.as_bytes()), part, "{path}");
        }
    }
}
