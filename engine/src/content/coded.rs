//! Files that are compressed on their way: small ones once, and kept so; large ones piece by piece. The work is done by
//! the job pool, a piece at a time, so that neither a shard nor the pool is held for long.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use codings::Encoder;
use proto_http::coding::Accepted;
use proto_http::condition::{Verdict, evaluate};
use proto_http::{Coding, Status, chunk};
use site::{Compression, Files};

use super::{Responder, Sent, file};
use crate::coded_forms::{Form, UnderWay};
use crate::connection::Wait;
use crate::encoders::Lent;
use crate::file_cache::OpenFile;
use crate::file_lookup::{self, run_claimed};
use crate::jobs::Claim;
use crate::limits::CODING_STEP;
use crate::stream::{Gone, Stream};

/// Sends a file in a coded form that is yet to be made.
pub(super) async fn send(
    responder: &mut Responder<'_>,
    (files, compression): (&Files, &Compression),
    plain: &Rc<OpenFile>,
    coding: Coding,
) -> Result<Sent, Gone> {
    let Some(request) = responder.request else { unreachable!("only a readable request finds a file") };
    let made = plain.made(coding);
    // Conditions are about what was asked for, and not about the page of an error.
    if responder.stands_for.is_none() {
        match evaluate(&request, &made.validators()) {
            Verdict::PreconditionFailed => return Ok(file::precondition_failed(responder, &made)),
            Verdict::NotModified => return Ok(file::not_modified(responder, &made)),
            Verdict::Proceed | Verdict::ProceedWithoutRange => {}
        }
    }
    let is_kept = responder.stream.shard.files.keeps_coded(plain.stat.len);
    // Once is enough. Meanwhile the file is sent as it is, and only those who do not take that have it made again.
    if is_kept && plain.coded.is_under_way(coding) && Accepted::of(&request).takes_identity() {
        return file::deliver(responder, plain).await;
    }
    if !is_kept && responder.is_head() {
        let status = head(responder, &made);
        return Ok(Sent { status, content: 0 });
    }
    let lent = Lent::take(&responder.stream.shard, coding, compression.level(coding));
    let Some(lent) = lent else { return file::deliver(responder, plain).await };
    if is_kept {
        return match keep(responder, files, (plain, made), lent).await {
            Some(made) => {
                responder.uncoded = Some(plain.stat.len);
                file::deliver(responder, &made).await
            }
            None => file::deliver(responder, plain).await,
        };
    }
    pour(responder, (plain, made), lent).await
}

/// The head of a content whose length nobody knows yet; answers its status.
fn head(responder: &mut Responder<'_>, made: &OpenFile) -> Status {
    let status = responder.stands_for.unwrap_or(Status::OK);
    let is_page = responder.stands_for.is_some();
    let writer = responder.head(status).field("Transfer-Encoding", b"chunked");
    if is_page {
        file_lookup::page_fields(writer, made);
    } else {
        file_lookup::validator_fields(file_lookup::type_fields(writer, made), made);
    }
    responder.end_head_about(&made.media_type);
    status
}

/// Compresses a whole file and keeps the result with it; `None` when there is no gain, or the file cannot be read now.
async fn keep(
    responder: &Responder<'_>,
    files: &Files,
    (plain, made): (&Rc<OpenFile>, OpenFile),
    mut lent: Lent,
) -> Option<Rc<OpenFile>> {
    let (stream, coding) = (responder.stream, made.form.coding()?);
    let _under_way = UnderWay::begin(plain, coding);
    let mut piece = Piece::new(lent.hand_out()?, plain);
    let mut content = Vec::new();
    while !piece.is_last() {
        piece = press(stream, piece, Claim::Asked).await.ok()?;
        content.append(&mut piece.coded);
    }
    lent.hand_in(piece.encoder);
    lent.finished();
    lent.count(plain.stat.len, content.len() as u64);
    let made = ((content.len() as u64) < plain.stat.len).then_some(made);
    let made = made.map(|made| Rc::new(with_content(responder, files, made, &content)));
    file_lookup::keep_made(stream, files, responder.served, (responder.path, plain), coding, made.clone());
    made
}

/// The coded form with its content.
fn with_content(responder: &Responder<'_>, files: &Files, mut made: OpenFile, content: &[u8]) -> OpenFile {
    made.stat.len = content.len() as u64;
    made.prepared = Some(file_lookup::prepare(responder.stream, responder.served, files, &made, content));
    made
}

/// Compresses a file piece by piece and sends each when it is ready. A client that does not read holds two pieces.
async fn pour(
    responder: &mut Responder<'_>,
    (plain, made): (&Rc<OpenFile>, OpenFile),
    mut lent: Lent,
) -> Result<Sent, Gone> {
    let stream = responder.stream;
    let piece = Piece::new(lent.hand_out().ok_or(Gone::Broken)?, plain);
    // Before the head is written there is another answer, if nobody has the time, or the file cannot be read.
    let Ok(mut piece) = press(stream, piece, Claim::Asked).await else {
        drop(lent);
        return file::deliver(responder, plain).await;
    };
    responder.uncoded = Some(plain.stat.len);
    let mut sent = Sent { status: head(responder, &made), content: 0 };
    let mut taken = 0;
    loop {
        let given = piece.coded.len() as u64;
        lent.count(piece.at - taken, given);
        taken = piece.at;
        sent.content += given;
        // An empty chunk would be the last one.
        if given > 0 {
            chunk::write_size(responder.out, piece.coded.len());
            responder.out.append(&mut piece.coded);
            responder.out.extend_from_slice(chunk::END);
        }
        if piece.is_last() {
            responder.out.extend_from_slice(chunk::LAST);
        }
        stream.send(responder.out).await?;
        if piece.is_last() {
            break;
        }
        // A file that has got shorter, or cannot be read, shows as a content without its end.
        piece = press(stream, piece, Claim::Begun).await.map_err(|_| Gone::Broken)?;
    }
    lent.hand_in(piece.encoder);
    lent.finished();
    Ok(sent)
}

/// Has the next piece made.
async fn press(stream: &Stream, piece: Piece, claim: Claim) -> io::Result<Piece> {
    // The client has taken what it was sent so far, or there would be no room for more: its time begins anew.
    stream.watch(Wait::Write);
    run_claimed(stream, claim, move || piece.next()).await
}

/// A file on its way through an encoder; goes to a job for each piece, and comes back with it.
struct Piece {
    encoder: Box<Encoder>,
    fd: Arc<OwnedFd>,
    len: u64,
    at: u64,
    buffer: Vec<u8>,
    /// What has come out.
    coded: Vec<u8>,
}

impl Piece {
    fn new(encoder: Box<Encoder>, plain: &OpenFile) -> Piece {
        let (fd, len) = (Arc::clone(&plain.fd), plain.stat.len);
        Piece { encoder, fd, len, at: 0, buffer: Vec::new(), coded: Vec::new() }
    }

    /// Whether all has been taken and has come out.
    fn is_last(&self) -> bool {
        self.at == self.len
    }

    /// Reads the next piece and codes it.
    fn next(mut self) -> io::Result<Piece> {
        let end = self.len.min(self.at + CODING_STEP);
        self.buffer.resize((end - self.at) as usize, 0);
        let mut filled = 0;
        while filled < self.buffer.len() {
            match sys::fs::read_at(self.fd.as_fd(), &mut self.buffer[filled..], self.at + filled as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
        self.at = end;
        let failed = |error: codings::Failed| io::Error::other(error.to_string());
        self.encoder.push(&self.buffer, &mut self.coded).map_err(failed)?;
        if self.is_last() {
            self.encoder.finish(&mut self.coded).map_err(failed)?;
        }
        Ok(self)
    }
}

impl OpenFile {
    /// The same, as something of another media type.
    pub(super) fn typed(&self, media_type: String) -> OpenFile {
        OpenFile {
            fd: Arc::clone(&self.fd),
            stat: self.stat,
            media_type,
            form: self.form,
            varies: self.varies,
            name: Box::default(),
            index: self.index,
            coded: crate::coded_forms::CodedForms::default(),
            etag: self.etag.clone(),
            modified: self.modified,
            last_modified: self.last_modified,
            prepared: None,
            checked: self.checked.clone(),
        }
    }

    /// The same in a coded form, with everything but its content and length. Its bytes depend on the encoder, so that its
    /// entity tag is a weak one (RFC 9110 section 8.8.1).
    fn made(&self, coding: Coding) -> OpenFile {
        let etag = self.etag.as_ref().map(|etag| {
            let opaque = etag.trim_end_matches('"');
            format!("W/{opaque}-{}\"", coding.token())
        });
        OpenFile {
            fd: Arc::clone(&self.fd),
            stat: self.stat,
            media_type: self.media_type.clone(),
            form: Form::Made(coding),
            varies: true,
            name: Box::default(),
            coded: crate::coded_forms::CodedForms::default(),
            etag,
            modified: self.modified,
            last_modified: self.last_modified,
            prepared: None,
            index: self.index,
            checked: self.checked.clone(),
        }
    }
}
