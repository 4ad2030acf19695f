//! The driver's own counters, as its roles hold them.

use epona_protocol::{
    cnc::SemanticVersion,
    counters::{AtomicCounter, CountersError, CountersManager, NewCounter, SystemCounter, SystemCounterKey},
    types::{CounterTypeId, EpochMillis},
};

/// A counter that several roles add to.
#[derive(Clone, Debug)]
pub struct SharedCounter(AtomicCounter);

impl SharedCounter {
    /// Adds one. Any thread.
    #[inline]
    pub fn increment(&self) {
        self.0.get_and_add(1);
    }

    /// Adds any amount, negative too. Any thread.
    #[inline]
    pub fn add(&self, delta: i64) {
        self.0.get_and_add(delta);
    }

    /// The value now.
    #[inline]
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.get_acquire()
    }

    /// The counter itself, for a role that is its only writer.
    #[must_use]
    pub fn handle(&self) -> &AtomicCounter {
        &self.0
    }
}

macro_rules! system_counters {
    ($($(#[$doc:meta])* $field:ident: $counter:ident,)+) => {
        /// Handles on the system counters that something in the driver writes. Source: driver spec 10.
        #[derive(Clone, Debug)]
        pub struct SystemCounters {
            $($(#[$doc])* pub $field: SharedCounter,)+
        }

        impl SystemCounters {
            fn over(handle: impl Fn(SystemCounter) -> AtomicCounter) -> Self {
                Self { $($field: SharedCounter(handle(SystemCounter::$counter)),)+ }
            }
        }
    };
}

system_counters! {
    /// Bytes of data and heartbeats sent, without setups and retransmits.
    bytes_sent: BytesSent,
    /// Bytes read by the receiver.
    bytes_received: BytesReceived,
    /// Commands that the receiver's queue had no room for at once.
    receiver_proxy_fails: ReceiverProxyFails,
    /// Commands that the sender's queue had no room for at once.
    sender_proxy_fails: SenderProxyFails,
    /// Commands that the conductor's queue had no room for at once.
    conductor_proxy_fails: ConductorProxyFails,
    /// NAKs sent, one for each source.
    naks_sent: NaksSent,
    /// NAKs received.
    naks_received: NaksReceived,
    /// Status messages sent, one for each source.
    status_messages_sent: StatusMessagesSent,
    /// Status messages received, those that elicit a setup too.
    status_messages_received: StatusMessagesReceived,
    /// Heartbeats sent.
    heartbeats_sent: HeartbeatsSent,
    /// Heartbeats accepted.
    heartbeats_received: HeartbeatsReceived,
    /// Resends that sent something.
    retransmits_sent: RetransmitsSent,
    /// Packets behind what was consumed.
    flow_control_under_runs: FlowControlUnderRuns,
    /// Packets beyond what the window allows.
    flow_control_over_runs: FlowControlOverRuns,
    /// Packets that are not what they claim to be.
    invalid_packets: InvalidPackets,
    /// Errors recorded in the error log.
    errors: Errors,
    /// Sends that the socket did not take in full.
    short_sends: ShortSends,
    /// Log buffers that could not be deleted at the first try.
    free_fails: FreeFails,
    /// Times that a publication ran into its sender limit.
    sender_flow_control_limits: SenderFlowControlLimits,
    /// Publications that went on after their publisher died in a claim.
    unblocked_publications: UnblockedPublications,
    /// Commands skipped because their client died writing them.
    unblocked_commands: UnblockedCommands,
    /// Images of a group whose source names a greater time to live than their subscriber: answers may not reach it.
    possible_ttl_asymmetry: PossibleTtlAsymmetry,
    /// Gaps of unreliable streams filled with padding.
    loss_gap_fills: LossGapFills,
    /// Clients that stopped their keepalive.
    client_timeouts: ClientTimeouts,
    /// Peers whose name stands for another address now.
    resolution_changes: ResolutionChanges,
    /// Longest time between two turns of the conductor, in ns.
    conductor_max_cycle_time: ConductorMaxCycleTime,
    /// Turns of the conductor beyond the threshold.
    conductor_cycle_time_threshold_exceeded: ConductorCycleTimeThresholdExceeded,
    /// Longest time between two turns of the sender, in ns.
    sender_max_cycle_time: SenderMaxCycleTime,
    /// Turns of the sender beyond the threshold.
    sender_cycle_time_threshold_exceeded: SenderCycleTimeThresholdExceeded,
    /// Longest time between two turns of the receiver, in ns.
    receiver_max_cycle_time: ReceiverMaxCycleTime,
    /// Turns of the receiver beyond the threshold.
    receiver_cycle_time_threshold_exceeded: ReceiverCycleTimeThresholdExceeded,
    /// Longest time that resolving a name took, in ns.
    name_resolver_max_time: NameResolverMaxTime,
    /// Resolutions of names beyond the threshold.
    name_resolver_time_threshold_exceeded: NameResolverTimeThresholdExceeded,
    /// Version of Aeron that the driver keeps to.
    aeron_version: AeronVersion,
    /// Bytes of files mapped.
    bytes_currently_mapped: BytesCurrentlyMapped,
    /// Bytes sent again.
    retransmitted_bytes: RetransmittedBytes,
    /// NAKs dropped because all retransmit slots were in use.
    retransmit_overflow: RetransmitOverflow,
    /// Error frames received.
    error_frames_received: ErrorFramesReceived,
    /// Error frames sent.
    error_frames_sent: ErrorFramesSent,
    /// Publications revoked.
    publications_revoked: PublicationsRevoked,
    /// Images whose publication was revoked.
    publication_images_revoked: PublicationImagesRevoked,
    /// Images rejected by a client.
    images_rejected: ImagesRejected,
    /// Version of the control protocol.
    control_protocol_version: ControlProtocolVersion,
    /// Status messages with an impossible position.
    status_messages_rejected: StatusMessagesRejected,
    /// Commands that the native resource agent's queue had no room for at once.
    native_resource_agent_proxy_fails: NativeResourceAgentProxyFails,
}

/// What a driver appends to labels at its start. Source: shared-memory spec 5.8, driver spec 1.6.
#[derive(Clone, Debug)]
pub struct LabelSuffixes {
    /// `DEDICATED`, `SHARED`, ...
    pub threading_mode: String,
    /// Threshold of the conductor's turns, as `100ms`.
    pub conductor_threshold: String,
    /// Threshold of the sender's turns.
    pub sender_threshold: String,
    /// Threshold of the receiver's turns.
    pub receiver_threshold: String,
    /// Threshold of name resolution.
    pub resolver_threshold: String,
    /// Name of the driver among resolvers, empty for none.
    pub resolver_name: String,
}

impl LabelSuffixes {
    fn label_of(&self, counter: SystemCounter) -> String {
        let label = counter.label();
        let mode = &self.threading_mode;
        match counter {
            SystemCounter::Errors | SystemCounter::AeronVersion => {
                format!("{label}: version={AERON_VERSION} commit={COMMIT}")
            }
            SystemCounter::ResolutionChanges => format!("{label}: driverName={}", self.resolver_name),
            SystemCounter::ConductorMaxCycleTime
            | SystemCounter::SenderMaxCycleTime
            | SystemCounter::ReceiverMaxCycleTime => format!("{label}: {mode}"),
            SystemCounter::ConductorCycleTimeThresholdExceeded => {
                format!("{label}: threshold={} {mode}", self.conductor_threshold)
            }
            SystemCounter::SenderCycleTimeThresholdExceeded => {
                format!("{label}: threshold={} {mode}", self.sender_threshold)
            }
            SystemCounter::ReceiverCycleTimeThresholdExceeded => {
                format!("{label}: threshold={} {mode}", self.receiver_threshold)
            }
            SystemCounter::NameResolverTimeThresholdExceeded => {
                format!("{label}: threshold={}", self.resolver_threshold)
            }
            _ => label.to_owned(),
        }
    }
}

/// Version of Aeron whose contracts the driver keeps.
pub const AERON_VERSION: &str = "1.54.0";

/// Marks the implementation where Aeron's drivers show their commit.
pub const COMMIT: &str = concat!("epona-", env!("CARGO_PKG_VERSION"));

impl SystemCounters {
    /// Allocates all 46, first of all counters, so that each has its own number for an id.
    ///
    /// # Errors
    /// When the counters buffers have no room for them, or are not fresh.
    pub fn allocate(
        counters: &mut CountersManager,
        suffixes: &LabelSuffixes,
        now: EpochMillis,
    ) -> Result<Self, CountersError> {
        let mut handles = Vec::with_capacity(SystemCounter::COUNT);
        for counter in SystemCounter::ALL {
            let id = counter.id();
            handles.push(counters.allocate(
                now,
                &NewCounter {
                    type_id: CounterTypeId::SYSTEM_COUNTER,
                    key: &SystemCounterKey { counter_id: id }.encode(),
                    label: suffixes.label_of(counter).as_bytes(),
                    registration_id: i64::from(id.get()),
                    owner_id: -1,
                    reference_id: 0,
                },
            )?);
        }
        let system = Self::over(|counter| handles[counter as usize].clone());
        system.aeron_version.add(i64::from(SemanticVersion::new(1, 54, 0).get()));
        system.control_protocol_version.add(i64::from(SemanticVersion::new(1, 0, 0).get()));
        Ok(system)
    }

    /// Counters that nobody else sees, for tests of a role.
    #[must_use]
    pub fn detached() -> Self {
        Self::over(|_| AtomicCounter::detached())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DRV-15
    #[test]
    fn labels_of_duty_cycle_counters_have_the_threshold_and_the_threading_mode() {
        let suffixes = LabelSuffixes {
            threading_mode: "SHARED_NETWORK".to_owned(),
            conductor_threshold: "100ms".to_owned(),
            sender_threshold: "20us".to_owned(),
            receiver_threshold: "7ns".to_owned(),
            resolver_threshold: "5s".to_owned(),
            resolver_name: "me".to_owned(),
        };
        for (counter, suffix) in [
            (SystemCounter::ConductorMaxCycleTime, ": SHARED_NETWORK"),
            (SystemCounter::SenderMaxCycleTime, ": SHARED_NETWORK"),
            (SystemCounter::ReceiverMaxCycleTime, ": SHARED_NETWORK"),
            (SystemCounter::ConductorCycleTimeThresholdExceeded, ": threshold=100ms SHARED_NETWORK"),
            (SystemCounter::SenderCycleTimeThresholdExceeded, ": threshold=20us SHARED_NETWORK"),
            (SystemCounter::ReceiverCycleTimeThresholdExceeded, ": threshold=7ns SHARED_NETWORK"),
            (SystemCounter::NameResolverTimeThresholdExceeded, ": threshold=5s"),
            (SystemCounter::ResolutionChanges, ": driverName=me"),
        ] {
            assert_eq!(suffixes.label_of(counter), format!("{}{suffix}", counter.label()));
        }
    }
}
