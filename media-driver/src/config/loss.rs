//! Asking for, and sending again, what was lost.

use std::time::Duration;

use super::{
    kinds::{Integer, Time},
    setting::{MAX_I32, MICROSECOND, Setting, effective, field},
};

/// NAKs and retransmissions. Source: driver spec 3.8, 9.2, wire spec 3.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// Wait before the first NAK for a gap, unicast. Default 1 us.
    pub nak_unicast_delay: Duration,
    /// Waits between NAKs for one gap are the delay times this, unicast, at least 1. Default 100.
    pub nak_unicast_retry_delay_ratio: u64,
    /// Receivers that a multicast NAK's random delay reckons with, at least 1. Default 10.
    pub nak_multicast_group_size: u32,
    /// Longest random delay before a multicast NAK. Default 10 ms.
    pub nak_multicast_max_backoff: Duration,
    /// Wait before sending again. Default 0.
    pub retransmit_unicast_delay: Duration,
    /// How long further NAKs for what was sent again are ignored. Default 10 ms.
    pub retransmit_unicast_linger: Duration,
    /// Retransmissions in progress per publication, 1..=256. Default 16.
    pub max_resend: u32,
    /// Gaps of a unicast stream that a receiver asks for at a time, and resends that a sender remembers, 1..=256; 1 repairs
    /// one gap after the other, as Aeron does. Default 64.
    pub unicast_max_gaps: usize,
}

impl Default for Loss {
    fn default() -> Self {
        Self {
            nak_unicast_delay: Duration::from_micros(1),
            nak_unicast_retry_delay_ratio: 100,
            nak_multicast_group_size: 10,
            nak_multicast_max_backoff: Duration::from_millis(10),
            retransmit_unicast_delay: Duration::ZERO,
            retransmit_unicast_linger: Duration::from_millis(10),
            max_resend: 16,
            unicast_max_gaps: 64,
        }
    }
}

/// Settings of [`super::Context::loss`].
pub(super) static SETTINGS: &[Setting] = &[
    effective(
        "aeron.nak.unicast.delay",
        &Time { field: field!(loss.nak_unicast_delay), min: MICROSECOND },
        "wait before the first NAK for a gap, unicast",
    ),
    effective(
        "aeron.nak.unicast.retry.delay.ratio",
        &Integer { field: field!(loss.nak_unicast_retry_delay_ratio), min: 1, max: i64::MAX },
        "waits between NAKs for one gap, in first waits, unicast",
    ),
    effective(
        "aeron.nak.multicast.group.size",
        &Integer { field: field!(loss.nak_multicast_group_size), min: 1, max: MAX_I32 },
        "receivers that the delay of a multicast NAK reckons with",
    ),
    effective(
        "aeron.nak.multicast.max.backoff",
        &Time { field: field!(loss.nak_multicast_max_backoff), min: MICROSECOND },
        "longest delay of a multicast NAK",
    ),
    effective(
        "aeron.retransmit.unicast.delay",
        &Time { field: field!(loss.retransmit_unicast_delay), min: Duration::ZERO },
        "wait before sending again",
    ),
    effective(
        "aeron.retransmit.unicast.linger",
        &Time { field: field!(loss.retransmit_unicast_linger), min: MICROSECOND },
        "how long further NAKs for what was sent again are ignored",
    ),
    effective(
        "aeron.max.resend",
        &Integer { field: field!(loss.max_resend), min: 1, max: 256 },
        "retransmissions in progress per publication",
    ),
    effective(
        "epona.unicast.max.gaps",
        &Integer { field: field!(loss.unicast_max_gaps), min: 1, max: 256 },
        "gaps of a unicast stream that are repaired at a time; 1: one after the other, as Aeron does",
    ),
];
