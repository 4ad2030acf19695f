//! A window that shrinks by a fifth on loss and grows back as a cubic function of the time since.
//! Source: wire spec 6.2.

use core::time::Duration;

use epona_protocol::types::{Mtu, Nanos};

use super::{Rebuild, RoundTripTimer, Window};

/// Datagrams in flight at first.
const INITIAL_CWND: i32 = 10;
/// Steepness of growth.
const C: f64 = 0.4;
/// Share of the window that a loss costs.
const B: f64 = 0.2;

/// Settings of [`Cubic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CubicConfig {
    /// Whether to measure round trips: `aeron.CubicCongestionControl.measureRtt`.
    pub measure_rtt: bool,
    /// Round trip assumed before the first measurement, and time between window updates:
    /// `aeron.CubicCongestionControl.initialRtt`.
    pub initial_rtt: Duration,
    /// Whether to grow at least as TCP would: `aeron.CubicCongestionControl.tcpMode`.
    pub tcp_mode: bool,
}

impl Default for CubicConfig {
    fn default() -> Self {
        Self { measure_rtt: false, initial_rtt: Duration::from_micros(100), tcp_mode: false }
    }
}

/// Counts its window in datagrams of the sender's MTU (`cwnd`).
#[derive(Debug)]
pub struct Cubic {
    config: CubicConfig,
    mtu: i32,
    max_window: i32,
    initial_window: i32,
    max_cwnd: i32,
    cwnd: i32,
    /// The window before the last loss.
    w_max: i32,
    /// Seconds from a loss until the window is back at `w_max`.
    k: f64,
    rtt: Duration,
    last_loss: Nanos,
    last_update: Nanos,
}

impl Cubic {
    /// The state of an image created `now`. When not even one datagram of `mtu` fits into `max_window` the window is
    /// `max_window`, so that smaller datagrams pass.
    #[must_use]
    pub fn new(max_window: i32, mtu: Mtu, config: &CubicConfig, now: Nanos) -> Self {
        let max_cwnd = (max_window / mtu.get()).max(1);
        let cwnd = max_cwnd.min(INITIAL_CWND);
        Self {
            config: *config,
            mtu: mtu.get(),
            max_window,
            initial_window: (cwnd * mtu.get()).min(max_window),
            max_cwnd,
            cwnd,
            w_max: max_cwnd,
            k: seconds_to_recover(max_cwnd),
            rtt: config.initial_rtt,
            last_loss: now,
            last_update: now,
        }
    }

    pub(super) fn on_track_rebuild(&mut self, rebuild: &Rebuild, now: Nanos) -> Window {
        let mut force_status_message = false;
        if rebuild.loss_found {
            force_status_message = true;
            self.on_loss(now);
        } else if self.cwnd < self.max_cwnd && self.last_update + self.config.initial_rtt < now {
            self.grow(now);
        } else if self.cwnd == 1 && rebuild.consumption > rebuild.next_sm_position {
            force_status_message = true;
        }
        Window { length: self.window(), force_status_message }
    }

    fn on_loss(&mut self, now: Nanos) {
        self.w_max = self.cwnd;
        self.k = seconds_to_recover(self.w_max);
        self.cwnd = ((f64::from(self.cwnd) * (1.0 - B)) as i32).max(1);
        self.last_loss = now;
    }

    fn grow(&mut self, now: Nanos) {
        let since_loss = now.since(self.last_loss).as_secs_f64();
        let increment = C * (since_loss - self.k).powi(3);
        let mut cwnd = self.w_max.saturating_add(increment as i32);
        if self.config.tcp_mode && cwnd < self.w_max {
            let round_trips = since_loss / self.rtt.as_secs_f64();
            let as_tcp = f64::from(self.w_max) * (1.0 - B) + 3.0 * B / (2.0 - B) * round_trips;
            cwnd = cwnd.max(as_tcp as i32);
        }
        // The reference does not clamp what TCP mode gives; no receiver may announce more than it can hold.
        self.cwnd = cwnd.clamp(1, self.max_cwnd);
        self.last_update = now;
    }

    pub(super) fn round_trip_timer(&self) -> Option<RoundTripTimer> {
        self.config.measure_rtt.then(|| RoundTripTimer::new(self.config.initial_rtt))
    }

    pub(super) const fn on_round_trip(&mut self, rtt: Duration) {
        self.rtt = rtt;
    }

    pub(super) const fn initial_window(&self) -> i32 {
        self.initial_window
    }

    pub(super) const fn max_window(&self) -> i32 {
        self.max_window
    }

    /// The window, in bytes.
    #[must_use]
    pub fn window(&self) -> i32 {
        self.cwnd.saturating_mul(self.mtu).min(self.max_window)
    }

    /// The round trip measured last, or the initial one.
    #[must_use]
    pub const fn rtt(&self) -> Duration {
        self.rtt
    }
}

fn seconds_to_recover(w_max: i32) -> f64 {
    (f64::from(w_max) * B / C).cbrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_of_a_new_image_match_the_spec() {
        let mtu = Mtu::new(1408).unwrap();
        let cubic = Cubic::new(131_072, mtu, &CubicConfig::default(), Nanos::new(0));
        assert_eq!((cubic.max_cwnd, cubic.initial_window()), (93, 14_080));
        assert!((cubic.k - 3.595_983).abs() < 1e-6, "{}", cubic.k);
    }
}
