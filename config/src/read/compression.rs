//! `compression` of `/defaults`, a host or a location.

use crate::cause::{Cause, Flaw};
use crate::kind::Integer;
use crate::model::Compression;
use crate::problem::Problems;
use crate::reader::Reader;
use crate::table::{Key, compression, settings};

/// The section, if it is there and not off.
pub(super) fn read(place: &Reader<'_>, problems: &mut Problems) -> Option<Compression> {
    let reader = place.section_unless_off(&settings::COMPRESSION, problems)?;
    let codings = reader.or_default(&compression::CODINGS, problems);
    let codings: Vec<_> = codings.into_iter().map(|(_, coding)| coding).collect();
    let again = codings.iter().enumerate().find(|(at, coding)| codings[..*at].contains(coding));
    if let Some((at, _)) = again {
        let flaw = Flaw::new("the coding is in the list twice", "remove one of them");
        problems.extend(reader.at_item(&compression::CODINGS, at, Cause::Conflict(flaw)));
    }
    let mut level = |key: &'static Key<Integer>| {
        u32::try_from(reader.or_default(key, problems)).expect("the table allows no higher level than 19")
    };
    Some(Compression {
        codings,
        gzip_level: level(&compression::GZIP_LEVEL),
        zstd_level: level(&compression::ZSTD_LEVEL),
        brotli_level: level(&compression::BR_LEVEL),
        types: reader.or_default(&compression::TYPES, problems).into_iter().map(|(_, media)| media).collect(),
        min_size: reader.or_default(&compression::MIN_SIZE, problems),
        precompressed: reader.or_default(&compression::PRECOMPRESSED, problems),
    })
}
