//! Files in the repository that the server itself writes. Those of single crates are checked by their own tests.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::cargo::{build_server, output, root};
use crate::failure::{Failure, Outcome};

/// What `kimura --generate WHAT` prints, and the file that holds it.
const GENERATED: &[(&str, &str)] = &[
    ("man", "docs/kimura.1"),
    ("bash", "docs/completions/kimura.bash"),
    ("zsh", "docs/completions/_kimura"),
    ("fish", "docs/completions/kimura.fish"),
    ("reference", "docs/configuration.md"),
];

/// Whether all are what `server` would write.
pub(crate) fn check(server: &Path) -> Outcome {
    let mut faults = Vec::new();
    for (what, file) in GENERATED {
        let wanted = generate(server, what)?;
        let is_current = fs::read(root().join(file)).is_ok_and(|found| found == wanted);
        if !is_current {
            faults.push(format!("{file} is out of date; `cargo xtask generate` writes it"));
        }
    }
    Failure::unless_empty(faults)
}

/// `cargo xtask generate`
pub(crate) fn write() -> Outcome {
    let server = build_server()?;
    for (what, file) in GENERATED {
        let path = root().join(file);
        let folder = path.parent().unwrap_or(&path);
        fs::create_dir_all(folder).map_err(Failure::machine("create folder", folder))?;
        fs::write(&path, generate(&server, what)?).map_err(Failure::machine("write", &path))?;
    }
    Ok(())
}

fn generate(server: &Path, what: &str) -> Outcome<Vec<u8>> {
    let mut command = Command::new(server);
    command.args(["--generate", what]);
    output(command)
}
