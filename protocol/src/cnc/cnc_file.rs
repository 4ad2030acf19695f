//! Creating `cnc.dat`, and finding out whether somebody else's is fit for use.

use core::{ops::Range, time::Duration};
#[cfg(not(loom))]
use std::{io, path::Path};

#[cfg(not(loom))]
use super::descriptor::{CNC_FILE, door_word_offset};
use super::{
    SemanticVersion,
    descriptor::{CNC_VERSION, CncError, CncMetadata, META_DATA_LENGTH, PublishedVersion},
};
use crate::{
    counters::{METADATA_RECORD_LENGTH, VALUE_RECORD_LENGTH},
    memory::AtomicView,
    ring_buffer::{self, CapacityError},
    types::EpochMillis,
};
#[cfg(not(loom))]
use crate::{
    doorbell::Door,
    memory::{Allocation, MappedFile},
};

/// A CnC region with its sections laid out. Views of the sections keep the mapping alive.
#[derive(Clone, Debug)]
pub struct Cnc {
    view: AtomicView,
    metadata: CncMetadata,
    sections: [(usize, usize); 5],
}

/// What a client finds when it looks at a CnC region; waiting and giving up are the caller's.
#[derive(Clone, Debug)]
pub enum CncState {
    /// Look again later, at a fresh mapping.
    NotReady(NotReady),
    /// The driver speaks another major version; waiting does not help.
    VersionMismatch {
        /// What the file says; compare with [`CNC_VERSION`].
        found: SemanticVersion,
    },
    /// Initialised. Whether its driver lives is another question: [`Cnc::is_driver_active`].
    Ready(Cnc),
}

/// Why a CnC region cannot be used yet, in the order in which a driver initialises it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotReady {
    /// There is no file, or it may not be opened.
    #[error("cnc.dat does not exist or cannot be opened; is a media driver running in this directory?")]
    Missing,
    /// The file holds no more than the meta data.
    #[error("cnc.dat has {length} bytes: created but not initialised")]
    TooShort {
        /// Length of the file, in bytes.
        length: usize,
    },
    /// The version is still zero.
    #[error("cnc.dat is created but not initialised: its version is not set")]
    NoVersion,
    /// The lengths of the sections are negative, misaligned, or exceed the file.
    #[error("cnc.dat has {length} bytes, less than its sections need, or their lengths make no sense")]
    Lengths {
        /// Length of the file, in bytes.
        length: usize,
    },
    /// The driver has not yet said that it lives.
    #[error("the media driver has not set its heartbeat yet")]
    NoHeartbeat,
    /// The driver is gone: its heartbeat is -1 or too old.
    #[error("the media driver is not alive: its last heartbeat was at {heartbeat:?}")]
    Stale {
        /// The last heartbeat; -1 when the driver stopped cleanly.
        heartbeat: EpochMillis,
    },
}

impl Cnc {
    /// Driver: creates `cnc.dat` in `directory`, zeroed, with all meta data but the version.
    ///
    /// What follows, in this order, is the caller's: counters and their values, one correlation id drawn and thrown
    /// away, the first heartbeat, then [`Cnc::publish`]. Source: shared-memory spec 2.4.
    ///
    /// # Errors
    /// When the lengths make no file (kind `InvalidInput`), or as [`MappedFile::create`].
    #[cfg(not(loom))]
    pub fn create(directory: &Path, metadata: &CncMetadata, allocation: Allocation) -> io::Result<Self> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let length = metadata.lengths.file_length(metadata.file_page_size).map_err(invalid)?;
        let file = MappedFile::create(&directory.join(CNC_FILE), length, allocation)?;
        Self::initialise(file.view().clone(), metadata).map_err(invalid)
    }

    /// [`Cnc::create`] over a zeroed region instead of a file.
    ///
    /// # Errors
    /// When a length is negative or misaligned, or the region is too short for the sections.
    pub fn initialise(view: AtomicView, metadata: &CncMetadata) -> Result<Self, CncError> {
        let length = metadata.lengths.sections_length()?;
        if length > view.len() as u64 {
            return Err(CncError::TooLong { length });
        }
        metadata.store(&view);
        Ok(Self::lay_out(view, *metadata))
    }

    /// Driver: stores the version (release). From now on clients connect.
    pub fn publish(&self) {
        PublishedVersion::store(&self.view, CNC_VERSION);
    }

    /// Maps `cnc.dat` in `directory` and looks at it once. See [`Cnc::check`].
    ///
    /// # Errors
    /// When the file is there and mapping it fails for another reason than permission.
    #[cfg(not(loom))]
    pub fn open(directory: &Path) -> io::Result<CncState> {
        Self::look_at(MappedFile::open(&directory.join(CNC_FILE)))
    }

    /// [`Cnc::open`] for tools that only look: what they store stays in their own process.
    ///
    /// # Errors
    /// As [`Cnc::open`].
    #[cfg(not(loom))]
    pub fn open_to_read(directory: &Path) -> io::Result<CncState> {
        Self::look_at(MappedFile::open_to_read(&directory.join(CNC_FILE)))
    }

    #[cfg(not(loom))]
    fn look_at(file: io::Result<MappedFile>) -> io::Result<CncState> {
        match file {
            Ok(file) => Ok(Self::check(file.view().clone())),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
                    Ok(CncState::NotReady(NotReady::Missing))
                }
                // An empty file: the driver has created it and not yet set its length.
                io::ErrorKind::InvalidData => Ok(CncState::NotReady(NotReady::TooShort { length: 0 })),
                _ => Err(error),
            },
        }
    }

    /// Looks once at a region that a driver created. Source: shared-memory spec 2.5, 16.3.
    #[must_use]
    pub fn check(view: AtomicView) -> CncState {
        let length = view.len();
        if length <= META_DATA_LENGTH {
            return CncState::NotReady(NotReady::TooShort { length });
        }
        let found = match PublishedVersion::load(&view) {
            PublishedVersion::NotYet => return CncState::NotReady(NotReady::NoVersion),
            PublishedVersion::Version(version) => version,
        };
        if found.get() < 0 || found.major() != CNC_VERSION.major() {
            return CncState::VersionMismatch { found };
        }
        let metadata = CncMetadata::load(&view);
        match metadata.lengths.sections_length() {
            Ok(sections) if sections <= length as u64 => CncState::Ready(Self::lay_out(view, metadata)),
            _ => CncState::NotReady(NotReady::Lengths { length }),
        }
    }

    /// Client: looks once whether a driver can be connected to: [`Cnc::check`], and its heartbeat is no older than
    /// `driver_timeout`. Source: shared-memory spec 2.5.
    #[must_use]
    pub fn connect(view: AtomicView, now: EpochMillis, driver_timeout: Duration) -> CncState {
        Self::check(view).if_active(now, driver_timeout)
    }

    fn lay_out(view: AtomicView, metadata: CncMetadata) -> Self {
        let mut offset = META_DATA_LENGTH;
        let sections = metadata.lengths.in_order().map(|length| {
            let section = (offset, length as usize);
            offset += length as usize;
            section
        });
        Self { view, metadata, sections }
    }

    /// What the driver said about itself when the region was looked at.
    #[must_use]
    pub fn metadata(&self) -> &CncMetadata {
        &self.metadata
    }

    /// Version of the region; 0.0.0 before [`Cnc::publish`]. Acquire.
    #[must_use]
    pub fn version(&self) -> SemanticVersion {
        match PublishedVersion::load(&self.view) {
            PublishedVersion::NotYet => SemanticVersion::from_raw(0),
            PublishedVersion::Version(version) => version,
        }
    }

    /// Length of the whole region, in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.view.len()
    }

    /// Commands from clients: a [`ring_buffer`].
    #[must_use]
    pub fn to_driver(&self) -> AtomicView {
        self.section(0)
    }

    /// Events to clients: a [`broadcast`](crate::broadcast) buffer.
    #[must_use]
    pub fn to_clients(&self) -> AtomicView {
        self.section(1)
    }

    /// Metadata of the [`counters`](crate::counters).
    #[must_use]
    pub fn counters_metadata(&self) -> AtomicView {
        self.section(2)
    }

    /// Values of the [`counters`](crate::counters).
    #[must_use]
    pub fn counters_values(&self) -> AtomicView {
        self.section(3)
    }

    /// The distinct [`error_log`](crate::error_log).
    #[must_use]
    pub fn error_log(&self) -> AtomicView {
        self.section(4)
    }

    /// When the driver last said that it lives: 0 before its first heartbeat, -1 after a clean stop. Acquire.
    ///
    /// # Errors
    /// When the to-driver section cannot hold a ring buffer.
    pub fn driver_heartbeat(&self) -> Result<EpochMillis, CapacityError> {
        ring_buffer::mpsc::Producer::new(self.to_driver()).map(|producer| producer.consumer_heartbeat())
    }

    /// Whether the driver's heartbeat is no older than `driver_timeout`. Source: shared-memory spec 2.6.
    #[must_use]
    pub fn is_driver_active(&self, now: EpochMillis, driver_timeout: Duration) -> bool {
        self.driver_heartbeat().is_ok_and(|heartbeat| is_active(heartbeat, now, driver_timeout))
    }

    /// Where in the file the records of these counters are: meta data, then values. The file holds them all.
    #[must_use]
    pub fn counter_records(&self, ids: Range<usize>) -> [Range<usize>; 2] {
        [(2, METADATA_RECORD_LENGTH), (3, VALUE_RECORD_LENGTH)].map(|(section, record)| {
            let (offset, length) = self.sections[section];
            let end = |id: usize| offset + id.saturating_mul(record).min(length);
            end(ids.start)..end(ids.end)
        })
    }

    /// The file without the records of counters.
    #[must_use]
    pub fn all_but_counter_records(&self) -> [Range<usize>; 2] {
        let (counters, values) = (self.sections[2], self.sections[3]);
        [0..counters.0, values.0 + values.1..self.view.len()]
    }

    /// The word that tells whether the thread behind a door sleeps: 4 bytes, see [`doorbell`](crate::doorbell).
    #[cfg(not(loom))]
    pub(crate) fn door_word(&self, door: Door) -> AtomicView {
        self.view.sub_view(door_word_offset(door), 4)
    }

    fn section(&self, index: usize) -> AtomicView {
        let (offset, length) = self.sections[index];
        self.view.sub_view(offset, length)
    }
}

impl CncState {
    /// Ready only if the driver is active too; see [`Cnc::is_driver_active`].
    #[must_use]
    pub fn if_active(self, now: EpochMillis, driver_timeout: Duration) -> Self {
        let Self::Ready(cnc) = &self else {
            return self;
        };
        match cnc.driver_heartbeat() {
            Err(_) => Self::NotReady(NotReady::Lengths { length: cnc.length() }),
            Ok(heartbeat) if heartbeat.get() == 0 => Self::NotReady(NotReady::NoHeartbeat),
            Ok(heartbeat) if !is_active(heartbeat, now, driver_timeout) => {
                Self::NotReady(NotReady::Stale { heartbeat })
            }
            Ok(_) => self,
        }
    }
}

fn is_active(heartbeat: EpochMillis, now: EpochMillis, driver_timeout: Duration) -> bool {
    heartbeat.get() > 0 && now <= heartbeat + driver_timeout
}
