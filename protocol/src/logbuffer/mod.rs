//! Log buffers: the memory a stream lives in, and the algorithms on it.
//!
//! ```text
//!   publisher                         log buffer file                            subscriber
//!   ─────────                 ┌────────┬────────┬────────┬──────────┐            ──────────
//!   appender ── frames ─────► │ term 0 │ term 1 │ term 2 │ metadata │ ── frames ─► term_reader
//!     tail moves first        └────────┴────────┴────────┴──────────┘              block_scanner
//!                               ▲    │         driver         ▲
//!                 rebuilder ────┘    └──► term_scanner        └── rotation, unblocker
//!                 gap_filler, cleaner     gap_scanner
//! ```
//!
//! A frame becomes visible when its length turns positive, the last store of whoever writes it; everything here reads
//! that length with acquire ordering first. A term is also written by other processes, so a length that does not fit
//! its term is taken for "nothing there": no function here panics, loops on or reads outside because of one.

pub mod appender;
mod block_scanner;
mod cleaner;
pub mod descriptor;
mod gap_filler;
mod gap_scanner;
pub mod header;
mod log_buffers;
mod metadata;
mod parameters;
#[cfg(not(loom))]
mod pre_touch;
mod raw_tail;
mod rebuilder;
mod rotation;
mod term_reader;
mod term_scanner;
mod unblocker;

pub use block_scanner::{Block, scan_block};
pub use cleaner::clean;
pub use descriptor::{PageSize, PageSizeError};
pub use gap_filler::fill_gap;
pub use gap_scanner::{Gap, GapScan, scan_for_gap};
pub use header::Fragment;
pub use log_buffers::{LogBuffers, LogBuffersError};
pub use metadata::{LogKind, LogMetadata};
pub use parameters::{LogParameters, SocketBuffer, StartPosition};
#[cfg(not(loom))]
pub use pre_touch::PreTouch;
pub use raw_tail::RawTail;
pub use rebuilder::{extend, insert};
pub use rotation::rotate;
pub use term_reader::{Action, TermReader};
pub use term_scanner::{Availability, Run, scan_for_availability, scan_run};
pub use unblocker::{Unblocked, unblock_log, unblock_term};
