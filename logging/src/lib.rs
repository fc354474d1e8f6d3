//! What the server writes about itself: access logs and the error log.
//!
//! An access log line is born as a [`Record`], plain facts borrowed from one finished exchange. A shard turns it
//! into bytes ([`Format`]) straight in the batch buffer of its [`ShardLog`], which hands full or aged batches to the
//! one [`Logger`] thread; the thread sends them to the logger process and hands the empty buffers back. The shard takes no
//! lock, makes no system call for a line and allocates nothing; when every buffer is in flight, lines are dropped
//! and counted, because a slow disk must not slow the requests down.
//!
//! In the logger process the [`Desk`] puts them into a bounded queue for each log, in memory that outlives the process,
//! and a thread for each log takes them from there to its outlet. So no log waits for another one.
//!
//! The error log ([`error_log`]) is the sink of the `log` facade.
#![forbid(unsafe_code)]

mod batch;
mod civil;
mod courier;
mod desk;
mod details;
mod error;
pub mod error_log;
mod escape;
mod format;
mod forward;
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
mod injection;
mod json;
mod logger;
mod moment;
mod notice;
mod number;
mod outlet;
mod press;
mod pressure;
mod queue;
mod record;
pub mod remote;
mod repeats;
mod rotation;
mod shard;
mod sink;
pub mod tail;
mod template;
mod text;
mod variable;

pub use civil::now;
pub use desk::{Desk, Fed, Hears, MESSAGES_GENERATION};
pub use details::{Answer, Detail, Details, Value};
pub use error::Error;
pub use format::{Format, LINE_MAX};
pub use forward::Totals;
pub use logger::Logger;
pub use notice::{Inbox, Notice, Notices, Task};
pub use press::{Method, Press};
pub use pressure::{Hold, Pressure, PressureView};
pub use queue::{Storage, cells_for, cells_of_lines};
pub use record::{Addresses, Client, Record, RequestId, Showing};
pub use rotation::{Plan, Rotation};
pub use shard::{ShardLog, under_way};
pub use sink::{SinkId, Target};
pub use template::{BadTemplate, TEMPLATE_MAX, Template};
pub use variable::variables;
