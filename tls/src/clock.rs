//! The time of day, which this crate is told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// Who knows the time of day. Asked in handshakes only, so a coarse one will do.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Seconds since 1970.
    fn unix_seconds(&self) -> u64;
}

/// The same clock for rustls.
#[derive(Debug)]
pub(crate) struct Adapter(pub(crate) Arc<dyn Clock>);

impl TimeProvider for Adapter {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(self.0.unix_seconds()))
    }
}

pub(crate) fn unix_time(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}
