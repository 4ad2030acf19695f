//! Asking a driver to end, and seeing that it does.

use std::{path::Path, time::Duration};

use epona_media_driver::clock::{Clock, SystemClock};
use epona_protocol::{
    cnc::{Cnc, CncState, NotReady, request_termination},
    types::EpochMillis,
};

use crate::{
    common::{Stop, note},
    interrupt::Interrupt,
    look::pause,
};

/// A driver with an older heartbeat is dead. Source: driver spec 9.2, `aeron.driver.timeout`.
const DRIVER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a driver may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often its end is looked for.
const INTERVAL: Duration = Duration::from_millis(20);

/// Writes the request, the only thing that looking commands ever write, and waits for the driver's end.
///
/// # Errors
/// When no driver runs, when the request cannot be written, when the driver goes on running; on Ctrl-C.
pub(super) fn run(
    directory: &Path,
    token: &[u8],
    now: EpochMillis,
    interrupt: &Interrupt,
) -> Result<(), Stop> {
    let open = || Cnc::open(directory);
    let state = open().map_err(|error| format!("cannot write to {}: {error}", directory.display()))?;
    let CncState::Ready(cnc) = state.clone().if_active(now, DRIVER_TIMEOUT) else {
        return Err(format!("no media driver is running at {}: nothing to end", directory.display()).into());
    };
    let pid = cnc.metadata().pid;
    request_termination(state, token)?;
    let clock = SystemClock::new();
    let give_up = clock.now().nanos + PATIENCE;
    while clock.now().nanos < give_up {
        if has_ended(&cnc) || is_gone(&open()?, pid) {
            note(&format!("The media driver (pid {pid}) has ended."));
            return Ok(());
        }
        pause(INTERVAL, interrupt)?;
    }
    Err(format!(
        "the media driver (pid {pid}) was asked to end and is still running after {} s: does its \
         aeron.driver.termination.validator allow it, with this --token?",
        PATIENCE.as_secs()
    )
    .into())
}

/// A driver that stops cleanly says so with a heartbeat of -1.
fn has_ended(cnc: &Cnc) -> bool {
    cnc.driver_heartbeat().is_ok_and(|heartbeat| heartbeat == EpochMillis::new(-1))
}

/// Whether the directory is gone, or belongs to the next driver.
fn is_gone(state: &CncState, pid: i64) -> bool {
    match state {
        CncState::NotReady(reason) => matches!(reason, NotReady::Missing),
        CncState::VersionMismatch { .. } => true,
        CncState::Ready(cnc) => cnc.metadata().pid != pid,
    }
}
