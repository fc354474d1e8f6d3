//! Keys of `rewrite` and `return`.

use super::super::sections::{
    ANSWER as ANSWER_SECTION, CONDITIONS as CONDITIONS_SECTION, RULE as RULE_SECTION,
};
use super::{AnyKey, Key, NETWORK};
use crate::kind::{
    AnswerStatus, Choice, FilePath, Items, List, MapOf, Object, RedirectStatus, StatusOrObject, Text,
};
use crate::model::{Scheme, Then, Way};
use crate::syntax;

/// Rules of one list.
const RULES_MAX: usize = 1000;

/// Written down here, compiled by a later stage.
const TEMPLATE: Text<String> = Text { noun: "a text with $variables", pattern: None, parse: syntax::any };
const PATTERN: Text<String> = Text { noun: "a regular expression", pattern: None, parse: syntax::any };

/// Conditions of one list.
const CONDITIONS_MAX: usize = 100;

/// By the name of a part, what it has to be.
const BY_NAME: MapOf<String, Text<String>> =
    MapOf { key: Text { noun: "a name", pattern: Some("^.+$"), parse: syntax::any }, value: PATTERN };

keys! {
    /// Keys of hosts and of locations that each has for itself.
    place {
        REWRITE: Items = "rewrite",
            Items { section: &RULE_SECTION, noun: "a rule", max: RULES_MAX },
            default Some("[]"), example r#"[{"path": "^/old/(.*)$", "to": "/new/$1"}]"#,
            "Rules that change where requests lead. They are not inherited: those of a host come before those of the location.";
        RETURN: StatusOrObject = "return", StatusOrObject(&ANSWER_SECTION),
            default None, example r#"{"status": 301, "to": "https://www.example.org$request_uri"}"#,
            "Answers all requests here with this status, in place of the handler; 444 closes the connection without an answer. \
             It is not inherited.";
        TRY: List<Text<Way>> = "try",
            List { item: Text { noun: "a path, \"=404\" or \"handler\"", pattern: None, parse: syntax::way }, min: 2 },
            default None, example r#"["$path", "$path/", "/index.html"]"#,
            "Looks below root for these files, in this order (for folders where the path ends with a slash), and sends the first \
             that is there. The last is what becomes of all others: a path that the request leads to instead, \"=404\" for a \
             status, or \"handler\" to leave it to who answers here otherwise. It is not inherited.";
    }
}

keys! {
    /// Keys of an item of `rewrite`.
    rule {
        PATH: Text<String> = "path", PATTERN,
            default None, example r#""^/old/(.*)$""#,
            "The path has to match this regular expression, after percent-decoding and removal of dot segments; without it, \
             every path does. What is in its parentheses is $1 to $9, or has the name of (?<name>...).";
        IF: Object = "if", Object(&CONDITIONS_SECTION),
            default None, example r#"{"scheme": "http", "not": {"host": "^localhost$"}}"#,
            "What else has to hold.";
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
            "Answers the request with this status; 444 closes the connection without an answer.";
        RULES: Items = "rules",
            Items { section: &RULE_SECTION, noun: "a rule", max: RULES_MAX },
            default None, example r#"[{"to": "/new/$path"}]"#,
            "Rules that are looked at if this one matches, before those behind it.";
    }
}

keys! {
    /// Keys of `if`.
    conditions {
        HOST: Text<String> = "host", PATTERN,
            default None, example r#""^www\\.""#,
            "The name that the client asks for matches, in lower case and without its port.";
        SCHEME: Choice<Scheme> = "scheme", Choice { words: &[("http", Scheme::Http), ("https", Scheme::Https)] },
            default None, example r#""http""#,
            "The request comes without TLS (\"http\"), or over it (\"https\").";
        METHOD: List<Text<String>> = "method",
            List { item: Text { noun: "a method in upper case", pattern: Some("^[^a-z ]+$"), parse: syntax::method }, min: 1 },
            default None, example r#"["POST", "PUT"]"#,
            "The method is one of these.";
        HEADER: MapOf<String, Text<String>> = "header", BY_NAME,
            default None, example r#"{"User-Agent": "(?i)mobile"}"#,
            "Fields of the request match, the first of each name; null has no such field, or an empty one.";
        QUERY: MapOf<String, Text<String>> = "query", BY_NAME,
            default None, example r#"{"id": "^[0-9]+$"}"#,
            "Parts of the query match, after percent-decoding; null has no such part, or an empty one.";
        COOKIE: MapOf<String, Text<String>> = "cookie", BY_NAME,
            default None, example r#"{"language": "^(?<language>de|fr)$"}"#,
            "Cookies match; null has no such cookie, or an empty one.";
        MATCH: MapOf<String, Text<String>> = "match", BY_NAME,
            default None, example r#"{"$scheme://$host$path": "^http://example[.]org/a"}"#,
            "Texts with $variables match; null is empty.";
        ADDRESS: List<Text<String>> = "address", List { item: NETWORK, min: 1 },
            default None, example r#"["10.0.0.0/8", "::1"]"#,
            "The client is in one of these networks.";
        FILE: Text<String> = "file", TEMPLATE,
            default None, example r#""$path.html""#,
            "There is a file of this path below root.";
        FOLDER: Text<String> = "folder", TEMPLATE,
            default None, example r#""$path""#,
            "There is a folder of this path below root.";
        NOT: Object = "not", Object(&CONDITIONS_SECTION),
            default None, example r#"{"method": ["GET"]}"#,
            "These conditions do not all hold.";
        ALL: Items = "all",
            Items { section: &CONDITIONS_SECTION, noun: "an object of conditions", max: CONDITIONS_MAX },
            default None, example r#"[{"not": {"file": "$path"}}, {"not": {"folder": "$path"}}]"#,
            "All of these hold; as if they stood in one object.";
        ANY: Items = "any",
            Items { section: &CONDITIONS_SECTION, noun: "an object of conditions", max: CONDITIONS_MAX },
            default None, example r#"[{"scheme": "http"}, {"host": "^www\\."}]"#,
            "One of these holds.";
    }
}

keys! {
    /// Keys of `/maps/NAME`.
    map {
        FROM: Text<String> = "from", TEMPLATE,
            default Some(r#""$path""#), example r#""$host""#,
            "What is looked up: a text with $variables.";
        VALUES: MapOf<String, Text<String>> = "values",
            MapOf {
                key: Text { noun: "a text, or \"~ \" and a regular expression", pattern: None, parse: syntax::any },
                value: Text { noun: "a text", pattern: None, parse: syntax::any },
            },
            default Some("{}"), example r#"{"/old": "/new", "~ ^/shop/": "https://shop.example.org/"}"#,
            "What stands for what. A text that is equal goes first, then the first expression of the file that matches. In a value \
             $$ is a dollar sign; values know no variables.";
        FILE: FilePath = "file", FilePath,
            default None, example r#""maps/redirects.txt""#,
            "A file with more values: a text and its value on each line, with white space between; what begins with # is a \
             comment. It is read when the server starts and at each reload.";
        DEFAULT: Text<String> = "default", Text { noun: "a text", pattern: None, parse: syntax::any },
            default Some(r#""""#), example r#""/""#,
            "The value of everything else; $$ is a dollar sign.";
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
