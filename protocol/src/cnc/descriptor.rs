//! Layout of `cnc.dat`.
//!
//! ```text
//!  0       128         +L1          +L2                 +L3               +L4         +L5    file length
//!  +-------+-----------+------------+-------------------+-----------------+-----------+---------+
//!  | meta  | to driver | to clients | counters metadata | counters values | error log | padding |
//!  | data  | ring buf. | broadcast  | (4 x values)      |                 |           | to page |
//!  +-------+-----------+------------+-------------------+-----------------+-----------+---------+
//!
//!  meta data  +0  version: i32, stored last; 0 while the driver initialises
//!             +4  L1: i32   +8 L2: i32   +12 L3: i32   +16 L4: i32   +20 L5: i32   in bytes
//!             +24 client liveness timeout: i64, ns
//!             +32 start of the driver: i64, epoch ms
//!             +40 process id of the driver: i64
//!             +48 page size of the driver's files: i32, bytes
//!             +56 conductor is to be woken: i32, ours, see doorbell; zero of Aeron's driver
//!             +64 sender is to be woken: i32, as above
//!             the rest up to 128 is zero
//! ```
//!
//! Source: shared-memory spec 2.1, 2.3.

use core::time::Duration;

use super::SemanticVersion;
#[cfg(not(loom))]
use crate::doorbell::Door;
use crate::{broadcast, memory::AtomicView, ring_buffer, types::EpochMillis};

/// Name of the file in the Aeron directory. Source: shared-memory spec 1.2.
pub const CNC_FILE: &str = "cnc.dat";
/// Version of this layout. Source: shared-memory spec 2.2.
pub const CNC_VERSION: SemanticVersion = SemanticVersion::new(0, 2, 0);
/// Length of the meta data, and so the offset of the first section, in bytes. Source: shared-memory spec 2.1.
pub const META_DATA_LENGTH: usize = 128;
/// Longest file, in bytes. Source: shared-memory spec 2.3.
pub const MAX_FILE_LENGTH: u64 = i32::MAX as u64;

const VERSION_OFFSET: usize = 0;
const LENGTHS_OFFSET: usize = 4;
const CLIENT_LIVENESS_TIMEOUT_OFFSET: usize = 24;
const START_TIMESTAMP_OFFSET: usize = 32;
const PID_OFFSET: usize = 40;
const FILE_PAGE_SIZE_OFFSET: usize = 48;
const META_DATA_END: usize = 52;

/// Where it is told whether the thread behind a door sleeps: in a cache line of its own, as the rest of the meta data stays.
#[cfg(not(loom))]
pub(super) const fn door_word_offset(door: Door) -> usize {
    match door {
        Door::Conductor => 56,
        Door::Sender => 64,
    }
}

/// Lengths that make no file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CncError {
    /// The sections and the page padding exceed what an i32 can hold.
    #[error(
        "cnc.dat would take {length} bytes, more than 2147483647; lower aeron.counters.buffer.length, aeron.conductor.buffer.length, aeron.clients.buffer.length or aeron.error.buffer.length"
    )]
    TooLong {
        /// Length of the file, in bytes.
        length: u64,
    },
    /// A section would be misaligned.
    #[error("{section} would not start at a multiple of 8 bytes; make the length of each section one")]
    Misaligned {
        /// Which section.
        section: &'static str,
    },
    /// A length below zero.
    #[error("{section} of {length} bytes is negative")]
    Negative {
        /// Which section.
        section: &'static str,
        /// Its length, in bytes.
        length: i32,
    },
    /// The page size is not a power of two.
    #[error("file page size of {0} bytes is not a power of two; set aeron.file.page.size")]
    PageSize(i32),
}

/// Lengths of the five sections, in bytes. Source: shared-memory spec 2.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CncLengths {
    /// Ring buffer of commands, with its trailer of 768 bytes.
    pub to_driver: i32,
    /// Broadcast buffer of events, with its trailer of 128 bytes.
    pub to_clients: i32,
    /// Metadata of the counters: four times their values.
    pub counters_metadata: i32,
    /// Values of the counters.
    pub counters_values: i32,
    /// Distinct error log.
    pub error_log: i32,
}

impl Default for CncLengths {
    /// Source: shared-memory spec 2.3.
    fn default() -> Self {
        const MIB: i32 = 1 << 20;
        Self {
            to_driver: MIB + ring_buffer::TRAILER_LENGTH as i32,
            to_clients: MIB + broadcast::TRAILER_LENGTH as i32,
            counters_metadata: 32 * MIB,
            counters_values: 8 * MIB,
            error_log: 4 * MIB,
        }
    }
}

impl CncLengths {
    /// Length of the whole file, rounded up to pages, in bytes.
    ///
    /// # Errors
    /// When a length is negative, when a section would not start at a multiple of 8, when the page size is not a power of two, or when the file
    /// would exceed 2^31 - 1 bytes.
    pub fn file_length(&self, page_size: i32) -> Result<usize, CncError> {
        let length = self.sections_length()?;
        let page = u64::try_from(page_size).ok().filter(|page| page.is_power_of_two());
        let length = length.next_multiple_of(page.ok_or(CncError::PageSize(page_size))?);
        if length > MAX_FILE_LENGTH { Err(CncError::TooLong { length }) } else { Ok(length as usize) }
    }

    /// Length of meta data and sections, in bytes.
    pub(super) fn sections_length(&self) -> Result<u64, CncError> {
        const NAMES: [&str; 5] =
            ["to-driver buffer", "to-clients buffer", "counters metadata", "counters values", "error log"];
        let mut end = META_DATA_LENGTH as u64;
        for (section, length) in NAMES.into_iter().zip(self.in_order()) {
            let bytes = u64::try_from(length).map_err(|_| CncError::Negative { section, length })?;
            // Checked before each section: the last one may end anywhere.
            if !end.is_multiple_of(8) {
                return Err(CncError::Misaligned { section });
            }
            end += bytes;
        }
        Ok(end)
    }

    pub(super) fn in_order(&self) -> [i32; 5] {
        [self.to_driver, self.to_clients, self.counters_metadata, self.counters_values, self.error_log]
    }
}

/// What a driver says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CncMetadata {
    /// Lengths of the sections.
    pub lengths: CncLengths,
    /// How long a client may be silent; clients use it as the longest interval between their own duty cycles.
    pub client_liveness_timeout: Duration,
    /// When the driver started.
    pub start_timestamp: EpochMillis,
    /// Process id of the driver.
    pub pid: i64,
    /// Page size of the driver's files, in bytes.
    pub file_page_size: i32,
}

impl CncMetadata {
    /// Stores all fields but the version, relaxed: [`PublishedVersion::store`] publishes them.
    pub(super) fn store(&self, view: &AtomicView) {
        for (index, length) in self.lengths.in_order().into_iter().enumerate() {
            view.put_i32(LENGTHS_OFFSET + 4 * index, length);
        }
        let timeout = i64::try_from(self.client_liveness_timeout.as_nanos()).unwrap_or(i64::MAX);
        view.put_i64(CLIENT_LIVENESS_TIMEOUT_OFFSET, timeout);
        view.put_i64(START_TIMESTAMP_OFFSET, self.start_timestamp.get());
        view.put_i64(PID_OFFSET, self.pid);
        view.put_i32(FILE_PAGE_SIZE_OFFSET, self.file_page_size);
        view.zero(META_DATA_END, META_DATA_LENGTH - META_DATA_END);
    }

    /// Loads all fields but the version, relaxed: after [`PublishedVersion::load`].
    pub(super) fn load(view: &AtomicView) -> Self {
        let length = |index: usize| view.get_i32(LENGTHS_OFFSET + 4 * index);
        let timeout = u64::try_from(view.get_i64(CLIENT_LIVENESS_TIMEOUT_OFFSET)).unwrap_or(0);
        Self {
            lengths: CncLengths {
                to_driver: length(0),
                to_clients: length(1),
                counters_metadata: length(2),
                counters_values: length(3),
                error_log: length(4),
            },
            client_liveness_timeout: Duration::from_nanos(timeout),
            start_timestamp: EpochMillis::new(view.get_i64(START_TIMESTAMP_OFFSET)),
            pid: view.get_i64(PID_OFFSET),
            file_page_size: view.get_i32(FILE_PAGE_SIZE_OFFSET),
        }
    }
}

/// The version field: zero until the driver has initialised everything else.
#[derive(Clone, Copy, Debug)]
pub enum PublishedVersion {
    /// The driver is still initialising.
    NotYet,
    /// Everything else can be read.
    Version(SemanticVersion),
}

impl PublishedVersion {
    /// Acquire; pairs with [`PublishedVersion::store`].
    pub(super) fn load(view: &AtomicView) -> Self {
        match view.get_i32_acquire(VERSION_OFFSET) {
            0 => Self::NotYet,
            raw => Self::Version(SemanticVersion::from_raw(raw)),
        }
    }

    /// Release: makes all that was stored before it visible to who loads it.
    pub(super) fn store(view: &AtomicView, version: SemanticVersion) {
        view.put_i32_release(VERSION_OFFSET, version.get());
    }
}
