//! The text of a template, cut into text and variables.

use super::BadTemplate;
use crate::moment::{Directive, Moment};
use crate::variable::Variable;

/// A part of the text of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    Variable(Variable),
}

/// The text, cut where variables begin and end.
pub(super) fn parts(text: &str) -> Result<Vec<Part>, BadTemplate> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            literal.push('$');
            rest = after;
            continue;
        }
        let (name, behind) = name(after)?;
        rest = match Moment::named(name) {
            Some(moment) => {
                let (form, behind) = form(name, behind)?;
                time(moment, form, &mut literal, &mut parts)?;
                behind
            }
            None => {
                let variable = Variable::named(name).ok_or_else(|| BadTemplate::Unknown(name.to_owned()))?;
                push(variable, &mut literal, &mut parts);
                behind
            }
        };
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

/// Adds a variable, behind the text that has gathered before it.
fn push(variable: Variable, literal: &mut String, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal)));
    }
    parts.push(Part::Variable(variable));
}

/// The form of a time at the beginning, which stands in braces, and what is behind it.
fn form<'t>(name: &str, text: &'t str) -> Result<(&'t str, &'t str), BadTemplate> {
    let inside = text.strip_prefix('{').ok_or_else(|| BadTemplate::Formless(name.to_owned()))?;
    let (form, behind) = inside.split_once('}').ok_or(BadTemplate::Endless)?;
    // It has taken in what follows, up to a brace there.
    if form.contains(['$', '{']) { Err(BadTemplate::Endless) } else { Ok((form, behind)) }
}

/// Adds the parts of a time, each a variable of its own.
fn time(moment: Moment, form: &str, literal: &mut String, parts: &mut Vec<Part>) -> Result<(), BadTemplate> {
    let before = parts.len();
    let mut rest = form;
    while let Some((text, after)) = rest.split_once('%') {
        literal.push_str(text);
        if let Some(after) = after.strip_prefix('%') {
            literal.push('%');
            rest = after;
            continue;
        }
        let (directive, behind) =
            Directive::split(after).ok_or_else(|| BadTemplate::Directive(format!("%{}", letters(after))))?;
        push(Variable::Time(moment, directive), literal, parts);
        rest = behind;
    }
    literal.push_str(rest);
    if parts.len() == before { Err(BadTemplate::Timeless) } else { Ok(()) }
}

/// What stands for a directive at the beginning of a text: a letter, and the flags and digits before it.
fn letters(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit() && !"_-+^#.OE".contains(c));
    let end = end.and_then(|at| text[at..].chars().next().map(|letter| at + letter.len_utf8()));
    &text[..end.unwrap_or(text.len())]
}

/// The name at the beginning, in braces or not, and what is behind it.
fn name(text: &str) -> Result<(&str, &str), BadTemplate> {
    let (name, behind) = match text.strip_prefix('{') {
        Some(inside) => inside.split_once('}').ok_or(BadTemplate::Nameless)?,
        None => {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
            text.split_at(end)
        }
    };
    if name.is_empty() { Err(BadTemplate::Nameless) } else { Ok((name, behind)) }
}
