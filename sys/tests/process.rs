//! What changes the whole process: each scenario runs in one of its own, with a single thread at first.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc;

use sys::creds::{CredsError, Identity, drop_to};
use sys::daemon::daemonize;
use sys::pid_file::PidFile;

/// Names the scenario in the processes that this program starts from itself.
const SCENARIO: &str = "KIMURA_SYS_SCENARIO";
/// The folder that the scenario may write to.
const FOLDER: &str = "KIMURA_SYS_FOLDER";

fn main() {
    let Ok(scenario) = std::env::var(SCENARIO) else { return run_all() };
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    match scenario.as_str() {
        "rights" => rights(&folder),
        "daemon-serves" => daemon_serves(&folder),
        "daemon-gives-up" => daemon_gives_up(),
        "daemon-crashes" => daemon_crashes(),
        "daemon-too-late" => daemon_too_late(),
        other => panic!("no scenario {other}"),
    }
}

/// The scenario, its exit status, and what it must say on standard error.
const SCENARIOS: [(&str, i32, &str); 5] = [
    ("rights", 0, ""),
    ("daemon-serves", 0, "seen before serving\n"),
    ("daemon-gives-up", 1, "cannot start\n"),
    ("daemon-crashes", 1, ""),
    ("daemon-too-late", 0, ""),
];

fn run_all() {
    for (scenario, status, message) in SCENARIOS {
        let folder = std::env::temp_dir().join(format!("kimura-sys-{}-{scenario}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let Output { status: found, stderr, .. } = Command::new(std::env::current_exe().unwrap())
            .env(SCENARIO, scenario)
            .env(FOLDER, &folder)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&stderr);
        assert_eq!((found.code(), found.signal()), (Some(status), None), "{scenario}: {stderr}");
        assert_eq!(stderr, message, "{scenario}");
        if scenario == "daemon-serves" {
            check_daemon(&folder);
        }
        fs::remove_dir_all(&folder).unwrap();
        println!("test process::{scenario} ... ok");
    }
}

/// Numbers that no user and no group has.
const UID: u32 = 424_242;
const GID: u32 = 424_243;

fn rights(folder: &Path) {
    let stranger = Identity::lookup(Some(&UID.to_string()), Some(&GID.to_string())).unwrap();
    let me = Identity::current().unwrap();
    drop_to(&me).unwrap();
    if me.uid != 0 {
        assert!(matches!(drop_to(&stranger), Err(CredsError::NotRoot)));
        return;
    }
    let pid_file = PidFile::create(&folder.join("pid")).unwrap();
    let (go, wait) = mpsc::channel::<()>();
    let other_thread = std::thread::spawn(move || {
        wait.recv().unwrap();
        check_rights_are_gone();
    });
    drop_to(&stranger).unwrap();
    check_rights_are_gone();
    go.send(()).unwrap();
    other_thread.join().unwrap();
    assert!(matches!(drop_to(&me), Err(CredsError::NotRoot)));
    drop_to(&stranger).expect("who we are already");
    drop(pid_file);
    assert_eq!(fs::read_to_string(folder.join("pid")).unwrap(), "", "what cannot be removed is emptied");
}

fn check_rights_are_gone() {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(field("Uid:"), vec![UID.to_string(); 4]);
    assert_eq!(field("Gid:"), vec![GID.to_string(); 4]);
    assert_eq!(field("Groups:"), [GID.to_string()]);
    for capabilities in ["CapEff:", "CapPrm:"] {
        assert_eq!(field(capabilities), ["0000000000000000"]);
    }
}

fn daemon_serves(folder: &Path) {
    let starter = std::process::id();
    let ready = daemonize().unwrap();
    eprintln!("seen before serving");
    // pid, name, state, parent, group, session, terminal
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
    let (session, terminal) = (fields[3], fields[4]);
    assert_ne!(session, starter.to_string());
    assert_ne!(session, std::process::id().to_string(), "a leader could get a terminal");
    assert_eq!(terminal, "0");
    let cwd = std::env::current_dir().unwrap();
    fs::write(folder.join("facts"), format!("{} {}", std::process::id() != starter, cwd.display())).unwrap();
    ready.serving().unwrap();
    eprintln!("not seen afterwards");
}

fn check_daemon(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let facts = folder.join("facts");
    assert_eq!(fs::read_to_string(&facts).unwrap(), "true /");
    assert_eq!(facts.metadata().unwrap().permissions().mode() & 0o777, 0o644);
}

fn daemon_gives_up() {
    let ready = daemonize().unwrap();
    eprintln!("cannot start");
    drop(ready);
}

fn daemon_crashes() {
    let _ready = daemonize().unwrap();
    // Unlike an abort it leaves no core file behind.
    nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL).unwrap();
}

fn daemon_too_late() {
    let (stop, wait) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || wait.recv().is_err());
    assert_eq!(daemonize().unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    drop(stop);
    assert!(thread.join().unwrap());
}
