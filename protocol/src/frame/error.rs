//! ERR: a receiver tells the sender why it takes no more, such as a rejected image.
//!
//! ```text
//!    0        8            12          16            24          32           36             40
//!   +--------+------------+-----------+-------------+-----------+------------+--------------+------
//!   | header | session_id | stream_id | receiver_id | group_tag | error_code | error_length | text
//!   +--------+------------+-----------+-------------+-----------+------------+--------------+------
//! ```
//!
//! The datagram ends with the text: no padding, no terminator.

use super::{
    fields::{Field, accessors, flags},
    header::{self, FrameError, FrameKind},
};
use crate::types::{GroupTag, ReceiverId, SessionId, StreamId};

mod layout {
    pub(super) use crate::frame::header::layout::{FLAGS, FRAME_LENGTH};
    pub(super) const SESSION_ID: usize = 8;
    pub(super) const STREAM_ID: usize = 12;
    pub(super) const RECEIVER_ID: usize = 16;
    pub(super) const GROUP_TAG: usize = 24;
    pub(super) const ERROR_CODE: usize = 32;
    pub(super) const ERROR_LENGTH: usize = 36;
}

/// Length of the frame before its text, in bytes. Source: wire spec 1.9.
pub const LENGTH: usize = FrameKind::Error.min_length();

/// Longest text, in bytes. Source: wire spec 1.9.
pub const MAX_TEXT_LENGTH: usize = 1023;

/// Longest frame, in bytes. Source: wire spec 1.9.
pub const MAX_LENGTH: usize = LENGTH + MAX_TEXT_LENGTH;

/// What the tag field holds when the receiver has none, as the C driver writes it.
const NO_GROUP_TAG: GroupTag = GroupTag::new(-1);

flags! {
    /// Flags of an ERR. Source: wire spec 1.9.
    ErrorFlags {
        /// The group tag means something.
        HAS_GROUP_TAG = 0x08,
    }
}

/// An ERR in the bytes it came in.
#[derive(Clone, Copy, Debug)]
pub struct ErrorView<'a> {
    header: &'a [u8; LENGTH],
    after: &'a [u8],
}

impl<'a> ErrorView<'a> {
    /// Looks at a datagram that [`classify`](super::classify) found to be an ERR.
    ///
    /// # Errors
    /// When it is shorter than [`LENGTH`].
    #[inline]
    pub fn new(datagram: &'a [u8]) -> Result<Self, FrameError> {
        let (header, after) = datagram.split_first_chunk().ok_or(FrameError::TooShort)?;
        Ok(Self { header, after })
    }

    accessors! {
        /// Whether there is a group tag.
        flags: ErrorFlags = layout::FLAGS,
        /// Session of the stream.
        session_id: SessionId = layout::SESSION_ID,
        /// Stream on the channel.
        stream_id: StreamId = layout::STREAM_ID,
        /// The receive endpoint that speaks.
        receiver_id: ReceiverId = layout::RECEIVER_ID,
        /// What is wrong: 13 for a rejected image.
        error_code: i32 = layout::ERROR_CODE,
    }

    /// Group of the receiver, if it has one.
    #[inline]
    #[must_use]
    pub fn group_tag(&self) -> Option<GroupTag> {
        let has_tag = self.flags().contains(ErrorFlags::HAS_GROUP_TAG);
        has_tag.then(|| Field::read(self.header, layout::GROUP_TAG))
    }

    /// Text of the error, ASCII by convention.
    ///
    /// # Errors
    /// When its length is negative, more than 1023, or more than the frame holds. Source: wire spec 1.9.
    pub fn text(&self) -> Result<&'a [u8], FrameError> {
        let length = i32::read(self.header, layout::ERROR_LENGTH);
        let frame_length = i32::read(self.header, layout::FRAME_LENGTH);
        match usize::try_from(length) {
            Ok(text_length) if text_length <= MAX_TEXT_LENGTH && LENGTH as i32 + length <= frame_length => {
                self.after.get(..text_length).ok_or(FrameError::ErrorText)
            }
            _ => Err(FrameError::ErrorText),
        }
    }

    /// All fields.
    ///
    /// # Errors
    /// As [`ErrorView::text`].
    pub fn to_frame(&self) -> Result<ErrorFrame<'a>, FrameError> {
        Ok(ErrorFrame {
            session_id: self.session_id(),
            stream_id: self.stream_id(),
            receiver_id: self.receiver_id(),
            group_tag: self.group_tag(),
            error_code: self.error_code(),
            text: self.text()?,
        })
    }
}

/// An ERR as values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorFrame<'a> {
    /// Session of the stream.
    pub session_id: SessionId,
    /// Stream on the channel.
    pub stream_id: StreamId,
    /// The receive endpoint that speaks.
    pub receiver_id: ReceiverId,
    /// Group of the receiver, if it has one.
    pub group_tag: Option<GroupTag>,
    /// What is wrong: 13 for a rejected image.
    pub error_code: i32,
    /// Text of the error, ASCII by convention; what exceeds [`MAX_TEXT_LENGTH`] is not sent.
    pub text: &'a [u8],
}

impl<'a> ErrorFrame<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    /// When it is no valid datagram, no ERR, or its text does not fit.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, FrameError> {
        header::expect(datagram, FrameKind::Error)?;
        ErrorView::new(datagram)?.to_frame()
    }

    /// Length that [`ErrorFrame::emit`] writes, in bytes: at most [`MAX_LENGTH`].
    #[must_use]
    pub fn length(&self) -> usize {
        LENGTH + self.text.len().min(MAX_TEXT_LENGTH)
    }

    /// Writes the frame and returns its length.
    ///
    /// # Panics
    /// When the buffer is shorter than [`ErrorFrame::length`].
    pub fn emit(&self, buffer: &mut [u8]) -> usize {
        let length = self.length();
        let text = &self.text[..length - LENGTH];
        let flags = if self.group_tag.is_some() { ErrorFlags::HAS_GROUP_TAG } else { ErrorFlags::NONE };
        header::emit(buffer, length, flags.get(), FrameKind::Error);
        self.session_id.write(buffer, layout::SESSION_ID);
        self.stream_id.write(buffer, layout::STREAM_ID);
        self.receiver_id.write(buffer, layout::RECEIVER_ID);
        self.group_tag.unwrap_or(NO_GROUP_TAG).write(buffer, layout::GROUP_TAG);
        self.error_code.write(buffer, layout::ERROR_CODE);
        (text.len() as i32).write(buffer, layout::ERROR_LENGTH);
        buffer[LENGTH..length].copy_from_slice(text);
        length
    }
}
