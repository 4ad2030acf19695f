//! Bounds that several settings share, and the types which cannot hold a value outside of theirs.

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

/// Most log buffers that are kept ready of one length.
pub const SPARE_LOGS_MAX: usize = 64;

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
