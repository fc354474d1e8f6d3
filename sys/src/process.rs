//! What a process gives up for itself, for good.

use std::io;

/// The signals by which people end or tell a server something.
const ORDERS: [libc::c_int; 6] =
    [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2];

/// Ignores what people tell the whole group of processes, such as Ctrl-C: a child's orders come over its link only.
///
/// # Errors
/// None that the kernel has for these signals.
pub fn ignore_orders() -> io::Result<()> {
    for signal in ORDERS {
        // SAFETY: SIG_IGN is no handler that could run.
        if unsafe { libc::signal(signal, libc::SIG_IGN) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Has the kernel kill this process when its parent ends. A change of user forgets it.
///
/// # Errors
/// `NotFound` when the parent has ended already.
pub fn die_with_parent(parent: u32) -> io::Result<()> {
    control(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong)?;
    if std::os::unix::process::parent_id() == parent {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::NotFound, "the parent process has ended"))
    }
}

/// The calling thread gets only the time that no other wants.
///
/// # Errors
/// What sched_setscheduler(2) reports.
pub fn yield_to_all() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the kernel reads the parameters, which outlive the call. 0 is the calling thread.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has standard error go where `fd` does.
///
/// # Errors
/// What dup2(2) reports.
pub fn replace_standard_error(fd: std::os::fd::BorrowedFd<'_>) -> io::Result<()> {
    Ok(nix::unistd::dup2_stderr(fd)?)
}

/// No program that this process executes gets more rights than it has: set-uid means nothing any more.
///
/// # Errors
/// What prctl(2) reports.
pub fn no_new_privileges() -> io::Result<()> {
    control(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// Neither a core dump nor a debugger of the same user shows the memory of this process.
///
/// # Errors
/// What prctl(2) or setrlimit(2) report.
pub fn forbid_dumps() -> io::Result<()> {
    control(libc::PR_SET_DUMPABLE, 0)?;
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0)?;
    Ok(())
}

fn control(option: libc::c_int, value: libc::c_ulong) -> io::Result<()> {
    const NONE: libc::c_ulong = 0;
    // SAFETY: these options take integers only.
    match unsafe { libc::prctl(option, value, NONE, NONE, NONE) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
/// The name of this machine; empty when it has none.
pub fn host_name() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
