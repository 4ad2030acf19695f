//! What roles ask of each other.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use epona_protocol::{
    command::ErrorCode,
    frame::Setup,
    logbuffer::{LogBuffers, LogParameters},
    types::{CorrelationId, CounterId, GroupTag, ReceiverId, RegistrationId, SessionId, StreamId},
};

use crate::{
    directory::storage::TermLengthOrigin,
    endpoint_id::{ReceiveEndpointId, SendEndpointId},
    error::DriverError,
    media::{ChannelPurpose, OffloadRefusal, UdpChannel},
    name_resolution::ResolutionError,
    re_resolution::ReResolution,
    receiver::{
        destination::ReceiveDestination,
        endpoint::ReceiveEndpoint,
        image::ReceiverImage,
        origin::{DestinationIndex, Origin},
    },
    sender::{destinations::ManualDestination, endpoint::SendEndpoint, publication::SenderPublication},
};

/// From the conductor to the sender.
#[derive(Debug)]
pub enum SenderCommand {
    /// A socket to send on.
    AddEndpoint(Box<SendEndpoint>),
    /// Give the socket back.
    RemoveEndpoint(SendEndpointId),
    /// A publication to drive.
    AddPublication(Box<SenderPublication>),
    /// Give the publication back.
    RemovePublication(RegistrationId),
    /// One more destination of an endpoint with `control-mode=manual`.
    AddDestination {
        /// Which endpoint.
        endpoint: SendEndpointId,
        /// Where to send.
        destination: ManualDestination,
    },
    /// One destination less of such an endpoint.
    RemoveDestination {
        /// Which endpoint.
        endpoint: SendEndpointId,
        /// Value of `endpoint` in the destination's channel.
        name: Arc<str>,
        /// What it stands for; `None` when it stands for nothing.
        address: Option<SocketAddr>,
    },
    /// One destination less of such an endpoint.
    RemoveDestinationById {
        /// Which endpoint.
        endpoint: SendEndpointId,
        /// Registration id of the destination.
        id: RegistrationId,
    },
    /// The name of the endpoint's peer, or of a destination, now stands for another address.
    UpdateDestination {
        /// Which endpoint.
        endpoint: SendEndpointId,
        /// Value of `endpoint` in the channel of the endpoint or destination.
        name: Arc<str>,
        /// The new address.
        address: SocketAddr,
    },
}

/// From the conductor to the receiver.
#[derive(Debug)]
pub enum ReceiverCommand {
    /// Sockets to receive from.
    AddEndpoint(Box<ReceiveEndpoint>),
    /// Give the sockets back.
    RemoveEndpoint(ReceiveEndpointId),
    /// Interest in a stream, in one session of it or in all.
    AddInterest(ReceiveEndpointId, StreamId, Option<SessionId>),
    /// Ask the source of a session for a setup, where the channel says where to ask.
    RequestSetup(ReceiveEndpointId, StreamId, SessionId),
    /// The end of such an interest.
    RemoveInterest(ReceiveEndpointId, StreamId, Option<SessionId>),
    /// A further socket to receive from.
    AddDestination(ReceiveEndpointId, Box<ReceiveDestination>),
    /// Give that socket back.
    RemoveDestination(ReceiveEndpointId, DestinationIndex),
    /// The name of a destination's explicit control address now stands for another address.
    UpdateControlAddress {
        /// Which endpoint.
        endpoint: ReceiveEndpointId,
        /// Which destination of it.
        destination: DestinationIndex,
        /// The new address.
        address: SocketAddr,
    },
    /// An image to fill.
    AddImage(Box<ReceiverImage>),
    /// Give the image back.
    RemoveImage(ReceiveEndpointId, CorrelationId),
    /// An image cannot be created now: the next setup may try again.
    ImageCreationFailed(ReceiveEndpointId, StreamId, SessionId),
    /// A session that just ended may come back at once.
    AllowRejoin(ReceiveEndpointId, StreamId, SessionId),
    /// Ignore an image's stream and tell its source why.
    RejectImage(ReceiveEndpointId, CorrelationId, Box<str>),
}

/// A setup that asks for an image.
#[derive(Clone, Debug)]
pub struct ImageRequest {
    /// Endpoint that it arrived on.
    pub endpoint: ReceiveEndpointId,
    /// The setup, its fields checked.
    pub setup: Setup,
    /// Who sent it.
    pub source: SocketAddr,
    /// Where it came in, and where control frames for the image go.
    pub origin: Origin,
}

/// An error frame to be told to clients.
#[derive(Clone, Debug)]
pub struct PublicationErrorReport {
    /// Original registration id of the publication.
    pub registration_id: RegistrationId,
    /// Destination that the receiver belongs to, when known.
    pub destination_registration_id: Option<RegistrationId>,
    /// Session id.
    pub session_id: SessionId,
    /// Stream id.
    pub stream_id: StreamId,
    /// The receiver that sent it; -1 over IPC.
    pub receiver_id: ReceiverId,
    /// Its group tag, if it has one.
    pub group_tag: Option<GroupTag>,
    /// Its address.
    pub source: SocketAddr,
    /// Error code of the frame.
    pub error_code: ErrorCode,
    /// Text of the frame.
    pub message: Vec<u8>,
}

/// From sender and receiver to the conductor.
#[derive(Debug)]
pub enum ConductorCommand {
    /// A peer fell silent: its name may stand for another address now.
    ReResolve(ReResolution),
    /// The sender no longer uses the endpoint.
    SendEndpointReleased(Box<SendEndpoint>),
    /// The sender no longer drives the publication.
    PublicationReleased(Box<SenderPublication>),
    /// A receiver sent an error frame.
    PublicationError(Box<PublicationErrorReport>),
    /// The receiver no longer uses the endpoint.
    ReceiveEndpointReleased(Box<ReceiveEndpoint>),
    /// The receiver no longer uses the destination of an endpoint that stays.
    ReceiveDestinationReleased(ReceiveEndpointId, Box<ReceiveDestination>),
    /// The receiver no longer fills the image.
    ImageReleased(Box<ReceiverImage>),
    /// A setup arrived for a stream of interest.
    CreateImage(Box<ImageRequest>),
    /// A request is answered in a session.
    ResponseSetup {
        /// The subscription that the request named for its responses.
        subscription: RegistrationId,
        /// Session of the response publication.
        response_session_id: SessionId,
    },
    /// A response publication has its receiver: the source of this image need not be told of it any more.
    ResponseConnected(CorrelationId),
    /// The kernel does not cut up runs of datagrams for a socket any more; comes once.
    OffloadRefused {
        /// Whose socket.
        endpoint: SendEndpointId,
        /// How it said so.
        refusal: OffloadRefusal,
    },
    /// Something went wrong that belongs in the error log.
    Error(Box<DriverError>),
}

/// Ties a request to the native resource agent to its outcome.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct JobId(pub u64);

/// A log buffer to create.
#[derive(Clone, Debug)]
pub struct LogSpec {
    /// The file, which must not exist.
    pub path: PathBuf,
    /// What its metadata says, the length of terms and pages too.
    pub parameters: LogParameters,
    /// Whether storage is allocated when first touched.
    pub is_sparse: bool,
    /// Where the length of its terms comes from.
    pub term_length_origin: TermLengthOrigin,
}

/// From the conductor to the native resource agent.
#[derive(Debug)]
pub enum ResourceCommand {
    /// Parse a channel and resolve its names.
    ResolveChannel {
        /// Comes back with the outcome.
        job: JobId,
        /// The channel, as the client wrote it.
        channel: String,
        /// What it is for.
        purpose: ChannelPurpose,
    },
    /// Resolve `host:port`.
    ResolveAddress {
        /// Comes back with the outcome.
        job: JobId,
        /// The channel parameter that it is the value of.
        parameter: &'static str,
        /// Host and port, as the client wrote them.
        name: Arc<str>,
        /// Whether it was resolved before, and its peer fell silent.
        is_re_resolution: bool,
    },
    /// Create and map a log buffer.
    MapLog {
        /// Comes back with the outcome.
        job: JobId,
        /// Where, and what of.
        spec: Box<LogSpec>,
    },
    /// Unmap and delete a log buffer.
    FreeLog {
        /// The file to delete.
        path: PathBuf,
        /// The mapping to drop, with the driver's share of it.
        log: LogBuffers,
    },
}

/// From the native resource agent to the conductor.
#[derive(Debug)]
pub enum ResourceOutcome {
    /// The channel, or why it is not one.
    Channel(JobId, Result<Arc<UdpChannel>, DriverError>),
    /// The address, or why there is none.
    Address(JobId, Result<SocketAddr, ResolutionError>),
    /// A counter of the name resolver has a new label.
    Label(CounterId, String),
    /// The log buffer, or why there is none.
    Log(JobId, Result<LogBuffers, DriverError>),
    /// Something that belongs in the error log and failed nothing.
    Warning(Box<DriverError>),
}
