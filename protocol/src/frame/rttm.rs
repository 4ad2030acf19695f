//! RTTM: round trip time measurement, asked for by a receiver and echoed by the sender.
//!
//! ```text
//!    0        8            12          16               24                32            40
//!   +--------+------------+-----------+----------------+-----------------+-------------+
//!   | header | session_id | stream_id | echo_timestamp | reception_delta | receiver_id |
//!   +--------+------------+-----------+----------------+-----------------+-------------+
//! ```

use super::{
    fields::{Field, accessors, flags},
    header::{self, FrameError, FrameKind},
};
use crate::types::{ReceiverId, SessionId, StreamId};

mod layout {
    pub(super) use crate::frame::header::layout::FLAGS;
    pub(super) const SESSION_ID: usize = 8;
    pub(super) const STREAM_ID: usize = 12;
    pub(super) const ECHO_TIMESTAMP: usize = 16;
    pub(super) const RECEPTION_DELTA: usize = 24;
    pub(super) const RECEIVER_ID: usize = 32;
}

/// Length of the frame, in bytes. Source: wire spec 1.10.
pub const LENGTH: usize = FrameKind::Rttm.min_length();

flags! {
    /// Flags of an RTTM. Source: wire spec 1.10.
    RttmFlags {
        /// Set in the request: "please reply".
        REPLY = 0x80,
    }
}

/// An RTTM in the bytes it came in.
#[derive(Clone, Copy, Debug)]
pub struct RttmView<'a> {
    header: &'a [u8; LENGTH],
}

impl<'a> RttmView<'a> {
    /// Looks at the start of a datagram that [`classify`](super::classify) found to be an RTTM.
    ///
    /// # Errors
    /// When it is shorter than [`LENGTH`].
    #[inline]
    pub fn new(datagram: &'a [u8]) -> Result<Self, FrameError> {
        datagram.first_chunk().map(|header| Self { header }).ok_or(FrameError::TooShort)
    }

    accessors! {
        /// Whether a reply is asked for.
        flags: RttmFlags = layout::FLAGS,
        /// Session of the stream.
        session_id: SessionId = layout::SESSION_ID,
        /// Stream on the channel.
        stream_id: StreamId = layout::STREAM_ID,
        /// Clock of whoever asked, in nanoseconds; opaque to the peer.
        echo_timestamp: i64 = layout::ECHO_TIMESTAMP,
        /// Time that the peer took to answer, in nanoseconds.
        reception_delta: i64 = layout::RECEPTION_DELTA,
        /// The receiver that measures; 0 for all.
        receiver_id: ReceiverId = layout::RECEIVER_ID,
    }

    /// All fields.
    #[inline]
    #[must_use]
    pub fn to_frame(&self) -> Rttm {
        Rttm {
            flags: self.flags(),
            session_id: self.session_id(),
            stream_id: self.stream_id(),
            echo_timestamp: self.echo_timestamp(),
            reception_delta: self.reception_delta(),
            receiver_id: self.receiver_id(),
        }
    }
}

/// An RTTM as values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rttm {
    /// Whether a reply is asked for.
    pub flags: RttmFlags,
    /// Session of the stream.
    pub session_id: SessionId,
    /// Stream on the channel.
    pub stream_id: StreamId,
    /// Clock of whoever asked, in nanoseconds; opaque to the peer.
    pub echo_timestamp: i64,
    /// Time that the peer took to answer, in nanoseconds.
    pub reception_delta: i64,
    /// The receiver that measures; 0 for all.
    pub receiver_id: ReceiverId,
}

impl Rttm {
    /// Reads a datagram.
    ///
    /// # Errors
    /// When it is no valid datagram or no RTTM.
    pub fn parse(datagram: &[u8]) -> Result<Self, FrameError> {
        header::expect(datagram, FrameKind::Rttm)?;
        Ok(RttmView::new(datagram)?.to_frame())
    }

    /// Writes the frame and returns its length.
    ///
    /// # Panics
    /// When the buffer is shorter than [`LENGTH`].
    pub fn emit(&self, buffer: &mut [u8]) -> usize {
        header::emit(buffer, LENGTH, self.flags.get(), FrameKind::Rttm);
        self.session_id.write(buffer, layout::SESSION_ID);
        self.stream_id.write(buffer, layout::STREAM_ID);
        self.echo_timestamp.write(buffer, layout::ECHO_TIMESTAMP);
        self.reception_delta.write(buffer, layout::RECEPTION_DELTA);
        self.receiver_id.write(buffer, layout::RECEIVER_ID);
        LENGTH
    }

    /// The answer to this request: the same frame without the flag, `reception_delta` nanoseconds after it arrived.
    #[inline]
    #[must_use]
    pub const fn reply(self, reception_delta: i64) -> Self {
        Self { flags: RttmFlags::NONE, reception_delta, ..self }
    }
}
