//! Installing what the tests need: a line for each thing that is missing, nothing when nothing is.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::{self, root, target_folder};
use crate::failure::{Failure, Outcome};

/// A program from Debian's packages.
struct Program {
    /// For messages.
    what: &'static str,
    /// A command that succeeds when it is there.
    probe: &'static [&'static str],
    /// The packages that bring it.
    packages: &'static [&'static str],
}

const PROGRAMS: &[Program] = &[
    Program { what: "a C compiler", probe: &["cc", "--version"], packages: &["gcc", "libc6-dev"] },
    Program {
        what: "Python with venv",
        probe: &["python3", "-c", "import ensurepip, venv"],
        packages: &["python3", "python3-venv"],
    },
    Program { what: "mount", probe: &["mount", "--version"], packages: &["mount"] },
    Program {
        what: "htpasswd and ab",
        probe: &["sh", "-c", "command -v htpasswd && command -v ab"],
        packages: &["apache2-utils"],
    },
    Program { what: "mkpasswd", probe: &["mkpasswd", "--version"], packages: &["whois"] },
    Program { what: "openssl", probe: &["openssl", "version"], packages: &["openssl"] },
    Program { what: "curl", probe: &["curl", "--version"], packages: &["curl"] },
    Program { what: "wrk", probe: &["sh", "-c", "command -v wrk"], packages: &["wrk"] },
    Program { what: "h2load", probe: &["h2load", "--version"], packages: &["nghttp2-client"] },
    Program {
        what: "libpam-wrapper",
        probe: &["sh", "-c", "ls /usr/lib/*/pam_wrapper/pam_matrix.so"],
        packages: &["libpam-wrapper", "libpam0g", "libpam-modules"],
    },
    Program { what: "testssl.sh", probe: &["testssl", "--version"], packages: &["testssl.sh"] },
    Program { what: "Chromium", probe: &["chromium", "--version"], packages: &["chromium"] },
    Program {
        what: "certutil and pk12util",
        probe: &["sh", "-c", "command -v certutil && command -v pk12util"],
        packages: &["libnss3-tools"],
    },
    Program {
        what: "time zones",
        probe: &["test", "-e", "/usr/share/zoneinfo/Europe/Berlin"],
        packages: &["tzdata"],
    },
    Program { what: "logrotate", probe: &["logrotate", "--version"], packages: &["logrotate"] },
    Program { what: "nginx", probe: &["/usr/sbin/nginx", "-v"], packages: &["nginx"] },
    Program { what: "HAProxy", probe: &["/usr/sbin/haproxy", "-v"], packages: &["haproxy"] },
    Program { what: "Caddy", probe: &["/usr/bin/caddy", "version"], packages: &["caddy"] },
    Program { what: "gzip", probe: &["gzip", "--version"], packages: &["gzip"] },
    Program { what: "brotli", probe: &["brotli", "--version"], packages: &["brotli"] },
    Program { what: "zstd", probe: &["zstd", "--version"], packages: &["zstd"] },
    Program { what: "valgrind", probe: &["valgrind", "--version"], packages: &["valgrind"] },
    Program { what: "timeout", probe: &["timeout", "--version"], packages: &["coreutils"] },
    Program {
        what: "setpriv, prlimit and unshare",
        probe: &["setpriv", "--version"],
        packages: &["util-linux"],
    },
    Program {
        what: "systemd-analyze, systemd-socket-activate and systemd-journald",
        probe: &["systemd-analyze", "--version"],
        packages: &["systemd"],
    },
    Program {
        what: "rsyslogd with TLS",
        probe: &["sh", "-c", "ls /usr/sbin/rsyslogd /usr/lib/*/rsyslog/lmnsd_ossl.so"],
        packages: &["rsyslog", "rsyslog-openssl"],
    },
    Program {
        what: "servers to stand behind ours",
        probe: &[
            "sh",
            "-c",
            "ls /usr/sbin/nginx /usr/sbin/apache2 /usr/sbin/lighttpd /usr/sbin/haproxy /usr/bin/h2o",
        ],
        packages: &["nginx-light", "apache2-bin", "lighttpd", "haproxy", "h2o"],
    },
    Program { what: "PHP-FPM", probe: &["sh", "-c", "ls /usr/sbin/php-fpm*"], packages: &["php-fpm"] },
    Program {
        what: "gearmand and its worker tool",
        probe: &["sh", "-c", "ls /usr/sbin/gearmand /usr/bin/gearman"],
        packages: &["gearman-job-server", "gearman-tools"],
    },
];

/// Parts of the Rust toolchain that a minimal one lacks.
const COMPONENTS: &[(&str, &str)] = &[("fmt", "rustfmt"), ("clippy", "clippy")];

/// Installs what is missing. Returns the Python that has httplint, tlslite-ng and sslyze.
pub(crate) fn provide() -> Outcome<OsString> {
    let missing: Vec<&Program> = PROGRAMS.iter().filter(|program| !succeeds(program.probe)).collect();
    if !missing.is_empty() {
        install(&missing)?;
    }
    for (subcommand, component) in COMPONENTS {
        provide_component(subcommand, component)?;
    }
    provide_python()
}

/// `cargo xtask setup`.
pub(crate) fn setup() -> Outcome {
    let python = provide()?;
    println!("all there; to run single tests by hand:\nexport KIMURA_PYTHON={}", python.display());
    Ok(())
}

fn succeeds(line: &[&str]) -> bool {
    let status = Command::new(line[0]).args(&line[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn install(missing: &[&Program]) -> Outcome {
    apt(&["update", "-qq"])?;
    for program in missing {
        println!("installing {} ({})", program.what, program.packages.join(" "));
        apt(&[&["install", "-qq", "-y", "--no-install-recommends"], program.packages].concat())?;
        if !succeeds(program.probe) {
            let cure = format!("`{}` still fails after the installation", program.probe.join(" "));
            return Err(Failure::Missing { what: program.what, cure });
        }
    }
    Ok(())
}

/// `apt-get`, through sudo unless this is root already.
fn apt(arguments: &[&str]) -> Outcome {
    let is_root = is_root()?;
    let mut command = if is_root { Command::new("apt-get") } else { Command::new("sudo") };
    if !is_root {
        command.args(["-n", "apt-get"]);
    }
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    cargo::run(command)
}

fn is_root() -> Outcome<bool> {
    let mut command = Command::new("id");
    command.arg("-u");
    Ok(cargo::output(command)?.trim_ascii() == b"0")
}

fn provide_component(subcommand: &str, component: &'static str) -> Outcome {
    if succeeds(&["cargo", subcommand, "--version"]) {
        return Ok(());
    }
    println!("installing {component} (rustup)");
    let mut command = Command::new("rustup");
    command.args(["component", "add", component]);
    let cure = format!("install it for this toolchain: rustup component add {component}");
    cargo::run(command).map_err(|_| Failure::Missing { what: component, cure })
}

/// A virtual environment below the target folder, with what `requirements.txt` asks for.
fn provide_python() -> Outcome<OsString> {
    let requirements = root().join("e2e/requirements.txt");
    let folder = target_folder()?.join("tools/python");
    let python = folder.join("bin/python");
    let wanted = fs::read_to_string(&requirements).map_err(Failure::machine("read", &requirements))?;
    // Written last, so that an interrupted installation is begun anew.
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python.into());
    }
    println!("installing {} (pip)", wanted.split_whitespace().collect::<Vec<_>>().join(" "));
    make_environment(&folder)?;
    let mut command = Command::new(&python);
    command
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(requirements);
    cargo::run(command)?;
    fs::write(&stamp, wanted).map_err(Failure::machine("write", &stamp))?;
    Ok(python.into())
}

fn make_environment(folder: &Path) -> Outcome {
    let mut command = Command::new(system_python());
    command.args(["-m", "venv", "--clear"]).arg(folder);
    cargo::run(command)
}

/// `python3` as the tests' user has it.
fn system_python() -> PathBuf {
    env::var_os("PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from)
}
