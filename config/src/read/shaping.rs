//! `shaping` of `/server`, `/defaults`, a host or a location.

use crate::cause::{Cause, Flaw};
use crate::model::{Quota, Shaping};
use crate::problem::Problems;
use crate::reader::Reader;
use crate::table::{Key, quota, settings, shaping};

/// The section of a host, a location or `/defaults`, if it is there, not off, and right.
pub(super) fn of_place(place: &Reader<'_>, problems: &mut Problems) -> Option<Shaping> {
    let reader = place.section_unless_off(&settings::SHAPING, problems)?;
    let clients = reader.section(&shaping::CLIENT, problems);
    let flaw = Flaw::new(
        "connections are counted for the whole server, not for a part of it",
        "write it into /server/shaping, or \"concurrent\" here, which counts requests",
    );
    problems.extend(clients.at_value(&quota::CONNECTIONS, Cause::Conflict(flaw)));
    Some(read(&reader, place.pointer(), problems))
}

/// A section that is there, and holds at `scope`.
pub(super) fn read(reader: &Reader<'_>, scope: &str, problems: &mut Problems) -> Shaping {
    let bits = |number: u64| u8::try_from(number).unwrap_or(u8::MAX);
    Shaping {
        total: read_quota(&reader.section(&shaping::TOTAL, problems), problems),
        client: read_quota(&reader.section(&shaping::CLIENT, problems), problems),
        connection: read_quota(&reader.section(&shaping::CONNECTION, problems), problems),
        by: reader.or_default(&shaping::BY, problems),
        ipv4_bits: bits(reader.or_default(&shaping::IPV4_BITS, problems)),
        ipv6_bits: bits(reader.or_default(&shaping::IPV6_BITS, problems)),
        exempt: reader.or_default(&shaping::EXEMPT, problems),
        dry_run: reader.or_default(&shaping::DRY_RUN, problems),
        offence: reader.or_default(&shaping::OFFENCE, problems),
        scope: scope.to_owned(),
        pointer: reader.pointer().to_owned(),
    }
}

fn read_quota(reader: &Reader<'_>, problems: &mut Problems) -> Quota {
    let delay = reader.or_default(&quota::DELAY, problems);
    if !delay.is_zero() {
        lone(reader, &quota::DELAY, &quota::REQUESTS, problems);
    }
    lone(reader, &quota::DOWN_BURST, &quota::DOWN, problems);
    lone(reader, &quota::UP_BURST, &quota::UP, problems);
    lone(reader, &quota::REQUESTS_BURST, &quota::REQUESTS, problems);
    Quota {
        down: reader.or_default(&quota::DOWN, problems),
        down_burst: reader.get(&quota::DOWN_BURST, problems),
        up: reader.or_default(&quota::UP, problems),
        up_burst: reader.get(&quota::UP_BURST, problems),
        requests: reader.or_default(&quota::REQUESTS, problems),
        requests_burst: reader.get(&quota::REQUESTS_BURST, problems),
        delay,
        concurrent: reader.or_default(&quota::CONCURRENT, problems),
        connections: reader.or_default(&quota::CONNECTIONS, problems),
    }
}

/// What belongs to a rate does nothing without it. Who writes that the rate is off knows it.
fn lone<K, R>(reader: &Reader<'_>, key: &Key<K>, rate: &Key<R>, problems: &mut Problems) {
    if reader.has(rate) {
        return;
    }
    let what = format!("\"{}\" belongs to a rate, and there is no \"{}\" beside it", key.name, rate.name);
    let cure = format!("write \"{}\", too, or leave \"{}\" out", rate.name, key.name);
    problems.extend(reader.at_value(key, Cause::Conflict(Flaw::new(what, cure))));
}
