//! SM: a receiver reports how far it has consumed a stream and how much more it takes.
//!
//! ```text
//!    0        8            12          16                    20                        24                28            36
//!   +--------+------------+-----------+---------------------+-------------------------+-----------------+-------------+
//!   | header | session_id | stream_id | consumption_term_id | consumption_term_offset | receiver_window | receiver_id |
//!   +--------+------------+-----------+---------------------+-------------------------+-----------------+-------------+
//!    36          44
//!   +-----------+
//!   | group_tag |  only when frame_length is 44
//!   +-----------+
//! ```

use super::{
    fields::{Field, accessors, flags},
    header::{self, FrameError, FrameKind},
};
use crate::types::{GroupTag, ReceiverId, SessionId, StreamId, TermId, TermLength, TermOffset};

mod layout {
    pub(super) use crate::frame::header::layout::{FLAGS, FRAME_LENGTH};
    pub(super) const SESSION_ID: usize = 8;
    pub(super) const STREAM_ID: usize = 12;
    pub(super) const CONSUMPTION_TERM_ID: usize = 16;
    pub(super) const CONSUMPTION_TERM_OFFSET: usize = 20;
    pub(super) const RECEIVER_WINDOW: usize = 24;
    pub(super) const RECEIVER_ID: usize = 28;
    pub(super) const GROUP_TAG: usize = 36;
}

/// Length of a frame without group tag, in bytes. Source: wire spec 1.7.
pub const LENGTH: usize = FrameKind::StatusMessage.min_length();

/// Length of a frame with group tag, in bytes. Source: wire spec 1.7.
pub const TAGGED_LENGTH: usize = 44;

flags! {
    /// Flags of a status message. Source: wire spec 1.7.
    StatusMessageFlags {
        /// Asks for a SETUP; position and window mean nothing.
        SEND_SETUP = 0x80,
        /// This receiver has finished, or leaves.
        END_OF_STREAM = 0x40,
    }
}

/// A status message in the bytes it came in.
#[derive(Clone, Copy, Debug)]
pub struct StatusMessageView<'a> {
    header: &'a [u8; LENGTH],
    tagged: Option<&'a [u8; TAGGED_LENGTH]>,
}

impl<'a> StatusMessageView<'a> {
    /// Looks at the start of a datagram that [`classify`](super::classify) found to be a status message.
    ///
    /// # Errors
    /// When it is shorter than [`LENGTH`].
    #[inline]
    pub fn new(datagram: &'a [u8]) -> Result<Self, FrameError> {
        let header = datagram.first_chunk().ok_or(FrameError::TooShort)?;
        let is_tagged = i32::read(header, layout::FRAME_LENGTH) == TAGGED_LENGTH as i32;
        let tagged = if is_tagged { datagram.first_chunk() } else { None };
        Ok(Self { header, tagged })
    }

    accessors! {
        /// What is asked for or said beside the position.
        flags: StatusMessageFlags = layout::FLAGS,
        /// Session of the stream.
        session_id: SessionId = layout::SESSION_ID,
        /// Stream on the channel.
        stream_id: StreamId = layout::STREAM_ID,
        /// Term up to which all is consumed.
        consumption_term_id: TermId = layout::CONSUMPTION_TERM_ID,
        /// Offset in that term; unchecked.
        consumption_term_offset: TermOffset = layout::CONSUMPTION_TERM_OFFSET,
        /// Bytes that may be sent beyond the consumption position; unchecked.
        receiver_window: i32 = layout::RECEIVER_WINDOW,
        /// The receive endpoint that speaks.
        receiver_id: ReceiverId = layout::RECEIVER_ID,
    }

    /// The receiver's group tag, in a frame of exactly 44 bytes.
    #[inline]
    #[must_use]
    pub fn group_tag(&self) -> Option<GroupTag> {
        self.tagged.map(|frame| Field::read(frame, layout::GROUP_TAG))
    }

    /// Whether the frame carries feedback that is no group tag: an error to tagged flow control, ignored by others.
    #[inline]
    #[must_use]
    pub fn has_unknown_feedback(&self) -> bool {
        self.tagged.is_none() && i32::read(self.header, layout::FRAME_LENGTH) > LENGTH as i32
    }

    /// All fields.
    #[inline]
    #[must_use]
    pub fn to_frame(&self) -> StatusMessage {
        StatusMessage {
            flags: self.flags(),
            session_id: self.session_id(),
            stream_id: self.stream_id(),
            consumption_term_id: self.consumption_term_id(),
            consumption_term_offset: self.consumption_term_offset(),
            receiver_window: self.receiver_window(),
            receiver_id: self.receiver_id(),
            group_tag: self.group_tag(),
        }
    }
}

/// A status message as values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusMessage {
    /// What is asked for or said beside the position.
    pub flags: StatusMessageFlags,
    /// Session of the stream; 0 when any session shall send a SETUP.
    pub session_id: SessionId,
    /// Stream on the channel; 0 when any stream shall send a SETUP.
    pub stream_id: StreamId,
    /// Term up to which all is consumed.
    pub consumption_term_id: TermId,
    /// Offset in that term, a multiple of 32.
    pub consumption_term_offset: TermOffset,
    /// Bytes that may be sent beyond the consumption position.
    pub receiver_window: i32,
    /// The receive endpoint that speaks.
    pub receiver_id: ReceiverId,
    /// Group of the receiver, if it has one.
    pub group_tag: Option<GroupTag>,
}

impl StatusMessage {
    /// The frame that asks for a SETUP. Session and stream 0 ask every publication. Source: wire spec 12.11.
    #[must_use]
    pub const fn eliciting_setup(
        session_id: SessionId,
        stream_id: StreamId,
        receiver_id: ReceiverId,
        group_tag: Option<GroupTag>,
    ) -> Self {
        Self {
            flags: StatusMessageFlags::SEND_SETUP,
            session_id,
            stream_id,
            consumption_term_id: TermId::new(0),
            consumption_term_offset: TermOffset::ZERO,
            receiver_window: 0,
            receiver_id,
            group_tag,
        }
    }

    /// Reads a datagram.
    ///
    /// # Errors
    /// When it is no valid datagram or no status message. The values are not checked: see
    /// [`StatusMessage::validate`].
    pub fn parse(datagram: &[u8]) -> Result<Self, FrameError> {
        header::expect(datagram, FrameKind::StatusMessage)?;
        Ok(StatusMessageView::new(datagram)?.to_frame())
    }

    /// Length that [`StatusMessage::emit`] writes, in bytes.
    #[inline]
    #[must_use]
    pub const fn length(&self) -> usize {
        if self.group_tag.is_some() { TAGGED_LENGTH } else { LENGTH }
    }

    /// Writes the frame and returns its length.
    ///
    /// # Panics
    /// When the buffer is shorter than [`StatusMessage::length`].
    pub fn emit(&self, buffer: &mut [u8]) -> usize {
        header::emit(buffer, self.length(), self.flags.get(), FrameKind::StatusMessage);
        self.session_id.write(buffer, layout::SESSION_ID);
        self.stream_id.write(buffer, layout::STREAM_ID);
        self.consumption_term_id.write(buffer, layout::CONSUMPTION_TERM_ID);
        self.consumption_term_offset.write(buffer, layout::CONSUMPTION_TERM_OFFSET);
        self.receiver_window.write(buffer, layout::RECEIVER_WINDOW);
        self.receiver_id.write(buffer, layout::RECEIVER_ID);
        if let Some(tag) = self.group_tag {
            tag.write(buffer, layout::GROUP_TAG);
        }
        self.length()
    }

    /// Checks position and window against the publication's term length, or [`TermLength::MAX`] when no publication
    /// matches. Source: wire spec 1.7.
    ///
    /// # Errors
    /// When no frame can start at the offset, or the window is negative or more than half a term.
    #[inline]
    pub fn validate(&self, term_length: TermLength) -> Result<(), FrameError> {
        if !self.consumption_term_offset.is_frame_start_in(term_length) {
            return Err(FrameError::TermOffset);
        }
        if self.receiver_window < 0 || self.receiver_window > term_length.get() / 2 {
            return Err(FrameError::ReceiverWindow);
        }
        Ok(())
    }
}
