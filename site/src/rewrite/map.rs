//! Tables of texts, of the configuration and of files.

use std::collections::HashMap;
use std::path::Path;

use foldhash::quality::RandomState;
use regex::bytes::Regex;

use super::template::{Escape, Part, write};
use super::variable::{Scope, View};
use super::{Fault, compile_pattern, template};

/// Largest file of a map in bytes.
const FILE_MAX: u64 = 16 << 20;
/// Most values of one map.
const VALUES_MAX: usize = 500_000;

/// A compiled table.
#[derive(Debug, Default)]
pub(crate) struct Map {
    from: Vec<Part>,
    exact: HashMap<Box<[u8]>, Box<[u8]>, RandomState>,
    patterns: Vec<(Regex, Box<[u8]>)>,
    default: Box<[u8]>,
}

impl Map {
    /// The table, or what is wrong with it, with the JSON Pointer of the value; reads its file.
    pub(crate) fn new(map: &config::Map) -> Result<Map, (String, Fault)> {
        let at = |key: &str| format!("{}/{key}", map.pointer);
        let from = template::parse(&map.from, &Scope::default()).map_err(|fault| (at("from"), fault))?;
        let default = literal(&map.default).map_err(|fault| (at("default"), fault))?;
        let mut table = Map { from, exact: HashMap::default(), patterns: Vec::new(), default };
        if let Some(path) = &map.file {
            table.read(path).map_err(|fault| (at("file"), fault))?;
        }
        for (text, value) in &map.values {
            let here = |fault| {
                let escaped = text.replace('~', "~0").replace('/', "~1");
                (at(&format!("values/{escaped}")), fault)
            };
            let value = literal(value).map_err(here)?;
            match text.strip_prefix("~ ") {
                Some(pattern) => {
                    let pattern = compile_pattern(pattern.trim_start()).map_err(here)?;
                    table.patterns.push((pattern, value));
                }
                None => drop(table.exact.insert(text.as_bytes().into(), value)),
            }
        }
        Ok(table)
    }

    fn read(&mut self, path: &Path) -> Result<(), Fault> {
        let shown = path.display();
        let size = std::fs::metadata(path).map(|meta| meta.len());
        if size.as_ref().is_ok_and(|&size| FILE_MAX < size) {
            return Err(Fault::new(format!("the file {shown} is larger than 16 MiB"), "make it smaller"));
        }
        let text = size.and_then(|_| std::fs::read_to_string(path)).map_err(|error| {
            Fault::new(format!("the file {shown} cannot be read: {error}"), "create it, or correct the path")
        })?;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((text, value)) = line.split_once([' ', '\t']) else {
                let cause = format!("line {} of {shown} has no value", index + 1);
                return Err(Fault::new(cause, "write a text, a space and its value on each line"));
            };
            if self.exact.len() == VALUES_MAX {
                let cause = format!("{shown} has more than {VALUES_MAX} values");
                return Err(Fault::new(cause, "make it smaller"));
            }
            let value = literal(value.trim_start()).map_err(|fault| {
                Fault::new(format!("line {} of {shown}: {}", index + 1, fault.cause), fault.cure)
            })?;
            // As in the file of the configuration nothing is there twice, the first one wins.
            self.exact.entry(text.as_bytes().into()).or_insert(value);
        }
        Ok(())
    }

    /// Appends what the table has for a request.
    pub(crate) fn write(&self, view: &View<'_>, out: &mut Vec<u8>) {
        let mut text = Vec::new();
        write(&self.from, view, Escape::Plain, &mut text);
        let value = self.exact.get(text.as_slice()).or_else(|| {
            self.patterns.iter().find(|(pattern, _)| pattern.is_match(&text)).map(|(_, value)| value)
        });
        out.extend_from_slice(value.unwrap_or(&self.default));
    }
}

/// A value, where `$$` is a dollar. One that stands alone is refused: elsewhere it begins a variable, and would be sent as it
/// stands here.
fn literal(text: &str) -> Result<Box<[u8]>, Fault> {
    if text.replace("$$", "").contains('$') {
        let cause = format!(
            "the value {text:?} has a $, and values of maps have no variables and no groups of their pattern"
        );
        return Err(Fault::new(
            cause,
            "write $$ for a dollar, or a rule with \"path\" and \"to\" in place of the map",
        ));
    }
    Ok(text.replace("$$", "$").as_bytes().into())
}
