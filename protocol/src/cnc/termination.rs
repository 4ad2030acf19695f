//! Asking a driver to end, without being its client.

use super::{CncState, NotReady, SemanticVersion, descriptor::CNC_VERSION};
use crate::ring_buffer::{self, CapacityError, WriteError};

/// Message type id of the request. Source: shared-memory spec 2.7, 10.
pub const TERMINATE_DRIVER: i32 = 0x0E;
/// Longest token, in bytes. Source: shared-memory spec 2.7.
pub const MAX_TOKEN_LENGTH: usize = 4096;

/// Client id, correlation id and token length. Source: shared-memory spec 10.
const FIXED_LENGTH: usize = 20;

/// Why a driver could not be asked to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TerminationError {
    /// No driver has initialised the directory.
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// The driver's `cnc.dat` has another version.
    #[error("cnc.dat has version {0}, this program needs {CNC_VERSION}: same major, same minor or later")]
    Version(SemanticVersion),
    /// The token is too long.
    #[error("token of {0} bytes exceeds the maximum of 4096 bytes")]
    TokenTooLong(usize),
    /// The to-driver section is no ring buffer.
    #[error(transparent)]
    Capacity(#[from] CapacityError),
    /// The request could not be written.
    #[error("termination request not written: {0}")]
    Write(#[from] WriteError),
}

/// Writes a termination request with a token that the driver's validator judges; there is never an answer.
///
/// Whether the driver lives is not looked at. Source: shared-memory spec 2.7.
///
/// # Errors
/// When the CnC is not ready or of another version, when the token is longer than 4096 bytes or than the ring buffer
/// takes, or when the ring buffer is full.
pub fn request_termination(state: CncState, token: &[u8]) -> Result<(), TerminationError> {
    let cnc = match state {
        CncState::Ready(cnc) => cnc,
        CncState::NotReady(reason) => return Err(reason.into()),
        CncState::VersionMismatch { found } => return Err(TerminationError::Version(found)),
    };
    if cnc.version().minor() < CNC_VERSION.minor() {
        return Err(TerminationError::Version(cnc.version()));
    }
    if token.len() > MAX_TOKEN_LENGTH {
        return Err(TerminationError::TokenTooLong(token.len()));
    }
    let producer = ring_buffer::mpsc::Producer::new(cnc.to_driver())?;
    let mut request = Vec::with_capacity(FIXED_LENGTH + token.len());
    request.extend(producer.next_correlation_id().get().to_le_bytes());
    request.extend(producer.next_correlation_id().get().to_le_bytes());
    request.extend((token.len() as i32).to_le_bytes());
    request.extend(token);
    Ok(producer.write(TERMINATE_DRIVER, &request)?)
}
