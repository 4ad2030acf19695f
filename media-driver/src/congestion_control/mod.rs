//! How much a receiver lets the sender have in flight: one strategy per image, run by the conductor.
//!
//! To add a strategy: one file, one variant of [`CongestionControl`], one name in [`CongestionControlKind`].
//! Source: wire spec 5.1, 6; driver spec 5.7, 7.3.

mod cubic;
mod round_trip;
mod static_window;

use core::{str::FromStr, time::Duration};

use epona_protocol::types::{Mtu, Nanos, Position, TermLength};

pub use cubic::{Cubic, CubicConfig};
pub use round_trip::RoundTripTimer;
pub use static_window::StaticWindow;

/// What the conductor saw when it rebuilt an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rebuild {
    /// Position of the slowest subscriber.
    pub consumption: Position,
    /// Position of the status message scheduled last.
    pub next_sm_position: Position,
    /// The furthest position seen on the wire.
    pub hwm: Position,
    /// Where the scan for loss started.
    pub start: Position,
    /// Where contiguous data ends.
    pub end: Position,
    /// Whether the scan found a new gap.
    pub loss_found: bool,
}

/// What a receiver may announce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Bytes from the consumption position on, 0..=half a term.
    pub length: i32,
    /// Whether to send a status message even if nothing else asks for one.
    pub force_status_message: bool,
}

/// The largest window of an image: the configured one, at most half a term. Source: wire spec 5.1.
#[must_use]
pub fn receiver_window(initial_window: i32, term_length: TermLength) -> i32 {
    initial_window.min(term_length.get() / 2)
}

/// A strategy that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown congestion control cc={0}: expected static or cubic")]
pub struct UnknownCongestionControl(pub String);

/// A strategy by the name that a subscription channel gives it with `cc=`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CongestionControlKind {
    /// A constant window.
    #[default]
    Static,
    /// A window that shrinks on loss and grows back as a cubic function of time.
    Cubic,
}

impl FromStr for CongestionControlKind {
    type Err = UnknownCongestionControl;

    fn from_str(name: &str) -> Result<Self, UnknownCongestionControl> {
        match name {
            "static" => Ok(Self::Static),
            "cubic" => Ok(Self::Cubic),
            _ => Err(UnknownCongestionControl(name.to_owned())),
        }
    }
}

/// The congestion control of one image.
#[derive(Debug)]
pub enum CongestionControl {
    /// A constant window.
    Static(StaticWindow),
    /// A window that reacts to loss.
    Cubic(Cubic),
}

impl CongestionControl {
    /// The strategy of a new image, whose sender sends frames of up to `mtu`; `max_window` from [`receiver_window`].
    #[must_use]
    pub fn new(
        kind: CongestionControlKind,
        max_window: i32,
        mtu: Mtu,
        config: &CubicConfig,
        now: Nanos,
    ) -> Self {
        match kind {
            CongestionControlKind::Static => Self::Static(StaticWindow::new(max_window)),
            CongestionControlKind::Cubic => Self::Cubic(Cubic::new(max_window, mtu, config, now)),
        }
    }

    /// The window after a rebuild; called once per duty cycle.
    #[inline]
    pub fn on_track_rebuild(&mut self, rebuild: &Rebuild, now: Nanos) -> Window {
        match self {
            Self::Static(window) => window.window(),
            Self::Cubic(cubic) => cubic.on_track_rebuild(rebuild, now),
        }
    }

    /// The window that an image starts with, in bytes.
    #[must_use]
    pub const fn initial_window(&self) -> i32 {
        match self {
            Self::Static(window) => window.length(),
            Self::Cubic(cubic) => cubic.initial_window(),
        }
    }

    /// The largest window that it will ever announce, in bytes.
    #[must_use]
    pub const fn max_window(&self) -> i32 {
        match self {
            Self::Static(window) => window.length(),
            Self::Cubic(cubic) => cubic.max_window(),
        }
    }

    /// What the receiver is to measure round trips with; `None` when they make no difference.
    #[must_use]
    pub fn round_trip_timer(&self) -> Option<RoundTripTimer> {
        match self {
            Self::Static(_) => None,
            Self::Cubic(cubic) => cubic.round_trip_timer(),
        }
    }

    /// The receiver has measured a round trip.
    pub const fn on_round_trip(&mut self, rtt: Duration) {
        if let Self::Cubic(cubic) = self {
            cubic.on_round_trip(rtt);
        }
    }

    /// The state that the counters `rcv-cc-cubic-rtt` and `rcv-cc-cubic-wnd` show: `None` when there are none.
    #[must_use]
    pub const fn cubic(&self) -> Option<&Cubic> {
        match self {
            Self::Static(_) => None,
            Self::Cubic(cubic) => Some(cubic),
        }
    }
}

#[cfg(test)]
mod tests;
