//! The files of the project.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};

/// Folders that hold nothing of ours.
const FOREIGN: &[&str] = &["target", ".git", "corpus", "artifacts", "node_modules", "__pycache__"];

/// A text file of the project.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Path from the root, with slashes.
    pub(crate) path: String,
    /// Content.
    pub(crate) text: String,
}

impl Source {
    /// Extension, or the empty text.
    pub(crate) fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|extension| extension.to_str()).unwrap_or_default()
    }
}

/// All files that are text, in the order of their paths.
pub(crate) fn read_all(root: &Path) -> Outcome<Vec<Source>> {
    let mut sources = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for path in entries(&folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let kind = fs::symlink_metadata(&path).map_err(Failure::machine("look at", &path))?.file_type();
            if kind.is_dir() && !FOREIGN.contains(&name.as_str()) {
                open.push(path);
            } else if kind.is_file() {
                sources.extend(read(root, &path)?);
            }
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(sources)
}

fn entries(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(Failure::machine("list", folder))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(Failure::machine("list", folder))).collect()
}

/// `None` for what is not text, such as golden bytes.
fn read(root: &Path, path: &Path) -> Outcome<Option<Source>> {
    let bytes = fs::read(path).map_err(Failure::machine("read", path))?;
    let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    Ok(String::from_utf8(bytes).ok().map(|text| Source { path: name, text }))
}
