//! Log buffers through their public interface.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "a helper of tests may panic")]

mod appending;
mod files;
mod garbage;
mod golden;
mod properties;
mod reading;
mod receiving;
mod sending;
mod support;
mod unblocking;
