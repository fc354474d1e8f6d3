//! `/maps`.

use crate::cause::{Cause, Flaw};
use crate::model::Map;
use crate::problem::{Problem, Problems};
use crate::reader::Reader;
use crate::source::Source;
use crate::table::{map, top};
use crate::tree::quoted;

/// Most maps.
const MAPS_MAX: usize = 256;

pub(super) fn read(top: &Reader<'_>, source: Option<&Source>, problems: &mut Problems) -> Vec<Map> {
    let mut maps = Vec::new();
    for (member, reader) in top.named(&top::MAPS, problems) {
        if !is_name(&member.name) {
            let what = format!("{} is no name of a map", quoted(&member.name));
            let cure = "write lower-case letters, digits and _, beginning with a letter: it is the name of a variable";
            let cause = Cause::Malformed(Flaw::new(what, cure));
            problems.push(Problem::new(source, &member.origin, reader.pointer(), cause));
        }
        let values = reader.or_default(&map::VALUES, problems).into_iter();
        maps.push(Map {
            name: member.name.clone(),
            from: reader.or_default(&map::FROM, problems),
            values: values.filter_map(|(text, value)| Some((text, value?))).collect(),
            file: reader.get(&map::FILE, problems),
            default: reader.or_default(&map::DEFAULT, problems),
            pointer: reader.pointer().to_owned(),
        });
    }
    if MAPS_MAX < maps.len() {
        let what = format!("{} maps are more than {MAPS_MAX}", maps.len());
        let flaw = Flaw::new(what, "put maps that look up the same into one");
        problems.extend(top.at_value(&top::MAPS, Cause::Conflict(flaw)));
    }
    maps
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
