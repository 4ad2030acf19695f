//! Whether there is a driver in a directory, and why not. Source: shared-memory spec 2.5.

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use epona_protocol::{
    cnc::{CNC_FILE, CNC_VERSION, Cnc, CncState, NotReady, SemanticVersion},
    types::EpochMillis,
};

use crate::error::ClientError;

/// A living driver in a directory, or what is there instead.
pub(crate) fn look(
    directory: &Path,
    now: EpochMillis,
    driver_timeout: Duration,
) -> Result<CncState, ClientError> {
    let state = Cnc::open(directory)
        .map_err(|error| io_error(format!("cannot map {}", directory.join(CNC_FILE).display()), error))?;
    Ok(state.if_active(now, driver_timeout))
}

/// How soon to look again.
pub(crate) const fn retry_interval(reason: NotReady) -> Duration {
    match reason {
        NotReady::Missing | NotReady::TooShort { .. } => Duration::from_millis(16),
        NotReady::NoVersion | NotReady::Lengths { .. } | NotReady::NoHeartbeat => Duration::from_millis(1),
        NotReady::Stale { .. } => Duration::from_millis(100),
    }
}

/// Why there was no driver to connect to in all that time.
pub(crate) fn explain(
    reason: NotReady,
    directory: PathBuf,
    timeout: Duration,
    now: EpochMillis,
) -> ClientError {
    match reason {
        NotReady::Missing => match OpenOptions::new().read(true).write(true).open(directory.join(CNC_FILE)) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => io_error(
                format!("cannot open {} for reading and writing", directory.join(CNC_FILE).display()),
                error,
            ),
            _ => ClientError::NoDriver { directory },
        },
        NotReady::TooShort { .. }
        | NotReady::NoVersion
        | NotReady::Lengths { .. }
        | NotReady::NoHeartbeat => ClientError::DriverNotReady { directory, timeout },
        NotReady::Stale { heartbeat } if heartbeat.get() < 0 => {
            ClientError::DriverInactive { directory, state: String::from("it was shut down") }
        }
        NotReady::Stale { heartbeat } => {
            let age = now.get().saturating_sub(heartbeat.get());
            let state =
                format!("its last sign of life was {age} ms ago, and the driver timeout is {timeout:?}");
            ClientError::DriverInactive { directory, state }
        }
    }
}

pub(crate) fn incompatible_version(directory: &Path, found: SemanticVersion) -> ClientError {
    incompatible(
        directory,
        format!("its version is {found}, and {CNC_VERSION} with the same major number is needed"),
    )
}

pub(crate) fn io_error(what: String, error: io::Error) -> ClientError {
    ClientError::Io { what, source: Arc::new(error) }
}

pub(crate) fn incompatible(directory: &Path, reason: String) -> ClientError {
    ClientError::IncompatibleDriver { path: directory.join(CNC_FILE), reason }
}
