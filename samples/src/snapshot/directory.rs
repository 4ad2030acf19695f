//! The directory of a driver, opened for looking.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use epona_protocol::{
    cnc::{CNC_FILE, CNC_VERSION, Cnc, CncState, NotReady, SemanticVersion},
    counters::CountersReader,
    error_log::{self, ErrorEntry},
    loss_report::{self, LOSS_REPORT_FILE, LossReportEntry},
    memory::MappedFile,
    types::EpochMillis,
};

use super::{Driver, Snapshot};

/// Why a directory cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectoryError {
    /// No driver was ever started there, or it took everything with it.
    #[error(
        "no media driver at {0}: cnc.dat does not exist; start one with `eponamd`, or point elsewhere with --dir or AERON_DIR"
    )]
    Missing(PathBuf),
    /// A file is there and cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// It is being created, or is no such file at all.
    #[error("{path} cannot be used: {reason}")]
    NotReady {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: NotReady,
    },
    /// Another layout.
    #[error(
        "{path} has version {found}, this program reads {CNC_VERSION}: use the tools of the driver's release"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: SemanticVersion,
    },
}

/// The files of a driver, mapped for reading: looking leaves no trace in them.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    cnc: Cnc,
    counters: CountersReader,
}

impl Directory {
    /// Maps `cnc.dat`, whether its driver runs or is gone.
    ///
    /// # Errors
    /// When there is none, or it cannot be read, or it is no CnC file of this version.
    pub(crate) fn open(path: &Path) -> Result<Self, DirectoryError> {
        let file = path.join(CNC_FILE);
        let unreadable = |error| DirectoryError::Unreadable { path: file.clone(), error };
        match File::open(&file) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DirectoryError::Missing(path.to_owned()));
            }
            Err(error) => return Err(unreadable(error)),
        }
        match Cnc::open_to_read(path).map_err(unreadable)? {
            CncState::Ready(cnc) => {
                let counters = CountersReader::new(cnc.counters_metadata(), cnc.counters_values());
                Ok(Self { path: path.to_owned(), cnc, counters })
            }
            CncState::NotReady(reason) => Err(DirectoryError::NotReady { path: file, reason }),
            CncState::VersionMismatch { found } => Err(DirectoryError::Version { path: file, found }),
        }
    }

    /// Where `cnc.dat` is.
    pub(crate) fn cnc_file(&self) -> PathBuf {
        self.path.join(CNC_FILE)
    }

    /// Reads head and counters.
    pub(crate) fn snapshot(&self, now: EpochMillis) -> Snapshot {
        Snapshot {
            taken: now,
            driver: Driver::of(&self.cnc, now),
            counters: self.counters.iter().collect(),
            capacity: self.counters.capacity(),
        }
    }

    /// The distinct errors, in the order of their first observation.
    pub(crate) fn errors(&self) -> Vec<ErrorEntry> {
        error_log::entries(self.cnc.error_log()).collect()
    }

    /// The loss report, in the order of the first observations.
    ///
    /// # Errors
    /// When there is no report or it cannot be read.
    pub(crate) fn losses(&self) -> Result<Vec<LossReportEntry>, DirectoryError> {
        let path = self.path.join(LOSS_REPORT_FILE);
        let file =
            MappedFile::open_to_read(&path).map_err(|error| DirectoryError::Unreadable { path, error })?;
        Ok(loss_report::entries(file.view().clone()).collect())
    }
}
