//! The order of a listing, as its links ask for it: `?sort=size&order=desc`.

use std::cmp::Ordering;

use super::Entry;

/// In which order entries stand; folders are always first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub(super) by: By,
    pub(super) direction: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Name,
    Size,
    Date,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

impl By {
    pub(super) const ALL: [By; 3] = [By::Name, By::Size, By::Date];

    pub(super) fn word(self) -> &'static str {
        match self {
            By::Name => "name",
            By::Size => "size",
            By::Date => "date",
        }
    }
}

impl Order {
    /// What the query of a request asks for; whatever it does not say right is by name, upwards.
    #[must_use]
    pub fn of(query: Option<&[u8]>) -> Order {
        let mut order = Order { by: By::Name, direction: Direction::Up };
        for pair in query.unwrap_or_default().split(|&byte| byte == b'&') {
            match pair {
                b"sort=name" => order.by = By::Name,
                b"sort=size" => order.by = By::Size,
                b"sort=date" => order.by = By::Date,
                b"order=asc" => order.direction = Direction::Up,
                b"order=desc" => order.direction = Direction::Down,
                _ => {}
            }
        }
        order
    }

    /// The query that asks for it; empty for what holds without one.
    pub(super) fn query(self) -> String {
        match self {
            Order { by: By::Name, direction: Direction::Up } => String::new(),
            Order { by, direction: Direction::Up } => format!("?sort={}", by.word()),
            Order { by, direction: Direction::Down } => format!("?sort={}&order=desc", by.word()),
        }
    }

    pub(super) fn sort(self, entries: &mut [Entry]) {
        entries.sort_unstable_by(|a, b| self.compare(a, b));
    }

    fn compare(self, a: &Entry, b: &Entry) -> Ordering {
        let by_name = || lower(&a.name).cmp(lower(&b.name)).then_with(|| a.name.cmp(&b.name));
        let by_key = match self.by {
            By::Name => by_name(),
            // The size of a folder says nothing.
            By::Size if a.is_folder && b.is_folder => by_name(),
            By::Size => a.len.cmp(&b.len),
            By::Date => a.modified.cmp(&b.modified),
        };
        let by_key = match self.direction {
            Direction::Up => by_key,
            Direction::Down => by_key.reverse(),
        };
        b.is_folder.cmp(&a.is_folder).then(by_key).then_with(by_name)
    }
}

/// Case is no order for people.
fn lower(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter().map(u8::to_ascii_lowercase)
}
