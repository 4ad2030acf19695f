//! Shared-memory files and terms.

use epona_protocol::{
    cnc::CncLengths,
    counters::{METADATA_RECORD_LENGTH, VALUE_RECORD_LENGTH},
    types::TermLength,
};

use epona_protocol::logbuffer::PageSize;

use super::limits;

/// Lengths in bytes of what the driver keeps in shared memory. Source: driver spec 9.2, shared-memory spec 2.3.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffers {
    /// Commands from clients, trailer included; a power of two plus 768. Default 1 MiB + 768, which is the minimum.
    pub to_driver_length: usize,
    /// Broadcasts to clients, trailer included; a power of two plus 128. Default 1 MiB + 128, which is the minimum.
    pub to_clients_length: usize,
    /// Counter values, 1 MiB..=500 MiB; their metadata takes four times as much. Default 8 MiB.
    pub counter_values_length: usize,
    /// Distinct error log. Default 4 MiB, which is the minimum.
    pub error_log_length: usize,
    /// Loss report file, at least 1 KiB. Default 1 MiB.
    pub loss_report_length: usize,
    /// Files are multiples of this. Default 4 KiB.
    pub file_page_size: PageSize,
    /// Term length of network publications and their images. Default 16 MiB.
    pub term_length: TermLength,
    /// Term length of IPC publications. Default 64 MiB.
    pub ipc_term_length: TermLength,
    /// How far a network publisher may run ahead of its slowest consumer, 0..=1 GiB; 0: half a term.
    pub publication_window: usize,
    /// The same for IPC publications.
    pub ipc_publication_window: usize,
    /// Allocate log files when they are first written rather than when they are created. Default true.
    pub sparse_term_files: bool,
    /// Log files that are kept ready, faulted in, of each length that was asked for, 0..=64. Default 0.
    pub spare_logs: usize,
    /// Refuse what does not fit the file system, and warn when it runs low. Default true.
    pub storage_checks: bool,
    /// Usable bytes at or below which the error log warns. Default 160 MiB.
    pub low_storage_threshold: u64,
}

/// Counters that storage is set aside for at a time: 640 KiB.
pub const COUNTERS_PER_STEP: usize = 1024;

impl Buffers {
    /// Lengths of the sections of `cnc.dat`. Source: shared-memory spec 2.3.
    #[must_use]
    pub fn cnc_lengths(&self) -> CncLengths {
        let length = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
        CncLengths {
            to_driver: length(self.to_driver_length),
            to_clients: length(self.to_clients_length),
            counters_metadata: length(self.counter_values_length.saturating_mul(4)),
            counters_values: length(self.counter_values_length),
            error_log: length(self.error_log_length),
        }
    }

    /// Storage that `cnc.dat` takes with so many counters in use, in bytes; what the driver sets aside, [`COUNTERS_PER_STEP`]
    /// of them at a time.
    #[must_use]
    pub fn cnc_storage(&self, counters: usize) -> usize {
        let whole = self.cnc_lengths().file_length(self.file_page_size.get()).unwrap_or(usize::MAX);
        let capacity = self.counter_values_length / VALUE_RECORD_LENGTH;
        let unused = capacity.saturating_sub(counters.next_multiple_of(COUNTERS_PER_STEP));
        whole - unused * (METADATA_RECORD_LENGTH + VALUE_RECORD_LENGTH)
    }
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            to_driver_length: limits::TO_DRIVER_LENGTH_MIN,
            to_clients_length: limits::TO_CLIENTS_LENGTH_MIN,
            counter_values_length: 8 << 20,
            error_log_length: limits::ERROR_LOG_LENGTH_MIN,
            loss_report_length: 1 << 20,
            file_page_size: PageSize::MIN,
            term_length: limits::TERM_LENGTH_DEFAULT,
            ipc_term_length: limits::IPC_TERM_LENGTH_DEFAULT,
            publication_window: 0,
            ipc_publication_window: 0,
            sparse_term_files: true,
            spare_logs: 0,
            storage_checks: true,
            low_storage_threshold: 160 << 20,
        }
    }
}
