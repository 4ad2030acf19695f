//! Records errors where operators look: the distinct error log and its counter.

use epona_protocol::{
    command::ErrorCode,
    error_log::{DistinctErrorLog, Observation},
    types::EpochMillis,
};

use crate::{error::DriverError, status::SharedCounter};

/// Writes the distinct error log. A healthy driver never calls it.
#[derive(Debug)]
pub struct ErrorRecorder {
    log: DistinctErrorLog,
    errors: SharedCounter,
    lost: Option<DriverError>,
}

impl ErrorRecorder {
    /// A recorder over the error log of the CnC file.
    #[must_use]
    pub fn new(log: DistinctErrorLog, errors: SharedCounter) -> Self {
        Self { log, errors, lost: None }
    }

    /// Records an error, unless it only asks a client to try again. Source: driver spec 8.5, shared-memory spec 6.1.
    pub fn record(&mut self, error: &DriverError, now: EpochMillis) {
        if error.code == ErrorCode::ResourceTemporarilyUnavailable {
            return;
        }
        self.errors.increment();
        let text = format!("({}) {}", -error.code.get(), error.message);
        if self.log.record(error.code.get(), &text, now) == Observation::Full {
            self.lost = Some(error.clone());
        }
    }

    /// The last error that the full log had no room for, for the runner to print; once.
    pub fn take_lost(&mut self) -> Option<DriverError> {
        self.lost.take()
    }
}
