//! This program again, as a child with another role.

use std::ffi::{CStr, CString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockType, SockaddrLike, SockaddrStorage, getsockname, getsockopt, sockopt,
};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use crate::environment::{Environment, Heir};

/// Where a child finds its link.
pub const LINK: RawFd = 3;

/// A program as an open file: it is the same one even when its path has become another.
#[derive(Debug)]
pub struct Program {
    file: OwnedFd,
}

/// What a child is born with; it has nothing else, but for the environment without what a service manager tells us.
#[derive(Clone, Copy, Debug)]
pub struct Birth<'b> {
    /// Its only argument, by which it knows its role and `ps` shows it.
    pub title: &'b str,
    /// Its link, to be found at [`LINK`].
    pub link: BorrowedFd<'b>,
    /// Its standard output.
    pub output: Stdout,
    /// Its standard error; none for ours.
    pub errors: Option<BorrowedFd<'b>>,
}

/// What a child's standard output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdout {
    /// Ours.
    Shared,
    /// `/dev/null`.
    Nowhere,
}

/// A child that was started. Dropping it neither ends it nor waits for it.
#[derive(Debug)]
pub struct Child {
    pid: u32,
    handle: OwnedFd,
}

/// How a child has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::Killed(signal) => write!(f, "signal {signal}"),
        }
    }
}

impl Program {
    /// The program that runs now.
    ///
    /// # Errors
    /// When procfs is not mounted, or descriptors have run out.
    pub fn own() -> io::Result<Self> {
        Self::open(Path::new("/proc/self/exe"))
    }

    /// The program at `path`.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?.into() })
    }

    /// Becomes it: this process goes on with the other program, and only returns when that fails. Pending signals,
    /// blocked ones, children, the working directory and the environment stay; of the descriptors the standard streams
    /// and those of `kept`, under the same numbers.
    ///
    /// # Errors
    /// As [`Program::spawn`].
    pub fn become_it(&self, arguments: &[CString], kept: &[BorrowedFd<'_>]) -> io::Error {
        let mut pointers: Vec<*const libc::c_char> = arguments.iter().map(|text| text.as_ptr()).collect();
        pointers.push(std::ptr::null());
        let mark = |flags: libc::c_int| {
            for fd in kept {
                // SAFETY: F_SETFD takes an integer argument.
                unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, flags) };
            }
        };
        let environment = Environment::of(Heir::Successor);
        mark(0);
        // SAFETY: `pointers` are C strings of `arguments`, which outlive the call, and end with a null pointer.
        let error = match unsafe { execute(self.file.as_raw_fd(), pointers.as_ptr(), &environment) } {
            Ok(never) => match never {},
            Err(error) => error,
        };
        mark(libc::FD_CLOEXEC);
        error.into()
    }

    /// The open file.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// A program from its open file.
    #[must_use]
    pub fn from_fd(file: OwnedFd) -> Self {
        Self { file }
    }

    /// Starts it.
    ///
    /// # Errors
    /// `EAGAIN` or `ENOMEM` when there is no room for another process; what execveat(2) reports: `ENOEXEC` for
    /// a file that is no program for this machine, `EACCES` without the right to execute it.
    pub fn spawn(&self, birth: &Birth<'_>) -> io::Result<Child> {
        let title = CString::new(birth.title)?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let (failure, report) = io::pipe()?;
        let mut plan = Plan {
            program: above(self.file.as_fd())?,
            title: &title,
            environment: Environment::of(Heir::Child),
            null: above(null.as_fd())?,
            link: above(birth.link)?,
            output: birth.output,
            errors: birth.errors.map(above).transpose()?,
            report: above(report.as_fd())?,
            parent: std::process::id(),
        };
        drop(report);
        // SAFETY: the child only makes system calls until it executes the program or exits, and touches no memory that
        // another thread could hold a lock on.
        let pid = match unsafe { libc::fork() } {
            -1 => return Err(io::Error::last_os_error()),
            0 => plan.carry_out(),
            pid => pid,
        };
        drop(plan);
        let child = Child::find(u32::try_from(pid).unwrap_or(0)).inspect_err(|_| forsake(pid))?;
        match reported(failure) {
            None => Ok(child),
            Some(error) => {
                // It is about to exit; nobody else waits for it.
                let _ = child.wait();
                Err(error)
            }
        }
    }
}

/// Ends and waits for a child that cannot be held on to, for descriptors have run out.
fn forsake(pid: libc::pid_t) {
    // SAFETY: kill takes integers; waitpid is given no place for the status. The child is ours, and nobody else waits
    // for it, so that the number is still its own.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
}

/// A duplicate that is none of the numbers which a child's descriptors get.
fn above(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes an integer argument.
    let fd = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, LINK + 1) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: fcntl has just returned this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The error number that the child has written; nothing when it executes the program, which closes its end.
fn reported(mut failure: io::PipeReader) -> Option<io::Error> {
    let mut number = [0; 4];
    failure.read_exact(&mut number).ok()?;
    Some(io::Error::from_raw_os_error(i32::from_ne_bytes(number)))
}

/// Everything that the child does between fork and exec, prepared.
struct Plan<'p> {
    program: OwnedFd,
    title: &'p CStr,
    environment: Environment,
    null: OwnedFd,
    link: OwnedFd,
    output: Stdout,
    errors: Option<OwnedFd>,
    report: OwnedFd,
    parent: u32,
}

impl Plan<'_> {
    /// Runs in the child: system calls only.
    fn carry_out(&mut self) -> ! {
        let error = match self.attempt() {
            Ok(never) => match never {},
            Err(error) => (error as i32).to_ne_bytes(),
        };
        // SAFETY: `error` has as many bytes; _exit runs nothing of the parent's.
        unsafe {
            libc::write(self.report.as_raw_fd(), error.as_ptr().cast(), error.len());
            libc::_exit(127);
        }
    }

    fn attempt(&self) -> Result<std::convert::Infallible, Errno> {
        // SAFETY: all of these take integers, or pointers to memory of ours that outlives the call.
        unsafe {
            Errno::result(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0, 0, 0))?;
            if libc::getppid() as u32 != self.parent {
                return Err(Errno::ESRCH);
            }
            for signal in 1..=libc::SIGSYS {
                // SIGKILL and SIGSTOP cannot be changed, and need not.
                libc::signal(signal, libc::SIG_DFL);
            }
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
            Errno::result(libc::dup2(self.null.as_raw_fd(), 0))?;
            if self.output == Stdout::Nowhere {
                Errno::result(libc::dup2(self.null.as_raw_fd(), 1))?;
            }
            if let Some(errors) = &self.errors {
                Errno::result(libc::dup2(errors.as_raw_fd(), 2))?;
            }
            Errno::result(libc::dup2(self.link.as_raw_fd(), LINK))?;
            // All others are closed on exec; should one not be, it is now.
            libc::close_range(LINK as u32 + 1, u32::MAX, libc::CLOSE_RANGE_CLOEXEC as i32);
            let arguments = [self.title.as_ptr(), std::ptr::null()];
            execute(self.program.as_raw_fd(), arguments.as_ptr(), &self.environment)
        }
    }
}

/// # Safety
/// `arguments` must be a list of C strings that ends with a null pointer.
unsafe fn execute(
    program: RawFd,
    arguments: *const *const libc::c_char,
    environment: &Environment,
) -> Result<std::convert::Infallible, Errno> {
    let (path, variables) = (c"".as_ptr(), environment.as_ptr());
    // SAFETY: the path is empty and the program comes as a descriptor; `variables` are C strings and end with a null
    // pointer.
    unsafe {
        libc::syscall(libc::SYS_execveat, program, path, arguments, variables, libc::AT_EMPTY_PATH);
    }
    Err(Errno::last())
}

impl Child {
    /// A child that this process had before it became another program, by its process id and [`Child::fd`].
    #[must_use]
    pub fn from_fd(pid: u32, handle: OwnedFd) -> Self {
        Self { pid, handle }
    }

    /// A process of this machine, child or not, whose end can be waited for.
    ///
    /// # Errors
    /// `ESRCH` when there is none.
    pub fn find(pid: u32) -> io::Result<Self> {
        // SAFETY: pidfd_open takes integers.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = RawFd::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: pidfd_open has just returned this descriptor, and nobody else has it.
        Ok(Self { pid, handle: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// To be polled: readable once it has ended.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Ends it at once. That it has ended already is no error.
    ///
    /// # Errors
    /// `EPERM` when it may not be ended.
    pub fn kill(&self) -> io::Result<()> {
        let (none, flags) = (std::ptr::null::<libc::siginfo_t>(), 0);
        // SAFETY: no siginfo is given.
        let result = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.handle.as_raw_fd(), libc::SIGKILL, none, flags)
        };
        match (result, Errno::last()) {
            (0, _) | (_, Errno::ESRCH) => Ok(()),
            (_, error) => Err(error.into()),
        }
    }

    /// How it has ended; none while it runs.
    ///
    /// # Errors
    /// `ECHILD` when it is no child, or was asked for before.
    pub fn reap(&self) -> io::Result<Option<Ended>> {
        self.wait_with(WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG)
    }

    fn wait(&self) -> io::Result<Option<Ended>> {
        self.wait_with(WaitPidFlag::WEXITED)
    }

    fn wait_with(&self, flags: WaitPidFlag) -> io::Result<Option<Ended>> {
        match waitid(Id::PIDFd(self.handle.as_fd()), flags)? {
            WaitStatus::Exited(_, status) => Ok(Some(Ended::Exited(status))),
            WaitStatus::Signaled(_, signal, _) => Ok(Some(Ended::Killed(signal as i32))),
            _ => Ok(None),
        }
    }
}

/// The link of a child that [`Program::spawn`] has started: what it finds at [`LINK`] if that is a socket of
/// [`crate::packet`]. To be called once, before anything else is opened.
#[must_use]
pub fn take_link() -> Option<OwnedFd> {
    // SAFETY: F_SETFD takes an integer argument, and fails for a number that is not open.
    if unsafe { libc::fcntl(LINK, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return None;
    }
    // SAFETY: it is open, and nobody in this program has it: the caller has opened nothing yet.
    let fd = unsafe { OwnedFd::from_raw_fd(LINK) };
    let name: Option<SockaddrStorage> = getsockname(LINK).ok();
    let unix = name.is_some_and(|name| name.family() == Some(AddressFamily::Unix));
    if unix && getsockopt(&fd, sockopt::SockType).ok() == Some(SockType::SeqPacket) {
        return Some(fd);
    }
    // Somebody else's: left as it was.
    let _ = fd.into_raw_fd();
    None
}

/// Descriptors that the program before this one has left in the process ([`Program::become_it`]), by number.
///
/// They stay open until they are released, so that the process can go back to that program with all of them.
#[derive(Debug, Default)]
pub struct Legacy {
    numbers: Vec<RawFd>,
}

impl Legacy {
    /// A duplicate of one of them.
    ///
    /// # Errors
    /// `EBADF` when there is none of that number.
    pub fn take(&mut self, number: u32) -> io::Result<OwnedFd> {
        let number = RawFd::try_from(number).map_err(|_| Errno::EBADF)?;
        // SAFETY: F_DUPFD_CLOEXEC takes an integer argument, and fails for a number that is not open.
        let fd = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, LINK + 1) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        if !self.numbers.contains(&number) {
            self.numbers.push(number);
        }
        // SAFETY: fcntl has just returned this descriptor, and nobody else has it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Closes them: there is no way back from now on. Duplicates live on.
    pub fn release(self) {
        for number in self.numbers {
            // SAFETY: the program before this one has left it open, and nobody in this one owns it.
            drop(unsafe { OwnedFd::from_raw_fd(number) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{packet, poll};

    fn spawn(path: &str) -> io::Result<Child> {
        let (_own, other) = packet::pair()?;
        Program::open(Path::new(path))?.spawn(&Birth {
            title: "sh",
            link: other.as_fd(),
            output: Stdout::Nowhere,
            errors: None,
        })
    }

    #[test]
    fn a_child_ends_and_tells_how() {
        for (path, wanted) in [("/bin/true", Ended::Exited(0)), ("/bin/false", Ended::Exited(1))] {
            let child = spawn(path).unwrap();
            assert!(poll::readable(child.fd(), None).unwrap());
            assert_eq!(child.reap().unwrap(), Some(wanted));
            assert!(child.kill().is_ok(), "it has ended already");
        }
    }

    #[test]
    fn what_cannot_be_executed_is_told() {
        let folder = crate::testing::Scratch::new();
        let text = folder.path().join("text");
        std::fs::write(&text, "no program").unwrap();
        assert_eq!(spawn(text.to_str().unwrap()).unwrap_err().raw_os_error(), Some(libc::EACCES));
        std::fs::set_permissions(&text, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(spawn(text.to_str().unwrap()).unwrap_err().raw_os_error(), Some(libc::ENOEXEC));
        assert_eq!(spawn("/nowhere").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
