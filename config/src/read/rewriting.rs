//! `rewrite` and `return` of hosts and locations.

use super::conditions;
use crate::cause::{Cause, Flaw};
use crate::kind::{Items, REDIRECTS, StatusOrObject};
use crate::model::{Attempt, Content, Effect, NO_ANSWER, Return, Rewriting, Rule, Then, Way};
use crate::problem::Problems;
use crate::reader::Reader;
use crate::table::{Key, answer, place, rule};

/// Of an answer that has a body and says no status.
const OK: u16 = 200;
/// Of a redirect that says none.
const FOUND: u16 = 302;
/// No content can come with it (RFC 9110 section 15.3.5).
const NO_CONTENT: u16 = 204;

pub(super) fn read(reader: &Reader<'_>, problems: &mut Problems) -> Rewriting {
    Rewriting {
        rules: rules(reader, &place::REWRITE, problems),
        answer: answer(reader, &place::RETURN, problems),
        attempts: attempts(reader, problems),
    }
}

fn attempts(reader: &Reader<'_>, problems: &mut Problems) -> Vec<Attempt> {
    let items = reader.get(&place::TRY, problems).unwrap_or_default();
    let last = items.len().saturating_sub(1);
    for (index, (_, way)) in items.iter().enumerate() {
        if index < last && !matches!(way, Way::To(_)) {
            let flaw = Flaw::new("nothing comes after this", "let it be the last, or remove it");
            problems.extend(reader.at_item(&place::TRY, index, Cause::Conflict(flaw)));
        }
    }
    if reader.has(&place::TRY) && reader.has(&place::RETURN) {
        let flaw = Flaw::new("\"return\" answers everything, so nothing is tried", "keep one of the two");
        problems.extend(reader.at_value(&place::TRY, Cause::Conflict(flaw)));
    }
    items.into_iter().map(|(pointer, way)| Attempt { way, pointer }).collect()
}

fn rules(reader: &Reader<'_>, key: &'static Key<Items>, problems: &mut Problems) -> Vec<Rule> {
    let items = reader.items(key, problems);
    let mut rules = Vec::with_capacity(items.len());
    let mut last = None;
    for (index, item) in items.iter().enumerate() {
        let Some(rule) = read_rule(item, problems) else { continue };
        if last.is_none() && index + 1 < items.len() && ends_list(&rule) {
            last = Some(index);
        }
        rules.push(rule);
    }
    if let Some(index) = last {
        let flaw = Flaw::new(
            "the rule is for every request and none goes on to the rules behind it, which do nothing",
            "write \"path\" or \"if\" into it, or let it be the last",
        );
        problems.extend(reader.at_item(key, index, Cause::Conflict(flaw)));
    }
    rules
}

/// Expressions that every path matches, as people write them.
const EVERY_PATH: [&str; 9] = ["", "^", "/", "^/", ".*", "^.*$", "^/.*$", "^(.*)$", "^/(.*)$"];

/// Whether no request gets to a rule behind it.
fn ends_list(rule: &Rule) -> bool {
    let for_all = rule.path.as_deref().is_none_or(|path| EVERY_PATH.contains(&path));
    for_all
        && rule.condition.is_none()
        && match &rule.effect {
            Effect::Return(_) => true,
            Effect::Rewrite(_, then) => *then != Then::Next,
            Effect::Group(rules) => rules.iter().any(ends_list),
        }
}

fn read_rule(reader: &Reader<'_>, problems: &mut Problems) -> Option<Rule> {
    let path = reader.get(&rule::PATH, problems);
    let condition = conditions::of_rule(reader, problems);
    let effect = effect(reader, problems)?;
    Some(Rule { path, condition, effect, pointer: reader.pointer().to_owned() })
}

fn effect(reader: &Reader<'_>, problems: &mut Problems) -> Option<Effect> {
    let answer = answer(reader, &rule::RETURN, problems);
    let to = reader.get(&rule::TO, problems);
    let redirect = reader.get(&rule::REDIRECT, problems);
    let then = reader.or_default(&rule::THEN, problems);
    if reader.has(&rule::RULES) {
        let others = [rule::TO.name, rule::RETURN.name, rule::REDIRECT.name, rule::THEN.name];
        if let Some(other) = others.into_iter().find(|name| reader.has_named(name)) {
            let what = format!("the rule has both \"rules\" and \"{other}\"");
            let flaw = Flaw::new(what, "put what it does into one of these rules");
            problems.extend(reader.at_itself(Cause::Conflict(flaw)));
        }
        return Some(Effect::Group(rules(reader, &rule::RULES, problems)));
    }
    let there = |there: bool| there.then_some(());
    let effects = [there(reader.has(&rule::TO)), there(reader.has(&rule::RETURN))];
    let fault = match effects {
        [Some(_), Some(_)] => Some((
            "the rule has both \"to\" and \"return\"",
            "keep one of them; a redirect is \"redirect\": 301 beside \"to\"",
        )),
        [None, _] if reader.has(&rule::REDIRECT) => {
            Some(("the redirect does not say where to", r#"write "to": "/new/$1" beside it"#))
        }
        [None, None] if !reader.has(&rule::THEN) && reader.exists() => {
            Some(("the rule does nothing", r#"write "to": "/new/$1", "return": 403 or "then": "stop""#))
        }
        [_, returned] if reader.has(&rule::THEN) && (returned.is_some() || redirect.is_some()) => {
            Some(("nothing comes after an answer", "remove \"then\""))
        }
        [None, None] if then == Then::Again => Some((
            "the rule changes nothing, so there is no new path to look for",
            r#"write "then": "stop" or "next""#,
        )),
        _ => None,
    };
    if let Some((what, cure)) = fault {
        problems.extend(reader.at_itself(Cause::Conflict(Flaw::new(what, cure))));
        return None;
    }
    let pointer = reader.pointer().to_owned();
    match (to, redirect, answer) {
        (Some(to), Some(status), _) => {
            Some(Effect::Return(Return { status, content: Content::To(to), pointer }))
        }
        (to, _, None) => Some(Effect::Rewrite(to, then)),
        (_, _, Some(answer)) => Some(Effect::Return(answer)),
    }
}

fn answer(reader: &Reader<'_>, key: &'static Key<StatusOrObject>, problems: &mut Problems) -> Option<Return> {
    let Some(below) = reader.status_or_section(key, problems)? else {
        let status = reader.get(key, problems)??;
        let answer = Return { status, content: Content::None, pointer: reader.pointer().to_owned() };
        if REDIRECTS.contains(&status) {
            let flaw = Flaw::new(
                "the redirect does not say where to",
                format!(r#"write {{"status": {status}, "to": "https://www.example.org$request_uri"}}"#),
            );
            problems.extend(reader.at_value(key, Cause::Conflict(flaw)));
        }
        return Some(answer);
    };
    let status = below.get(&answer::STATUS, problems);
    let to = below.get(&answer::TO, problems);
    let body = below.get(&answer::BODY, problems);
    let media_type = below.or_default(&answer::TYPE, problems);
    let redirects = |status: u16| REDIRECTS.contains(&status);
    let fault = match (status, &to, &body) {
        (_, Some(_), Some(_)) => Some(("the answer has both \"to\" and \"body\"", "keep one of them")),
        (Some(status), Some(_), _) if !redirects(status) => {
            Some(("only a redirect has a \"to\"", "write \"status\": 301, 302, 303, 307 or 308"))
        }
        (Some(status), None, _) if redirects(status) => Some((
            "the redirect does not say where to",
            r#"write "to": "https://www.example.org$request_uri""#,
        )),
        (Some(NO_ANSWER), _, Some(_)) => Some((
            "444 closes the connection without an answer, so nobody gets the body",
            r#"write "status": 403, or remove "body""#,
        )),
        (Some(NO_CONTENT), _, Some(_)) => {
            Some(("a 204 has no body", "write \"status\": 200, or remove \"body\""))
        }
        (None, None, None)
            if !below.has(&answer::STATUS) && !below.has(&answer::TO) && !below.has(&answer::BODY) =>
        {
            Some(("the answer says nothing", r#"write "status": 403, "body" or "to""#))
        }
        _ => None,
    };
    if let Some((what, cure)) = fault {
        problems.extend(below.at_itself(Cause::Conflict(Flaw::new(what, cure))));
        return None;
    }
    let (usual, content) = match (to, body) {
        (Some(to), _) => (FOUND, Content::To(to)),
        (_, Some(body)) => (OK, Content::Body { body, media_type }),
        (None, None) => (OK, Content::None),
    };
    Some(Return { status: status.unwrap_or(usual), content, pointer: below.pointer().to_owned() })
}
