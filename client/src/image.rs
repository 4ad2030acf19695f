//! A publication as a subscription sees it. The polls that read it are in `poll.rs`.

use std::{fmt, sync::Arc};

use epona_protocol::types::{
    CounterId, Position, RegistrationId, SessionId, StreamId, TermGeometry, TermLength,
};

use crate::{
    error::ClientError,
    link::{self, Pending, Shared},
    state::ImageState,
};

/// Longest reason for rejecting an image, in bytes. Source: shared-memory spec 10.3.
pub const MAX_REJECT_REASON_LENGTH: usize = 1023;

/// One publication's stream, replicated to (or shared with) this process, and this subscription's place in it.
///
/// A subscription owns its images; they are lent for polling one by one, and to handlers for looking at. Closing is
/// the conductor's: it may happen during a poll, which then ends early and safely. The log buffer stays mapped for as
/// long as anything refers to it.
///
/// Threading: `Send`; the polls take `&mut self`, so a stream has one reader at a time per subscription.
pub struct Image {
    pub(crate) state: Arc<ImageState>,
    shared: Arc<Shared>,
}

impl Image {
    pub(crate) const fn new(state: Arc<ImageState>, shared: Arc<Shared>) -> Self {
        Self { state, shared }
    }

    /// How far the stream is consumed, in bytes; after closing, how far it had been.
    #[must_use]
    pub fn position(&self) -> Position {
        self.state.position()
    }

    /// Where this subscription joined the stream.
    #[must_use]
    pub fn join_position(&self) -> Position {
        self.state.join_position
    }

    /// Whether everything up to the end of the stream is consumed.
    #[must_use]
    pub fn is_end_of_stream(&self) -> bool {
        self.position() >= self.end_of_stream_position()
    }

    /// Where the stream ends; [`Position::MAX`] until the publisher has ended it.
    #[must_use]
    pub fn end_of_stream_position(&self) -> Position {
        self.state.end_of_stream_position()
    }

    /// Number of transports that still bring this stream; 0 after closing.
    #[must_use]
    pub fn active_transport_count(&self) -> usize {
        self.state.active_transport_count()
    }

    /// Whether the publisher took the stream back; what was not consumed yet may be gone.
    #[must_use]
    pub fn is_publication_revoked(&self) -> bool {
        self.state.is_revoked()
    }

    /// Whether the stream, its subscription or the client has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.is_closed()
    }

    /// Asks the driver to reject this image: its publisher is told the reason, at most 1023 bytes, and the image goes
    /// away for a while. The result may be dropped.
    ///
    /// # Errors
    /// When the reason is too long, or the image or its client is closed.
    pub fn reject(&self, reason: &str) -> Result<Pending<()>, ClientError> {
        let client = self.shared.client().upgrade().filter(|_| !self.is_closed());
        let Some(client) = client else { return Err(ClientError::Closed { cause: None }) };
        if reason.len() > MAX_REJECT_REASON_LENGTH {
            return Err(ClientError::Configuration(format!(
                "reason of {} bytes to reject an image is longer than {}",
                reason.len(),
                MAX_REJECT_REASON_LENGTH
            )));
        }
        link::reject_image(&client, self.state.correlation_id, self.position(), reason)
    }

    /// Session of the stream.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.state.session_id
    }

    /// Stream of the publication.
    #[must_use]
    pub fn stream_id(&self) -> StreamId {
        self.state.stream_id
    }

    /// Where the stream comes from: `address:port`, or `aeron:ipc`.
    #[must_use]
    pub fn source_identity(&self) -> &str {
        &self.state.source_identity
    }

    /// Id of the image in the driver; that of the publication for IPC and spies.
    #[must_use]
    pub fn correlation_id(&self) -> RegistrationId {
        self.state.correlation_id
    }

    /// The subscription that this image belongs to.
    #[must_use]
    pub fn subscription_registration_id(&self) -> RegistrationId {
        self.state.subscription_registration_id
    }

    /// How positions of the stream map onto its terms.
    #[inline]
    #[must_use]
    pub fn geometry(&self) -> TermGeometry {
        self.state.log.geometry()
    }

    /// Length of the stream's terms.
    #[must_use]
    pub fn term_length(&self) -> TermLength {
        self.geometry().term_length()
    }

    /// Longest frame that the publisher writes, header included, in bytes.
    #[must_use]
    pub fn mtu_length(&self) -> i32 {
        self.state.mtu_length
    }

    /// The counter that holds [`Image::position`].
    #[must_use]
    pub fn subscriber_position_id(&self) -> CounterId {
        self.state.subscriber_position.id()
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("session_id", &self.session_id())
            .field("stream_id", &self.stream_id())
            .field("source_identity", &self.source_identity())
            .field("position", &self.position())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
