//! One frame of a term.

use std::fmt;

use epona_protocol::{
    frame::{DataFlags, DataHeader},
    types::{Position, SessionId, StreamId, align_frame},
};
use serde::Serialize;

use crate::snapshot::json;

/// A committed frame, and as much of its payload as was read.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Frame {
    /// Where it begins.
    #[serde(serialize_with = "json::number")]
    pub(super) position: Position,
    term_id: i32,
    term_offset: i32,
    pub(super) frame_length: i32,
    flags: u8,
    is_padding: bool,
    #[serde(serialize_with = "json::number")]
    session_id: SessionId,
    #[serde(serialize_with = "json::number")]
    stream_id: StreamId,
    reserved_value: i64,
    #[serde(skip)]
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// Of a header whose length has been checked; the payload is still to be read.
    pub(super) const fn new(position: Position, header: &DataHeader) -> Self {
        Self {
            position,
            term_id: header.term_id.get(),
            term_offset: header.term_offset.get(),
            frame_length: header.frame_length,
            flags: header.flags.get(),
            is_padding: header.is_padding,
            session_id: header.session_id,
            stream_id: header.stream_id,
            reserved_value: header.reserved_value,
            payload: Vec::new(),
        }
    }

    /// How much of it there is, read or not; padding carries nothing.
    pub(super) fn payload_length(&self) -> usize {
        let header = epona_protocol::types::DATA_HEADER_LENGTH;
        if self.is_padding { 0 } else { usize::try_from(self.frame_length - header).unwrap_or(0) }
    }

    /// Bytes of term that it takes.
    pub(super) const fn aligned_length(&self) -> i32 {
        align_frame(self.frame_length)
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_padding { "PAD " } else { "DATA" };
        let flags = DataFlags::new(self.flags);
        let letter = |flag, letter| if flags.contains(flag) { letter } else { '-' };
        write!(
            f,
            "{kind} {}{} length {} term {} offset {} session {} stream {}",
            letter(DataFlags::BEGIN, 'B'),
            letter(DataFlags::END, 'E'),
            self.frame_length,
            self.term_id,
            self.term_offset,
            self.session_id,
            self.stream_id
        )?;
        if self.flags & 0x3f != 0 {
            write!(f, " flags {:#04x}", self.flags)?;
        }
        if self.reserved_value != 0 {
            write!(f, " reserved value {}", self.reserved_value)?;
        }
        Ok(())
    }
}
