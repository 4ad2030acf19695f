//! Bounds that several settings share, and the types which cannot hold a value outside of theirs.

use std::fmt;

use epona_protocol::types::{Mtu, TermLength};

/// Least length of the ring to the driver: 1 MiB and its trailer. Source: shared-memory spec 2.3.
pub const TO_DRIVER_LENGTH_MIN: usize = (1 << 20) + TO_DRIVER_TRAILER;
/// Bytes of a ring buffer's trailer. Source: shared-memory spec 3.1.
pub const TO_DRIVER_TRAILER: usize = 768;
/// Least length of the broadcast to clients: 1 MiB and its trailer. Source: shared-memory spec 2.3.
pub const TO_CLIENTS_LENGTH_MIN: usize = (1 << 20) + TO_CLIENTS_TRAILER;
/// Bytes of a broadcast buffer's trailer. Source: shared-memory spec 4.1.
pub const TO_CLIENTS_TRAILER: usize = 128;
/// Least length of the distinct error log. Source: driver spec 9.2.
pub const ERROR_LOG_LENGTH_MIN: usize = 4 << 20;
/// Most messages that one system call sends or receives. Source: driver spec 14.5.
pub const IO_VECTOR_CAPACITY_MAX: usize = 64;

pub(crate) const TERM_LENGTH_DEFAULT: TermLength = match TermLength::new(16 << 20) {
    Ok(length) => length,
    Err(_) => TermLength::MIN,
};
pub(crate) const IPC_TERM_LENGTH_DEFAULT: TermLength = match TermLength::new(64 << 20) {
    Ok(length) => length,
    Err(_) => TermLength::MIN,
};
pub(crate) const MTU_DEFAULT: Mtu = match Mtu::new(1408) {
    Ok(mtu) => mtu,
    Err(_) => panic!("1408 is an MTU"),
};

/// Why a number is not a page size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("page size {0} must be a power of two between 4096 (4k) and 1073741824 (1g)")]
pub struct PageSizeError(pub i64);

/// What file lengths are rounded up to, in bytes: a power of two, 4 KiB..=1 GiB. Source: driver spec 9.2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct PageSize(i32);

impl PageSize {
    /// The least, and the default: 4 KiB.
    pub const MIN: Self = Self(4096);

    /// Checks a size in bytes.
    ///
    /// # Errors
    /// When it is not a power of two from 4 KiB to 1 GiB.
    pub const fn new(bytes: i64) -> Result<Self, PageSizeError> {
        if bytes < 4096 || bytes > 1 << 30 || bytes & (bytes - 1) != 0 {
            return Err(PageSizeError(bytes));
        }
        Ok(Self(bytes as i32))
    }

    /// The size in bytes.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }

    /// The size as a size in memory.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
