//! What a driver says about itself.

use std::time::Duration;

use epona_protocol::{
    cnc::{Cnc, CncLengths, SemanticVersion},
    types::EpochMillis,
};

/// A driver with an older heartbeat is dead. Source: driver spec 9.2, `aeron.driver.timeout`.
const DRIVER_TIMEOUT: Duration = Duration::from_secs(10);

/// The head of `cnc.dat`, and the driver's heartbeat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Driver {
    pub(crate) cnc_version: SemanticVersion,
    pub(crate) pid: i64,
    pub(crate) started: EpochMillis,
    /// When the driver last said that it lives: 0 before its first time, -1 after a clean stop.
    pub(crate) heartbeat: EpochMillis,
    /// Whether the heartbeat is no older than a client would accept.
    pub(crate) is_active: bool,
    pub(crate) client_liveness_timeout: Duration,
    pub(crate) file_page_size: i32,
    pub(crate) lengths: CncLengths,
}

impl Driver {
    pub(super) fn of(cnc: &Cnc, now: EpochMillis) -> Self {
        let metadata = cnc.metadata();
        Self {
            cnc_version: cnc.version(),
            pid: metadata.pid,
            started: metadata.start_timestamp,
            heartbeat: cnc.driver_heartbeat().unwrap_or_default(),
            is_active: cnc.is_driver_active(now, DRIVER_TIMEOUT),
            client_liveness_timeout: metadata.client_liveness_timeout,
            file_page_size: metadata.file_page_size,
            lengths: metadata.lengths,
        }
    }

    /// How long ago the driver last said that it lives, in milliseconds.
    pub(crate) const fn heartbeat_age_ms(&self, now: EpochMillis) -> i64 {
        now.get().saturating_sub(self.heartbeat.get())
    }
}
