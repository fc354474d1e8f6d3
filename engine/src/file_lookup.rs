//! From a path to an open file: through the cache, or by opening it safely.
//!
//! A cached entry is used without a look at the file for the configured time; then the path is opened anew and
//! compared. Opening uses only what the kernel has at hand; what would touch a disk goes to the job pool.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use config::{Dotfiles, Listing};
use perf::Counter;
use proto_http::response::HeadWriter;
use proto_http::{Coding, Status, date, path};
use site::{About, Files, Source};
use sys::fs::{Cached, Kind, Stat, Symlinks};

use crate::coded_forms::{CodedForms, Form, suffix};
use crate::file_cache::{OpenFile, Prepared};
use crate::jobs::{Claim, JobError};
use crate::served::Served;
use crate::stream::Stream;

/// What chooses the form of a file.
pub(crate) const VARY: &str = "Accept-Encoding";

/// What a path leads to.
pub(crate) enum Found {
    /// A file to send.
    File(Rc<OpenFile>),
    /// A folder, asked for without the final slash.
    Folder,
    /// An open folder without an index, to be listed so.
    Listed(OwnedFd, (Listing, Dotfiles)),
    /// None of these; the status says why.
    Refused(Status),
}

/// Finds what `path` leads to in a location.
pub(crate) async fn find(stream: &Stream, served: &Served, files: &Files, path: &[u8]) -> Found {
    let shard = &stream.shard;
    let scope = served.scope(files.location);
    let known = shard.files.get(scope, path, shard.clock.now());
    if let Some((file, true)) = known {
        shard.count(Counter::FileCacheHits);
        return Found::File(file);
    }
    let known = known.map(|(file, _)| file);
    shard.count(if known.is_some() { Counter::FileCacheStale } else { Counter::FileCacheMisses });
    let search = Search { stream, served, files };
    match search.look(path, known.as_ref()).await {
        Ok(Found::File(file)) => {
            let unchanged = known.is_some_and(|known| Rc::ptr_eq(&known, &file));
            if !unchanged {
                shard.count_by(Counter::FileCacheEvicted, shard.files.put(scope, path, &file));
            }
            Found::File(file)
        }
        Ok(found) => {
            shard.files.forget(scope, path);
            found
        }
        Err(error) => {
            shard.files.forget(scope, path);
            Found::Refused(meaning(&error))
        }
    }
}

/// The compressed sibling of a file, if there is one that can stand for it; `path` is what the file was found by.
pub(crate) async fn sibling(
    stream: &Stream,
    files: &Files,
    served: &Served,
    (path, plain): (&[u8], &Rc<OpenFile>),
    coding: Coding,
) -> Option<Rc<OpenFile>> {
    let shard = &stream.shard;
    let now = shard.clock.now();
    let (looked, known) = plain.coded.sibling(coding);
    if looked.is_some_and(|looked| shard.files.is_fresh(looked, now)) {
        return known;
    }
    let search = Search { stream, served, files };
    // Whatever keeps it from being opened, the file itself is there.
    let found = search.look_beside(plain, coding, known.as_ref()).await.ok().flatten();
    let place = (&**served.scope(files.location), path);
    let set = |forms: &CodedForms| forms.set_sibling(coding, now, found.clone());
    shard.count_by(Counter::FileCacheEvicted, shard.files.change_forms(place, plain, set));
    found
}

/// Keeps what a file was compressed to, or that it does not get smaller; `path` is what the file was found by.
pub(crate) fn keep_made(
    stream: &Stream,
    files: &Files,
    served: &Served,
    (path, plain): (&[u8], &Rc<OpenFile>),
    coding: Coding,
    made: Option<Rc<OpenFile>>,
) {
    let place = (&**served.scope(files.location), path);
    let evicted = stream.shard.files.change_forms(place, plain, |forms| forms.set_made(coding, made));
    stream.shard.count_by(Counter::FileCacheEvicted, evicted);
}

/// What a failure to open means to the client.
pub(crate) fn meaning(error: &io::Error) -> Status {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG | libc::EINVAL) => Status::NOT_FOUND,
        // Permission, or a symbolic link that policy does not follow.
        Some(libc::EACCES | libc::EPERM | libc::ELOOP | libc::EXDEV) => Status::FORBIDDEN,
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EBUSY) => Status::SERVICE_UNAVAILABLE,
        _ => Status::INTERNAL_SERVER_ERROR,
    }
}

/// Whether a file is there for somebody else to read; else what that means.
pub(crate) async fn is_there(
    stream: &Stream,
    served: &Served,
    files: &Files,
    path: &[u8],
) -> Result<(), Status> {
    let search = Search { stream, served, files };
    let relative = path.strip_prefix(b"/").unwrap_or(path);
    match search.open(relative).await {
        Ok(fd) => match sys::fs::stat(fd.as_fd()) {
            Ok(stat) if stat.kind == Kind::File => Ok(()),
            Ok(_) => Err(Status::NOT_FOUND),
            Err(error) => Err(meaning(&error)),
        },
        // It is there, and who is to read it may be another user.
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => Ok(()),
        Err(error) => Err(meaning(&error)),
    }
}

/// Which links a location follows.
pub(crate) fn symlinks(files: &Files) -> Symlinks {
    match files.symlinks {
        config::Symlinks::Inside => Symlinks::Inside,
        config::Symlinks::Follow => Symlinks::Follow,
        config::Symlinks::Never => Symlinks::Never,
    }
}

/// One look for a file.
struct Search<'x> {
    stream: &'x Stream,
    served: &'x Served,
    files: &'x Files,
}

impl Search<'_> {
    /// Opens what `path` leads to; `known` is what it led to before.
    async fn look(&self, path: &[u8], known: Option<&Rc<OpenFile>>) -> io::Result<Found> {
        let relative = &path[1..];
        if !path.ends_with(b"/") {
            let fd = self.open(relative).await?;
            let stat = sys::fs::stat(fd.as_fd())?;
            return match stat.kind {
                Kind::File => self.describe((relative, None), fd, stat, known).await.map(Found::File),
                Kind::Directory => Ok(Found::Folder),
                Kind::Other => Ok(Found::Refused(Status::FORBIDDEN)),
            };
        }
        for (index, name) in self.files.index.iter().enumerate() {
            let name = [relative, name.as_bytes()].concat();
            match self.open(&name).await {
                Ok(fd) => {
                    let stat = sys::fs::stat(fd.as_fd())?;
                    if stat.kind == Kind::File {
                        let name = (&name[..], Some(index));
                        return self.describe(name, fd, stat, known).await.map(Found::File);
                    }
                }
                Err(error) if meaning(&error) == Status::NOT_FOUND => {}
                Err(error) => return Err(error),
            }
        }
        // A folder without index is there, if perhaps not to be listed; a path to nothing is just that.
        let folder = self.open(relative).await?;
        Ok(self.files.listing.map_or(Found::Refused(Status::FORBIDDEN), |how| Found::Listed(folder, how)))
    }

    /// Opens the compressed sibling of a file; `known` is what was there before.
    async fn look_beside(
        &self,
        plain: &OpenFile,
        coding: Coding,
        known: Option<&Rc<OpenFile>>,
    ) -> io::Result<Option<Rc<OpenFile>>> {
        // The name begins as that of the file does, so that rules about dotfiles have judged it with the file.
        let fd = self.open(&[&plain.name, suffix(coding).as_bytes()].concat()).await?;
        let stat = sys::fs::stat(fd.as_fd())?;
        // Older than what it stands for, it is of another content. Tools keep the time of the file, some of them
        // without the fractions of a second.
        if stat.kind != Kind::File || stat.mtime_secs < plain.stat.mtime_secs {
            return Ok(None);
        }
        if let Some(known) = known
            && known.stat == stat
        {
            return Ok(Some(Rc::clone(known)));
        }
        let name = Box::default();
        let file = self.read(
            Description { name, index: None, media_type: &plain.media_type, form: Form::Sibling(coding) },
            fd,
            stat,
        );
        file.await.map(|file| Some(Rc::new(file)))
    }

    async fn open(&self, relative: &[u8]) -> io::Result<OwnedFd> {
        let symlinks = symlinks(self.files);
        let now = |cached| sys::fs::open_beneath(self.files.root.as_fd(), relative, symlinks, cached);
        let mut opened = now(Cached::Only);
        if opened.as_ref().is_err_and(|e| e.raw_os_error() == Some(libc::EMFILE))
            && self.stream.shard.files.make_room()
        {
            opened = now(Cached::Only);
        }
        match opened {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {
                let root = Arc::clone(&self.files.root);
                let relative = relative.to_vec();
                let job = move || sys::fs::open_beneath(root.as_fd(), &relative, symlinks, Cached::Any);
                run_job(self.stream, job).await
            }
            opened => opened,
        }
    }

    async fn describe(
        &self,
        (name, index): (&[u8], Option<usize>),
        fd: OwnedFd,
        stat: Stat,
        known: Option<&Rc<OpenFile>>,
    ) -> io::Result<Rc<OpenFile>> {
        if let Some(known) = known
            && known.stat == stat
            && known.index == index
        {
            known.checked.set(self.stream.shard.clock.now());
            return Ok(Rc::clone(known));
        }
        let media_type = self.files.types.of(name);
        let varies =
            self.files.compression.as_ref().is_some_and(|compression| compression.covers(media_type));
        let name = if varies { name.into() } else { Box::default() };
        let description = Description { name, index, media_type, form: Form::Plain };
        self.read(description, fd, stat).await.map(Rc::new)
    }

    /// Makes an open file of what there is to know of it.
    async fn read(&self, description: Description<'_>, fd: OwnedFd, stat: Stat) -> io::Result<OpenFile> {
        let shard = &self.stream.shard;
        let Description { name, index, media_type, form } = description;
        // RFC 9110 section 8.8.2.1: never later than the response itself.
        let modified = u64::try_from(stat.mtime_secs).unwrap_or(0).min(shard.clock.seconds());
        let etag = self.files.etag.then(|| etag(&stat, form));
        let mut file = OpenFile {
            fd: Arc::new(fd),
            stat,
            media_type: media_type.to_owned(),
            form,
            varies: !name.is_empty() || form != Form::Plain,
            name,
            index,
            coded: CodedForms::default(),
            etag,
            modified,
            last_modified: date::format(modified),
            prepared: None,
            checked: Cell::new(shard.clock.now()),
        };
        if shard.files.keeps(file.stat.len) {
            let content = read_small(self.stream, &file).await?;
            // Changed while it was read: then it is sent from the descriptor, which notices.
            if sys::fs::stat(file.fd.as_fd())? == file.stat && content.len() as u64 == file.stat.len {
                file.prepared = Some(prepare(self.stream, self.served, self.files, &file, &content));
            }
        }
        Ok(file)
    }
}

/// Writes the whole response once, so that serving it is one copy.
pub(crate) fn prepare(
    stream: &Stream,
    served: &Served,
    files: &Files,
    file: &OpenFile,
    content: &[u8],
) -> Prepared {
    let mut bytes = Vec::with_capacity(512 + content.len());
    let writer = HeadWriter::new(&mut bytes, Status::OK);
    let writer =
        if served.limits.server_header { writer.field("Server", crate::content::SERVER) } else { writer };
    let date_at = writer.position() + "Date: ".len();
    let writer = writer.date(&stream.shard.clock.date());
    content_fields(writer, file, file.stat.len);
    let about = About {
        status: Status::OK,
        // Where some lines are for TLS alone, nothing else gets this far.
        over_tls: true,
        source: Source::Own,
        media_type: Some(&file.media_type),
        fixed: &[],
    };
    files.fields.fix(&mut bytes, 0, &about);
    bytes.extend_from_slice(b"\r\n");
    let content_at = bytes.len();
    bytes.extend_from_slice(content);
    Prepared { bytes: bytes.into_boxed_slice(), date_at, content_at }
}

/// What is known of a file without a look into it.
struct Description<'d> {
    /// Empty where there can be no other form beside it.
    name: Box<[u8]>,
    /// Which of the names of indexes that is, if a folder was asked for.
    index: Option<usize>,
    media_type: &'d str,
    form: Form,
}

/// The entity tag of one form of a file: contents that differ in a byte have different ones (RFC 9110 section 8.8.3).
fn etag(stat: &Stat, form: Form) -> String {
    let Stat { mtime_secs, mtime_nanos, len, .. } = stat;
    match form.coding() {
        None => format!("\"{mtime_secs:x}-{mtime_nanos:x}-{len:x}\""),
        Some(coding) => format!("\"{mtime_secs:x}-{mtime_nanos:x}-{len:x}-{}\"", coding.token()),
    }
}

/// Runs a job for this connection; a pool that is full is an error like any other.
pub(crate) async fn run_job<T: Send + 'static>(
    stream: &Stream,
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    run_claimed(stream, Claim::Asked, job).await
}

/// The same, with a claim to be run.
pub(crate) async fn run_claimed<T: Send + 'static>(
    stream: &Stream,
    claim: Claim,
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let shard = &stream.shard;
    shard.count(Counter::JobsStarted);
    match shard.jobs.run((&shard.inbox, stream.port.key.get()), claim, job).await {
        Ok(result) => result,
        Err(JobError::Busy) => {
            shard.count(Counter::JobsRefused);
            Err(io::Error::from_raw_os_error(libc::EBUSY))
        }
        Err(JobError::Lost) => Err(io::Error::other(JobError::Lost.to_string())),
    }
}

async fn read_small(stream: &Stream, file: &OpenFile) -> io::Result<Vec<u8>> {
    let mut content = vec![0; file.stat.len as usize];
    let read = sys::fs::read_at_nowait(file.fd.as_fd(), &mut content, 0);
    match read {
        Ok(read) if read == content.len() => return Ok(content),
        // Short, cold, or a file system that cannot tell: a thread may wait for it.
        Ok(_) => {}
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EOPNOTSUPP)) => {}
        Err(error) => return Err(error),
    }
    let fd = Arc::clone(&file.fd);
    run_job(stream, move || {
        let mut at = 0;
        while at < content.len() {
            match sys::fs::read_at(fd.as_fd(), &mut content[at..], at as u64)? {
                0 => break,
                read => at += read,
            }
        }
        content.truncate(at);
        Ok(content)
    })
    .await
}

/// The fields that describe a file's content.
pub(crate) fn content_fields<'o>(writer: HeadWriter<'o>, file: &OpenFile, length: u64) -> HeadWriter<'o> {
    let writer = type_fields(writer, file).number("Content-Length", length);
    let writer = validator_fields(writer, file);
    // Ranges of a content that may be made anew could be of different ones.
    if matches!(file.form, Form::Made(_)) { writer } else { writer.field("Accept-Ranges", b"bytes") }
}

/// The fields that tell how to read a file's content.
pub(crate) fn type_fields<'o>(writer: HeadWriter<'o>, file: &OpenFile) -> HeadWriter<'o> {
    let writer = writer.field("Content-Type", file.media_type.as_bytes());
    match file.form.coding() {
        Some(coding) => writer.field("Content-Encoding", coding.token().as_bytes()),
        None => writer,
    }
}

/// The fields that tell one state and form of a file from another. A 304 has them as well as a 200 (RFC 9110 section
/// 15.4.5), `Vary` included.
pub(crate) fn validator_fields<'o>(writer: HeadWriter<'o>, file: &OpenFile) -> HeadWriter<'o> {
    let writer = writer.field("Last-Modified", &file.last_modified);
    let writer = match &file.etag {
        Some(etag) => writer.field("ETag", etag.as_bytes()),
        None => writer,
    };
    vary(writer, file)
}

/// The fields of a file that is the page of an error. It is no representation of what was asked for: nothing tells its
/// states apart (RFC 9110 section 8.8), and nobody is offered a part of it (section 14.3).
pub(crate) fn page_fields<'o>(writer: HeadWriter<'o>, file: &OpenFile) -> HeadWriter<'o> {
    vary(type_fields(writer, file), file)
}

fn vary<'o>(writer: HeadWriter<'o>, file: &OpenFile) -> HeadWriter<'o> {
    if file.varies { writer.vary(VARY) } else { writer }
}

/// The value of `Location` for a folder that was asked for without its slash.
pub(crate) fn with_slash(asked: &[u8], query: Option<&[u8]>) -> Vec<u8> {
    let mut location = Vec::with_capacity(asked.len() + 1);
    path::encode(asked, &mut location);
    location.push(b'/');
    if let Some(query) = query {
        location.push(b'?');
        location.extend_from_slice(query);
    }
    location
}
