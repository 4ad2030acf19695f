//! Asking for, and sending again, what was lost.

use std::time::Duration;

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
