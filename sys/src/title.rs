//! What `ps` and `top` show.

use std::fs;
use std::io;

/// Names the calling thread, as `top -H` and debuggers show it. The kernel keeps 15 bytes; a longer name is cut
/// at a character's boundary, and at a NUL byte.
pub fn set_thread_name(name: &str) {
    const KEPT: usize = 15;
    let mut buffer = [0; KEPT + 1];
    let len = name.bytes().position(|byte| byte == 0).unwrap_or(name.len());
    let len = name.floor_char_boundary(len.min(KEPT));
    buffer[..len].copy_from_slice(&name.as_bytes()[..len]);
    // SAFETY: `buffer` is NUL-terminated and outlives the call.
    let result = unsafe { libc::prctl(libc::PR_SET_NAME, buffer.as_ptr()) };
    debug_assert_eq!(result, 0, "PR_SET_NAME has no way to fail");
}

/// Replaces the command line of the process in `ps` by `title`, cut to the length that the command line had
/// when the process started. Read the arguments before: afterwards they are gone.
///
/// # Errors
/// `InvalidInput` when threads have been started, for one of them might be reading the arguments; `InvalidData`
/// when `/proc/self/stat` does not tell where they are.
pub fn set_process_title(title: &str) -> io::Result<()> {
    crate::threads::require_single("setting the process title")?;
    let (start, end) = arguments_area(&fs::read_to_string("/proc/self/stat")?).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "the kernel does not tell where the arguments are")
    })?;
    let room = end - start;
    // The last byte stays NUL: another value there tells the kernel that the title goes on in the environment,
    // and the last of the arguments must keep its end.
    let len = title.floor_char_boundary(room.saturating_sub(1));
    let area = std::ptr::with_exposed_provenance_mut::<u8>(start);
    // SAFETY: the kernel has put the arguments on our stack in the `room` bytes at `start`, which stay mapped and
    // writable as long as the process lives. Nobody else reads or writes them now: this is the only thread. Who
    // reads an argument later finds a NUL byte within the area.
    unsafe {
        area.write_bytes(0, room);
        area.copy_from_nonoverlapping(title.as_ptr(), len);
    }
    Ok(())
}

/// The fields arg_start and arg_end of proc_pid_stat(5).
fn arguments_area(stat: &str) -> Option<(usize, usize)> {
    const ARG_START: usize = 48;
    // The second field is the name in parentheses, and may itself have spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(ARG_START - 3);
    let start = fields.next()?.parse().ok()?;
    let end = fields.next()?.parse().ok()?;
    (start > 0 && end > start).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_names_are_cut_to_what_the_kernel_keeps() {
        let cases = [
            ("shard 0", "shard 0"),
            ("a name that is too long", "a name that is "),
            ("fourteen bytesé", "fourteen bytes"),
            ("nul\0byte", "nul"),
            ("", ""),
        ];
        // In a thread of its own, whose name nobody else cares for.
        let check = move || {
            for (name, expected) in cases {
                set_thread_name(name);
                let shown = fs::read_to_string("/proc/thread-self/comm").unwrap();
                assert_eq!(shown.trim_end_matches('\n'), expected);
            }
        };
        std::thread::spawn(check).join().unwrap();
    }

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
    fn finds_the_arguments() {
        let fields = |start, end| format!("1 (a) b) S {} {start} {end} 7 8", vec!["0"; 44].join(" "));
        assert_eq!(arguments_area(&fields(100, 120)), Some((100, 120)));
        assert_eq!(arguments_area(&fields(0, 0)), None, "what a zombie shows");
        assert_eq!(arguments_area("1 (a) S 0"), None);
        assert!(arguments_area(&fs::read_to_string("/proc/self/stat").unwrap()).is_some());
    }
}
