//! Errors of the control plane: what a client is answered and the error log keeps.

use epona_protocol::{command::ErrorCode, uri::UriError};

use crate::{
    congestion_control::UnknownCongestionControl,
    directory::storage::InsufficientStorage,
    flow_control::SpecError,
    media::{
        port_manager::PortsExhausted,
        udp_channel::{ChannelError, TagMismatch},
    },
};

/// An error with the code that the control protocol has for it. Source: shared-memory spec 10.6.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DriverError {
    /// What a client can act on.
    pub code: ErrorCode,
    /// What a person can act on.
    pub message: String,
}

impl DriverError {
    /// An error of a kind.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// An error of no particular kind.
    #[must_use]
    pub fn generic(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::GenericError, message)
    }

    /// A channel that is not one.
    #[must_use]
    pub fn invalid_channel(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidChannel, message)
    }

    /// Something that this driver cannot do.
    #[must_use]
    pub fn not_supported(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotSupported, message)
    }

    /// Something in transition: the client may ask again, and the error log stays clean.
    #[must_use]
    pub fn temporarily_unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ResourceTemporarilyUnavailable, message)
    }

    /// The same error, with the channel that it is about where the text does not name it yet.
    #[must_use]
    pub fn about(mut self, channel: &str) -> Self {
        if !self.message.contains(channel) {
            self.message = format!("{}: channel={channel}", self.message);
        }
        self
    }
}

impl From<UriError> for DriverError {
    fn from(error: UriError) -> Self {
        let code = if error.is_syntax() { ErrorCode::InvalidChannel } else { ErrorCode::GenericError };
        Self::new(code, error.to_string())
    }
}

impl From<ChannelError> for DriverError {
    fn from(error: ChannelError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<InsufficientStorage> for DriverError {
    fn from(error: InsufficientStorage) -> Self {
        Self::new(ErrorCode::StorageSpace, error.to_string())
    }
}

macro_rules! generic_errors {
    ($($error:ty,)+) => {
        $(impl From<$error> for DriverError {
            fn from(error: $error) -> Self {
                Self::generic(error.to_string())
            }
        })+
    };
}

generic_errors! {
    TagMismatch,
    SpecError,
    UnknownCongestionControl,
    PortsExhausted,
}
