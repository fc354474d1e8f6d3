//! A temporary folder that goes away with its test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::failure::{Failure, Outcome};

/// A folder of this test's own, removed when dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes an empty folder below the system's temporary folder.
    pub fn new(label: &str) -> Outcome<Folder> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("kimura-e2e-{}-{number}-{label}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).map_err(Failure::machine("create folder", &path))?;
        // The binary prints resolved paths; tests compare with ours.
        let path = path.canonicalize().map_err(Failure::machine("resolve", &path))?;
        Ok(Folder { path })
    }

    /// Its absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file, and the folders above it. Returns its absolute path.
    pub fn write(&self, name: &str, content: &[u8]) -> Outcome<PathBuf> {
        let path = self.path.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Failure::machine("create folder", parent))?;
        }
        fs::write(&path, content).map_err(Failure::machine("write", &path))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning; the test's verdict stands.
        fs::remove_dir_all(&self.path).ok();
    }
}
