//! Files: conditions, ranges, and sending without a copy where that pays.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use perf::Counter;
use proto_http::condition::{Verdict, evaluate};
use proto_http::range::{self, ByteRange, Ranges};
use proto_http::response::push_number;
use proto_http::{Known, Method, Request, Status, Version};
use site::{About, Files};

use super::negotiation::{self, Choice};
use super::{Responder, Sent, answer, coded, listing, multipart};
use crate::file_cache::{OpenFile, Prepared};
use crate::file_lookup::{self, Found, run_job};
use crate::limits::{FILE_CHUNK, SEALED_CHUNK, WARM_AHEAD};
use crate::stream::{Gone, Stream};

/// Sends the file that the request's path leads to, or what stands for its absence.
pub(super) async fn send(responder: &mut Responder<'_>, files: &Files) -> Result<Sent, Gone> {
    match file_lookup::find(responder.stream, responder.served, files, responder.path).await {
        // The page of an error is no folder whose index is for another location to send.
        Found::File(file) if responder.stands_for.is_some() && leads_on(responder, files, &file) => {
            Ok(answer::respond(responder, Status::NOT_FOUND, |_| {}))
        }
        Found::File(file) if is_typed_by_answer(responder, files, &file) => {
            let media_type = responder.media_type.take().unwrap_or_default();
            deliver(responder, &file.typed(media_type)).await
        }
        Found::File(file) => {
            let choice = negotiation::choose(responder, files, Rc::clone(&file)).await;
            match (choice, &files.compression) {
                (Choice::Ready(chosen), _) => {
                    responder.uncoded = chosen.form.coding().map(|_| file.stat.len);
                    deliver(responder, &chosen).await
                }
                (Choice::ToBeMade(plain, coding), Some(compression)) => {
                    coded::send(responder, (files, compression), &plain, coding).await
                }
                (Choice::ToBeMade(plain, _), None) => deliver(responder, &plain).await,
            }
        }
        // Neither is what stands for something else.
        Found::Folder | Found::Listed(..) if responder.is_instead() => {
            Ok(answer::respond(responder, Status::NOT_FOUND, |_| {}))
        }
        Found::Folder => Ok(redirect(responder)),
        Found::Listed(folder, how) => listing::send(responder, files, how, folder).await,
        Found::Refused(status) => Ok(answer::respond(responder, status, |_| {})),
    }
}

/// Whether the index of a folder is for another location to send.
fn leads_on(responder: &Responder<'_>, files: &Files, file: &OpenFile) -> bool {
    let Some(name) = file.index.and_then(|index| files.index.get(index)) else { return false };
    let path = [responder.path, name.as_bytes()].concat();
    responder.place.is_some_and(|place| place.leads_to(&path))
}

/// Whether a file has the media type of the answer that has named it.
fn is_typed_by_answer(responder: &Responder<'_>, files: &Files, file: &OpenFile) -> bool {
    // The page of an error is none that an answer has named.
    responder.stands_for.is_none() && responder.media_type.is_some() && !knows_type(responder, files, file)
}

/// Whether the name of a file tells its media type.
fn knows_type(responder: &Responder<'_>, files: &Files, file: &OpenFile) -> bool {
    let index = file.index.and_then(|index| files.index.get(index));
    files.types.of_known(index.map_or(responder.path, |name| name.as_bytes())).is_some()
}

/// A folder without its slash: relative links in its index would lead astray.
fn redirect(responder: &mut Responder<'_>) -> Sent {
    let location = file_lookup::with_slash(responder.path, responder.query);
    answer::respond(responder, Status::MOVED_PERMANENTLY, |lines| answer::line(lines, "Location", &location))
}

/// Sends a file in the form that it has.
pub(super) async fn deliver(responder: &mut Responder<'_>, file: &OpenFile) -> Result<Sent, Gone> {
    let Some(request) = responder.request else { unreachable!("only a readable request finds a file") };
    // Conditions and ranges are about what was asked for, and not about the page of an error.
    if responder.stands_for.is_some() {
        return whole(responder, file).await;
    }
    if let Some(prepared) = &file.prepared
        && responder.lines.is_empty()
        && std::ptr::eq(responder.fields, responder.asked_fields)
        && is_plain(&request)
        && responder.shown_id.is_none()
        && responder.will_persist()
    {
        return Ok(send_prepared(responder, file, prepared));
    }
    match evaluate(&request, &file.validators()) {
        Verdict::PreconditionFailed => Ok(precondition_failed(responder, file)),
        Verdict::NotModified => Ok(not_modified(responder, file)),
        Verdict::ProceedWithoutRange => whole(responder, file).await,
        Verdict::Proceed => match ranges(&request, file.stat.len) {
            Ranges::Ignore => whole(responder, file).await,
            Ranges::Unsatisfiable => Ok(unsatisfiable(responder, file)),
            Ranges::Set(set) if set.len() == 1 => part(responder, file, set[0]).await,
            // Each part would need the coding of the whole, for which it has no field.
            Ranges::Set(_) if file.form.coding().is_some() => whole(responder, file).await,
            Ranges::Set(set) => multipart::send(responder, file, &set).await,
        },
    }
}

/// Whether the answer is the whole content, head and all.
fn is_plain(request: &Request<'_>) -> bool {
    const CONDITIONS: [Known; 6] = [
        Known::Range,
        Known::IfNoneMatch,
        Known::IfModifiedSince,
        Known::IfMatch,
        Known::IfUnmodifiedSince,
        Known::IfRange,
    ];
    request.method() == Method::Get
        && request.version() == Version::Http11
        && CONDITIONS.iter().all(|&field| request.field(field).is_none())
}

/// The usual case: one copy, and the date.
fn send_prepared(responder: &mut Responder<'_>, file: &OpenFile, prepared: &Prepared) -> Sent {
    let date = responder.stream.shard.clock.date();
    let head_at = responder.out.len();
    let varies = responder.fields.depend_on_request();
    let split = if varies { prepared.content_at - "\r\n".len() } else { prepared.bytes.len() };
    let (head, rest) = prepared.bytes.split_at(split);
    responder.out.extend_from_slice(head);
    let at = head_at + prepared.date_at;
    responder.out[at..at + date.len()].copy_from_slice(&date);
    if varies {
        responder.head_at = head_at;
        responder.add_for(&About::own(Status::OK));
        responder.out.extend_from_slice(rest);
    }
    responder.head_sent = (responder.out.len() - head_at) as u64 - file.stat.len;
    responder.keep(&responder.out[head_at..][..responder.head_sent as usize]);
    Sent { status: Status::OK, content: file.stat.len }
}

fn ranges(request: &Request<'_>, len: u64) -> Ranges {
    // Ranges are defined for GET alone (RFC 9110 section 14.2).
    let value = request.field(Known::Range).filter(|_| request.method() == Method::Get);
    value.map_or(Ranges::Ignore, |value| range::parse(value, len))
}

pub(super) fn precondition_failed(responder: &mut Responder<'_>, file: &OpenFile) -> Sent {
    answer::respond(responder, Status::PRECONDITION_FAILED, |lines| vary(lines, file))
}

pub(super) fn not_modified(responder: &mut Responder<'_>, file: &OpenFile) -> Sent {
    file_lookup::validator_fields(responder.head(Status::NOT_MODIFIED), file);
    responder.end_head_about(&file.media_type);
    Sent { status: Status::NOT_MODIFIED, content: 0 }
}

fn unsatisfiable(responder: &mut Responder<'_>, file: &OpenFile) -> Sent {
    let value = format!("bytes */{}", file.stat.len);
    answer::respond(responder, Status::RANGE_NOT_SATISFIABLE, |lines| {
        answer::line(lines, "Content-Range", value.as_bytes());
        vary(lines, file);
    })
}

/// Another form of the file might have been answered differently.
fn vary(lines: &mut Vec<u8>, file: &OpenFile) {
    if file.varies {
        answer::line(lines, "Vary", file_lookup::VARY.as_bytes());
    }
}

async fn whole(responder: &mut Responder<'_>, file: &OpenFile) -> Result<Sent, Gone> {
    let len = file.stat.len;
    let status = responder.stands_for.unwrap_or(Status::OK);
    match responder.stands_for {
        Some(_) => file_lookup::page_fields(responder.head(status), file).number("Content-Length", len),
        None => file_lookup::content_fields(responder.head(status), file, len),
    };
    responder.end_head();
    if responder.is_head() {
        return Ok(Sent { status, content: 0 });
    }
    content(responder, file, 0, len).await?;
    Ok(Sent { status, content: len })
}

async fn part(responder: &mut Responder<'_>, file: &OpenFile, range: ByteRange) -> Result<Sent, Gone> {
    let status = Status::PARTIAL_CONTENT;
    let value = content_range(range, file.stat.len);
    let writer = file_lookup::content_fields(responder.head(status), file, range.len());
    writer.field("Content-Range", &value);
    responder.end_head();
    content(responder, file, range.start, range.len()).await?;
    Ok(Sent { status, content: range.len() })
}

/// Value of `Content-Range`.
pub(super) fn content_range(range: ByteRange, len: u64) -> Vec<u8> {
    let mut value = b"bytes ".to_vec();
    push_number(&mut value, range.start);
    value.push(b'-');
    push_number(&mut value, range.end);
    value.push(b'/');
    push_number(&mut value, len);
    value
}

/// Sends bytes of a file after what has gathered in `out`.
pub(super) async fn content(
    responder: &mut Responder<'_>,
    file: &OpenFile,
    start: u64,
    len: u64,
) -> Result<(), Gone> {
    if let Some(bytes) = file.content() {
        // Prepared files are small: both ends fit.
        responder.out.extend_from_slice(&bytes[start as usize..(start + len) as usize]);
        return Ok(());
    }
    if len == 0 {
        return Ok(());
    }
    let stream = responder.stream;
    if stream.is_sealed() {
        return copy_sealed(stream, responder.out, file, start, len).await;
    }
    stream.send_ahead(responder.out).await?;
    let direct = Direct::begin(stream)?;
    let outcome = copy(stream, file, start, len).await;
    drop(direct);
    outcome
}

/// While this lives the socket does not block, so that a direct write cannot stop the shard. The ring wants
/// blocking sockets: on others it gives up instead of waiting.
struct Direct<'s>(&'s Stream);

impl<'s> Direct<'s> {
    fn begin(stream: &'s Stream) -> Result<Direct<'s>, Gone> {
        sys::net::set_nonblocking(stream.port.fd.get(), true).map_err(|_| Gone::Broken)?;
        Ok(Direct(stream))
    }
}

impl Drop for Direct<'_> {
    fn drop(&mut self) {
        // It worked the other way round; a descriptor that is gone by now does not matter.
        let _ = sys::net::set_nonblocking(self.0.port.fd.get(), false);
    }
}

async fn copy(stream: &Stream, file: &OpenFile, start: u64, len: u64) -> Result<(), Gone> {
    let end = start + len;
    let mut at = start;
    let mut warm_until = start;
    while at < end {
        if warm_until <= at {
            warm_until = at + warm(stream, file, at, end - at).await;
        }
        stream.shard.count(Counter::Sendfiles);
        let count = stream.allow(FILE_CHUNK.min(warm_until - at)).await? as usize;
        match sys::net::sendfile(stream.port.fd.get(), file.fd.as_fd(), at, count) {
            // The file is shorter than it was: the length that was promised cannot be kept.
            Ok(0) => return Err(Gone::Broken),
            Ok(sent) => {
                at += sent as u64;
                stream.shard.count_by(Counter::BytesSent, sent as u64);
                stream.settle(count, sent);
                if sent < count {
                    // The socket is full: to try again would only say so.
                    stream.room().await?;
                } else if at < end {
                    stream.turn().await;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.settle(count, 0);
                stream.room().await?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => stream.settle(count, 0),
            Err(_) => return Err(Gone::Broken),
        }
    }
    Ok(())
}

/// As [`copy`], by TLS: the bytes pass through here, after what has gathered in `out`.
async fn copy_sealed(
    stream: &Stream,
    out: &mut Vec<u8>,
    file: &OpenFile,
    start: u64,
    len: u64,
) -> Result<(), Gone> {
    let end = start + len;
    let mut at = start;
    let mut warm_until = start;
    let mut turn_at = start + FILE_CHUNK;
    stream.seal(out);
    while at < end {
        if warm_until <= at {
            warm_until = at + warm(stream, file, at, end - at).await;
        }
        let want = (SEALED_CHUNK as u64).min(warm_until - at) as usize;
        match seal_part(stream, out, file, at, want) {
            // The file is shorter than it was: the length that was promised cannot be kept.
            Ok(0) => return Err(Gone::Broken),
            Ok(read) => {
                at += read as u64;
                stream.send_as_is(out).await?;
                if turn_at <= at && at < end {
                    turn_at = at + FILE_CHUNK;
                    stream.turn().await;
                }
            }
            // No longer in memory.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => warm_until = at,
            Err(_) => return Err(Gone::Broken),
        }
    }
    Ok(())
}

/// Reads a part of a file and encrypts it onto `out`; answers how long it was.
fn seal_part(stream: &Stream, out: &mut Vec<u8>, file: &OpenFile, at: u64, want: usize) -> io::Result<usize> {
    let mut scratch = stream.shard.scratch.borrow_mut();
    scratch.resize(SEALED_CHUNK, 0);
    let read = sys::fs::read_at_nowait(file.fd.as_fd(), &mut scratch[..want], at)?;
    stream.shard.seal(&stream.port, &scratch[..read], out);
    Ok(read)
}

/// Sees to it that the next bytes of a file are in memory, so that sending them does not wait for a disk; answers
/// for how many of `len` that holds.
async fn warm(stream: &Stream, file: &OpenFile, at: u64, len: u64) -> u64 {
    let far = WARM_AHEAD.min(len);
    if is_warm(file, at, far) {
        return far;
    }
    let near = FILE_CHUNK.min(len);
    if !is_warm(file, at, near) {
        let fd = std::sync::Arc::clone(&file.fd);
        // An error shows again when the bytes are sent.
        let _ = run_job(stream, move || read_through(&fd, at, near)).await;
    }
    near
}

/// Reads bytes of a file for no other end than that the kernel then has them.
fn read_through(fd: &OwnedFd, at: u64, len: u64) -> io::Result<()> {
    let mut buffer = vec![0; 128 * 1024];
    let mut done = 0;
    while done < len {
        let want = buffer.len().min((len - done) as usize);
        match sys::fs::read_at(fd.as_fd(), &mut buffer[..want], at + done)? {
            0 => break,
            read => done += read as u64,
        }
    }
    Ok(())
}

/// Whether bytes of a file are in memory. The kernel tells for sure only to who may write the file, and only since
/// 6.5; otherwise samples have to do, closer to each other than what is read ahead or given up at a time.
fn is_warm(file: &OpenFile, at: u64, len: u64) -> bool {
    const STEP: usize = 64 * 1024;
    if let Ok(resident) = sys::fs::resident(file.fd.as_fd(), at, len) {
        return resident;
    }
    let sample = |at| sys::fs::read_at_nowait(file.fd.as_fd(), &mut [0], at).is_ok();
    (at..at + len).step_by(STEP).chain([at + len - 1]).all(sample)
}
