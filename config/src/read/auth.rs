//! `auth` of `/defaults`, a host or a location.

use crate::cause::{Cause, Flaw};
use crate::model::{Auth, Requirement};
use crate::problem::Problems;
use crate::reader::Reader;
use crate::table::{auth, settings};

/// The section, if it is there, not off, and right.
pub(super) fn read(place: &Reader<'_>, problems: &mut Problems) -> Option<Auth> {
    let reader = place.section_unless_off(&settings::AUTH, problems)?;
    let mut conflict = |what: &str, cure: &str| {
        problems.extend(reader.at_itself(Cause::Conflict(Flaw::new(what, cure))));
    };
    if reader.exists() && !reader.has(&auth::REALM) {
        conflict("the login has no \"realm\"", r#"write "realm": "Members", which the browser shows"#);
    }
    let backends = reader.has(&auth::HTPASSWD) || reader.has(&auth::USERS) || reader.has(&auth::PAM);
    if reader.exists() && !backends {
        conflict(
            "nobody knows a password here",
            r#"write "htpasswd": "auth/members.htpasswd", "users" with hashes that `kimura passwd` makes, or "pam""#,
        );
    }
    let require: Vec<Requirement> =
        reader.or_default(&auth::REQUIRE, problems).into_iter().map(|(_, required)| required).collect();
    let groups = reader.get(&auth::GROUPS, problems);
    let asks_for_group = require.iter().any(|required| matches!(required, Requirement::Group(_)));
    if asks_for_group && !reader.has(&auth::GROUPS) {
        let flaw = Flaw::new("nobody knows who is in a group", r#"write "groups": "auth/groups" beside it"#);
        problems.extend(reader.at_value(&auth::REQUIRE, Cause::Conflict(flaw)));
    }
    let users = reader.get(&auth::USERS, problems);
    let users = users.map(|users| users.into_iter().filter_map(|(name, hash)| Some((name, hash?))).collect());
    Some(Auth {
        htpasswd: reader.get(&auth::HTPASSWD, problems),
        groups,
        users,
        pam: reader.get(&auth::PAM, problems),
        satisfy: reader.or_default(&auth::SATISFY, problems),
        require,
        exempt: reader.or_default(&auth::EXEMPT, problems),
        remember: reader.or_default(&auth::REMEMBER, problems),
        pointer: reader.pointer().to_owned(),
        realm: reader.get(&auth::REALM, problems)?,
    })
}
