//! Records errors where operators look: the distinct error log and its counter.

use std::sync::Arc;

use crossbeam::queue::ArrayQueue;
use epona_protocol::{
    command::ErrorCode,
    error_log::{DistinctErrorLog, Observation},
    types::EpochMillis,
};

use crate::{error::DriverError, status::SharedCounter};

/// Most errors that wait to be printed; more push out the oldest.
const UNRECORDED_ERRORS_LIMIT: usize = 16;

/// Errors that the distinct error log had no room for, on their way to whoever runs the driver. Clones are the same
/// queue.
#[derive(Clone, Debug)]
pub struct UnrecordedErrors(Arc<ArrayQueue<DriverError>>);

impl UnrecordedErrors {
    /// The oldest, once.
    #[must_use]
    pub fn take(&self) -> Option<DriverError> {
        self.0.pop()
    }
}

impl Default for UnrecordedErrors {
    fn default() -> Self {
        Self(Arc::new(ArrayQueue::new(UNRECORDED_ERRORS_LIMIT)))
    }
}

/// Writes the distinct error log. A healthy driver never calls it.
#[derive(Debug)]
pub struct ErrorRecorder {
    log: DistinctErrorLog,
    errors: SharedCounter,
    unrecorded: UnrecordedErrors,
}

impl ErrorRecorder {
    /// A recorder over the error log of the CnC file.
    #[must_use]
    pub fn new(log: DistinctErrorLog, errors: SharedCounter) -> Self {
        Self { log, errors, unrecorded: UnrecordedErrors::default() }
    }

    /// Where errors go when the log is full.
    #[must_use]
    pub const fn unrecorded(&self) -> &UnrecordedErrors {
        &self.unrecorded
    }

    /// Records an error, unless it only asks a client to try again. Source: driver spec 8.5, shared-memory spec 6.1.
    pub fn record(&mut self, error: &DriverError, now: EpochMillis) {
        if error.code == ErrorCode::ResourceTemporarilyUnavailable {
            return;
        }
        self.errors.increment();
        let text = text(error);
        if self.log.record(error.code.get(), &text, now) == Observation::Full {
            self.unrecorded.0.force_push(error.clone());
        }
    }
}

/// Code, kind and message; the kind once. Source: driver spec 8.5.
fn text(error: &DriverError) -> String {
    let (code, kind) = (-error.code.get(), error.code.to_string());
    if error.message.starts_with(&kind) {
        format!("({code}) {}", error.message)
    } else {
        format!("({code}) {kind}: {}", error.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_of_what_kind_it_is_once() {
        let text = |code, message: &str| text(&DriverError::new(code, message));
        assert_eq!(text(ErrorCode::UnknownHost, "unresolved"), "(-9) unknown host: unresolved");
        assert_eq!(text(ErrorCode::InvalidChannel, "invalid channel 'x'"), "(-1) invalid channel 'x'");
    }
}
