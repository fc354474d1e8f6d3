//! Which script a path names, and what of the path is left for it (RFC 3875 sections 4.1.5 and 4.1.13).

/// How scripts are found in paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptRule {
    /// The first segment with this ending is the script; what follows is left for it. A path that ends in `/` names the
    /// index there.
    Named {
        /// Such as `.php`.
        ending: String,
        /// Such as `index.php`.
        index: String,
    },
    /// It is always this one, a path; the whole of the request's is left for it.
    Fixed(String),
}

/// A script, and what is left of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script<'a> {
    /// The path of the script, up to the index that is to be appended.
    pub path: &'a [u8],
    /// To be appended to the path.
    pub index: &'a [u8],
    /// What follows it: empty, or with a `/` before it.
    pub rest: &'a [u8],
}

impl ScriptRule {
    /// The script that a path names, which is decoded and has no dot segments. None if it names none.
    #[must_use]
    pub fn find<'a>(&'a self, path: &'a [u8]) -> Option<Script<'a>> {
        let (ending, index) = match self {
            ScriptRule::Fixed(script) => {
                return Some(Script { path: script.as_bytes(), index: b"", rest: path });
            }
            ScriptRule::Named { ending, index } => (ending.as_bytes(), index.as_bytes()),
        };
        let mut end = 0;
        for segment in path.split_inclusive(|&byte| byte == b'/') {
            let name = segment.strip_suffix(b"/").unwrap_or(segment);
            // A name of the ending alone is a hidden file, and no script.
            if ending.len() < name.len() && name.ends_with(ending) {
                let (path, rest) = path.split_at(end + name.len());
                return Some(Script { path, index: b"", rest });
            }
            end += segment.len();
        }
        path.ends_with(b"/").then_some(Script { path, index, rest: b"" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_found_in_paths() {
        let named = ScriptRule::Named { ending: ".php".to_owned(), index: "index.php".to_owned() };
        let fixed = ScriptRule::Fixed("/front.php".to_owned());
        for (rule, path, expected) in [
            (&named, "/a.php", Some(("/a.php", "", ""))),
            (&named, "/d/a.php", Some(("/d/a.php", "", ""))),
            (&named, "/a.php/", Some(("/a.php", "", "/"))),
            (&named, "/a.php/b/c", Some(("/a.php", "", "/b/c"))),
            (&named, "/a.php/b.php", Some(("/a.php", "", "/b.php"))),
            (&named, "/", Some(("/", "index.php", ""))),
            (&named, "/d/", Some(("/d/", "index.php", ""))),
            (&named, "/d", None),
            (&named, "/a.phpx", None),
            (&named, "/a.PHP", None),
            (&named, "/.php", None),
            (&named, "/.php/", Some(("/.php/", "index.php", ""))),
            (&named, "/picture.jpg/a.php", Some(("/picture.jpg/a.php", "", ""))),
            (&named, "", None),
            (&fixed, "/a/b", Some(("/front.php", "", "/a/b"))),
            (&fixed, "/", Some(("/front.php", "", "/"))),
        ] {
            let script = expected.map(|(path, index, rest): (&str, &str, &str)| Script {
                path: path.as_bytes(),
                index: index.as_bytes(),
                rest: rest.as_bytes(),
            });
            assert_eq!(rule.find(path.as_bytes()), script, "{path}");
        }
    }
}
