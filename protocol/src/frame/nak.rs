//! NAK: a receiver asks for a range of a term to be sent again.
//!
//! ```text
//!    0        8            12          16        20            24       28
//!   +--------+------------+-----------+---------+-------------+--------+
//!   | header | session_id | stream_id | term_id | term_offset | length |
//!   +--------+------------+-----------+---------+-------------+--------+
//! ```

use super::{
    fields::{Field, accessors},
    header::{self, FrameError, FrameKind},
};
use crate::types::{SessionId, StreamId, TermId, TermLength, TermOffset};

mod layout {
    pub(super) const SESSION_ID: usize = 8;
    pub(super) const STREAM_ID: usize = 12;
    pub(super) const TERM_ID: usize = 16;
    pub(super) const TERM_OFFSET: usize = 20;
    pub(super) const RANGE_LENGTH: usize = 24;
}

/// Length of the frame, in bytes. Source: wire spec 1.8.
pub const LENGTH: usize = FrameKind::Nak.min_length();

/// A NAK in the bytes it came in.
#[derive(Clone, Copy, Debug)]
pub struct NakView<'a> {
    header: &'a [u8; LENGTH],
}

impl<'a> NakView<'a> {
    /// Looks at the start of a datagram that [`classify`](super::classify) found to be a NAK.
    ///
    /// # Errors
    /// When it is shorter than [`LENGTH`].
    #[inline]
    pub fn new(datagram: &'a [u8]) -> Result<Self, FrameError> {
        datagram.first_chunk().map(|header| Self { header }).ok_or(FrameError::TooShort)
    }

    accessors! {
        /// Session of the stream.
        session_id: SessionId = layout::SESSION_ID,
        /// Stream on the channel.
        stream_id: StreamId = layout::STREAM_ID,
        /// Term of the missing range.
        term_id: TermId = layout::TERM_ID,
        /// Start of the missing range; unchecked.
        term_offset: TermOffset = layout::TERM_OFFSET,
        /// Length of the missing range, in bytes; unchecked.
        length: i32 = layout::RANGE_LENGTH,
    }

    /// All fields.
    #[inline]
    #[must_use]
    pub fn to_frame(&self) -> Nak {
        Nak {
            session_id: self.session_id(),
            stream_id: self.stream_id(),
            term_id: self.term_id(),
            term_offset: self.term_offset(),
            length: self.length(),
        }
    }
}

/// A NAK as values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nak {
    /// Session of the stream.
    pub session_id: SessionId,
    /// Stream on the channel.
    pub stream_id: StreamId,
    /// Term of the missing range.
    pub term_id: TermId,
    /// Start of the missing range, a multiple of 32.
    pub term_offset: TermOffset,
    /// Length of the missing range, in bytes.
    pub length: i32,
}

impl Nak {
    /// Reads a datagram.
    ///
    /// # Errors
    /// When it is no valid datagram or no NAK. The range is not checked: see [`Nak::validate`].
    pub fn parse(datagram: &[u8]) -> Result<Self, FrameError> {
        header::expect(datagram, FrameKind::Nak)?;
        Ok(NakView::new(datagram)?.to_frame())
    }

    /// Writes the frame and returns its length.
    ///
    /// # Panics
    /// When the buffer is shorter than [`LENGTH`].
    pub fn emit(&self, buffer: &mut [u8]) -> usize {
        header::emit(buffer, LENGTH, 0, FrameKind::Nak);
        self.session_id.write(buffer, layout::SESSION_ID);
        self.stream_id.write(buffer, layout::STREAM_ID);
        self.term_id.write(buffer, layout::TERM_ID);
        self.term_offset.write(buffer, layout::TERM_OFFSET);
        self.length.write(buffer, layout::RANGE_LENGTH);
        LENGTH
    }

    /// Checks the range against the publication's term length. Source: wire spec 1.8.
    ///
    /// # Errors
    /// When no frame can start at the offset, or the length is negative or reaches past the term.
    #[inline]
    pub fn validate(&self, term_length: TermLength) -> Result<(), FrameError> {
        if !self.term_offset.is_frame_start_in(term_length) {
            return Err(FrameError::TermOffset);
        }
        if self.length < 0 || self.length > term_length.get() - self.term_offset.get() {
            return Err(FrameError::NakRange);
        }
        Ok(())
    }
}
