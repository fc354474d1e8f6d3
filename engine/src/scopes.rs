//! Which locations can share what is known of their files: those that find and describe them alike. So a change of
//! the configuration leaves the cache of unchanged hosts as it is, and no other can see an entry of theirs.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::Arc;

use site::{Files, Site};

/// The number of all locations that serve no files.
const NONE: u64 = 0;

/// Device and inode of a folder. The folder is held open with it, so nothing else can get this name meanwhile.
type Root = (u64, u64);

/// The scopes of a site, each with a number that no other scope of this process had before in a site that was served.
pub(crate) struct Scopes {
    by_root: HashMap<Root, Vec<(Arc<Files>, u64)>>,
    /// What else goes into a stored response.
    stored: Stored,
    next: u64,
}

/// Settings of the server that show in a stored response.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stored {
    server_header: bool,
    small_body: usize,
}

impl Scopes {
    /// Numbers the locations of a site; `before` is the site served until now, whose numbers stay where nothing
    /// has changed. Answers the numbers by the id of the location as well.
    pub(crate) fn number(
        site: &Site,
        config: &config::Server,
        before: Option<&Scopes>,
    ) -> (Scopes, Arc<[u64]>) {
        let stored = Stored { server_header: config.server_header, small_body: config.file_cache.small_body };
        let next = before.map_or(NONE + 1, |before| before.next);
        let before = before.filter(|before| before.stored == stored);
        let mut scopes = Scopes { by_root: HashMap::new(), stored, next };
        let mut numbers = Vec::new();
        for location in site.locations() {
            let index = location.id as usize;
            if numbers.len() <= index {
                numbers.resize(index + 1, NONE);
            }
            if let Some(files) = location.kept_files() {
                numbers[index] = scopes.number_of(files, before);
            }
        }
        (scopes, numbers.into())
    }

    fn number_of(&mut self, files: &Arc<Files>, before: Option<&Scopes>) -> u64 {
        let Ok(folder) = sys::fs::stat(files.root.as_fd()) else {
            // A folder that cannot be told from others shares with none.
            return self.fresh();
        };
        let root = (folder.dev, folder.ino);
        if let Some(number) = self.find(root, files) {
            return number;
        }
        let number = before.and_then(|before| before.find(root, files)).unwrap_or_else(|| self.fresh());
        self.by_root.entry(root).or_default().push((Arc::clone(files), number));
        number
    }

    fn find(&self, root: Root, files: &Files) -> Option<u64> {
        let same = self.by_root.get(&root)?.iter().find(|(known, _)| known.describe_alike(files));
        same.map(|(_, number)| *number)
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }
}
