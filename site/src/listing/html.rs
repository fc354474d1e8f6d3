//! A listing for people: no script, one style, nothing from elsewhere.

use std::fmt::Write as _;

use proto_http::date;

use super::order::{By, Direction};
use super::text::{attribute, link, shown};
use super::{Entry, Folder, Order};

const STYLE: &str = include_str!("style.css");

/// The page.
pub(super) fn page(folder: &Folder, order: Order) -> Vec<u8> {
    let mut out = String::with_capacity(4096 + folder.entries.len() * 256);
    out.push_str(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>",
    );
    shown_as_title(&mut out, &folder.path);
    let _ = write!(out, "</title>\n<style>{STYLE}</style>\n<h1>");
    crumbs(&mut out, folder, order);
    out.push_str("</h1>\n<table>\n<thead><tr>");
    By::ALL.iter().for_each(|&by| heading(&mut out, by, order));
    out.push_str("</tr></thead>\n<tbody>\n");
    if folder.path != b"/" {
        let _ = writeln!(
            out,
            "<tr><td class=\"d\"><a href=\"../{}\">..</a></td><td></td><td></td></tr>",
            asking(order)
        );
    }
    folder.entries.iter().for_each(|entry| row(&mut out, entry, order));
    out.push_str("</tbody>\n</table>\n<p>");
    counts(&mut out, folder);
    out.push_str("</p>\n</html>\n");
    out.into_bytes()
}

/// Tags mean nothing in a title.
fn shown_as_title(out: &mut String, path: &[u8]) {
    let mut text = String::new();
    shown(&mut text, path);
    out.push_str(&text.replace("<i>", "[").replace("</i>", "]"));
}

/// The query of links that keep the order.
fn asking(order: Order) -> String {
    order.query().replace('&', "&amp;")
}

/// The way from the top of the host to here, by relative links: whoever stands before us may have put a path before ours.
fn crumbs(out: &mut String, folder: &Folder, order: Order) {
    let names: Vec<&[u8]> = folder.path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()).collect();
    let up = |out: &mut String, levels: usize| {
        let _ = write!(
            out,
            "<a href=\"{}{}\">",
            if levels == 0 { "./".to_owned() } else { "../".repeat(levels) },
            asking(order)
        );
    };
    up(out, names.len());
    out.push_str("/</a>");
    for (index, name) in names.iter().enumerate() {
        let levels = names.len() - 1 - index;
        if 0 < index {
            out.push_str("<b>/</b>");
        }
        if 0 < levels {
            up(out, levels);
        }
        out.push_str("<bdi>");
        shown(out, name);
        out.push_str("</bdi>");
        if 0 < levels {
            out.push_str("</a>");
        }
    }
}

/// The head of a column: a link that sorts by it, the other way round if that is so already.
fn heading(out: &mut String, by: By, order: Order) {
    let label = match by {
        By::Name => "Name",
        By::Size => "Size",
        By::Date => "Changed (UTC)",
    };
    let is_by = order.by == by;
    let turned = match (is_by, order.direction) {
        (true, Direction::Up) => Direction::Down,
        _ => Direction::Up,
    };
    let (state, mark) = match (is_by, order.direction) {
        (false, _) => ("none", ""),
        (true, Direction::Up) => ("ascending", " \u{25b4}"),
        (true, Direction::Down) => ("descending", " \u{25be}"),
    };
    let word = match turned {
        Direction::Up => "asc",
        Direction::Down => "desc",
    };
    let _ = write!(
        out,
        "<th aria-sort=\"{state}\"><a href=\"?sort={}&amp;order={word}\">{label}{mark}</a></th>",
        by.word()
    );
}

fn row(out: &mut String, entry: &Entry, order: Order) {
    out.push_str(if entry.is_folder { "<tr><td class=\"d\">" } else { "<tr><td>" });
    let target = link(&entry.name, entry.is_folder);
    if let Some(target) = &target {
        out.push_str("<a href=\"");
        attribute(out, target);
        if entry.is_folder {
            out.push_str(&asking(order));
        }
        out.push_str("\">");
    }
    out.push_str("<bdi>");
    shown(out, &entry.name);
    out.push_str(if entry.is_folder { "</bdi>/" } else { "</bdi>" });
    if target.is_some() {
        out.push_str("</a>");
    }
    out.push_str("</td>");
    match entry.is_folder {
        true => out.push_str("<td></td>"),
        false => {
            let _ = write!(out, "<td title=\"{} bytes\">{}</td>", entry.len, size(entry.len));
        }
    }
    let stamp = date::iso(entry.modified);
    let (day, time) = (&stamp[..10], &stamp[11..16]);
    let _ = writeln!(out, "<td><time datetime=\"{stamp}\">{day} {time}</time></td></tr>");
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes / 100;
    let mut unit = 0;
    while 10_000 <= tenths && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    match tenths {
        0..100 => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
        _ => format!("{} {}", tenths / 10, UNITS[unit]),
    }
}

fn counts(out: &mut String, folder: &Folder) {
    let folders = folder.entries.iter().filter(|entry| entry.is_folder).count();
    let files = folder.entries.len() - folders;
    let plural = |count| if count == 1 { "" } else { "s" };
    if folder.entries.is_empty() {
        out.push_str("This folder is empty.");
        return;
    }
    let _ = write!(out, "{folders} folder{}, {files} file{}", plural(folders), plural(files));
    if !folder.whole {
        out.push_str(". There is more in this folder than a listing shows.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, wanted) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (9_999, "9.9 kB"),
            (10_000, "10 kB"),
            (999_999, "999 kB"),
            (1_000_000, "1.0 MB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(size(bytes), wanted);
        }
    }
}
