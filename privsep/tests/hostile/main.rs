//! A hostile child of every role, against the real supervisor in a process of its own: whatever a child sends, the
//! supervisor goes on, obeys nobody, opens nothing, and keeps nothing. This program is the supervisor and each child,
//! too. Arguments select rows of [`tricks::TRICKS`] by parts of their names.

#![forbid(unsafe_code)]

mod client;
mod double;
mod elsewhere;
mod home;
mod observed;
mod onward;
mod tricks;

use std::cell::RefCell;
use std::fs::{self, File};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use privsep::message::{Answer, Command as Order, Proof};
use privsep::role::Role;
use privsep::stage::Stage;
use privsep::supervisor;
use privsep::wire::{FRAME_MAX, Secret};

use client::{Client, Told};
use observed::Possessions;
use tricks::{HONEST, Reload, TRICKS, Trick, When};

/// Where the children of a supervisor run: its first argument; the second is its folder.
const PLACES: [&str; 2] = [PROCESSES, THREADS];
const PROCESSES: &str = "processes";
const THREADS: &str = "threads";
/// How long anything here may take: a command is answered after half a minute at last.
const PATIENCE: Duration = Duration::from_secs(40);
/// How often it is looked what the honest supervisor has open.
const LOOKS: usize = 20;
/// Files of a log of one line, when one was put aside before: these three, and one that is being compressed.
const LOG_FILES_MAX: usize = 4;
/// Of these, the one that is written, and one that was put aside.
const LOG_FILES_MIN: usize = 2;
/// With it a request just fits a frame.
const LONG_PROOF: usize = FRAME_MAX - 18;
/// Characters of an order or an answer that are shown.
const SHOWN_MAX: usize = 200;
/// Supervisors at the same time: enough to fill the waits, few enough for two cores.
const AT_ONCE: usize = 8;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let Some(role) = words.first().and_then(|title| Role::titled(title)) {
        let link = sys::spawn::take_link().expect("a child has a link");
        double::play(role, link);
        return ExitCode::SUCCESS;
    }
    match words.as_slice() {
        [_, place, folder] if PLACES.contains(place) => supervise(place, Path::new(folder)),
        [_, wanted @ ..] => test(wanted),
        [] => ExitCode::FAILURE,
    }
}

fn supervise(place: &str, folder: &Path) -> ExitCode {
    home::log_to_standard_error();
    let mut home = home::Home::new(folder);
    let program = sys::spawn::Program::own().expect("this program can be opened");
    let threads = place == THREADS;
    let stage =
        |_: &_| if threads { Stage::Threads(double::play, program) } else { Stage::Processes(program) };
    match supervisor::serve(&mut home, Vec::new(), stage) {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            eprintln!("refused: {refusal}");
            ExitCode::FAILURE
        }
    }
}

fn test(wanted: &[&str]) -> ExitCode {
    let wanted: Vec<&&str> = wanted.iter().filter(|word| !word.starts_with('-')).collect();
    let begun = Instant::now();
    let all: Vec<(&'static str, &Trick)> = PLACES.into_iter().flat_map(rows).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(**word));
    let chosen: Vec<_> = all.iter().filter(|(_, trick)| is_wanted(trick.name)).collect();
    let scratch = tempfile::tempdir().expect("a folder");
    let honest = PLACES.map(|place| {
        fs::create_dir(scratch.path().join(place)).expect("a folder");
        (place, Stand::new(scratch.path(), place, HONEST.name).play(&HONEST, None))
    });
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((place, trick)) = chosen.get(next.fetch_add(1, Relaxed)) {
                    let stand = Stand::new(scratch.path(), place, trick.name);
                    let honest = honest.iter().find(|(of, _)| of == place).map(|(_, honest)| honest);
                    let played = panic::catch_unwind(AssertUnwindSafe(|| stand.play(trick, honest)));
                    results.lock().expect("nobody panics").push((place, trick, played.is_ok()));
                }
            });
        }
    });
    let results = results.into_inner().expect("nobody has panicked");
    let mut failed = 0;
    for (place, trick, well) in &results {
        failed += usize::from(!well);
        println!("test {place}: {} ... {}", trick.name, if *well { "ok" } else { "FAILED" });
    }
    println!(
        "\ntest result: {}. {} passed; {failed} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if failed == 0 { "ok" } else { "FAILED" },
        results.len() - failed,
        all.len() - chosen.len(),
        begun.elapsed().as_secs_f32(),
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// All tricks that can be played there. A thread that hangs cannot be ended, and another program not be rehearsed.
fn rows(place: &'static str) -> impl Iterator<Item = (&'static str, &'static Trick)> {
    let playable = move |trick: &&Trick| {
        place == PROCESSES
            || matches!(trick.role, Role::Worker | Role::Logger) && !trick.name.ends_with("stops hearing")
    };
    TRICKS.iter().filter(playable).map(move |trick| (place, trick))
}

/// A supervisor in a folder of its own, whose name tells its children which trick to play.
struct Stand {
    place: &'static str,
    folder: PathBuf,
    process: RefCell<Child>,
}

impl Stand {
    fn new(scratch: &Path, place: &'static str, name: &str) -> Self {
        let folder = scratch.join(place).join(name.replace(' ', "-"));
        fs::create_dir(&folder).expect("a folder");
        let errors = File::create(folder.join("errors")).expect("a file");
        // One line to be put aside, and a file that is to be compressed.
        for log in ["access.log", "access.log.1"] {
            fs::write(folder.join(log), "line\n").expect("a file");
        }
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.arg(place).arg(&folder).current_dir(&folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
        let process = RefCell::new(command.spawn().expect("it starts"));
        Self { place, folder, process }
    }

    fn client(&self) -> Client {
        let socket = self.folder.join("control.sock");
        self.until("somebody answers", || Client::connect(&socket))
    }

    fn give(&self, order: Order) -> Told {
        self.client().ask(order, Proof::Peer).unwrap_or_else(|why| self.fail(why))
    }

    fn log_in(&self, password: &[u8]) -> Told {
        let proof = Proof::Password { user: "anna".to_owned(), secret: Secret::new(password.to_vec()) };
        self.client().ask(Order::Status, proof).unwrap_or_else(|why| self.fail(why))
    }

    /// Waits until there is something.
    fn until<T>(&self, what: &str, mut find: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = find() {
                return found;
            }
            if Instant::now() > deadline {
                self.fail(&format!("{what}: not in time"));
            }
            thread::yield_now();
        }
    }

    fn fail(&self, why: &str) -> ! {
        let said = fs::read_to_string(self.folder.join("errors")).unwrap_or_default();
        panic!("{}: {why}\n{said:.4000}", self.folder.display())
    }

    fn check(&self, holds: bool, why: impl FnOnce() -> String) {
        if !holds {
            self.fail(&why());
        }
    }

    /// Has the supervisor meet a trick, and shows what it is afterwards: what it has open, and on what it listens, is
    /// what it would be without, which comes along.
    fn play(self, trick: &Trick, honest: Option<&Possessions>) -> Possessions {
        self.until("a worker serves", || self.give(Order::Status).is_serving().then_some(()));
        if (trick.role, trick.when) == (Role::Worker, When::Serving) {
            let over = |told: Told| (trick.crashes <= told.crashes() + trick.later()).then_some(());
            self.until("the tricks are over", || over(self.give(Order::Status)));
            self.until("a worker serves again", || self.give(Order::Status).is_serving().then_some(()));
        }
        if trick.role != Role::Auth {
            self.until("auth is there", || self.log_in(b"right").report.map(drop));
        }
        // A connection that has not said what it wants is answered nothing, whatever is judged.
        let silent = self.client();
        fs::write(self.folder.join("armed"), b"").expect("a file");
        self.meet(trick);
        // From here on nobody plays tricks any more, and what has suffered has to recover.
        fs::write(self.folder.join("over"), b"").expect("a file");
        self.check(silent.is_silent(), || "somebody was answered who had not asked".to_owned());
        drop(silent);
        let reload = || matches!(self.give(Order::Reload { plan: false }).answer, Answer::Plan).then_some(());
        self.until("a reload is carried out", reload);
        self.until("a right password is taken", || self.log_in(b"right").report.map(drop));
        let possessions = || {
            let pid = self.process.borrow().id();
            // What its threads have open, it has, too.
            if self.place == THREADS { Possessions::listening(pid) } else { Possessions::of(pid) }
        };
        let possessions = match honest {
            None => {
                self.try_long_proof();
                self.try_orders();
                self.until("one worker is left", || (self.give(Order::Status).workers() == 1).then_some(()));
                // The connection of the last command may be open for a moment still.
                let looks = std::iter::repeat_with(possessions).take(LOOKS);
                looks.min_by_key(Possessions::count).expect("there was a look")
            }
            Some(honest) => self.until(&format!("nothing else than {honest:?}"), || {
                Some(possessions()).filter(|now| now == honest)
            }),
        };
        let status = self.give(Order::Status);
        self.check(status.crashes() == trick.crashes, || {
            format!("{} crashes wanted: {status:?}", trick.crashes)
        });
        let strayed = observed::strayed(&self.folder);
        self.check(strayed.is_empty(), || format!("handed over: {strayed:#?}"));
        if trick.when == When::Compression {
            self.check_compressed();
        }
        self.check(self.files_of_the_log() <= LOG_FILES_MAX, || {
            "a file was put aside that was empty".to_owned()
        });
        let told = self.give(Order::Stop);
        self.check(matches!(told.answer, Answer::Done { .. }), || format!("{told:?}"));
        let ended = self.until("it ends", || self.process.borrow_mut().try_wait().expect("it is a child"));
        self.check(ended.success(), || format!("{ended}"));
        possessions
    }

    /// How many files the log has, whatever their form.
    fn files_of_the_log(&self) -> usize {
        let entries = fs::read_dir(&self.folder).expect("it can be listed").flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("access.log")).count()
    }

    /// What was handed back in place of a compressed file has no name, and what it was to be made of is there still.
    fn check_compressed(&self) {
        self.until("the result is refused", || {
            let said = fs::read_to_string(self.folder.join("errors")).unwrap_or_default();
            said.contains(": the result ").then_some(())
        });
        self.check(LOG_FILES_MIN <= self.files_of_the_log(), || "a file of the log is gone".to_owned());
        for entry in fs::read_dir(&self.folder).expect("it can be listed").flatten() {
            let is_result = entry.file_name().to_string_lossy().ends_with(".gz");
            let right = || fs::read(entry.path()).is_ok_and(|bytes| bytes == double::gzip(b"line\n"));
            self.check(!is_result || right(), || format!("{:?} has got a name", entry.path()));
        }
    }

    /// A proof that fits a request but no question to auth is wrong, and auth is there for others.
    fn try_long_proof(&self) {
        let long = self.log_in(&[b'x'; LONG_PROOF]).answer;
        self.check(matches!(long, Answer::Denied { .. }), || format!("long password: {long:?}"));
        let right = self.log_in(b"right").answer;
        self.check(right == Answer::Status, || format!("password after a long one: {right:?}"));
    }

    /// Orders that make no sense are refused, and of others there are not more than there may be.
    fn try_orders(&self) {
        for (order, wanted) in onward::orders() {
            let what: String = format!("{order:?}").chars().take(SHOWN_MAX).collect();
            let answer = self.give(order).answer;
            self.check(onward::said(&answer).contains(wanted), || {
                let said: String = onward::said(&answer).chars().take(SHOWN_MAX).collect();
                format!("{what}: {said}")
            });
        }
    }

    /// Asks what workers are asked beside all else.
    fn ask_workers(&self) {
        for order in [Order::Upstreams, Order::Limits] {
            let what = format!("{order:?}");
            let answer = self.give(order).answer;
            let told = matches!(answer, Answer::Upstreams | Answer::Limits | Answer::Refused { .. });
            self.check(told, || format!("{what}: {answer:?}"));
        }
    }

    /// Does what the trick waits for.
    fn meet(&self, trick: &Trick) {
        let told = self.give(Order::Reload { plan: false });
        let done = matches!(told.answer, Answer::Plan);
        self.check(done == (trick.reload == Reload::Done), || format!("reload: {told:?}"));
        let wrong = self.log_in(b"wrong").answer;
        let right = self.log_in(b"right").answer;
        let refused = |answer: &Answer| matches!(answer, Answer::Refused { .. });
        let suffers = trick.role == Role::Auth;
        let denied = matches!(wrong, Answer::Denied { .. }) || suffers && refused(&wrong);
        self.check(denied, || format!("wrong password: {wrong:?}"));
        let taken = matches!(right, Answer::Status) || suffers && !matches!(right, Answer::Done { .. });
        self.check(taken, || format!("right password: {right:?}"));
        if trick.role == Role::Worker {
            self.ask_workers();
        }
        if trick.role == Role::Rehearsal {
            let told = self.give(Order::Upgrade { path: std::env::current_exe().ok() });
            self.check(refused(&told.answer), || format!("upgrade: {told:?}"));
        }
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        self.process.get_mut().kill().ok();
        self.process.get_mut().wait().ok();
    }
}
