//! A listing for programs.

use std::fmt::Write as _;

use proto_http::date;

use super::{Folder, text};
use crate::json;

/// `{"path", "entries": [{"name", "type", "size", "modified", "href"}], "whole"}`. Names that are no UTF-8 have
/// replacement characters; `href` is exact, and missing where no path can have the name.
pub(super) fn object(folder: &Folder) -> Vec<u8> {
    let mut out = String::with_capacity(128 + folder.entries.len() * 160);
    out.push_str("{\"path\":");
    json::string(&mut out, &folder.path);
    out.push_str(",\"entries\":[");
    for (index, entry) in folder.entries.iter().enumerate() {
        out.push_str(if index == 0 { "\n{\"name\":" } else { ",\n{\"name\":" });
        json::string(&mut out, &entry.name);
        let _ = match entry.is_folder {
            true => write!(out, ",\"type\":\"folder\""),
            false => write!(out, ",\"type\":\"file\",\"size\":{}", entry.len),
        };
        let _ = write!(out, ",\"modified\":\"{}\"", date::iso(entry.modified));
        if let Some(link) = text::link(&entry.name, entry.is_folder) {
            out.push_str(",\"href\":");
            json::string(&mut out, link.as_bytes());
        }
        out.push('}');
    }
    let _ = write!(out, "],\n\"whole\":{}}}\n", folder.whole);
    out.into_bytes()
}
