//! Buffers for reading several datagrams with one system call.

use std::fmt;

use crate::media::transport::MAX_BATCH;

/// Room for a number of datagrams per read, shared by all transports of one role.
pub struct ReceiveBuffers {
    bytes: Box<[u8]>,
    buffer_length: usize,
}

impl ReceiveBuffers {
    /// Room for `count` datagrams (clamped to 1..=[`MAX_BATCH`]) of up to `buffer_length` bytes each; longer ones
    /// are truncated.
    #[must_use]
    pub fn new(count: usize, buffer_length: usize) -> Self {
        let count = count.clamp(1, MAX_BATCH);
        Self { bytes: vec![0; count * buffer_length].into_boxed_slice(), buffer_length }
    }

    /// Datagrams per read.
    #[must_use]
    pub fn count(&self) -> usize {
        self.bytes.len() / self.buffer_length.max(1)
    }
}

impl fmt::Debug for ReceiveBuffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiveBuffers({} of {} bytes)", self.count(), self.buffer_length)
    }
}
