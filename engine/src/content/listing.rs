//! Folders without an index: what is in them, read and laid out by the job pool.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use config::{Dotfiles, Listing};
use perf::Counter;
use proto_http::Status;
use site::listing::{Entry, Folder, Order, POLICY, Shape};
use site::{Answer, Files};
use sys::fs::{Cached, Kind, Listed, ListedKind, Symlinks};

use super::{Responder, Sent, answer};
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
    let made = run_job(stream, move || Ok(search.read(folder)?.show(shape, order))).await;
    let content = match made {
        Ok(content) => content,
        Err(error) => return Ok(answer::respond(responder, meaning(&error), |_| {})),
    };
    stream.shard.count(Counter::Listings);
    head(responder, form, shape, content.len());
    if responder.is_head() {
        return Ok(Sent { status: Status::OK, content: 0 });
    }
    for part in content.chunks(OUTPUT_MAX) {
        if OUTPUT_MAX <= responder.out.len() {
            stream.send(responder.out).await?;
        }
        responder.out.extend_from_slice(part);
    }
    Ok(Sent { status: Status::OK, content: content.len() as u64 })
}

fn head(responder: &mut Responder<'_>, form: Listing, shape: Shape, len: usize) {
    let writer = responder.head(Status::OK).field("Content-Type", shape.media_type().as_bytes());
    // No validator says what is in a folder: times of folders do not change with the files in them.
    let writer = writer.number("Content-Length", len as u64).field("Cache-Control", b"no-cache");
    if form == Listing::Auto {
        writer.vary("Accept");
    }
    match shape {
        Shape::Html => responder.end_head_with(&OF_PAGES),
        Shape::Json => responder.end_head_with(&OF_JSON),
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
