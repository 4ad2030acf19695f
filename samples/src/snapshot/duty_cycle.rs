//! How long the driver's roles took for their work.

use epona_protocol::counters::SystemCounter;
use serde::Serialize;

use super::Snapshot;

/// Longest cycle of a role, and how many were too long.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DutyCycle {
    /// As the labels call it; in modes where roles share a thread they have a counter each nevertheless.
    pub(crate) role: &'static str,
    /// In nanoseconds.
    pub(crate) max_ns: i64,
    /// Cycles longer than the threshold.
    pub(crate) exceeded: i64,
}

pub(super) fn duty_cycles(snapshot: &Snapshot) -> Vec<DutyCycle> {
    use SystemCounter as C;
    let roles = [
        ("Conductor", C::ConductorMaxCycleTime, C::ConductorCycleTimeThresholdExceeded),
        ("Sender", C::SenderMaxCycleTime, C::SenderCycleTimeThresholdExceeded),
        ("Receiver", C::ReceiverMaxCycleTime, C::ReceiverCycleTimeThresholdExceeded),
        ("NameResolver", C::NameResolverMaxTime, C::NameResolverTimeThresholdExceeded),
    ];
    roles
        .into_iter()
        .filter_map(|(role, max, exceeded)| {
            Some(DutyCycle { role, max_ns: snapshot.system(max)?, exceeded: snapshot.system(exceeded)? })
        })
        .collect()
}
