//! Every library has a licence that this project can live with.

use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::policy::{LICENCE, LICENCES};

/// Checks all packages that `cargo metadata` printed.
pub(crate) fn check(metadata: &Value) -> Outcome {
    let built: Vec<&str> =
        list(&metadata["resolve"]["nodes"]).filter_map(|node| node["id"].as_str()).collect();
    let packages = list(&metadata["packages"]);
    let packages = packages.filter(|package| package["id"].as_str().is_some_and(|id| built.contains(&id)));
    let faults: Vec<String> = packages.filter_map(fault).collect();
    if built.is_empty() {
        return Err(Failure::Answer { program: "cargo metadata", what: "no packages".to_owned() });
    }
    Failure::unless_empty(faults)
}

fn fault(package: &Value) -> Option<String> {
    let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let (name, version, licence) = (text("name"), text("version"), text("license"));
    let is_ours = package["source"].is_null();
    if is_ours {
        return (licence != LICENCE).then(|| format!("{name} is under {licence:?}, not {LICENCE}"));
    }
    match is_allowed(&licence) {
        Some(true) => None,
        Some(false) => Some(format!("{name} {version} is under {licence:?}, which is not allowed")),
        None => Some(format!("{name} {version} has no readable licence: {licence:?}")),
    }
}

/// Evaluates an SPDX expression; `None` when it is none.
fn is_allowed(expression: &str) -> Option<bool> {
    // Before SPDX, crates wrote "MIT/Apache-2.0" for a choice.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    let verdict = any_of(&mut words)?;
    words.is_empty().then_some(verdict)
}

/// `all-of OR all-of ...`
fn any_of(words: &mut Vec<&str>) -> Option<bool> {
    let mut verdict = all_of(words)?;
    while words.last() == Some(&"OR") {
        words.pop();
        verdict |= all_of(words)?;
    }
    Some(verdict)
}

/// `one AND one ...`
fn all_of(words: &mut Vec<&str>) -> Option<bool> {
    let mut verdict = one(words)?;
    while words.last() == Some(&"AND") {
        words.pop();
        verdict &= one(words)?;
    }
    Some(verdict)
}

/// `( any-of )`, `LICENCE` or `LICENCE WITH EXCEPTION`
fn one(words: &mut Vec<&str>) -> Option<bool> {
    let word = words.pop()?;
    if word == "(" {
        let verdict = any_of(words)?;
        return (words.pop()? == ")").then_some(verdict);
    }
    if ["AND", "OR", "WITH", ")"].contains(&word) {
        return None;
    }
    // "or any later version": ours to choose the one we know.
    let licence = word.trim_end_matches('+');
    if words.last() != Some(&"WITH") {
        return Some(LICENCES.contains(&licence));
    }
    words.pop();
    let exception = words.pop()?;
    Some(LICENCES.contains(&format!("{licence} WITH {exception}").as_str()))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_expressions() {
        for (expression, wanted) in [
            ("MIT", Some(true)),
            ("MIT OR GPL-3.0-only", Some(true)),
            ("MIT/Apache-2.0", Some(true)),
            ("GPL-3.0-only", Some(false)),
            ("MIT AND GPL-3.0-only", Some(false)),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", Some(true)),
            ("(MIT OR Apache-2.0) AND NCSA", Some(false)),
            ("Apache-2.0 WITH LLVM-exception OR MIT", Some(true)),
            ("GPL-2.0-only WITH Classpath-exception-2.0", Some(false)),
            ("MPL-2.0+", Some(true)),
            ("", None),
            ("MIT OR", None),
            ("(MIT", None),
            ("MIT Apache-2.0", None),
        ] {
            assert_eq!(is_allowed(expression), wanted, "{expression:?}");
        }
    }

    #[test]
    fn tells_the_package() {
        let package = |source: Value, license: &str| serde_json::json!({"name": "x", "version": "1.0.0", "source": source, "license": license});
        assert_eq!(fault(&package(Value::Null, "BSD-3-Clause")), None);
        assert!(fault(&package(Value::Null, "MIT")).is_some());
        assert_eq!(fault(&package("registry".into(), "MIT")), None);
        assert!(
            fault(&package("registry".into(), "AGPL-3.0-only"))
                .is_some_and(|fault| fault.contains("x 1.0.0"))
        );
    }
}
