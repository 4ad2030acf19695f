//! What the conductor tells the event log about streams that end, with the channels that they have in common.

use epona_protocol::types::Position;

use super::Conductor;
use crate::{
    endpoint_id::{ReceiveEndpointId, SendEndpointId},
    event_log::DriverEvent,
    image::shared::ImageState,
    publication::shared::NetworkPublicationState,
};

/// What stands for the channel of an IPC publication.
pub(super) const IPC_CHANNEL: &str = "aeron:ipc";

impl Conductor {
    /// A network publication is gone.
    pub(super) fn log_publication_removed(&self, endpoint: SendEndpointId, state: &NetworkPublicationState) {
        let channel = self.send_channel(endpoint);
        let now = self.services.now.nanos;
        self.services.events.publication_removed(state.session_id, state.stream_id, channel, now);
    }

    /// A network publication was revoked.
    pub(super) fn log_publication_revoked(&self, endpoint: SendEndpointId, state: &NetworkPublicationState) {
        let (event, position) = (DriverEvent::PublicationRevoke, state.log.producer_position());
        let (stream, channel) = ((state.session_id, state.stream_id), self.send_channel(endpoint));
        self.services.events.revoked(event, position, stream, channel, self.services.now.nanos);
    }

    /// An image is over, perhaps because it was revoked.
    pub(super) fn log_image_removed(&self, endpoint: ReceiveEndpointId, state: &ImageState) {
        let entry = self.receive_endpoints.get(endpoint.index());
        let channel = entry.map_or("", |entry| entry.channel.text());
        let now = self.services.now.nanos;
        if state.is_revoked() {
            let end: Position = state.log.metadata().end_of_stream_position();
            let (event, stream) = (DriverEvent::PublicationImageRevoke, (state.session_id, state.stream_id));
            self.services.events.revoked(event, end, stream, channel, now);
        }
        let (id, session) = (state.correlation_id, state.session_id);
        self.services.events.image_removed(id, session, state.stream_id, channel, now);
    }

    /// The channel of a send endpoint, for texts.
    pub(super) fn send_channel(&self, endpoint: SendEndpointId) -> &str {
        self.send_endpoints.get(endpoint.index()).map_or("", |entry| entry.channel.text())
    }
}
