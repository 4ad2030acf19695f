//! Why a channel cannot be used, with the code that the client is told.

use epona_protocol::{
    command::ErrorCode,
    uri::{UriError, address::AddressError},
};

use crate::{media::interface::InterfaceError, name_resolution::ResolutionError};

/// A channel that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{reason}: channel={channel}")]
pub struct ChannelError {
    /// The channel as the client wrote it.
    pub channel: String,
    /// What is wrong with it.
    #[source]
    pub reason: ChannelErrorReason,
}

/// What is wrong with a channel.
#[derive(Debug, thiserror::Error)]
pub enum ChannelErrorReason {
    /// The URI, or the value of one of its parameters.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// It is not about UDP.
    #[error("UDP channels must use UDP URIs")]
    NotUdp,
    /// `control-mode=dynamic` without `control`.
    #[error("explicit control expected with dynamic control mode")]
    ControlExpected,
    /// Nothing says where it leads.
    #[error("URIs for UDP must specify endpoint, control, tags, or control-mode=manual/response")]
    Indistinct,
    /// A name has no address, or the text is not `host:port`.
    #[error(transparent)]
    Resolution(#[from] ResolutionError),
    /// The group's last byte is even.
    #[error("multicast data address must be odd in its last byte: endpoint={0}")]
    EvenGroup(String),
    /// `interface` does not follow its grammar.
    #[error("could not parse interface: {0}")]
    InterfaceAddress(AddressError),
    /// No such interface.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// Two timestamps closer than their 8 bytes.
    #[error("{0} and {1} overlap: they must be at least 8 bytes apart")]
    TimestampsOverlap(&'static str, &'static str),
}

impl ChannelErrorReason {
    /// Names the channel.
    pub(super) fn of(self, channel: &str) -> ChannelError {
        ChannelError { channel: channel.into(), reason: self }
    }
}

impl ChannelError {
    /// The code for the client. Source: driver spec 2.3, first row.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match &self.reason {
            ChannelErrorReason::Uri(error) if error.is_syntax() => ErrorCode::InvalidChannel,
            ChannelErrorReason::NotUdp
            | ChannelErrorReason::ControlExpected
            | ChannelErrorReason::Indistinct => ErrorCode::InvalidChannel,
            ChannelErrorReason::Resolution(ResolutionError::UnknownHost { .. }) => ErrorCode::UnknownHost,
            _ => ErrorCode::GenericError,
        }
    }
}
