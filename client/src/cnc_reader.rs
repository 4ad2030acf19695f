//! Looking at a driver without being its client.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use epona_protocol::{
    cnc::{CNC_FILE, Cnc, CncMetadata, CncState, SemanticVersion},
    counters::CountersReader,
    error_log::{self, ErrorEntry},
    loss_report::{self, LOSS_REPORT_FILE, LossReportEntry},
    memory::MappedFile,
    types::EpochMillis,
};

use crate::{
    clock,
    error::ClientError,
    lookup::{explain, incompatible_version, io_error, retry_interval},
};

/// The files of a driver's directory, opened for looking: constants, heartbeat, counters, errors and losses. Works on a
/// driver that runs and on what one left behind, ours or Aeron's, and leaves no trace there.
///
/// Threading: `Send` and `Sync`. Source: shared-memory spec 12.2.
///
/// ```no_run
/// use epona_client::{CncReader, Context, EpochMillis};
///
/// let reader = CncReader::open(Context::new().directory())?;
/// println!("process {}", reader.metadata().pid);
/// reader.counters().iter().for_each(|counter| println!("{counter}"));
/// for error in reader.errors_since(EpochMillis::new(0)) {
///     println!("{} times: {}", error.observation_count, error.text);
/// }
/// # Ok::<(), epona_client::ClientError>(())
/// ```
#[derive(Debug)]
pub struct CncReader {
    directory: PathBuf,
    cnc: Cnc,
    counters: CountersReader,
}

impl CncReader {
    /// Opens the files of a directory as they are.
    ///
    /// # Errors
    /// [`ClientError::NoDriver`] or [`ClientError::DriverNotReady`] when there is no complete `cnc.dat`,
    /// [`ClientError::IncompatibleDriver`] when it is of another major version, [`ClientError::Io`] when it cannot be
    /// mapped.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, ClientError> {
        Self::open_within(directory, Duration::ZERO)
    }

    /// [`CncReader::open`] that waits for a driver to appear, at most for `timeout`.
    ///
    /// # Errors
    /// As of [`CncReader::open`].
    pub fn open_within(directory: impl Into<PathBuf>, timeout: Duration) -> Result<Self, ClientError> {
        let directory = directory.into();
        let deadline = clock::now().nanos + timeout;
        loop {
            let state = Cnc::open_to_read(&directory).map_err(|error| {
                io_error(format!("cannot map {}", directory.join(CNC_FILE).display()), error)
            })?;
            let now = clock::now();
            match state {
                CncState::Ready(cnc) => {
                    let counters = CountersReader::new(cnc.counters_metadata(), cnc.counters_values());
                    return Ok(Self { directory, cnc, counters });
                }
                CncState::VersionMismatch { found } => return Err(incompatible_version(&directory, found)),
                CncState::NotReady(reason) if now.nanos >= deadline => {
                    return Err(explain(reason, directory, timeout, now.epoch));
                }
                CncState::NotReady(reason) => clock::pause(retry_interval(reason)),
            }
        }
    }

    /// The directory that was opened.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What the driver wrote when it started: lengths, process id, start time, liveness timeout of clients.
    #[must_use]
    pub fn metadata(&self) -> &CncMetadata {
        self.cnc.metadata()
    }

    /// Version of the file's format.
    #[must_use]
    pub fn version(&self) -> SemanticVersion {
        self.cnc.version()
    }

    /// When the driver last said that it lives: 0 before its first time, -1 after a clean stop; `None` when the file
    /// is damaged.
    #[must_use]
    pub fn driver_heartbeat(&self) -> Option<EpochMillis> {
        self.cnc.driver_heartbeat().ok()
    }

    /// Whether the driver's heartbeat is no older than `timeout`.
    #[must_use]
    pub fn is_driver_active(&self, now: EpochMillis, timeout: Duration) -> bool {
        self.cnc.is_driver_active(now, timeout)
    }

    /// The counters.
    #[must_use]
    pub const fn counters(&self) -> &CountersReader {
        &self.counters
    }

    /// The distinct errors that were last observed at `since` or later, in the order of their first observation.
    pub fn errors_since(&self, since: EpochMillis) -> impl Iterator<Item = ErrorEntry> + use<> {
        error_log::entries_since(self.cnc.error_log(), since)
    }

    /// What was lost of which stream, in the order of the first observations.
    ///
    /// # Errors
    /// [`ClientError::Io`] when there is no loss report or it cannot be mapped.
    pub fn losses(&self) -> Result<Vec<LossReportEntry>, ClientError> {
        let path = self.directory.join(LOSS_REPORT_FILE);
        let file = MappedFile::open_to_read(&path)
            .map_err(|error| io_error(format!("cannot map {}", path.display()), error))?;
        Ok(loss_report::entries(file.view().clone()).collect())
    }
}
