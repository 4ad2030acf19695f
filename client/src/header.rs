//! What a fragment or message says about itself, valid while its handler runs.

use epona_protocol::{
    frame::DataFlags,
    logbuffer::Fragment,
    types::{Position, SessionId, StreamId, TermId, TermOffset, align_frame},
};

use crate::image::Image;

/// The header of a fragment, or of a message assembled from fragments; read in place from the log.
///
/// An assembled message shows the header of its first fragment, with the length of the whole, the flags of first and
/// last together, and the position after the last. Source: shared-memory spec 9.5, 9.6.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    fragment: Fragment<'a>,
    image: &'a Image,
    assembled: Option<AssembledHeader>,
}

/// What an assembled message shows in place of its last fragment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AssembledHeader {
    pub(crate) frame_length: i32,
    pub(crate) fragmented_frame_length: i32,
    pub(crate) flags: DataFlags,
    pub(crate) term_offset: TermOffset,
    pub(crate) reserved_value: i64,
}

impl<'a> Header<'a> {
    #[inline]
    pub(crate) const fn new(fragment: Fragment<'a>, image: &'a Image) -> Self {
        Self { fragment, image, assembled: None }
    }

    pub(crate) const fn with_assembled(self, assembled: AssembledHeader) -> Self {
        Self { fragment: self.fragment, image: self.image, assembled: Some(assembled) }
    }

    /// Length of header and payload, in bytes; of the whole message once assembled.
    #[inline]
    #[must_use]
    pub fn frame_length(&self) -> i32 {
        self.assembled.map_or_else(|| self.fragment.frame_length(), |assembled| assembled.frame_length)
    }

    /// Bytes of log that the fragments of an assembled message take, headers and padding included; `None` for a
    /// message in one frame.
    #[must_use]
    pub fn fragmented_frame_length(&self) -> Option<i32> {
        self.assembled.map(|assembled| assembled.fragmented_frame_length)
    }

    /// Flags of the frame; both begin and end for a whole message.
    #[inline]
    #[must_use]
    pub fn flags(&self) -> DataFlags {
        self.assembled.map_or_else(|| self.fragment.flags(), |assembled| assembled.flags)
    }

    /// Type of the frame, see [`epona_protocol::frame::frame_type`].
    #[inline]
    #[must_use]
    pub fn frame_type(&self) -> u16 {
        self.fragment.frame_type()
    }

    /// Version of the frame's format.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.fragment.version()
    }

    /// Where the frame, or the first of an assembled message, starts in its term; in bytes.
    #[inline]
    #[must_use]
    pub fn term_offset(&self) -> TermOffset {
        self.assembled.map_or_else(|| self.fragment.offset(), |assembled| assembled.term_offset)
    }

    /// Where what follows starts in the term; the length of the term when nothing does.
    #[inline]
    #[must_use]
    pub fn next_term_offset(&self) -> TermOffset {
        match self.assembled {
            None => self.fragment.next_offset(),
            Some(assembled) => {
                assembled.term_offset
                    + align_frame(assembled.fragmented_frame_length.max(assembled.frame_length))
            }
        }
    }

    /// Term that the frame was written in.
    #[inline]
    #[must_use]
    pub fn term_id(&self) -> TermId {
        self.fragment.term_id()
    }

    /// Session of the stream.
    #[inline]
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.fragment.session_id()
    }

    /// Stream of the publication.
    #[inline]
    #[must_use]
    pub fn stream_id(&self) -> StreamId {
        self.fragment.stream_id()
    }

    /// The eight bytes that the publisher may fill as it likes; of the first fragment once assembled.
    #[inline]
    #[must_use]
    pub fn reserved_value(&self) -> i64 {
        self.assembled.map_or_else(|| self.fragment.reserved_value(), |assembled| assembled.reserved_value)
    }

    /// Position in the stream right after this fragment or assembled message.
    #[inline]
    #[must_use]
    pub fn position(&self) -> Position {
        self.image.geometry().position(self.term_id(), self.next_term_offset())
    }

    /// Id of the stream's first term.
    #[must_use]
    pub fn initial_term_id(&self) -> TermId {
        self.image.geometry().initial_term_id()
    }

    /// log2 of the term length: how far a position shifts to give a count of terms.
    #[must_use]
    pub fn position_bits_to_shift(&self) -> u32 {
        self.image.geometry().term_length().bits()
    }

    /// The image that the fragment came through.
    #[inline]
    #[must_use]
    pub const fn image(&self) -> &'a Image {
        self.image
    }
}
