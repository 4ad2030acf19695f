//! The driver's own counters as series.

use epona_protocol::counters::SystemCounter as C;

/// How a counter is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only goes up, by one for each event.
    Events,
    /// Only goes up, by bytes.
    Bytes,
    /// Goes up and down, in bytes.
    BytesNow,
}

/// The name of a counter's series, without `epona_`, unit and `_total`; `None` for counters that are told otherwise:
/// times of duty cycles, versions, the idle strategy.
pub(super) const fn series(counter: C) -> Option<(&'static str, Kind)> {
    use Kind::{Bytes, BytesNow, Events};
    Some(match counter {
        C::BytesSent => ("sent", Bytes),
        C::BytesReceived => ("received", Bytes),
        C::ReceiverProxyFails => ("receiver_proxy_failed_offers", Events),
        C::SenderProxyFails => ("sender_proxy_failed_offers", Events),
        C::ConductorProxyFails => ("conductor_proxy_failed_offers", Events),
        C::NativeResourceAgentProxyFails => ("native_resource_agent_proxy_failed_offers", Events),
        C::NaksSent => ("naks_sent", Events),
        C::NaksReceived => ("naks_received", Events),
        C::StatusMessagesSent => ("status_messages_sent", Events),
        C::StatusMessagesReceived => ("status_messages_received", Events),
        C::StatusMessagesRejected => ("status_messages_rejected", Events),
        C::HeartbeatsSent => ("heartbeats_sent", Events),
        C::HeartbeatsReceived => ("heartbeats_received", Events),
        C::RetransmitsSent => ("retransmits_sent", Events),
        C::RetransmittedBytes => ("retransmitted", Bytes),
        C::RetransmitOverflow => ("retransmit_overflows", Events),
        C::FlowControlUnderRuns => ("flow_control_under_runs", Events),
        C::FlowControlOverRuns => ("flow_control_over_runs", Events),
        C::InvalidPackets => ("invalid_packets", Events),
        C::Errors => ("errors", Events),
        C::ErrorFramesSent => ("error_frames_sent", Events),
        C::ErrorFramesReceived => ("error_frames_received", Events),
        C::ShortSends => ("short_sends", Events),
        C::FreeFails => ("log_buffer_free_failures", Events),
        C::SenderFlowControlLimits => ("sender_flow_control_limits", Events),
        C::UnblockedPublications => ("unblocked_publications", Events),
        C::UnblockedCommands => ("unblocked_commands", Events),
        C::PossibleTtlAsymmetry => ("possible_ttl_asymmetries", Events),
        C::LossGapFills => ("loss_gap_fills", Events),
        C::ClientTimeouts => ("client_timeouts", Events),
        C::ResolutionChanges => ("resolution_changes", Events),
        C::BytesCurrentlyMapped => ("mapped", BytesNow),
        C::PublicationsRevoked => ("publications_revoked", Events),
        C::PublicationImagesRevoked => ("publication_images_revoked", Events),
        C::ImagesRejected => ("images_rejected", Events),
        C::ControllableIdleStrategy
        | C::ConductorMaxCycleTime
        | C::ConductorCycleTimeThresholdExceeded
        | C::SenderMaxCycleTime
        | C::SenderCycleTimeThresholdExceeded
        | C::ReceiverMaxCycleTime
        | C::ReceiverCycleTimeThresholdExceeded
        | C::NameResolverMaxTime
        | C::NameResolverTimeThresholdExceeded
        | C::AeronVersion
        | C::ControlProtocolVersion => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_counters_share_a_name() {
        let names: Vec<_> = C::ALL.into_iter().filter_map(series).collect();
        let distinct: HashSet<_> = names.iter().map(|(name, _)| name).collect();
        assert_eq!((names.len(), distinct.len()), (35, 35));
    }
}
