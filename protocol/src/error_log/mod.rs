//! The distinct error log of a driver: each error once, with how often and when it was seen.
//!
//! ```text
//!  record    +0  length: i32, header and text, not aligned; 0 ends the log
//!            +4  observation count: i32
//!            +8  last observation: i64, epoch ms
//!            +16 first observation: i64, epoch ms
//!            +24 text, UTF-8; the next record starts at the next multiple of 8
//! ```
//!
//! Records are only ever added. Source: shared-memory spec 6.1.

mod distinct_error_log;
mod reader;

pub use distinct_error_log::{DistinctErrorLog, Observation};
pub use reader::{ErrorEntries, ErrorEntry, entries, entries_since};

/// Length of a record's header, in bytes.
pub const HEADER_LENGTH: usize = 24;
/// Every record starts at a multiple of this, in bytes.
pub const RECORD_ALIGNMENT: usize = 8;

const LENGTH_OFFSET: usize = 0;
const OBSERVATION_COUNT_OFFSET: usize = 4;
const LAST_OBSERVATION_OFFSET: usize = 8;
const FIRST_OBSERVATION_OFFSET: usize = 16;

#[cfg(not(loom))]
#[cfg(test)]
mod tests;
