//! The loss report of a driver, `loss-report.dat`: what each stream from each source has lost.
//!
//! ```text
//!  entry     +0  observation count: i64; 0 ends the report
//!            +8  total bytes lost: i64
//!            +16 first observation: i64, epoch ms
//!            +24 last observation: i64, epoch ms
//!            +32 session id: i32
//!            +36 stream id: i32
//!            +40 channel length: i32
//!            +44 channel, padded to a multiple of 4
//!            ..  source length: i32
//!            ..  source; the next entry starts at the next multiple of 64
//! ```
//!
//! Entries are only ever added. Source: shared-memory spec 6.2.

mod reader;
mod writer;

pub use reader::{LossReportEntries, LossReportEntry, entries};
pub use writer::{LossReport, LossReportHandle};

/// Name of the file in the Aeron directory. Source: shared-memory spec 1.2.
pub const LOSS_REPORT_FILE: &str = "loss-report.dat";
/// Every entry starts at a multiple of this, in bytes.
pub const ENTRY_ALIGNMENT: usize = 64;

const OBSERVATION_COUNT_OFFSET: usize = 0;
const TOTAL_BYTES_LOST_OFFSET: usize = 8;
const FIRST_OBSERVATION_OFFSET: usize = 16;
const LAST_OBSERVATION_OFFSET: usize = 24;
const SESSION_ID_OFFSET: usize = 32;
const STREAM_ID_OFFSET: usize = 36;
const CHANNEL_OFFSET: usize = 40;

#[cfg(not(loom))]
#[cfg(test)]
mod tests;
