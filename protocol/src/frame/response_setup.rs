//! RSP_SETUP: the responder tells the requester which session its response publication has.
//!
//! ```text
//!    0        8            12          16                    20
//!   +--------+------------+-----------+---------------------+
//!   | header | session_id | stream_id | response_session_id |
//!   +--------+------------+-----------+---------------------+
//! ```

use super::{
    fields::{Field, accessors},
    header::{self, FrameError, FrameKind},
};
use crate::types::{SessionId, StreamId};

mod layout {
    pub(super) const SESSION_ID: usize = 8;
    pub(super) const STREAM_ID: usize = 12;
    pub(super) const RESPONSE_SESSION_ID: usize = 16;
}

/// Length of the frame, in bytes. Source: wire spec 1.11.
pub const LENGTH: usize = FrameKind::ResponseSetup.min_length();

/// An RSP_SETUP in the bytes it came in.
#[derive(Clone, Copy, Debug)]
pub struct ResponseSetupView<'a> {
    header: &'a [u8; LENGTH],
}

impl<'a> ResponseSetupView<'a> {
    /// Looks at the start of a datagram that [`classify`](super::classify) found to be an RSP_SETUP.
    ///
    /// # Errors
    /// When it is shorter than [`LENGTH`].
    #[inline]
    pub fn new(datagram: &'a [u8]) -> Result<Self, FrameError> {
        datagram.first_chunk().map(|header| Self { header }).ok_or(FrameError::TooShort)
    }

    accessors! {
        /// Session of the request publication, whose image is acknowledged.
        session_id: SessionId = layout::SESSION_ID,
        /// Stream of the request publication.
        stream_id: StreamId = layout::STREAM_ID,
        /// Session of the response publication.
        response_session_id: SessionId = layout::RESPONSE_SESSION_ID,
    }

    /// All fields.
    #[inline]
    #[must_use]
    pub fn to_frame(&self) -> ResponseSetup {
        ResponseSetup {
            session_id: self.session_id(),
            stream_id: self.stream_id(),
            response_session_id: self.response_session_id(),
        }
    }
}

/// An RSP_SETUP as values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResponseSetup {
    /// Session of the request publication, whose image is acknowledged.
    pub session_id: SessionId,
    /// Stream of the request publication.
    pub stream_id: StreamId,
    /// Session of the response publication.
    pub response_session_id: SessionId,
}

impl ResponseSetup {
    /// Reads a datagram.
    ///
    /// # Errors
    /// When it is no valid datagram or no RSP_SETUP.
    pub fn parse(datagram: &[u8]) -> Result<Self, FrameError> {
        header::expect(datagram, FrameKind::ResponseSetup)?;
        Ok(ResponseSetupView::new(datagram)?.to_frame())
    }

    /// Writes the frame and returns its length.
    ///
    /// # Panics
    /// When the buffer is shorter than [`LENGTH`].
    pub fn emit(&self, buffer: &mut [u8]) -> usize {
        header::emit(buffer, LENGTH, 0, FrameKind::ResponseSetup);
        self.session_id.write(buffer, layout::SESSION_ID);
        self.stream_id.write(buffer, layout::STREAM_ID);
        self.response_session_id.write(buffer, layout::RESPONSE_SESSION_ID);
        LENGTH
    }
}
