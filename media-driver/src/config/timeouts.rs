//! How long things may take, or live on.

use std::time::Duration;

use super::{
    kinds::{OptionalTime, Time},
    setting::{MICROSECOND, Setting, effective, field},
};

/// Timeouts and intervals. Source: driver spec 9.2, 11.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeouts {
    /// Silence after which a client is dead. Default 10 s.
    pub client_liveness: Duration,
    /// How long a publication stays after its last client left. Default 5 s.
    pub publication_linger: Duration,
    /// How long a claim may block a publication; more than the client liveness. Default 15 s.
    pub publication_unblock: Duration,
    /// Silence of receivers after which a publication is not connected. Default 5 s.
    pub publication_connection: Duration,
    /// Silence of the sender after which an image ends; also its linger. Default 10 s.
    pub image_liveness: Duration,
    /// How often the conductor checks all these. Default 1 s.
    pub timer_interval: Duration,
    /// How long a freed counter id rests. Default 1 s.
    pub counter_free_to_reuse: Duration,
    /// How long an untethered subscription may be out of the window. Default 5 s.
    pub untethered_window_limit: Duration,
    /// How long an untethered subscription lingers then; none: as the window limit.
    pub untethered_linger: Option<Duration>,
    /// How long an untethered subscription rests before it may join again. Default 10 s.
    pub untethered_resting: Duration,
    /// How often a receiver that has nothing new to say sends a status message. Default 200 ms.
    pub status_message: Duration,
    /// Time between two turns of the conductor that counts as a stall. Default 100 ms.
    pub conductor_cycle_threshold: Duration,
    /// Time between two turns of the sender that counts as a stall. Default 100 ms.
    pub sender_cycle_threshold: Duration,
    /// Time between two turns of the receiver that counts as a stall. Default 100 ms.
    pub receiver_cycle_threshold: Duration,
    /// Time of one name look-up that counts as a stall. Default 5 s.
    pub name_resolver_threshold: Duration,
}

impl Timeouts {
    /// [`Timeouts::untethered_linger`], or what stands in for it.
    #[must_use]
    pub fn untethered_linger_or_window_limit(&self) -> Duration {
        self.untethered_linger.unwrap_or(self.untethered_window_limit)
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            client_liveness: Duration::from_secs(10),
            publication_linger: Duration::from_secs(5),
            publication_unblock: Duration::from_secs(15),
            publication_connection: Duration::from_secs(5),
            image_liveness: Duration::from_secs(10),
            timer_interval: Duration::from_secs(1),
            counter_free_to_reuse: Duration::from_secs(1),
            untethered_window_limit: Duration::from_secs(5),
            untethered_linger: None,
            untethered_resting: Duration::from_secs(10),
            status_message: Duration::from_millis(200),
            conductor_cycle_threshold: Duration::from_millis(100),
            sender_cycle_threshold: Duration::from_millis(100),
            receiver_cycle_threshold: Duration::from_millis(100),
            name_resolver_threshold: Duration::from_secs(5),
        }
    }
}

/// Settings of [`super::Context::timeouts`].
pub(super) static SETTINGS: &[Setting] = &[
    effective(
        "aeron.client.liveness.timeout",
        &Time { field: field!(timeouts.client_liveness), min: MICROSECOND },
        "silence after which a client is dead",
    ),
    effective(
        "aeron.publication.linger.timeout",
        &Time { field: field!(timeouts.publication_linger), min: MICROSECOND },
        "how long a publication stays after its last client left",
    ),
    effective(
        "aeron.publication.unblock.timeout",
        &Time { field: field!(timeouts.publication_unblock), min: MICROSECOND },
        "how long a claim may block a publication",
    ),
    effective(
        "aeron.publication.connection.timeout",
        &Time { field: field!(timeouts.publication_connection), min: MICROSECOND },
        "silence of receivers after which a publication is not connected",
    ),
    effective(
        "aeron.image.liveness.timeout",
        &Time { field: field!(timeouts.image_liveness), min: MICROSECOND },
        "silence of the sender after which an image ends",
    ),
    effective(
        "aeron.timer.interval",
        &Time { field: field!(timeouts.timer_interval), min: MICROSECOND },
        "how often the conductor checks timeouts",
    ),
    effective(
        "aeron.counters.free.to.reuse.timeout",
        &Time { field: field!(timeouts.counter_free_to_reuse), min: Duration::ZERO },
        "how long a freed counter id rests",
    ),
    effective(
        "aeron.untethered.window.limit.timeout",
        &Time { field: field!(timeouts.untethered_window_limit), min: Duration::ZERO },
        "how long an untethered subscription may be out of the window",
    ),
    effective(
        "aeron.untethered.linger.timeout",
        &OptionalTime(field!(timeouts.untethered_linger)),
        "how long an untethered subscription lingers; unset: the window limit",
    ),
    effective(
        "aeron.untethered.resting.timeout",
        &Time { field: field!(timeouts.untethered_resting), min: Duration::ZERO },
        "how long an untethered subscription rests before it may rejoin",
    ),
    effective(
        "aeron.rcv.status.message.timeout",
        &Time { field: field!(timeouts.status_message), min: MICROSECOND },
        "how often receivers send a status message at least",
    ),
    effective(
        "aeron.driver.conductor.cycle.threshold",
        &Time { field: field!(timeouts.conductor_cycle_threshold), min: Duration::ZERO },
        "time between two turns of the conductor that is a stall",
    ),
    effective(
        "aeron.driver.sender.cycle.threshold",
        &Time { field: field!(timeouts.sender_cycle_threshold), min: Duration::ZERO },
        "time between two turns of the sender that is a stall",
    ),
    effective(
        "aeron.driver.receiver.cycle.threshold",
        &Time { field: field!(timeouts.receiver_cycle_threshold), min: Duration::ZERO },
        "time between two turns of the receiver that is a stall",
    ),
    effective(
        "aeron.driver.name.resolver.threshold",
        &Time { field: field!(timeouts.name_resolver_threshold), min: Duration::ZERO },
        "time of a name look-up that is a stall",
    )
    .with_aliases(&["aeron.name.resolver.threshold"]),
];
