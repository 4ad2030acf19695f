//! SETUP: a sender tells receivers the parameters and the current position of a stream.
//!
//! ```text
//!    0        8             12           16          20                24               28            32    36    40
//!   +--------+-------------+------------+-----------+-----------------+----------------+-------------+-----+-----+
//!   | header | term_offset | session_id | stream_id | initial_term_id | active_term_id | term_length | mtu | ttl |
//!   +--------+-------------+------------+-----------+-----------------+----------------+-------------+-----+-----+
//! ```

use super::{
    fields::{Field, accessors, flags},
    header::{self, FrameError, FrameKind},
};
use crate::types::{
    FRAME_ALIGNMENT, MAX_UDP_PAYLOAD_LENGTH, SessionId, StreamId, TermGeometry, TermId, TermLength,
    TermOffset,
};

mod layout {
    pub(super) use crate::frame::header::layout::FLAGS;
    pub(super) const TERM_OFFSET: usize = 8;
    pub(super) const SESSION_ID: usize = 12;
    pub(super) const STREAM_ID: usize = 16;
    pub(super) const INITIAL_TERM_ID: usize = 20;
    pub(super) const ACTIVE_TERM_ID: usize = 24;
    pub(super) const TERM_LENGTH: usize = 28;
    pub(super) const MTU: usize = 32;
    pub(super) const TTL: usize = 36;
}

/// Length of the frame, in bytes. Source: wire spec 1.6.
pub const LENGTH: usize = FrameKind::Setup.min_length();

flags! {
    /// Flags of a SETUP. Source: wire spec 1.6.
    SetupFlags {
        /// The publication waits for a response channel.
        SEND_RESPONSE_SETUP = 0x80,
        /// The channel has group semantics: multicast, or several destinations.
        GROUP = 0x40,
    }
}

/// A SETUP in the bytes it came in.
#[derive(Clone, Copy, Debug)]
pub struct SetupView<'a> {
    header: &'a [u8; LENGTH],
}

impl<'a> SetupView<'a> {
    /// Looks at the start of a datagram that [`classify`](super::classify) found to be a SETUP.
    ///
    /// # Errors
    /// When it is shorter than [`LENGTH`].
    #[inline]
    pub fn new(datagram: &'a [u8]) -> Result<Self, FrameError> {
        datagram.first_chunk().map(|header| Self { header }).ok_or(FrameError::TooShort)
    }

    accessors! {
        /// What kind of channel it is.
        flags: SetupFlags = layout::FLAGS,
        /// Offset of the sender's position in the active term; unchecked.
        term_offset: TermOffset = layout::TERM_OFFSET,
        /// Session of the stream.
        session_id: SessionId = layout::SESSION_ID,
        /// Stream on the channel.
        stream_id: StreamId = layout::STREAM_ID,
        /// First term of the stream.
        initial_term_id: TermId = layout::INITIAL_TERM_ID,
        /// Term of the sender's position.
        active_term_id: TermId = layout::ACTIVE_TERM_ID,
        /// Length of a term, in bytes; unchecked.
        term_length: i32 = layout::TERM_LENGTH,
        /// Longest frame, in bytes; unchecked.
        mtu: i32 = layout::MTU,
        /// Time to live of multicast datagrams as configured; 0 for none.
        ttl: i32 = layout::TTL,
    }

    /// All fields.
    #[inline]
    #[must_use]
    pub fn to_frame(&self) -> Setup {
        Setup {
            flags: self.flags(),
            term_offset: self.term_offset(),
            session_id: self.session_id(),
            stream_id: self.stream_id(),
            initial_term_id: self.initial_term_id(),
            active_term_id: self.active_term_id(),
            term_length: self.term_length(),
            mtu: self.mtu(),
            ttl: self.ttl(),
        }
    }
}

/// A SETUP as values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setup {
    /// What kind of channel it is.
    pub flags: SetupFlags,
    /// Offset of the sender's position in the active term, a multiple of 32.
    pub term_offset: TermOffset,
    /// Session of the stream.
    pub session_id: SessionId,
    /// Stream on the channel.
    pub stream_id: StreamId,
    /// First term of the stream.
    pub initial_term_id: TermId,
    /// Term of the sender's position.
    pub active_term_id: TermId,
    /// Length of a term, in bytes.
    pub term_length: i32,
    /// Longest frame, in bytes: a multiple of 32 in 32..=65504.
    pub mtu: i32,
    /// Time to live of multicast datagrams as configured; 0 for none.
    pub ttl: i32,
}

impl Setup {
    /// Reads a datagram.
    ///
    /// # Errors
    /// When it is no valid datagram or no SETUP. The parameters are not checked: see [`Setup::validate`].
    pub fn parse(datagram: &[u8]) -> Result<Self, FrameError> {
        header::expect(datagram, FrameKind::Setup)?;
        Ok(SetupView::new(datagram)?.to_frame())
    }

    /// Writes the frame and returns its length.
    ///
    /// # Panics
    /// When the buffer is shorter than [`LENGTH`].
    pub fn emit(&self, buffer: &mut [u8]) -> usize {
        header::emit(buffer, LENGTH, self.flags.get(), FrameKind::Setup);
        self.term_offset.write(buffer, layout::TERM_OFFSET);
        self.session_id.write(buffer, layout::SESSION_ID);
        self.stream_id.write(buffer, layout::STREAM_ID);
        self.initial_term_id.write(buffer, layout::INITIAL_TERM_ID);
        self.active_term_id.write(buffer, layout::ACTIVE_TERM_ID);
        self.term_length.write(buffer, layout::TERM_LENGTH);
        self.mtu.write(buffer, layout::MTU);
        self.ttl.write(buffer, layout::TTL);
        LENGTH
    }

    /// Checks the parameters as a receiver must, and gives the geometry of the stream. Source: wire spec 1.6.
    ///
    /// # Errors
    /// When the term length is not a power of two between 64 KiB and 1 GiB, no frame can start at the offset, or the
    /// MTU is not a multiple of 32 within 32..=65504.
    pub fn validate(&self) -> Result<TermGeometry, FrameError> {
        let term_length = TermLength::new(i64::from(self.term_length)).map_err(|_| FrameError::TermLength)?;
        if !self.term_offset.is_frame_start_in(term_length) {
            return Err(FrameError::TermOffset);
        }
        if !(FRAME_ALIGNMENT..=MAX_UDP_PAYLOAD_LENGTH).contains(&self.mtu)
            || self.mtu & (FRAME_ALIGNMENT - 1) != 0
        {
            return Err(FrameError::Mtu);
        }
        Ok(TermGeometry::new(self.initial_term_id, term_length))
    }
}
