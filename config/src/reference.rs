//! The reference of all keys, as Markdown.

use std::fmt::Write as _;

use crate::table::{AnyKey, SECTIONS, Section};

const HEAD: &str = "\
# Configuration reference

The configuration is one JSON file. Comments (`//` to the end of the line, `/* ... */`) and a comma behind
the last item are allowed. An unknown key is an error.

- A **size** is a whole number of bytes, or a text with a unit: `\"64k\"`, `\"1M\"`, `\"1 MiB\"`, `\"2 GiB\"`. Units
  are powers of 1024.
- A **time** is a text with a unit: `\"500ms\"`, `\"30s\"`, `\"2m\"`, `\"1h\"`, `\"1d\"`.
- A relative **path** is relative to the folder of the configuration file; one that was given on the command line
  is relative to the current folder.
- A location inherits from its host, a host from `/defaults`, and that from the built-in defaults. Maps
  (`headers`, `error_pages`, `types`) are merged key by key, and `null` removes an inherited entry; everything
  else is replaced as a whole.
- `--set /path=value` sets any key from the command line. The path is a JSON Pointer: inside of the name of a
  host or location, `/` is written `~1` and `~` is written `~0`.
";

/// The reference of all keys, as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    for section in SECTIONS {
        write_section(&mut text, section);
    }
    text
}

fn write_section(text: &mut String, section: &'static Section) {
    // Writing to a String cannot fail.
    let _ = write!(text, "\n## {}\n\n{}\n", capitalized(section.place), section.prose);
    if !section.own.is_empty() {
        text.push_str("\n| Key | Value | Default | Meaning |\n|---|---|---|---|\n");
        for key in section.own {
            let default = key.default_text().map_or_else(|| "none".to_owned(), |json| format!("`{json}`"));
            let _ = writeln!(
                text,
                "| `{}` | {}, such as `{}` | {} | {} |",
                key.name(),
                cell(&key.noun()),
                cell(key.example()),
                cell(&default),
                cell(AnyKey::prose(*key))
            );
        }
    }
    if !section.inherited.is_empty() {
        text.push_str("\nAll keys of `/defaults` can be set here too.\n");
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// `text` for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
