//! The documentation of the counters.

use std::fmt::Write;

use crate::table::Counter;

const INTRODUCTION: &str = "\
# Counters

Each shard counts for itself; what is shown is the sum over all shards. A counter only grows, from zero at the
start; a gauge is a level. In the text for Prometheus each name begins with `kimura_`, that of a counter ends
with `_total`, and the histogram `kimura_request_duration_seconds` tells how long requests took.

This page is made from the list in `src/table.rs`.

| Name | Kind | Unit | What it counts |
|---|---|---|---|
";

/// All counters as a page of Markdown.
pub fn docs() -> String {
    let mut page = String::from(INTRODUCTION);
    for counter in Counter::ALL {
        let about = counter.descriptor();
        writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            about.name,
            about.kind.name(),
            about.unit.name(),
            about.prose
        )
        .expect("writing to a String cannot fail");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn page_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("COUNTERS.md");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, docs()).unwrap();
        }
        let page = fs::read_to_string(&path).unwrap();
        assert!(page == docs(), "COUNTERS.md is out of date; UPDATE_GOLDEN=1 cargo test -p perf rewrites it");
    }
}
