//! Shared-memory files and terms.

use epona_protocol::{
    cnc::CncLengths,
    counters::{METADATA_RECORD_LENGTH, VALUE_RECORD_LENGTH},
    logbuffer::PageSize,
    types::TermLength,
};

use super::{
    kinds::{CheckedSize, Flag, Integer, Size},
    limits::{self, ERROR_LOG_LENGTH_MIN, SPARE_LOGS_MAX, TO_CLIENTS_LENGTH_MIN, TO_DRIVER_LENGTH_MIN},
    setting::{MAX_I32, Setting, effective, field},
};

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
    /// Make huge pages of logs that are written to far. Default true.
    pub huge_pages: bool,
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
            to_driver_length: TO_DRIVER_LENGTH_MIN,
            to_clients_length: TO_CLIENTS_LENGTH_MIN,
            counter_values_length: 8 << 20,
            error_log_length: ERROR_LOG_LENGTH_MIN,
            loss_report_length: 1 << 20,
            file_page_size: PageSize::MIN,
            term_length: limits::TERM_LENGTH_DEFAULT,
            ipc_term_length: limits::IPC_TERM_LENGTH_DEFAULT,
            publication_window: 0,
            ipc_publication_window: 0,
            sparse_term_files: true,
            spare_logs: 0,
            huge_pages: true,
            storage_checks: true,
            low_storage_threshold: 160 << 20,
        }
    }
}

/// Settings of [`super::Context::buffers`].
pub(super) static SETTINGS: &[Setting] = &[
    effective(
        "aeron.conductor.buffer.length",
        &Size { field: field!(buffers.to_driver_length), min: TO_DRIVER_LENGTH_MIN as i64, max: MAX_I32 },
        "commands from clients, a power of two plus 768",
    ),
    effective(
        "aeron.clients.buffer.length",
        &Size { field: field!(buffers.to_clients_length), min: TO_CLIENTS_LENGTH_MIN as i64, max: MAX_I32 },
        "broadcasts to clients, a power of two plus 128",
    ),
    effective(
        "aeron.counters.buffer.length",
        &Size { field: field!(buffers.counter_values_length), min: 1 << 20, max: 500 << 20 },
        "counter values; their metadata takes four times as much",
    ),
    effective(
        "aeron.error.buffer.length",
        &Size { field: field!(buffers.error_log_length), min: ERROR_LOG_LENGTH_MIN as i64, max: MAX_I32 },
        "distinct error log",
    ),
    effective(
        "aeron.loss.report.buffer.length",
        &Size { field: field!(buffers.loss_report_length), min: 1024, max: MAX_I32 },
        "loss report",
    ),
    effective(
        "aeron.file.page.size",
        &CheckedSize {
            field: field!(buffers.file_page_size),
            min: 4096,
            max: MAX_I32,
            new: PageSize::new,
            bytes: PageSize::get,
        },
        "files are multiples of this, a power of two",
    ),
    effective(
        "aeron.term.buffer.length",
        &CheckedSize {
            field: field!(buffers.term_length),
            min: 1024,
            max: MAX_I32,
            new: TermLength::new,
            bytes: TermLength::get,
        },
        "term of network publications, a power of two, 64k to 1g",
    ),
    effective(
        "aeron.ipc.term.buffer.length",
        &CheckedSize {
            field: field!(buffers.ipc_term_length),
            min: 1024,
            max: MAX_I32,
            new: TermLength::new,
            bytes: TermLength::get,
        },
        "term of IPC publications, a power of two, 64k to 1g",
    ),
    effective(
        "aeron.publication.term.window.length",
        &Size { field: field!(buffers.publication_window), min: 0, max: 1 << 30 },
        "how far a network publisher may run ahead; 0: half a term",
    ),
    effective(
        "aeron.ipc.publication.term.window.length",
        &Size { field: field!(buffers.ipc_publication_window), min: 0, max: 1 << 30 },
        "how far an IPC publisher may run ahead; 0: half a term",
    ),
    effective(
        "aeron.term.buffer.sparse.file",
        &Flag(field!(buffers.sparse_term_files)),
        "allocate log files as they are written, not when created",
    ),
    effective(
        "epona.log.buffer.spares",
        &Integer { field: field!(buffers.spare_logs), min: 0, max: SPARE_LOGS_MAX as i64 },
        "log files kept ready, in memory, of each length that was asked for; for drivers whose native resource agent has a thread",
    ),
    effective(
        "epona.log.buffer.huge.pages",
        &Flag(field!(buffers.huge_pages)),
        "make pages of 2 MiB of log files that are written to further than that, where the system can",
    ),
    effective(
        "aeron.perform.storage.checks",
        &Flag(field!(buffers.storage_checks)),
        "refuse what does not fit the file system",
    ),
    effective(
        "aeron.low.file.store.warning.threshold",
        &Size { field: field!(buffers.low_storage_threshold), min: 0, max: i64::MAX },
        "usable bytes at which the error log warns",
    ),
];
