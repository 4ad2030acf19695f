//! The header that all frames share, and the first check of every received datagram.

use super::fields::Field;
use crate::types::{DATA_HEADER_LENGTH, FRAME_ALIGNMENT};

/// Offsets of the common header's fields, in bytes.
pub mod layout {
    /// i32: bytes of the frame, this header included; 0 in a heartbeat.
    pub const FRAME_LENGTH: usize = 0;
    /// u8: always 0.
    pub const VERSION: usize = 4;
    /// u8: by frame type.
    pub const FLAGS: usize = 5;
    /// u16: see [`frame_type`](super::frame_type).
    pub const TYPE: usize = 6;
}

/// Length of the common header, in bytes. Source: wire spec 1.2.
pub const HEADER_LENGTH: usize = 8;

/// The only version there is. Source: wire spec 1.2.
pub const VERSION: u8 = 0;

/// Type ids as they stand in the header. Source: wire spec 1.3.
pub mod frame_type {
    /// Padding to the end of a term, or an aborted claim.
    pub const PAD: u16 = 0x00;
    /// Data of a stream, also a heartbeat.
    pub const DATA: u16 = 0x01;
    /// Request to send a range again.
    pub const NAK: u16 = 0x02;
    /// Status message: consumption and window of a receiver.
    pub const SM: u16 = 0x03;
    /// A receiver's error, such as a rejected image.
    pub const ERR: u16 = 0x04;
    /// Parameters of a stream.
    pub const SETUP: u16 = 0x05;
    /// Round trip time measurement.
    pub const RTTM: u16 = 0x06;
    /// Name resolution.
    pub const RES: u16 = 0x07;
    /// Reserved by Aeron's transport security; well formed since 1.54, then ignored.
    pub const ATS_SM: u16 = 0x0A;
    /// Announces the session of a response channel.
    pub const RSP_SETUP: u16 = 0x0B;
}

/// Kind of a valid datagram.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FrameKind {
    /// PAD.
    Pad,
    /// DATA, heartbeats included.
    Data,
    /// NAK.
    Nak,
    /// SM.
    StatusMessage,
    /// ERR.
    Error,
    /// SETUP.
    Setup,
    /// RTTM.
    Rttm,
    /// RES.
    Resolution,
    /// 0x0A: accepted as well formed, ignored by all endpoints. Source: wire spec 15.1.
    AtsStatusMessage,
    /// RSP_SETUP.
    ResponseSetup,
}

impl FrameKind {
    /// The type id on the wire.
    #[inline]
    #[must_use]
    pub const fn type_id(self) -> u16 {
        match self {
            Self::Pad => frame_type::PAD,
            Self::Data => frame_type::DATA,
            Self::Nak => frame_type::NAK,
            Self::StatusMessage => frame_type::SM,
            Self::Error => frame_type::ERR,
            Self::Setup => frame_type::SETUP,
            Self::Rttm => frame_type::RTTM,
            Self::Resolution => frame_type::RES,
            Self::AtsStatusMessage => frame_type::ATS_SM,
            Self::ResponseSetup => frame_type::RSP_SETUP,
        }
    }

    /// Shortest datagram of this kind, in bytes: the fixed part of the frame, drawn in its file. Source: wire spec 1.3.
    #[inline]
    #[must_use]
    pub const fn min_length(self) -> usize {
        match self {
            Self::Pad | Self::Data => DATA_HEADER_LENGTH as usize,
            Self::Nak => 28,
            Self::StatusMessage | Self::AtsStatusMessage => 36,
            Self::Error | Self::Setup | Self::Rttm => 40,
            Self::Resolution => 22,
            Self::ResponseSetup => 20,
        }
    }
}

/// What is wrong with a datagram or with a field of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum FrameError {
    /// Fewer bytes than the kind of frame has at least.
    #[error("datagram is shorter than its kind of frame")]
    TooShort,
    /// The version is not 0.
    #[error("frame version is not 0")]
    UnknownVersion,
    /// The type is not one of [`frame_type`].
    #[error("frame type is unknown")]
    UnknownType,
    /// A frame of another kind was expected here.
    #[error("frame is of another kind than expected")]
    WrongKind,
    /// frame_length is negative, below the header's length, or beyond the datagram.
    #[error("frame length is negative, below the header's length, or beyond the datagram")]
    FrameLength,
    /// A datagram of DATA frames whose length is not a multiple of 32.
    #[error("length of a datagram of data frames is not a multiple of 32")]
    UnalignedDatagram,
    /// Not in `0..term length`, not a multiple of 32, or not where the frame before ended.
    #[error("term offset is outside the term, not a multiple of 32, or not where the frame before ended")]
    TermOffset,
    /// A frame reaches past the end of its term.
    #[error("frame reaches past the end of its term")]
    PastEndOfTerm,
    /// The last DATA frame is longer than what is left of its datagram.
    #[error("data frame is cut off by the end of its datagram")]
    Truncated,
    /// Not a power of two between 64 KiB and 1 GiB.
    #[error("term length is not a power of two between 65536 and 1073741824")]
    TermLength,
    /// Not a multiple of 32 between 32 and 65504.
    #[error("MTU is not a multiple of 32 between 32 and 65504")]
    Mtu,
    /// Negative, or more than half a term.
    #[error("receiver window is negative or more than half a term")]
    ReceiverWindow,
    /// A NAK's range has a negative length or ends past its term.
    #[error("range asked for has a negative length or ends past its term")]
    NakRange,
    /// error_length is not in 0..=1023 or reaches past the frame.
    #[error("error text is longer than 1023 bytes or than its frame")]
    ErrorText,
    /// A resolution entry with a negative name length, or one that reaches past the datagram.
    #[error("resolution entry is cut off or has a negative name length")]
    ResolutionEntry,
    /// res_type is neither 1 (IPv4) nor 2 (IPv6).
    #[error("resolution entry is of an unknown type")]
    ResolutionType,
}

/// Checks the first header of a received datagram, before anything else looks at it.
///
/// For DATA and PAD the frame length is left to [`validate_packet`](super::data::validate_packet), for SETUP it is not
/// looked at.
///
/// # Errors
/// Too short for its kind, wrong version, unknown type, a negative frame length or one beyond the datagram, or a
/// datagram of DATA whose length is not a multiple of 32. Source: wire spec 1.4, 15.1.
#[inline]
pub fn classify(datagram: &[u8]) -> Result<FrameKind, FrameError> {
    let Some(header) = datagram.first_chunk::<HEADER_LENGTH>() else {
        return Err(FrameError::TooShort);
    };
    let frame_length: i32 = Field::read(header, layout::FRAME_LENGTH);
    if frame_length < 0 {
        return Err(FrameError::FrameLength);
    }
    if header[layout::VERSION] != VERSION {
        return Err(FrameError::UnknownVersion);
    }
    let kind = match u16::read(header, layout::TYPE) {
        frame_type::DATA => FrameKind::Data,
        frame_type::PAD => FrameKind::Pad,
        other => return classify_control(other, frame_length as usize, datagram.len()),
    };
    if datagram.len() < DATA_HEADER_LENGTH as usize {
        return Err(FrameError::TooShort);
    }
    if datagram.len() & (FRAME_ALIGNMENT as usize - 1) != 0 {
        return Err(FrameError::UnalignedDatagram);
    }
    Ok(kind)
}

fn classify_control(type_id: u16, frame_length: usize, length: usize) -> Result<FrameKind, FrameError> {
    let kind = match type_id {
        frame_type::NAK => FrameKind::Nak,
        frame_type::SM => FrameKind::StatusMessage,
        frame_type::ERR => FrameKind::Error,
        frame_type::SETUP => FrameKind::Setup,
        frame_type::RTTM => FrameKind::Rttm,
        frame_type::RES => FrameKind::Resolution,
        frame_type::ATS_SM => FrameKind::AtsStatusMessage,
        frame_type::RSP_SETUP => FrameKind::ResponseSetup,
        _ => return Err(FrameError::UnknownType),
    };
    if length < kind.min_length() {
        return Err(FrameError::TooShort);
    }
    if frame_length > length && kind != FrameKind::Setup {
        return Err(FrameError::FrameLength);
    }
    Ok(kind)
}

/// [`classify`], expecting one kind.
pub(super) fn expect(datagram: &[u8], kind: FrameKind) -> Result<(), FrameError> {
    if classify(datagram)? == kind { Ok(()) } else { Err(FrameError::WrongKind) }
}

/// Writes the common header: version 0.
#[inline]
pub(super) fn emit(frame: &mut [u8], frame_length: usize, flags: u8, kind: FrameKind) {
    // No frame that we write is longer than an i32 can tell: callers pass constants or checked lengths.
    (frame_length as i32).write(frame, layout::FRAME_LENGTH);
    VERSION.write(frame, layout::VERSION);
    flags.write(frame, layout::FLAGS);
    kind.type_id().write(frame, layout::TYPE);
}
