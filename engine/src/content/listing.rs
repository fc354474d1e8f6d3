//! Folders without an index: what is in them, read, laid out and compressed by the job pool.

use std::borrow::Cow;
use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use codings::Encoder;
use config::{Dotfiles, Listing};
use perf::Counter;
use proto_http::Status;
use site::listing::{Entry, Folder, Order, POLICY, Shape};
use site::{Answer, Files};
use sys::fs::{Cached, Kind, Listed, ListedKind, Symlinks};

use super::transform::passing_level;
use super::whole::{Whole, Wish};
use super::{Responder, Sent, answer};
use crate::encoders::Lent;
use crate::file_lookup::{self, meaning, run_job};
use crate::limits::{LISTED_MAX, LISTINGS_MAX, OUTPUT_MAX};
use crate::stream::Gone;

/// Seconds after which one for whom there was no place may come again.
const RETRY_SECONDS: u32 = 1;

/// Fields of a page: it runs nothing, and nobody puts it into a page of another site.
const OF_PAGES: [(&str, &str); 2] =
    [("Content-Security-Policy", POLICY), ("X-Content-Type-Options", "nosniff")];
/// Fields of JSON.
const OF_JSON: [(&str, &str); 1] = [("X-Content-Type-Options", "nosniff")];

/// Lists an open folder.
pub(super) async fn send(
    responder: &mut Responder<'_>,
    files: &Files,
    (form, dotfiles): (Listing, Dotfiles),
    folder: OwnedFd,
) -> Result<Sent, Gone> {
    let Some(request) = responder.request else { unreachable!("only a readable request finds a folder") };
    let stream = responder.stream;
    let Some(_place) = Place::take(&stream.shard.listings) else {
        stream.shard.count(Counter::LimitListings);
        let status = Status::SERVICE_UNAVAILABLE;
        return Ok(answer::send(
            responder,
            &Answer { retry_after: Some(RETRY_SECONDS), ..Answer::with(status) },
        ));
    };
    let shape = Shape::of(form, &request);
    let order = Order::of(request.query());
    let search = Search {
        root: Arc::clone(&files.root),
        path: responder.path.to_vec(),
        symlinks: file_lookup::symlinks(files),
        dotfiles,
    };
    let wish = Wish::of(responder, shape.media_type());
    let mut lent = wish.and_then(|wish| {
        let coding = wish.coding?;
        Lent::take(&stream.shard, coding, passing_level(wish.compression, coding))
    });
    let press = lent.as_mut().and_then(Lent::hand_out).zip(wish.map(|wish| wish.least));
    let made = run_job(stream, move || Made::of(search.read(folder)?.show(shape, order), press)).await;
    let made = match made {
        Ok(made) => made,
        Err(error) => return Ok(answer::respond(responder, meaning(&error), |_| {})),
    };
    stream.shard.count(Counter::Listings);
    let varies = wish.is_some_and(|wish| wish.covers(made.uncoded));
    let coding = wish.and_then(|wish| wish.coding).filter(|_| made.is_coded);
    responder.uncoded = coding.map(|_| made.uncoded as u64);
    let content = made.hand_in(lent);
    let content = Whole { bytes: Cow::Owned(content), coding, varies };
    head(responder, form, shape, &content);
    if responder.is_head() {
        return Ok(Sent { status: Status::OK, content: 0 });
    }
    for part in content.bytes.chunks(OUTPUT_MAX) {
        if OUTPUT_MAX <= responder.out.len() {
            stream.send(responder.out).await?;
        }
        responder.out.extend_from_slice(part);
    }
    Ok(Sent { status: Status::OK, content: content.bytes.len() as u64 })
}

fn head(responder: &mut Responder<'_>, form: Listing, shape: Shape, content: &Whole<'_>) {
    let writer = responder.head(Status::OK).field("Content-Type", shape.media_type().as_bytes());
    // No validator says what is in a folder: times of folders do not change with the files in them.
    let writer = content.fields(writer).field("Cache-Control", b"no-cache");
    if form == Listing::Auto {
        writer.vary("Accept");
    }
    match shape {
        Shape::Html => responder.end_head_with(&OF_PAGES),
        Shape::Json => responder.end_head_with(&OF_JSON),
    }
}

/// What comes of a job.
struct Made {
    content: Vec<u8>,
    /// Bytes before it was compressed.
    uncoded: usize,
    is_coded: bool,
    /// What it was lent.
    encoder: Option<Box<Encoder>>,
}

impl Made {
    /// Compresses a listing with what there is for that, if it has so many bytes.
    fn of(content: Vec<u8>, press: Option<(Box<Encoder>, u64)>) -> io::Result<Made> {
        let uncoded = content.len();
        let Some((mut encoder, least)) = press else {
            return Ok(Made { content, uncoded, is_coded: false, encoder: None });
        };
        if (uncoded as u64) < least {
            return Ok(Made { content, uncoded, is_coded: false, encoder: Some(encoder) });
        }
        let mut coded = Vec::new();
        let pressed = encoder.push(&content, &mut coded).and_then(|()| encoder.finish(&mut coded));
        pressed.map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Made { content: coded, uncoded, is_coded: true, encoder: Some(encoder) })
    }

    /// Gives back what was lent.
    fn hand_in(self, lent: Option<Lent>) -> Vec<u8> {
        if let Some((mut lent, encoder)) = lent.zip(self.encoder) {
            lent.hand_in(encoder);
            lent.finished();
            if self.is_coded {
                lent.count(self.uncoded as u64, self.content.len() as u64);
            }
        }
        self.content
    }
}

/// What a job needs to read a folder.
struct Search {
    root: Arc<OwnedFd>,
    path: Vec<u8>,
    symlinks: Symlinks,
    dotfiles: Dotfiles,
}

impl Search {
    fn read(self, folder: OwnedFd) -> io::Result<Folder> {
        let hides = self.dotfiles == Dotfiles::Hide;
        let (listed, whole) = sys::fs::list(folder, LISTED_MAX, |name| !(hides && name.starts_with(b".")))?;
        let entries = listed.into_iter().filter_map(|one| self.entry(one)).collect();
        Ok(Folder { path: self.path, entries, whole })
    }

    /// What is shown of something in the folder; nothing of a link that is not followed.
    fn entry(&self, listed: Listed) -> Option<Entry> {
        let Listed { name, kind, len, mtime_secs } = listed;
        let (is_folder, len, modified) = match kind {
            ListedKind::File => (false, len, mtime_secs),
            ListedKind::Directory => (true, 0, mtime_secs),
            ListedKind::Link => {
                let path = [&self.path[1..], &name].concat();
                let target =
                    sys::fs::open_beneath(self.root.as_fd(), &path, self.symlinks, Cached::Any).ok()?;
                let stat = sys::fs::stat(target.as_fd()).ok()?;
                match stat.kind {
                    Kind::File => (false, stat.len, stat.mtime_secs),
                    Kind::Directory => (true, 0, stat.mtime_secs),
                    Kind::Other => return None,
                }
            }
        };
        Some(Entry { name, is_folder, len, modified: u64::try_from(modified).unwrap_or_default() })
    }
}

/// A place among the listings that a shard makes and sends at a time: each is memory, for as long as its client reads.
struct Place<'s>(&'s Cell<usize>);

impl Place<'_> {
    fn take(taken: &Cell<usize>) -> Option<Place<'_>> {
        if LISTINGS_MAX <= taken.get() {
            return None;
        }
        taken.set(taken.get() + 1);
        Some(Place(taken))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
