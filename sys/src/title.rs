//! What `ps` and `top` show.

use std::ffi::CStr;
use std::fs;
use std::io;

/// Names the calling thread, as `top -H` and debuggers show it; of the main thread it is the name of the process. The
/// kernel keeps 15 bytes; a longer name is cut.
pub fn set_name(name: &CStr) {
    // SAFETY: `name` is NUL-terminated and outlives the call.
    let result = unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    debug_assert_eq!(result, 0, "PR_SET_NAME has no way to fail");
}

unsafe extern "C" {
    static mut environ: *mut *mut libc::c_char;
}

/// Replaces the command line of the process in `ps` by `title`, cut to the length of the command line and the
/// environment together. Read the arguments before: afterwards they are gone. The environment stays as it is.
///
/// # Errors
/// `InvalidInput` when threads have been started, for one of them might be reading the arguments; `InvalidData`
/// when `/proc/self/stat` does not tell where they are.
pub fn set_process_title(title: &str) -> io::Result<()> {
    crate::threads::require_single("setting the process title")?;
    let area = Area::parse(&fs::read_to_string("/proc/self/stat")?).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "the kernel does not tell where the arguments are")
    })?;
    move_environment();
    let room = area.end - area.start;
    // The last byte stays NUL, so that whoever reads an argument or a variable there finds an end.
    let len = title.floor_char_boundary(room.saturating_sub(1));
    let start = std::ptr::with_exposed_provenance_mut::<u8>(area.start);
    // SAFETY: the kernel has put arguments and environment on our stack in the `room` bytes at `start`, which stay
    // mapped and writable as long as the process lives. Nobody else reads or writes them now: this is the only
    // thread, and the environment has moved away. Who reads an argument later finds a NUL byte within the area.
    unsafe {
        start.write_bytes(0, room);
        start.copy_from_nonoverlapping(title.as_ptr(), len);
    }
    Ok(())
}

/// Copies the environment to memory of its own, for the life of the process.
fn move_environment() {
    let mut moved: Vec<*mut libc::c_char> = Vec::new();
    // SAFETY: `environ` is null or a list of C strings that ends with a null pointer. This is the only thread, so that
    // nobody reads or changes it meanwhile. The copies are never freed.
    unsafe {
        let mut variable = environ;
        while !variable.is_null() && !(*variable).is_null() {
            moved.push(CStr::from_ptr(*variable).to_owned().into_raw());
            variable = variable.add(1);
        }
        moved.push(std::ptr::null_mut());
        environ = moved.leak().as_mut_ptr();
    }
}

/// Where the kernel has put the arguments and, right behind, the environment.
#[derive(Debug, PartialEq, Eq)]
struct Area {
    start: usize,
    end: usize,
}

impl Area {
    /// Of the fields arg_start, arg_end, env_start and env_end of proc_pid_stat(5).
    fn parse(stat: &str) -> Option<Self> {
        const ARG_START: usize = 48;
        // The second field is the name in parentheses, and may itself have spaces and parentheses.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace().skip(ARG_START - 3);
        let mut next = || fields.next()?.parse::<usize>().ok();
        let (start, arg_end) = (next()?, next()?);
        let (env_start, env_end) = (next().unwrap_or(0), next().unwrap_or(0));
        let end = if env_start == arg_end { env_end } else { arg_end };
        (start > 0 && end > start).then_some(Self { start, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_is_refused_when_threads_run() {
        // The test harness runs this in a thread beside its main one; a second makes sure.
        let (stop, wait) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || wait.recv().is_err());
        assert_eq!(set_process_title("x").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        drop(stop);
        assert!(other.join().unwrap());
    }

    #[test]
    fn finds_the_arguments_and_the_environment() {
        let area = |fields: &str| {
            let found = Area::parse(&format!("1 (a) b) S {} {fields}", vec!["0"; 44].join(" ")));
            found.map(|area| (area.start, area.end))
        };
        assert_eq!(area("100 120 120 300 0"), Some((100, 300)));
        assert_eq!(area("100 120 400 500 0"), Some((100, 120)), "the environment is elsewhere");
        assert_eq!(area("0 0 0 0 0"), None, "what a zombie shows");
        assert_eq!(Area::parse("1 (a) S 0"), None);
        assert!(Area::parse(&fs::read_to_string("/proc/self/stat").unwrap()).is_some());
    }
}
