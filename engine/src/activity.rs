//! What a connection has only while it is being served: a port, buffers, and the future itself.
//!
//! Activities are kept and used again, future and all: in the steady state serving a request allocates
//! nothing.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use crate::port::{Port, Side};
use crate::serve::{End, Work, serve};
use crate::shard::Shard;

/// Spare activities that are kept. More run at the same time only in a burst.
const SPARE_MAX: usize = 64;

/// A place for the future of one connection at a time.
trait Place {
    fn start(&mut self, shard: Rc<Shard>, port: Rc<Port>, work: Box<Work>);
    fn poll(&mut self) -> Poll<(End, Box<Work>)>;
}

/// A place that makes its futures with `make`, one after the other in the same memory.
struct Held<M, F> {
    make: M,
    future: Pin<Box<Option<F>>>,
}

impl<M, F> Place for Held<M, F>
where
    M: Fn(Rc<Shard>, Rc<Port>, Box<Work>) -> F,
    F: Future<Output = (End, Box<Work>)>,
{
    fn start(&mut self, shard: Rc<Shard>, port: Rc<Port>, work: Box<Work>) {
        self.future.set(Some((self.make)(shard, port, work)));
    }

    fn poll(&mut self) -> Poll<(End, Box<Work>)> {
        // Nothing is woken by a waker here: whoever completes something names the connection to the lane.
        let mut context = Context::from_waker(Waker::noop());
        let Some(future) = self.future.as_mut().as_pin_mut() else {
            unreachable!("only a started activity is polled");
        };
        let done = future.poll(&mut context);
        if done.is_ready() {
            self.future.set(None);
        }
        done
    }
}

fn held<M, F>(make: M) -> Box<dyn Place>
where
    M: Fn(Rc<Shard>, Rc<Port>, Box<Work>) -> F + 'static,
    F: Future<Output = (End, Box<Work>)> + 'static,
{
    Box::new(Held { make, future: Box::pin(None) })
}

/// One connection being served.
pub(crate) struct Activity {
    pub(crate) port: Rc<Port>,
    place: Box<dyn Place>,
    /// The future's buffers while it does not run.
    work: Option<Box<Work>>,
    running: bool,
}

impl Activity {
    fn new() -> Activity {
        Activity {
            port: Rc::new(Port::new(Side::Client)),
            place: held(serve),
            work: Some(Box::default()),
            running: false,
        }
    }

    /// Whether a future is under way; if not, only a send is left to finish.
    pub(crate) fn running(&self) -> bool {
        self.running
    }

    /// Starts a future for the connection of the port.
    pub(crate) fn start(&mut self, shard: Rc<Shard>) {
        let work = self.work.take().unwrap_or_default();
        self.place.start(shard, Rc::clone(&self.port), work);
        self.running = true;
    }

    /// Lets the future run until it waits; answers its end when it has come to one.
    pub(crate) fn poll(&mut self) -> Option<End> {
        match self.place.poll() {
            Poll::Pending => None,
            Poll::Ready((end, work)) => {
                self.work = Some(work);
                self.running = false;
                Some(end)
            }
        }
    }
}

/// All activities of a shard.
pub(crate) struct Activities {
    /// `None` while the lane polls one.
    entries: Slab<Option<Activity>>,
    spare: Vec<Activity>,
}

impl Activities {
    pub(crate) fn new() -> Activities {
        Activities { entries: Slab::new(), spare: Vec::new() }
    }

    pub(crate) fn begin(&mut self) -> (u32, Rc<Port>) {
        let activity = self.spare.pop().unwrap_or_else(Activity::new);
        let port = Rc::clone(&activity.port);
        (self.entries.insert(Some(activity)) as u32, port)
    }

    /// Takes an activity out in order to poll it; [`Activities::put_back`] returns it.
    pub(crate) fn take(&mut self, id: u32) -> Option<Activity> {
        self.entries.get_mut(id as usize)?.take()
    }

    pub(crate) fn put_back(&mut self, id: u32, activity: Activity) {
        self.entries[id as usize] = Some(activity);
    }

    pub(crate) fn port(&self, id: u32) -> Option<&Rc<Port>> {
        self.entries.get(id as usize)?.as_ref().map(|activity| &activity.port)
    }

    pub(crate) fn running(&self, id: u32) -> bool {
        self.entries.get(id as usize).is_some_and(|entry| entry.as_ref().is_none_or(Activity::running))
    }

    /// Ends an activity whose connection has nothing more to do with it.
    pub(crate) fn end(&mut self, id: u32) {
        let entry = self.entries.remove(id as usize);
        if let Some(activity) = entry
            && !activity.running
            && self.spare.len() < SPARE_MAX
        {
            self.spare.push(activity);
        }
    }
}
