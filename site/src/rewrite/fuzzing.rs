//! A property of rules that holds for every rule and request.

use config::{Content, Return, Subject, Then};
use proto_http::{Head, HeadParser, Limits, Progress, path};

use super::compile::{HasFiles, RuleCompiler};
use super::condition::{Bench, Questions};
use super::pattern::Captured;
use super::reply::Reply;
use super::rule::{Effect, Outcome, Rule};
use super::target::Made;
use super::variable::{Knowledge, View};
use crate::{Action, Security};

/// Most that can be made of one rule: its parts are bounded, and each byte can become three.
const MADE_MAX: usize = 512 * 1024;

/// A line each of a pattern for the path, a template, a text to be matched (none where it is empty) and a pattern for it;
/// then the lines of a request head. Whatever they are: the rule is refused with a reason, or what it makes of the request
/// is a path in form, a `Location` of one line at a place that the rule names, or a body whose markup is the rule's.
pub fn rules(input: &[u8]) {
    let mut lines = input.split(|&byte| byte == b'\n');
    let mut text = || std::str::from_utf8(lines.next()?).ok().map(str::to_owned);
    let (Some(pattern), Some(template), Some(subject), Some(matched)) = (text(), text(), text(), text())
    else {
        return;
    };
    let mut bytes: Vec<u8> = lines.flat_map(|line| [line, &b"\r\n"[..]].concat()).collect();
    bytes.extend_from_slice(b"\r\n");
    let mut head = Head::default();
    let Ok(Progress::Done { .. }) = HeadParser::default().parse(&bytes, &Limits::default(), &mut head) else {
        return;
    };
    let request = head.view(&bytes);
    let mut scratch = Vec::new();
    let Ok(asked) = path::normalize(request.path(), &mut scratch) else { return };
    let answer =
        |status, content| config::Effect::Return(Return { status, content, pointer: "/return".to_owned() });
    for effect in [
        config::Effect::Rewrite(Some(template.clone()), Then::Again),
        answer(302, Content::To(template.clone())),
        answer(200, Content::Body { body: template.clone(), media_type: "text/html".to_owned() }),
    ] {
        let condition = (!subject.is_empty()).then(|| config::Condition::Match {
            subject: Subject::Text(subject.clone()),
            pattern: Some(matched.clone()),
            pointer: "/if".to_owned(),
        });
        let rule =
            config::Rule { path: Some(pattern.clone()), condition, effect, pointer: "/rule".to_owned() };
        let maps = Vec::new();
        let mut compiler = RuleCompiler::new(&maps, HasFiles::No);
        let list = compiler.rules(&[rule]);
        assert_eq!(list.is_none(), !compiler.faults.is_empty(), "a reason for each refusal");
        let nothing = Captured::default();
        let view = View {
            request,
            client: None,
            security: Security::Plain,
            host: "localhost",
            asked,
            path: asked,
            query: request.query(),
            captured: &nothing,
            subject: None,
            facts: Knowledge::default(),
        };
        list.iter().flat_map(|list| &list.rules).for_each(|rule| check(rule, &view, &template));
    }
}

fn check(rule: &Rule, view: &View<'_>, template: &str) {
    let (mut captured, mut made, mut questions) =
        (Captured::default(), Made::default(), Questions::default());
    let mut bench =
        Bench { captured: &mut captured, made: &mut made, questions: &mut questions, files: None };
    match rule.look(view, &mut bench) {
        Err(status) => assert!([400, 414].contains(&status.code()), "{status}"),
        Ok(Outcome::Changed(_)) => {
            let mut settled = made.path.clone();
            path::settle(&mut settled).expect("a path in form");
            assert_eq!(settled, made.path, "it is settled already");
            let mut encoded = Vec::new();
            path::encode(&made.path, &mut encoded);
            assert_eq!(path::decode(&encoded).as_ref(), Ok(&made.path), "it is read back as it is");
            assert!(made.query.iter().all(|&byte| b' ' < byte && byte != 0x7f), "a query is of one piece");
            assert!(made.path.len() + made.query.len() <= MADE_MAX);
        }
        Ok(Outcome::Answered(Action::Redirect { location, .. })) => {
            let shown = String::from_utf8_lossy(&location);
            assert!(location.iter().all(|&byte| b' ' < byte && byte != 0x7f), "one line: {shown}");
            assert!(location.len() <= MADE_MAX);
            let Effect::Reply(Reply::Redirect { target, .. }) = &rule.effect else {
                panic!("who redirects has a target")
            };
            match (target.is_elsewhere(), location.as_slice()) {
                (true, location) => {
                    assert!(location.windows(3).any(|three| three == b"://"), "a scheme: {shown}");
                }
                (false, [b'/']) => {}
                (false, [b'/', second, ..]) => assert!(!b"/\\".contains(second), "another host: {shown}"),
                (false, _) => panic!("no path: {shown}"),
            }
        }
        Ok(Outcome::Answered(Action::Reply { body, .. })) => {
            let count = |text: &[u8]| text.iter().filter(|&&byte| byte == b'<' || byte == b'>').count();
            assert_eq!(count(&body), count(template.as_bytes()), "markup is the rule's alone");
        }
        Ok(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a mutation puts in place of a byte.
    const BYTES: &[u8] = b"\0\n\r %$\\/.?#:{}()[*+<&\x7f\xff";

    #[test]
    fn rules_of_the_seeds() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/rules");
        let seeds: Vec<_> = std::fs::read_dir(folder).unwrap().map(|seed| seed.unwrap().path()).collect();
        assert!(seeds.len() >= 8, "{seeds:?}");
        for seed in &seeds {
            let seed = std::fs::read(seed).unwrap();
            rules(&seed);
            // Not all of them at each place: each place gets another one.
            for at in 0..seed.len() {
                let mut changed = seed.clone();
                changed[at] = BYTES[(at * 7) % BYTES.len()];
                rules(&changed);
                changed.remove(at);
                rules(&changed);
            }
        }
    }
}
