//! Sizes and places in a log buffer file.
//!
//! ```text
//!   0            term length    2 x term length   3 x term length        file length - 4096   file length
//!   ┌───────────────┬───────────────┬───────────────┬───────────────────────┬──────────────────────┐
//!   │    term 0     │    term 1     │    term 2     │  gap: pages > 4 KiB   │  metadata, 4096      │
//!   └───────────────┴───────────────┴───────────────┴───────────────────────┴──────────────────────┘
//! ```
//!
//! Source: shared-memory spec 7.1.

use crate::types::{DATA_HEADER_LENGTH, TermGeometry, TermLength, align_frame, align_usize};

/// Number of term buffers in a log.
pub const PARTITION_COUNT: usize = TermGeometry::PARTITION_COUNT;

/// Length of the metadata at the end of a log buffer file, in bytes.
pub const METADATA_LENGTH: usize = 4096;

/// No log buffer file is shorter than this, in bytes. Source: shared-memory spec 7.1, 16.3.
pub const MIN_FILE_LENGTH: usize = PARTITION_COUNT * TermLength::MIN.bytes() + METADATA_LENGTH;

/// Why a number is not a page size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "page size {0} must be a power of two between 4096 (4k) and 1073741824 (1g); see aeron.file.page.size"
)]
pub struct PageSizeError(pub i64);

/// Unit that file lengths are rounded up to: a power of two, 4 KiB to 1 GiB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct PageSize(i32);

impl PageSize {
    /// The smallest page and the default: 4 KiB.
    pub const MIN: Self = Self(4096);
    /// The largest page: 1 GiB.
    pub const MAX: Self = Self(1024 * 1024 * 1024);

    /// Checks a size in bytes.
    ///
    /// # Errors
    /// When it is not a power of two within [`PageSize::MIN`]..=[`PageSize::MAX`].
    pub const fn new(bytes: i64) -> Result<Self, PageSizeError> {
        if bytes < Self::MIN.0 as i64 || bytes > Self::MAX.0 as i64 || bytes & (bytes - 1) != 0 {
            return Err(PageSizeError(bytes));
        }
        Ok(Self(bytes as i32))
    }

    /// The size in bytes.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }
}

/// Length of a log buffer file, in bytes. Source: shared-memory spec 7.1.
#[must_use]
pub const fn file_length(term_length: TermLength, page_size: PageSize) -> usize {
    align_usize(PARTITION_COUNT * term_length.bytes() + METADATA_LENGTH, page_size.0 as usize)
}

/// Bytes of term that a message of `length` bytes takes when cut into frames of at most `max_payload` bytes each;
/// `length` is 0 to 16 MiB, `max_payload` is positive. Zero for an empty message. Source: shared-memory spec 7.6.
#[must_use]
pub const fn fragmented_length(length: i32, max_payload: i32) -> i32 {
    let full_frames = length / max_payload;
    let remainder = length % max_payload;
    let last_frame = if remainder > 0 { align_frame(remainder + DATA_HEADER_LENGTH) } else { 0 };
    full_frames * (max_payload + DATA_HEADER_LENGTH) + last_frame
}

/// Which term buffer holds the term that `term_count` terms precede, 0..=2 for any input.
#[inline]
#[must_use]
pub const fn partition_index(term_count: i32) -> usize {
    (term_count as u32 % PARTITION_COUNT as u32) as usize
}
