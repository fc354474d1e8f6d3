//! Which scripts requests are for, where servers speak FastCGI.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use config::Fastcgi;
use proto_http::fastcgi::{ScriptRule, Variables};

use crate::Files;

/// Which scripts requests are for.
#[derive(Debug)]
pub struct Scripts {
    /// Their folder, as the application knows it; without a slash at its end.
    pub root: Vec<u8>,
    /// How they are found in paths.
    pub rule: ScriptRule,
    /// Further variables.
    pub variables: Variables,
    /// Where a script that paths name has to be; none where the application alone knows.
    pub files: Option<Arc<Files>>,
}

impl Scripts {
    /// Whether its scripts are named by paths, and are where the place has its own files.
    pub(crate) fn are_here(config: &Fastcgi) -> bool {
        config.root.is_none() && config.script.is_none()
    }

    /// As the configuration has it; `root` is that of the place. None where no folder is known.
    pub(crate) fn of(config: &Fastcgi, root: Option<&Path>) -> Option<Scripts> {
        let root = match (&config.root, root) {
            (Some(root), _) => root.as_bytes().to_vec(),
            (None, root) => root?.as_os_str().as_bytes().to_vec(),
        };
        let rule = match &config.script {
            Some(script) => ScriptRule::Fixed(script.clone()),
            None => ScriptRule::Named { ending: config.ending.clone(), index: config.index.clone() },
        };
        let mut variables = Variables::default();
        for (name, value) in &config.variables {
            variables.set(name, value);
        }
        Some(Scripts { root, rule, variables, files: None })
    }
}
