//! Whether the index of a folder can be in the charge of another location than the folder.
//!
//! Where it is, that one sends it: what holds for a path holds for whoever comes to it by its folder, too. For most
//! locations it can be told from the configuration that none can, and nothing is looked up when they are asked.

use config::{Matcher, Rewriting};

/// Where the indexes of a location's folders can lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexes {
    /// They are the location's own.
    Stay,
    /// Another location may be in charge of some.
    MayLead,
}

impl Indexes {
    /// Those with one of these `names`, in a host with these `locations`. `own` is what the location itself is for; none is
    /// all that is outside of the others.
    pub(crate) fn of<'m>(
        names: &[String],
        (own, rewriting): (Option<&Matcher>, &Rewriting),
        mut locations: impl Iterator<Item = &'m Matcher>,
    ) -> Indexes {
        // Rules and what is tried come to folders with any path; the index of an exact path has another one.
        let is_elsewhere = matches!(own, Some(Matcher::Exact(_)))
            || !rewriting.rules.is_empty()
            || !rewriting.attempts.is_empty();
        let takes = |matcher: &Matcher| names.iter().any(|name| may_take(matcher, name));
        if is_elsewhere || locations.any(takes) { Indexes::MayLead } else { Indexes::Stay }
    }
}

/// Whether a location may be for the index of a folder that it is not for itself.
fn may_take(matcher: &Matcher, name: &str) -> bool {
    // One in a folder below would have a path with more than one further segment.
    let is_below = name.contains('/');
    match matcher {
        Matcher::Pattern(_) => true,
        Matcher::Exact(path) => is_below || path.ends_with(&format!("/{name}")),
        Matcher::Prefix(path) => {
            let last = path.rsplit('/').next().unwrap_or_default();
            is_below || !last.is_empty() && name.starts_with(last)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_take_an_index() {
        let exact = |path: &str| Matcher::Exact(path.to_owned());
        let prefix = |path: &str| Matcher::Prefix(path.to_owned());
        for (matcher, name, wanted) in [
            (Matcher::Pattern(r"\.php$".to_owned()), "index.html", true),
            (exact("/a/index.html"), "index.html", true),
            (exact("/index.html"), "index.html", true),
            (exact("/a/index.html"), "index.php", false),
            (exact("/a/myindex.html"), "index.html", false),
            (exact("/a/"), "index.html", false),
            (prefix("/a/"), "index.html", false),
            (prefix("/a/ind"), "index.html", true),
            (prefix("/index.html"), "index.html", true),
            (prefix("/index.html.bak"), "index.html", false),
            (prefix("/api"), "index.html", false),
            (prefix("/a/b/"), "b/index.html", true),
        ] {
            assert_eq!(may_take(&matcher, name), wanted, "{matcher} {name}");
        }
    }
}
