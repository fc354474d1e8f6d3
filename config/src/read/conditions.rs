//! `if` of a rule.

use crate::cause::{Cause, Flaw};
use crate::kind::{Items, MapOf, Text};
use crate::model::{Condition, FileAt, Subject};
use crate::pointer;
use crate::problem::Problems;
use crate::reader::Reader;
use crate::table::{Key, conditions, rule};

/// What a rule says there, if it says anything.
pub(super) fn of_rule(rule: &Reader<'_>, problems: &mut Problems) -> Option<Condition> {
    rule.has(&rule::IF).then(|| read(&rule.section(&rule::IF, problems), problems))
}

/// All that stands in one object.
fn read(reader: &Reader<'_>, problems: &mut Problems) -> Condition {
    let mut all = Vec::new();
    let at = |key: &str| pointer::join(reader.pointer(), key);
    if let Some(pattern) = reader.get(&conditions::HOST, problems) {
        let pattern = Some(pattern);
        all.push(Condition::Match { subject: Subject::Host, pattern, pointer: at("host") });
    }
    all.extend(reader.get(&conditions::SCHEME, problems).map(Condition::Scheme));
    let methods = reader.get(&conditions::METHOD, problems);
    all.extend(methods.map(|methods| Condition::Method(methods.into_iter().map(|(_, name)| name).collect())));
    all.extend(reader.get(&conditions::ADDRESS, problems).map(Condition::Address));
    all.extend(by_name(reader, &conditions::HEADER, Subject::Field, problems));
    all.extend(by_name(reader, &conditions::QUERY, Subject::Argument, problems));
    all.extend(by_name(reader, &conditions::COOKIE, Subject::Cookie, problems));
    all.extend(by_name(reader, &conditions::MATCH, Subject::Text, problems));
    let file = |path, key: &str| FileAt { path, pointer: at(key) };
    all.extend(reader.get(&conditions::FILE, problems).map(|path| Condition::File(file(path, "file"))));
    all.extend(reader.get(&conditions::FOLDER, problems).map(|path| Condition::Folder(file(path, "folder"))));
    if reader.has(&conditions::NOT) {
        let not = read(&reader.section(&conditions::NOT, problems), problems);
        all.push(Condition::Not(Box::new(not)));
    }
    if reader.has(&conditions::ALL) {
        all.push(Condition::All(items(reader, &conditions::ALL, problems)));
    }
    if reader.has(&conditions::ANY) {
        all.push(Condition::Any(items(reader, &conditions::ANY, problems)));
    }
    if all.is_empty() && reader.exists() && !reader.has_any() {
        let flaw = Flaw::new("there is no condition", r#"write for example "scheme": "http""#);
        problems.extend(reader.at_itself(Cause::Conflict(flaw)));
    }
    Condition::All(all)
}

fn by_name(
    reader: &Reader<'_>,
    key: &'static Key<MapOf<String, Text<String>>>,
    subject: fn(String) -> Subject,
    problems: &mut Problems,
) -> Vec<Condition> {
    let base = pointer::join(reader.pointer(), key.name);
    let entries = reader.get(key, problems).unwrap_or_default().into_iter();
    entries
        .map(|(name, pattern)| {
            let pointer = pointer::join(&base, &name);
            Condition::Match { subject: subject(name), pattern, pointer }
        })
        .collect()
}

fn items(reader: &Reader<'_>, key: &'static Key<Items>, problems: &mut Problems) -> Vec<Condition> {
    let readers = reader.items(key, problems);
    if readers.is_empty() {
        let flaw = Flaw::new("the list has no condition", r#"write for example [{"scheme": "http"}]"#);
        problems.extend(reader.at_value(key, Cause::Conflict(flaw)));
    }
    readers.iter().map(|item| read(item, problems)).collect()
}
