//! Keys of `rewrite` and `return`.

use super::super::sections::{ANSWER as ANSWER_SECTION, RULE as RULE_SECTION};
use super::{AnyKey, Key};
use crate::kind::{AnswerStatus, Choice, Items, RedirectStatus, StatusOrObject, Text};
use crate::model::Then;
use crate::syntax;

/// Rules of one list.
const RULES_MAX: usize = 1000;

const RULES: Items = Items { section: &RULE_SECTION, noun: "a rule", max: RULES_MAX };

/// Written down here, compiled by a later stage.
const TEMPLATE: Text<String> = Text { noun: "a text with $variables", pattern: None, parse: syntax::any };
const PATTERN: Text<String> = Text { noun: "a regular expression", pattern: None, parse: syntax::any };

keys! {
    /// Keys of hosts and of locations that each has for itself.
    place {
        REWRITE: Items = "rewrite", RULES,
            default Some("[]"), example r#"[{"path": "^/old/(.*)$", "to": "/new/$1"}]"#,
            "Rules that change where requests lead. They are not inherited: those of a host come before those of the location.";
        RETURN: StatusOrObject = "return", StatusOrObject(&ANSWER_SECTION),
            default None, example r#"{"status": 301, "to": "https://www.example.org$request_uri"}"#,
            "Answers all requests here with this status, in place of the handler. It is not inherited.";
    }
}

keys! {
    /// Keys of an item of `rewrite`.
    rule {
        PATH: Text<String> = "path", PATTERN,
            default None, example r#""^/old/(.*)$""#,
            "The path has to match this regular expression, after percent-decoding and removal of dot segments; without it, \
             every path does. What is in its parentheses is $1 to $9, or has the name of (?<name>...).";
        TO: Text<String> = "to", TEMPLATE,
            default None, example r#""/new/$1""#,
            "Where the request leads instead: a path, and behind a ? the query; with redirect also a whole URL. Without a ? the \
             client's query stays.";
        REDIRECT: RedirectStatus = "redirect", RedirectStatus,
            default None, example "301",
            "Sends the client to the place that \"to\" says, with this status; without it the client does not notice.";
        THEN: Choice<Then> = "then",
            Choice { words: &[("again", Then::Again), ("next", Then::Next), ("stop", Then::Stop)] },
            default Some(r#""again""#), example r#""stop""#,
            "How it goes on once the rule has matched: \"again\" looks for the location of the new path, \"next\" goes on with the \
             next rule, \"stop\" looks at no further rule at all and stays in this location.";
        RETURN: StatusOrObject = "return", StatusOrObject(&ANSWER_SECTION),
            default None, example "410",
            "Answers the request with this status.";
    }
}

keys! {
    /// Keys of `return`.
    answer {
        STATUS: AnswerStatus = "status", AnswerStatus,
            default None, example "503",
            "The status; without it 200, and 302 where there is a \"to\".";
        TO: Text<String> = "to", TEMPLATE,
            default None, example r#""https://www.example.org$request_uri""#,
            "Where the client is sent; the status has to be 301, 302, 303, 307 or 308.";
        BODY: Text<String> = "body", TEMPLATE,
            default None, example r#""{\"host\": \"$host\"}""#,
            "The content; without it errors have their page, and others no content.";
        TYPE: Text<String> = "type",
            Text { noun: "a media type", pattern: Some("^[^/ ]+/"), parse: syntax::media_type },
            default Some(r#""text/plain; charset=utf-8""#), example r#""application/json""#,
            "Its media type. Variables in it are escaped for HTML and for JSON.";
    }
}
