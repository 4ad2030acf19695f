//! Memory that other threads and processes write while we read it. The only unsafe code of this crate.
//!
//! ```text
//!   MappedFile / heap ──owns──► region  0 ................................. length
//!                                 ▲            ▲
//!   AtomicView ──base, length─────┘            │   loads and stores by ordering, bulk copies, sub-views
//!   SharedBytes<'a> ──pointer, length──────────┤   for system calls: never dereferenced by us
//!   fragment(), ClaimedBytes<'a> ──────────────┘   the two lent slices
//! ```
//!
//! Invariants that every SAFETY note below cites:
//!
//! - **M1** A view's `base` is 8-byte aligned and valid for reads and writes of `length` bytes for as long as its
//!   backing lives, and each view owns a share of its backing.
//! - **M2** Every access goes through a check that it lies inside the view and is aligned for its type; what fails
//!   the check is a bug of ours and panics. Offsets that come from outside are validated before they get here
//!   ([`AtomicView::contains`]).
//! - **M3** No reference into a region exists, except the two lent slices. They trust the peer process to keep the
//!   protocol: a claim is written by its claimant only until it is committed, and a committed frame is not written
//!   again while flow control keeps its term from being cleaned. A process that breaks this can show us torn bytes;
//!   it could always have written any bytes at all.
//! - **M4** All integer types stored are plain: any bit pattern is a value.

#[cfg(not(loom))]
mod aligned_mapping;
#[cfg(not(loom))]
mod atomic_view;
#[cfg(loom)]
mod loom_view;
#[cfg(not(loom))]
mod mapped_file;

#[cfg(not(loom))]
pub use aligned_mapping::HUGE_PAGE;
#[cfg(not(loom))]
pub use atomic_view::{AtomicView, ClaimedBytes, SharedBytes};
#[cfg(loom)]
pub use loom_view::AtomicView;
#[cfg(not(loom))]
pub use mapped_file::{Allocation, MappedFile, usable_space};
