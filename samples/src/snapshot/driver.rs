//! What a driver says about itself.

use std::time::Duration;

use epona_protocol::{
    cnc::{Cnc, CncLengths, SemanticVersion},
    types::EpochMillis,
};

use crate::text;

/// A driver with an older heartbeat is dead. Source: driver spec 9.2, `aeron.driver.timeout`.
const DRIVER_TIMEOUT: Duration = Duration::from_secs(10);

/// The head of `cnc.dat`, and the driver's heartbeat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Driver {
    pub(crate) cnc_version: SemanticVersion,
    pub(crate) pid: i64,
    pub(crate) started: EpochMillis,
    /// When the driver last said that it lives: 0 before its first time, -1 after a clean stop.
    heartbeat: EpochMillis,
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

    /// Why it is not taken for running, in words; `None` when it is.
    pub(crate) fn absence(&self, now: EpochMillis) -> Option<String> {
        if self.is_active {
            return None;
        }
        Some(match self.heartbeat.get() {
            ..0 => String::from("it was shut down"),
            0 => String::from("it has given no sign of life yet"),
            _ => format!("its last heartbeat was {} ms ago", text::grouped(age_ms(self.heartbeat, now))),
        })
    }

    /// When the driver last said that it lives; `None` before its first time, and after a clean stop.
    pub(crate) fn last_heartbeat(&self) -> Option<EpochMillis> {
        (self.heartbeat.get() > 0).then_some(self.heartbeat)
    }

    /// How long ago that was, in milliseconds.
    pub(crate) fn heartbeat_age_ms(&self, now: EpochMillis) -> Option<i64> {
        self.last_heartbeat().map(|heartbeat| age_ms(heartbeat, now))
    }
}

/// How long ago something was, in milliseconds; 0 for what a clock that is ahead says.
pub(crate) fn age_ms(earlier: EpochMillis, now: EpochMillis) -> i64 {
    i64::try_from(now.since(earlier).as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_is_not_there_is_told_to_be_dead_shut_down_or_not_begun() {
        let driver = |heartbeat, is_active| Driver {
            cnc_version: SemanticVersion::from_raw(0),
            pid: 1,
            started: EpochMillis::new(0),
            heartbeat: EpochMillis::new(heartbeat),
            is_active,
            client_liveness_timeout: Duration::ZERO,
            file_page_size: 4096,
            lengths: CncLengths {
                to_driver: 0,
                to_clients: 0,
                counters_metadata: 0,
                counters_values: 0,
                error_log: 0,
            },
        };
        let now = EpochMillis::new(20_000);
        let absence = |heartbeat, is_active| driver(heartbeat, is_active).absence(now);
        let age = |heartbeat| driver(heartbeat, false).heartbeat_age_ms(now);
        assert_eq!(absence(19_000, true), None);
        assert_eq!(absence(8_000, false).as_deref(), Some("its last heartbeat was 12,000 ms ago"));
        assert_eq!(absence(-1, false).as_deref(), Some("it was shut down"));
        assert_eq!(absence(0, false).as_deref(), Some("it has given no sign of life yet"));
        assert_eq!((age(8_000), age(i64::MAX)), (Some(12_000), Some(0)));
        assert_eq!((age(0), age(-1), age(i64::MIN)), (None, None, None));
    }
}
