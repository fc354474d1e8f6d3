//! Counters as text: for a scraper, for a terminal, for the documentation.

mod docs;
mod prometheus;
mod table;

pub use docs::docs;
pub use prometheus::{Family, MEDIA_TYPE, Sample, prometheus};
pub use table::{Style, Table};
