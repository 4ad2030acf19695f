//! DATA, PAD and heartbeats: the frames of a stream.
//!
//! ```text
//!    0        8             12           16          20        24               32
//!   +--------+-------------+------------+-----------+---------+----------------+----------------------
//!   | header | term_offset | session_id | stream_id | term_id | reserved_value | payload, padding to 32
//!   +--------+-------------+------------+-----------+---------+----------------+----------------------
//! ```
//!
//! `frame_length` counts header and payload without the padding, so the next frame starts at `align(frame_length, 32)`.
//! A PAD's length counts all that it skips, of which only the header travels. A heartbeat is a datagram of one header
//! with frame length 0 whose offset is the sender's position. A datagram may hold several frames: [`validate_packet`].
//! Source: wire spec 1.5.

mod packet;
#[cfg(test)]
mod tests;

pub use packet::{PacketLength, PacketRun, validate_packet, validate_run};

use super::{
    fields::{Field, accessors, flags},
    header::{self, FrameError, FrameKind},
};
use crate::types::{DATA_HEADER_LENGTH, SessionId, StreamId, TermId, TermOffset, align_frame};

/// Offsets of the header's fields, in bytes from the start of the frame, on the wire and in term buffers.
pub mod layout {
    pub use crate::frame::header::layout::{FLAGS, FRAME_LENGTH, TYPE, VERSION};
    /// i32: where the frame starts in its term, a multiple of 32.
    pub const TERM_OFFSET: usize = 8;
    /// i32.
    pub const SESSION_ID: usize = 12;
    /// i32.
    pub const STREAM_ID: usize = 16;
    /// i32.
    pub const TERM_ID: usize = 20;
    /// i64: free for the application, 0 by default.
    pub const RESERVED_VALUE: usize = 24;
    /// Bytes of the application.
    pub const PAYLOAD: usize = 32;
}

/// Length of the header, in bytes. Source: wire spec 1.5.
pub const LENGTH: usize = DATA_HEADER_LENGTH as usize;

flags! {
    /// Flags of DATA, PAD and heartbeat. The low four bits are the application's. Source: wire spec 1.5.
    DataFlags {
        /// First fragment of a message.
        BEGIN = 0x80,
        /// Last fragment of a message.
        END = 0x40,
        /// A whole message in one frame; also the flags of PAD and of a plain heartbeat.
        UNFRAGMENTED = 0xC0,
        /// The stream has ended: only in heartbeats.
        EOS = 0x20,
        /// The publication was revoked: only in heartbeats, with [`DataFlags::EOS`].
        REVOKED = 0x10,
        /// A heartbeat at the end of the stream.
        HEARTBEAT_EOS = 0xE0,
        /// A heartbeat of a revoked publication.
        HEARTBEAT_REVOKED = 0xF0,
    }
}

/// The first DATA or PAD frame of a datagram, in the bytes it came in.
#[derive(Clone, Copy, Debug)]
pub struct DataView<'a> {
    header: &'a [u8; LENGTH],
    after: &'a [u8],
}

impl<'a> DataView<'a> {
    /// Looks at a datagram that [`classify`](super::classify) found to be DATA or PAD, or at a frame within it.
    ///
    /// # Errors
    /// When it is shorter than [`LENGTH`].
    #[inline]
    pub fn new(datagram: &'a [u8]) -> Result<Self, FrameError> {
        let (header, after) = datagram.split_first_chunk().ok_or(FrameError::TooShort)?;
        Ok(Self { header, after })
    }

    accessors! {
        /// Bytes of header and payload, unchecked; 0 in a heartbeat.
        frame_length: i32 = layout::FRAME_LENGTH,
        /// Fragment and end-of-stream flags.
        flags: DataFlags = layout::FLAGS,
        /// Where the frame belongs in its term; unchecked.
        term_offset: TermOffset = layout::TERM_OFFSET,
        /// Session of the stream.
        session_id: SessionId = layout::SESSION_ID,
        /// Stream on the channel.
        stream_id: StreamId = layout::STREAM_ID,
        /// Term of the frame.
        term_id: TermId = layout::TERM_ID,
        /// Value that the application attached.
        reserved_value: i64 = layout::RESERVED_VALUE,
    }

    /// Whether the frame is padding.
    #[inline]
    #[must_use]
    pub fn is_padding(&self) -> bool {
        u16::read(self.header, layout::TYPE) == FrameKind::Pad.type_id()
    }

    /// Whether the datagram is a heartbeat: a bare header with frame length 0. Source: wire spec 1.5.
    #[inline]
    #[must_use]
    pub fn is_heartbeat(&self) -> bool {
        self.after.is_empty() && self.frame_length() == 0
    }

    /// Payload of the frame; short or empty when the frame claims more than the datagram holds, as a PAD does.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        let length = usize::try_from(self.frame_length()).unwrap_or(0).saturating_sub(LENGTH);
        &self.after[..length.min(self.after.len())]
    }

    /// All fields of the header.
    #[inline]
    #[must_use]
    pub fn to_frame(&self) -> DataHeader {
        DataHeader {
            frame_length: self.frame_length(),
            flags: self.flags(),
            is_padding: self.is_padding(),
            term_offset: self.term_offset(),
            session_id: self.session_id(),
            stream_id: self.stream_id(),
            term_id: self.term_id(),
            reserved_value: self.reserved_value(),
        }
    }
}

/// Header of a DATA or PAD frame as values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DataHeader {
    /// Bytes of header and payload; 0 in a heartbeat.
    pub frame_length: i32,
    /// Fragment and end-of-stream flags.
    pub flags: DataFlags,
    /// PAD instead of DATA.
    pub is_padding: bool,
    /// Where the frame belongs in its term, a multiple of 32.
    pub term_offset: TermOffset,
    /// Session of the stream.
    pub session_id: SessionId,
    /// Stream on the channel.
    pub stream_id: StreamId,
    /// Term of the frame.
    pub term_id: TermId,
    /// Value that the application attached.
    pub reserved_value: i64,
}

impl DataHeader {
    /// A heartbeat at a sender position; flags tell an ended or revoked stream. Source: wire spec 1.5.
    #[must_use]
    pub const fn heartbeat(
        session_id: SessionId,
        stream_id: StreamId,
        term_id: TermId,
        term_offset: TermOffset,
        flags: DataFlags,
    ) -> Self {
        Self {
            frame_length: 0,
            flags,
            is_padding: false,
            term_offset,
            session_id,
            stream_id,
            term_id,
            reserved_value: 0,
        }
    }

    /// Reads the first header of a datagram.
    ///
    /// # Errors
    /// When it is no valid datagram or neither DATA nor PAD. Lengths are not checked: see [`validate_packet`].
    pub fn parse(datagram: &[u8]) -> Result<Self, FrameError> {
        match header::classify(datagram)? {
            FrameKind::Data | FrameKind::Pad => Ok(DataView::new(datagram)?.to_frame()),
            _ => Err(FrameError::WrongKind),
        }
    }

    /// Writes the header and returns its length, 32.
    ///
    /// # Panics
    /// When the buffer is shorter than [`LENGTH`].
    pub fn emit(&self, buffer: &mut [u8]) -> usize {
        let kind = if self.is_padding { FrameKind::Pad } else { FrameKind::Data };
        header::emit(buffer, 0, self.flags.get(), kind);
        self.frame_length.write(buffer, layout::FRAME_LENGTH);
        self.term_offset.write(buffer, layout::TERM_OFFSET);
        self.session_id.write(buffer, layout::SESSION_ID);
        self.stream_id.write(buffer, layout::STREAM_ID);
        self.term_id.write(buffer, layout::TERM_ID);
        self.reserved_value.write(buffer, layout::RESERVED_VALUE);
        LENGTH
    }

    /// Distance to the next frame of the term, in bytes.
    #[inline]
    #[must_use]
    pub const fn aligned_length(&self) -> i32 {
        align_frame(self.frame_length)
    }
}
