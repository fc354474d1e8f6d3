//! Text to tree: JSON with comments and trailing commas, nothing looser.

use std::str::FromStr;

use jsonc_parser::ast::{self, ObjectPropName};
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::{CollectOptions, ParseOptions, ParseStringErrorKind, parse_to_ast};
use serde_json::Number;

use crate::cause::{Cause, Flaw};
use crate::pointer;
use crate::problem::{Problem, Problems};
use crate::source::{Cursor, Origin, Source};
use crate::tree::{Data, Member, Members, Node};

/// Largest configuration text in bytes: room for some hundred thousand hosts, and a bound on the work.
pub const TEXT_MAX: usize = 64 << 20;

/// Every way in which the parser could be looser than the documentation is off.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Reads the text of `source`. A key that is there twice is reported and its first value kept; without
/// a tree there is nothing more to check.
pub(crate) fn parse(source: &Source, problems: &mut Problems) -> Option<Node> {
    let whole = |cause| Problem::new(Some(source), &Origin::File(source.position(0, 0)), "", cause);
    if source.text.len() > TEXT_MAX {
        problems.push(whole(Cause::TooLarge));
        return None;
    }
    let mut builder = Builder { source, cursor: Cursor::new(&source.text), problems };
    match parse_to_ast(&source.text, &CollectOptions::default(), &OPTIONS) {
        Ok(parsed) => match parsed.value {
            Some(value) => return Some(builder.node(&value, "")),
            None => problems.push(whole(Cause::Empty)),
        },
        Err(error) => problems.push(syntax_problem(source, &error)),
    }
    None
}

struct Builder<'s> {
    source: &'s Source,
    cursor: Cursor<'s>,
    problems: &'s mut Problems,
}

impl Builder<'_> {
    fn node(&mut self, value: &ast::Value<'_>, pointer: &str) -> Node {
        let origin = self.origin(value.range());
        let data = match value {
            ast::Value::NullKeyword(_) => Data::Null,
            ast::Value::BooleanLit(literal) => Data::Bool(literal.value),
            ast::Value::StringLit(literal) => Data::Text(literal.value.to_string()),
            // A number that no f64 can hold (1e999) stays a text, which no key that wants a number takes.
            ast::Value::NumberLit(literal) => Number::from_str(literal.value)
                .map_or_else(|_| Data::Text(literal.value.to_owned()), Data::Number),
            ast::Value::Array(array) => {
                let items = array.elements.iter().enumerate();
                Data::List(items.map(|(i, item)| self.node(item, &format!("{pointer}/{i}"))).collect())
            }
            ast::Value::Object(object) => Data::Object(self.members(object, pointer)),
        };
        Node { data, origin }
    }

    fn members(&mut self, object: &ast::Object<'_>, base: &str) -> Members {
        let mut members = Members::with_capacity(object.properties.len());
        for property in &object.properties {
            let (name, range) = match &property.name {
                ObjectPropName::String(literal) => (literal.value.to_string(), literal.range),
                ObjectPropName::Word(word) => (word.value.to_owned(), word.range),
            };
            let pointer = pointer::join(base, &name);
            let origin = self.origin(range);
            if let Some(first) = members.get(&name) {
                let problem = Problem::new(Some(self.source), &origin, &pointer, Cause::DuplicateKey(name))
                    .note("first", Some(self.source), &first.origin);
                self.problems.push(problem);
                continue;
            }
            let node = self.node(&property.value, &pointer);
            members.insert(name.clone(), Member { name, origin, node });
        }
        members
    }

    fn origin(&mut self, range: Range) -> Origin {
        Origin::File(self.cursor.position(range.start, range.end))
    }
}

fn syntax_problem(source: &Source, error: &ParseError) -> Problem {
    let range = error.range();
    // Some errors point at the end of the text or of a line; the caret then stands under its last character.
    let end = range.end.min(source.text.len());
    let origin = Origin::File(source.position(range.start.min(end), end));
    Problem::new(Some(source), &origin, "", Cause::Syntax(syntax_flaw(error.kind())))
}

fn syntax_flaw(kind: &ParseErrorKind) -> Flaw {
    use ParseErrorKind as Kind;
    let (what, cure) = match kind {
        Kind::ExpectedComma => ("a comma is missing", "put a comma after this value"),
        Kind::ExpectedColonAfterObjectKey => ("no colon follows the key", "write \"key\": value"),
        Kind::ExpectedObjectValue => ("no value follows the key", "write \"key\": value"),
        Kind::ExpectedStringObjectProperty => ("the key has no quotes", "put the key in double quotes"),
        Kind::SingleQuotedStringsNotAllowed => ("single quotes", "use double quotes"),
        Kind::UnexpectedWord => (
            "a word without quotes",
            "put texts in double quotes; the only bare words are true, false and null",
        ),
        Kind::UnterminatedObject => ("this object has no end", "close it with }"),
        Kind::UnterminatedArray => ("this list has no end", "close it with ]"),
        Kind::UnterminatedCommentBlock => ("this comment has no end", "close it with */"),
        Kind::UnexpectedCloseBrace => {
            ("a } that closes nothing here", "remove it, or put the missing value in front")
        }
        Kind::UnexpectedCloseBracket => {
            ("a ] that closes nothing here", "remove it, or put the missing value in front")
        }
        Kind::UnexpectedColon => ("a colon that belongs to no key", "write \"key\": value inside of { }"),
        Kind::UnexpectedComma => ("a comma with no value in front", "remove it"),
        Kind::UnexpectedTokenInObject => ("this is no key", "inside of { } write \"key\": value"),
        Kind::UnexpectedToken => {
            ("a character that means nothing in JSON", "remove it; comments begin with // or /*")
        }
        Kind::MultipleRootJsonValues => {
            ("something follows the end of the configuration", "remove it, or the } too many")
        }
        Kind::HexadecimalNumbersNotAllowed => ("a hexadecimal number", "write the number in decimal"),
        Kind::UnaryPlusNumbersNotAllowed => ("a number with a plus sign", "leave the plus out"),
        Kind::BareDecimalPointNumbersNotAllowed
        | Kind::ExpectedDigit
        | Kind::ExpectedDigitFollowingNegativeSign
        | Kind::ExpectedPlusMinusOrDigitInNumberLiteral
        | Kind::NonFiniteNumbersNotAllowed => ("this is no number", "write digits, such as 42"),
        Kind::NestingDepthExceeded => ("too many brackets inside of each other", "no key needs such depth"),
        Kind::String(kind) => return string_flaw(kind),
        // These two are allowed by OPTIONS.
        Kind::CommentsNotAllowed | Kind::TrailingCommasNotAllowed => ("this is no JSON", "correct it"),
    };
    Flaw::new(what, cure)
}

fn string_flaw(kind: &ParseStringErrorKind) -> Flaw {
    match kind {
        ParseStringErrorKind::UnterminatedStringLiteral => {
            Flaw::new("this text has no end", "close it with \" on the same line")
        }
        _ => Flaw::new(
            "an escape that JSON does not know",
            "write a backslash as \\\\; the others are \\\" \\/ \\b \\f \\n \\r \\t and \\u with four hex digits",
        ),
    }
}
