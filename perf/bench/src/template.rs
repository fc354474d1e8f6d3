//! Configurations from their templates: holes are filled, and parts that a run does not need are left out.
//!
//! A hole is `{{name}}`. What stands between `{{with name}}` and `{{end}}` is kept only with the part of that name,
//! what stands between `{{without name}}` and `{{end}}` only without it.

/// What a configuration has only where a workload asks for it. So what a build cannot do yet does not keep it from
/// being measured with all else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Part {
    /// An address with TLS, and certificates.
    Tls,
    /// A line for each request in a file.
    AccessLog,
    /// A place where clients log in.
    Logins,
    /// Files come from another server.
    Proxy,
    /// What is text is compressed for those who take it.
    Gzip,
}

impl Part {
    /// All parts.
    pub(crate) const ALL: [Part; 5] = [Part::Tls, Part::AccessLog, Part::Logins, Part::Proxy, Part::Gzip];

    /// Name in templates and in the names of files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Part::Tls => "tls",
            Part::AccessLog => "log",
            Part::Logins => "logins",
            Part::Proxy => "proxy",
            Part::Gzip => "gzip",
        }
    }
}

/// The configuration that `template` gives with `values` for its holes and with `parts`. A hole without a value stays.
pub(crate) fn fill(template: &str, values: &[(&str, &str)], parts: &[Part]) -> String {
    let has = |name: &str| parts.iter().any(|part| part.name() == name);
    let mut out = String::new();
    let mut kept = true;
    let mut pieces = template.split("{{");
    out.extend(pieces.next());
    for piece in pieces {
        let (name, text) = piece.split_once("}}").unwrap_or((piece, ""));
        match name.split_once(' ') {
            Some(("with", part)) => kept = has(part),
            Some(("without", part)) => kept = !has(part),
            _ if name == "end" => kept = true,
            _ if kept => match values.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => out.push_str(value),
                None => out.extend(["{{", name, "}}"]),
            },
            _ => {}
        }
        if kept {
            out.push_str(text);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_and_parts_chosen() {
        let check = |template: &str, parts: &[Part], expected: &str| {
            assert_eq!(fill(template, &[("port", "80"), ("root", "/r")], parts), expected, "{template}");
        };
        check("plain { }", &[], "plain { }");
        check("{{port}} and {{root}}{{port}}", &[], "80 and /r80");
        check("{{port}} {{what}}", &[], "80 {{what}}");
        let both = "a{{with tls}} tls {{port}}{{end}}{{without tls}} plain{{end}} z";
        check(both, &[Part::Tls, Part::AccessLog], "a tls 80 z");
        check(both, &[Part::AccessLog], "a plain z");
        check("{{with log}}{{port}}", &[], "");
    }
}
