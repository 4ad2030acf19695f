//! Counters about the driver itself: always allocated first, so that the id is the index. Source: shared-memory spec 5.8.

use crate::types::CounterId;

/// A system counter; its discriminant is its counter id, its registration id and its key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum SystemCounter {
    /// Bytes sent by the sender's cycles: data and heartbeats.
    BytesSent = 0,
    /// Bytes received.
    BytesReceived = 1,
    /// Commands that the receiver's queue had no room for.
    ReceiverProxyFails = 2,
    /// Commands that the sender's queue had no room for.
    SenderProxyFails = 3,
    /// Commands that the conductor's queue had no room for.
    ConductorProxyFails = 4,
    /// NAKs sent.
    NaksSent = 5,
    /// NAKs received.
    NaksReceived = 6,
    /// Status messages sent.
    StatusMessagesSent = 7,
    /// Status messages received.
    StatusMessagesReceived = 8,
    /// Heartbeats sent.
    HeartbeatsSent = 9,
    /// Heartbeats received.
    HeartbeatsReceived = 10,
    /// Retransmits sent.
    RetransmitsSent = 11,
    /// Frames behind an image's window.
    FlowControlUnderRuns = 12,
    /// Frames beyond an image's window.
    FlowControlOverRuns = 13,
    /// Frames that failed validation.
    InvalidPackets = 14,
    /// Errors logged; several threads add to it.
    Errors = 15,
    /// Sends that the socket took only in part or not at all.
    ShortSends = 16,
    /// Log buffers that could not be freed at the first attempt.
    FreeFails = 17,
    /// How often a sender was held up by flow control.
    SenderFlowControlLimits = 18,
    /// Publications unblocked after their client died in an offer.
    UnblockedPublications = 19,
    /// Commands unblocked after their client died in a write.
    UnblockedCommands = 20,
    /// Addresses from which packets came with a suspicious TTL.
    PossibleTtlAsymmetry = 21,
    /// Status of a controllable idle strategy.
    ControllableIdleStrategy = 22,
    /// Gaps of unreliable streams that were filled with padding.
    LossGapFills = 23,
    /// Clients that timed out.
    ClientTimeouts = 24,
    /// Resolved addresses that changed.
    ResolutionChanges = 25,
    /// Longest conductor cycle, in nanoseconds.
    ConductorMaxCycleTime = 26,
    /// Conductor cycles longer than the threshold.
    ConductorCycleTimeThresholdExceeded = 27,
    /// Longest sender cycle, in nanoseconds.
    SenderMaxCycleTime = 28,
    /// Sender cycles longer than the threshold.
    SenderCycleTimeThresholdExceeded = 29,
    /// Longest receiver cycle, in nanoseconds.
    ReceiverMaxCycleTime = 30,
    /// Receiver cycles longer than the threshold.
    ReceiverCycleTimeThresholdExceeded = 31,
    /// Longest name resolution, in nanoseconds.
    NameResolverMaxTime = 32,
    /// Name resolutions longer than the threshold.
    NameResolverTimeThresholdExceeded = 33,
    /// Version of the driver, as a semantic version.
    AeronVersion = 34,
    /// Bytes of files mapped now.
    BytesCurrentlyMapped = 35,
    /// Bytes retransmitted.
    RetransmittedBytes = 36,
    /// Retransmits dropped because too many were under way.
    RetransmitOverflow = 37,
    /// Error frames received.
    ErrorFramesReceived = 38,
    /// Error frames sent.
    ErrorFramesSent = 39,
    /// Publications revoked.
    PublicationsRevoked = 40,
    /// Images revoked by their publication.
    PublicationImagesRevoked = 41,
    /// Images rejected by their subscriber.
    ImagesRejected = 42,
    /// Version of the control protocol, as a semantic version.
    ControlProtocolVersion = 43,
    /// Status messages rejected.
    StatusMessagesRejected = 44,
    /// Commands that the native resource agent's queue had no room for.
    NativeResourceAgentProxyFails = 45,
}

impl SystemCounter {
    /// How many there are.
    pub const COUNT: usize = 46;

    /// All of them, in the order of their ids.
    pub const ALL: [Self; Self::COUNT] = [
        Self::BytesSent,
        Self::BytesReceived,
        Self::ReceiverProxyFails,
        Self::SenderProxyFails,
        Self::ConductorProxyFails,
        Self::NaksSent,
        Self::NaksReceived,
        Self::StatusMessagesSent,
        Self::StatusMessagesReceived,
        Self::HeartbeatsSent,
        Self::HeartbeatsReceived,
        Self::RetransmitsSent,
        Self::FlowControlUnderRuns,
        Self::FlowControlOverRuns,
        Self::InvalidPackets,
        Self::Errors,
        Self::ShortSends,
        Self::FreeFails,
        Self::SenderFlowControlLimits,
        Self::UnblockedPublications,
        Self::UnblockedCommands,
        Self::PossibleTtlAsymmetry,
        Self::ControllableIdleStrategy,
        Self::LossGapFills,
        Self::ClientTimeouts,
        Self::ResolutionChanges,
        Self::ConductorMaxCycleTime,
        Self::ConductorCycleTimeThresholdExceeded,
        Self::SenderMaxCycleTime,
        Self::SenderCycleTimeThresholdExceeded,
        Self::ReceiverMaxCycleTime,
        Self::ReceiverCycleTimeThresholdExceeded,
        Self::NameResolverMaxTime,
        Self::NameResolverTimeThresholdExceeded,
        Self::AeronVersion,
        Self::BytesCurrentlyMapped,
        Self::RetransmittedBytes,
        Self::RetransmitOverflow,
        Self::ErrorFramesReceived,
        Self::ErrorFramesSent,
        Self::PublicationsRevoked,
        Self::PublicationImagesRevoked,
        Self::ImagesRejected,
        Self::ControlProtocolVersion,
        Self::StatusMessagesRejected,
        Self::NativeResourceAgentProxyFails,
    ];

    /// Id of the counter in the counters buffers.
    #[must_use]
    pub const fn id(self) -> CounterId {
        CounterId::new(self as i32)
    }

    /// The label, before what a driver appends at its start (version, threading mode, threshold, its name).
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::BytesSent => "Bytes sent",
            Self::BytesReceived => "Bytes received",
            Self::ReceiverProxyFails => "Failed offers to ReceiverProxy",
            Self::SenderProxyFails => "Failed offers to SenderProxy",
            Self::ConductorProxyFails => "Failed offers to DriverConductorProxy",
            Self::NaksSent => "NAKs sent",
            Self::NaksReceived => "NAKs received",
            Self::StatusMessagesSent => "Status Messages sent",
            Self::StatusMessagesReceived => "Status Messages received",
            Self::HeartbeatsSent => "Heartbeats sent",
            Self::HeartbeatsReceived => "Heartbeats received",
            Self::RetransmitsSent => "Retransmits sent",
            Self::FlowControlUnderRuns => "Flow control under runs",
            Self::FlowControlOverRuns => "Flow control over runs",
            Self::InvalidPackets => "Invalid packets",
            Self::Errors => "Errors",
            Self::ShortSends => "Short sends",
            Self::FreeFails => "Failed attempts to free log buffers",
            Self::SenderFlowControlLimits => "Sender flow control limits, i.e. back-pressure events",
            Self::UnblockedPublications => "Unblocked Publications",
            Self::UnblockedCommands => "Unblocked Control Commands",
            Self::PossibleTtlAsymmetry => "Possible TTL Asymmetry",
            Self::ControllableIdleStrategy => "ControllableIdleStrategy status",
            Self::LossGapFills => "Loss gap fills",
            Self::ClientTimeouts => "Client liveness timeouts",
            Self::ResolutionChanges => "Resolution changes",
            Self::ConductorMaxCycleTime => "Conductor max cycle time doing its work in ns",
            Self::ConductorCycleTimeThresholdExceeded => "Conductor work cycle exceeded threshold count",
            Self::SenderMaxCycleTime => "Sender max cycle time doing its work in ns",
            Self::SenderCycleTimeThresholdExceeded => "Sender work cycle exceeded threshold count",
            Self::ReceiverMaxCycleTime => "Receiver max cycle time doing its work in ns",
            Self::ReceiverCycleTimeThresholdExceeded => "Receiver work cycle exceeded threshold count",
            Self::NameResolverMaxTime => "NameResolver max time in ns",
            Self::NameResolverTimeThresholdExceeded => "NameResolver exceeded threshold count",
            Self::AeronVersion => "Aeron software",
            Self::BytesCurrentlyMapped => "Bytes currently mapped",
            Self::RetransmittedBytes => "Retransmitted bytes",
            Self::RetransmitOverflow => "Retransmit Pool Overflow count",
            Self::ErrorFramesReceived => "Error Frames received",
            Self::ErrorFramesSent => "Error Frames sent",
            Self::PublicationsRevoked => "Publications Revoked",
            Self::PublicationImagesRevoked => "Publication Images Revoked",
            Self::ImagesRejected => "Images rejected",
            Self::ControlProtocolVersion => "Control protocol version",
            Self::StatusMessagesRejected => "Status Messages rejected",
            Self::NativeResourceAgentProxyFails => "Failed offers to NativeResourceAgentProxy",
        }
    }
}
