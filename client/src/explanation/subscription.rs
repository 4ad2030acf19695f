//! Why a poll finds something or not.

use std::{fmt, sync::Arc};

use epona_protocol::{
    counters::{ChannelStatus, CountersReader},
    types::{CounterTypeId, Position, SessionId, StreamId},
};

use crate::state::ImageState;

/// How a subscription stands: whether its channel works, and what of each stream is unread or missing. Made by
/// [`Subscription::explain`](crate::Subscription::explain); `Display` says it in words.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SubscriptionExplanation {
    /// Channel as given when adding.
    pub channel: Arc<str>,
    /// Stream of the subscription.
    pub stream_id: StreamId,
    /// Whether the subscription or its client has ended.
    pub is_closed: bool,
    /// State of the channel's socket; `None` when it has none, as IPC and spies.
    pub channel_status: Option<ChannelStatus>,
    /// Addresses that its sockets are bound to.
    pub local_socket_addresses: Vec<String>,
    /// The streams that match, each as this subscription sees it.
    pub images: Vec<ImageExplanation>,
}

/// How one image stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImageExplanation {
    /// Session of the stream.
    pub session_id: SessionId,
    /// Where the stream comes from.
    pub source_identity: String,
    /// How far this subscription has read.
    pub position: Position,
    /// Bytes that a poll would find now, headers and padding included.
    pub unread: i64,
    /// Bytes between the first frame that is missing and the last that arrived; 0 without loss, over IPC and for spies.
    pub missing: i64,
    /// How often frames of the stream were asked for again.
    pub naks_sent: i64,
    /// Number of transports that still bring the stream; 0 once it has ended.
    pub active_transport_count: usize,
    /// Whether everything up to the end of the stream is read.
    pub is_end_of_stream: bool,
}

impl ImageExplanation {
    pub(crate) fn of(image: &ImageState, counters: &CountersReader) -> Self {
        let counter = |type_id| {
            let id = counters.find(type_id, image.correlation_id.get());
            id.and_then(|id| counters.value(id))
        };
        let position = image.position();
        let received = counter(CounterTypeId::RECEIVER_POSITION);
        let end = received.map_or_else(|| image.log.producer_position(), Position::new);
        let highest = counter(CounterTypeId::RECEIVER_HWM).map_or(end, Position::new);
        Self {
            session_id: image.session_id,
            source_identity: image.source_identity.clone(),
            position,
            unread: (end - position).max(0),
            missing: (highest - end).max(0),
            naks_sent: counter(CounterTypeId::RECEIVER_NAKS_SENT).unwrap_or_default(),
            active_transport_count: image.active_transport_count(),
            is_end_of_stream: position >= image.end_of_stream_position(),
        }
    }
}

impl fmt::Display for SubscriptionExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {} on {}: ", self.stream_id, self.channel)?;
        if self.is_closed {
            return f.write_str("closed");
        }
        match self.channel_status {
            None => f.write_str("no socket")?,
            Some(status) => write!(f, "socket {status}")?,
        }
        if !self.local_socket_addresses.is_empty() {
            write!(f, " at {}", self.local_socket_addresses.join(", "))?;
        }
        if self.images.is_empty() {
            f.write_str("; no publication has been heard of")?;
        }
        self.images.iter().try_for_each(|image| write!(f, "; {image}"))
    }
}

impl fmt::Display for ImageExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {} from {}: ", self.session_id, self.source_identity)?;
        write!(f, "read to {}, {} bytes unread", self.position, self.unread)?;
        if self.missing > 0 {
            write!(f, ", lost frames within the next {} bytes, {} NAKs sent", self.missing, self.naks_sent)?;
        }
        if self.is_end_of_stream { f.write_str(", end of stream") } else { Ok(()) }
    }
}
