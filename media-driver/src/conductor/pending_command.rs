//! Commands of clients that wait for the native resource agent: what was asked for, and what of it is known so far.

use std::{path::PathBuf, sync::Arc};

use epona_protocol::types::{ClientId, CorrelationId, RegistrationId, SessionId, StreamId};

use super::services::{AvailableImage, CounterStream};
use crate::{
    commands::JobId, error::DriverError, media::udp_channel::UdpChannel,
    publication::params::PublicationParams,
};

/// A client's command that waits for the native resource agent.
#[derive(Debug)]
pub(super) enum PendingCommand {
    /// Its channel is being resolved.
    Channel(JobId, AwaitedChannel),
    /// The name of its destination is being resolved.
    Destination(JobId, ChangeDestination),
    /// Its log is being mapped.
    Log(JobId, Box<PlannedPublication>),
}

/// What a resolved channel is for.
#[derive(Debug)]
pub(super) enum AwaitedChannel {
    Publication(AddPublication),
    Subscription(AddSubscription),
    Spy(AddSubscription),
    ReceiveDestination(ChangeReceiveDestination),
}

impl AwaitedChannel {
    pub(super) fn correlation_id(&self) -> CorrelationId {
        match self {
            Self::Publication(add) => add.correlation_id,
            Self::Subscription(add) | Self::Spy(add) => add.correlation_id,
            Self::ReceiveDestination(wish) => wish.correlation_id,
        }
    }
}

/// A client's wish for a publication.
#[derive(Clone, Debug)]
pub(super) struct AddPublication {
    pub(super) client_id: ClientId,
    pub(super) correlation_id: CorrelationId,
    pub(super) stream_id: StreamId,
    pub(super) channel: Arc<str>,
    pub(super) is_exclusive: bool,
}

impl AddPublication {
    pub(super) fn registration_id(&self) -> RegistrationId {
        self.correlation_id.as_registration_id()
    }

    /// How the counters of the publication name it.
    pub(super) fn counter_stream(&self, session_id: SessionId) -> CounterStream<'_> {
        CounterStream {
            registration_id: self.correlation_id.get(),
            owner: self.client_id.get(),
            session_id,
            stream_id: self.stream_id,
            channel: &self.channel,
        }
    }

    /// Name of the counter `pub-pos`.
    pub(super) fn publisher_position_name(&self) -> &'static str {
        if self.is_exclusive { "pub-pos (exclusive)" } else { "pub-pos (concurrent)" }
    }

    pub(super) fn clash(&self, session: SessionId) -> DriverError {
        DriverError::invalid_channel(format!(
            "existing publication has clashing session id {session} for stream id {} and channel {}",
            self.stream_id, self.channel
        ))
    }
}

/// A publication that waits for its log.
#[derive(Debug)]
pub(super) struct PlannedPublication {
    pub(super) add: AddPublication,
    pub(super) params: PublicationParams,
    pub(super) session_id: SessionId,
    /// The channel that a network publication sends on; none for IPC.
    pub(super) channel: Option<Arc<UdpChannel>>,
    /// The log to be.
    pub(super) path: PathBuf,
}

impl PlannedPublication {
    /// How subscribers that read the publication's own log are told of it.
    pub(super) fn image(&self) -> AvailableImage {
        AvailableImage {
            correlation_id: self.add.correlation_id,
            session_id: self.session_id,
            stream_id: self.add.stream_id,
            log_path: self.path.to_string_lossy().into(),
            source_identity: "aeron:ipc".into(),
        }
    }
}

/// A client's wish for a subscription.
#[derive(Clone, Debug)]
pub(super) struct AddSubscription {
    pub(super) client_id: ClientId,
    pub(super) correlation_id: CorrelationId,
    pub(super) stream_id: StreamId,
    pub(super) channel: Arc<str>,
}

/// What a client wants of a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Add,
    Remove,
}

/// A destination whose name is being resolved.
#[derive(Debug)]
pub(super) struct ChangeDestination {
    pub(super) correlation_id: CorrelationId,
    pub(super) publication: RegistrationId,
    pub(super) name: Arc<str>,
    pub(super) change: Change,
}

/// A client's wish to change the destinations of a subscription.
#[derive(Clone, Debug)]
pub(super) struct ChangeReceiveDestination {
    pub(super) correlation_id: CorrelationId,
    /// The subscription's.
    pub(super) registration_id: RegistrationId,
    pub(super) channel: Arc<str>,
    pub(super) change: Change,
}
