//! The configuration without a file.

use std::path::Path;

use serde_json::json;

use crate::model::Config;
use crate::overrides::Override;
use crate::problem::Problems;
use crate::source::Origin;
use crate::tree::Node;
use crate::{Loaded, finish};

/// The name of the only host; as the first one it answers to every name.
const HOST: &str = "localhost";

/// What is served without a configuration file: one folder on 127.0.0.1:8080, to whatever host name.
/// Without `dir` it is the current folder.
///
/// # Errors
/// Only what is wrong with `overrides`.
pub fn builtin(dir: Option<&Path>, overrides: &[Override]) -> Result<Loaded, Problems> {
    let tree = Node::of(json!({"hosts": {HOST: {"root": "."}}}), &Origin::Default);
    let lossy = dir.map(|dir| dir.to_string_lossy().into_owned());
    let operand = lossy.as_deref().map(|text| Override::flag(text, &["hosts", HOST, "root"], text));
    let all: Vec<Override> = operand.into_iter().chain(overrides.iter().cloned()).collect();
    let mut loaded = finish(None, tree, &all, Problems::new())?;
    if let (Some(dir), Some(text)) = (dir, lossy) {
        keep_bytes(&mut loaded.config, dir, &text);
    }
    Ok(loaded)
}

/// The registry holds texts; the name of a folder may be no text.
fn keep_bytes(config: &mut Config, dir: &Path, text: &str) {
    let lossy = std::path::absolute(text).ok();
    for host in config.hosts.iter_mut().filter(|host| host.settings.root == lossy) {
        host.settings.root = std::path::absolute(dir).ok().or_else(|| Some(dir.to_owned()));
    }
}

impl Config {
    /// What is served without a configuration file: the folder `dir` on 127.0.0.1:8080.
    ///
    /// # Panics
    /// When `dir` is empty or has a NUL character, so that it names no folder.
    #[must_use]
    pub fn builtin(dir: &Path) -> Config {
        builtin(Some(dir), &[]).expect("the built-in configuration has no problems").config
    }
}
