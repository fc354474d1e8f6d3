use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;

use super::*;
use crate::fs::{Kind, stat};
use crate::testing::Scratch;

/// `www` is the root; `secret` and `outside/` are its neighbours.
fn tree() -> (Scratch, OwnedFd) {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.path().join(name);
    std::fs::create_dir_all(at("www/sub/deep")).unwrap();
    std::fs::create_dir(at("outside")).unwrap();
    std::fs::write(at("www/page"), "page").unwrap();
    std::fs::write(at("www/sub/page"), "sub page").unwrap();
    std::fs::write(at("secret"), "secret").unwrap();
    std::fs::write(at("outside/secret"), "secret").unwrap();
    symlink("page", at("www/to-page")).unwrap();
    symlink("../page", at("www/sub/up-inside")).unwrap();
    symlink("sub", at("www/to-sub")).unwrap();
    symlink("../secret", at("www/to-secret")).unwrap();
    symlink("../outside", at("www/to-outside")).unwrap();
    symlink(at("www/page"), at("www/absolute-inside")).unwrap();
    symlink(at("secret"), at("www/absolute")).unwrap();
    symlink("loop", at("www/loop")).unwrap();
    symlink("/proc/self/fd", at("www/fds")).unwrap();
    symlink("/proc/self/root", at("www/magic")).unwrap();
    let root = open_root(&at("www")).unwrap();
    (scratch, root)
}

fn content(fd: OwnedFd) -> String {
    let mut text = String::new();
    match stat(fd.as_fd()).unwrap().kind {
        Kind::Directory => text.push('/'),
        _ => {
            File::from(fd).read_to_string(&mut text).unwrap();
        }
    }
    text
}

/// The content, `/` for a directory, or the error number.
type Outcome = Result<&'static str, i32>;

#[test]
fn nothing_outside_of_the_root_is_reached() {
    use libc::{ELOOP, ENOENT, EXDEV};
    let (scratch, root) = tree();
    let absolute = scratch.path().join("secret");
    let absolute = absolute.to_str().unwrap();
    // Path; with Inside; with Follow; with Never.
    let cases: &[(&str, Outcome, Outcome, Outcome)] = &[
        ("", Ok("/"), Ok("/"), Ok("/")),
        ("page", Ok("page"), Ok("page"), Ok("page")),
        ("sub", Ok("/"), Ok("/"), Ok("/")),
        ("sub/page", Ok("sub page"), Ok("sub page"), Ok("sub page")),
        ("sub/../page", Ok("page"), Err(EXDEV), Ok("page")),
        ("missing", Err(ENOENT), Err(ENOENT), Err(ENOENT)),
        ("page/below", Err(libc::ENOTDIR), Err(libc::ENOTDIR), Err(libc::ENOTDIR)),
        ("..", Err(EXDEV), Err(EXDEV), Err(EXDEV)),
        ("../secret", Err(EXDEV), Err(EXDEV), Err(EXDEV)),
        ("sub/../../secret", Err(EXDEV), Err(EXDEV), Err(EXDEV)),
        (absolute, Err(EXDEV), Err(EXDEV), Err(EXDEV)),
        ("to-page", Ok("page"), Ok("page"), Err(ELOOP)),
        ("sub/up-inside", Ok("page"), Ok("page"), Err(ELOOP)),
        ("to-sub/page", Ok("sub page"), Ok("sub page"), Err(ELOOP)),
        ("to-secret", Err(EXDEV), Ok("secret"), Err(ELOOP)),
        ("to-outside/secret", Err(EXDEV), Ok("secret"), Err(ELOOP)),
        ("to-outside/../secret", Err(EXDEV), Err(EXDEV), Err(ELOOP)),
        ("absolute", Err(EXDEV), Ok("secret"), Err(ELOOP)),
        ("absolute-inside", Err(EXDEV), Ok("page"), Err(ELOOP)),
        ("loop", Err(ELOOP), Err(ELOOP), Err(ELOOP)),
        ("magic/etc", Err(EXDEV), Err(ELOOP), Err(ELOOP)),
        ("fds/0", Err(EXDEV), Err(ELOOP), Err(ELOOP)),
    ];
    for &(path, inside, follow, never) in cases {
        for (symlinks, expected) in
            [(Symlinks::Inside, inside), (Symlinks::Follow, follow), (Symlinks::Never, never)]
        {
            let outcome = open_beneath(root.as_fd(), path.as_bytes(), symlinks, Cached::Any);
            let outcome = outcome.map(content).map_err(|error| error.raw_os_error().unwrap());
            assert_eq!(outcome.as_deref(), expected.as_ref().map(|text| *text), "{path:?} with {symlinks:?}");
        }
    }
}

#[test]
fn nul_bytes_are_refused() {
    let (_scratch, root) = tree();
    let error = open_beneath(root.as_fd(), b"page\0.html", Symlinks::Inside, Cached::Any).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn cached_names_open_without_waiting() {
    let (_scratch, root) = tree();
    open_beneath(root.as_fd(), b"page", Symlinks::Inside, Cached::Any).unwrap();
    match open_beneath(root.as_fd(), b"page", Symlinks::Inside, Cached::Only) {
        Ok(fd) => assert_eq!(content(fd), "page"),
        // Allowed at any time, by the kernel's choice.
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
    }
}

#[test]
fn a_fifo_opens_at_once_as_something_else() {
    let (scratch, root) = tree();
    nix::unistd::mkfifo(&scratch.path().join("www/fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let fd = open_beneath(root.as_fd(), b"fifo", Symlinks::Inside, Cached::Any).unwrap();
    assert_eq!(stat(fd.as_fd()).unwrap().kind, Kind::Other);
}

#[test]
fn the_root_must_be_a_directory() {
    let (scratch, _root) = tree();
    for (name, expected) in [("www", None), ("secret", Some(libc::ENOTDIR)), ("nowhere", Some(libc::ENOENT))]
    {
        let error = open_root(&scratch.path().join(name)).err();
        assert_eq!(error.and_then(|error| error.raw_os_error()), expected, "{name}");
    }
}

#[test]
fn stat_agrees_with_the_standard_library() {
    use std::os::unix::fs::MetadataExt;
    let (scratch, root) = tree();
    let found =
        stat(open_beneath(root.as_fd(), b"page", Symlinks::Never, Cached::Any).unwrap().as_fd()).unwrap();
    let expected = std::fs::metadata(scratch.path().join("www/page")).unwrap();
    assert_eq!((found.kind, found.len), (Kind::File, 4));
    assert_eq!((found.mtime_secs, i64::from(found.mtime_nanos)), (expected.mtime(), expected.mtime_nsec()));
    assert_eq!((found.ctime_secs, i64::from(found.ctime_nanos)), (expected.ctime(), expected.ctime_nsec()));
    assert_eq!((found.ino, found.dev), (expected.ino(), expected.dev()));
}
