//! Vectors of wire spec 12.21 and the behaviour of wire spec 6.

use core::time::Duration;

use proptest::prelude::*;

use super::*;

const QUIET: Rebuild = Rebuild {
    consumption: Position::ZERO,
    next_sm_position: Position::ZERO,
    hwm: Position::ZERO,
    start: Position::ZERO,
    end: Position::ZERO,
    loss_found: false,
};
const LOSS: Rebuild = Rebuild { loss_found: true, ..QUIET };
const MTU: i32 = 1408;

fn cubic(config: CubicConfig) -> CongestionControl {
    let mtu = Mtu::new(i64::from(MTU)).unwrap();
    CongestionControl::new(CongestionControlKind::Cubic, 131_072, mtu, &config, Nanos::new(0))
}

#[test]
fn a_window_is_at_most_half_a_term() {
    assert_eq!(receiver_window(131_072, TermLength::MIN), 32_768);
    assert_eq!(receiver_window(131_072, TermLength::MAX), 131_072);
}

#[test]
fn a_static_window_stays_whatever_happens() {
    let mtu = Mtu::new(1408).unwrap();
    let config = CubicConfig { measure_rtt: true, ..CubicConfig::default() };
    let mut control =
        CongestionControl::new(CongestionControlKind::Static, 32_768, mtu, &config, Nanos::new(0));
    for rebuild in [QUIET, LOSS] {
        let window = control.on_track_rebuild(&rebuild, Nanos::new(i64::MAX));
        assert_eq!(window, Window { length: 32_768, force_status_message: false });
    }
    assert_eq!((control.initial_window(), control.max_window()), (32_768, 32_768));
    assert!(control.round_trip_timer().is_none() && control.cubic().is_none());
}

#[test]
fn cubic_gives_up_a_fifth_per_loss_and_says_so_at_once() {
    let mut control = cubic(CubicConfig::default());
    for cwnd in [8, 6, 4, 3, 2, 1, 1, 1] {
        let window = control.on_track_rebuild(&LOSS, Nanos::new(0));
        assert_eq!(window, Window { length: cwnd * MTU, force_status_message: true });
    }
}

#[test]
fn cubic_grows_back_to_its_maximum() {
    let mut control = cubic(CubicConfig::default());
    assert_eq!(control.on_track_rebuild(&QUIET, Nanos::new(100_000)).length, 10 * MTU, "too early");
    let seconds = |s: f64| Nanos::new((s * 1e9) as i64);
    let mut last = 0;
    for (at, cwnd) in [(0.1, 76), (1.0, 87), (2.0, 92), (3.6, 93), (100.0, 93)] {
        let window = control.on_track_rebuild(&QUIET, seconds(at));
        assert_eq!((window.length, window.force_status_message), (cwnd * MTU, false), "at {at} s");
        assert!(window.length >= last);
        last = window.length;
    }
}

#[test]
fn cubic_recovers_towards_the_window_before_the_loss_and_then_probes_beyond() {
    let mut control = cubic(CubicConfig::default());
    assert_eq!(control.on_track_rebuild(&LOSS, Nanos::new(0)).length, 8 * MTU);
    // K = cbrt(10 * 0.2 / 0.4) = 1.710 s: 10 + trunc(0.4 * (t - K)^3).
    for (seconds, cwnd) in [(1, 10), (3, 10), (5, 24), (8, 93)] {
        let now = Nanos::new(0) + Duration::from_secs(seconds);
        assert_eq!(control.on_track_rebuild(&QUIET, now).length, cwnd * MTU, "after {seconds} s");
    }
}

#[test]
fn cubic_grows_once_per_initial_round_trip() {
    let mut control = cubic(CubicConfig { initial_rtt: Duration::from_secs(1), ..CubicConfig::default() });
    for (millis, cwnd) in [(1000, 10), (1100, 87), (2100, 87), (2200, 92)] {
        let now = Nanos::new(0) + Duration::from_millis(millis);
        assert_eq!(control.on_track_rebuild(&QUIET, now).length, cwnd * MTU, "after {millis} ms");
    }
}

#[test]
fn a_single_datagram_in_flight_forces_a_status_message_as_soon_as_it_is_consumed() {
    let mut control = cubic(CubicConfig { initial_rtt: Duration::from_secs(9), ..CubicConfig::default() });
    for _ in 0..8 {
        control.on_track_rebuild(&LOSS, Nanos::new(0));
    }
    let consumed = Rebuild { consumption: Position::new(64), ..QUIET };
    assert!(control.on_track_rebuild(&consumed, Nanos::new(1)).force_status_message);
    assert!(!control.on_track_rebuild(&QUIET, Nanos::new(1)).force_status_message);
}

#[test]
fn tcp_mode_grows_at_least_as_tcp_would_and_never_past_the_maximum() {
    let rtt = Duration::from_millis(10);
    let with = |tcp_mode| {
        let mut control = cubic(CubicConfig { tcp_mode, initial_rtt: rtt, measure_rtt: false });
        control.on_track_rebuild(&QUIET, Nanos::new(1) + Duration::from_secs(10));
        control.on_track_rebuild(&LOSS, Nanos::new(1) + Duration::from_secs(10));
        control.on_track_rebuild(&QUIET, Nanos::new(1) + Duration::from_secs(11)).length / MTU
    };
    // 1 s after losing a fifth of 93: cubic is at 93 + trunc(0.4 * (1 - 3.596)^3) = 87, TCP at 74.4 + 100 / 3 = 107.
    assert_eq!((with(false), with(true)), (87, 93));
}

#[test]
fn a_datagram_larger_than_the_window_leaves_the_window_open() {
    let mtu = Mtu::new(65_504).unwrap();
    let config = CubicConfig::default();
    let mut control =
        CongestionControl::new(CongestionControlKind::Cubic, 32_768, mtu, &config, Nanos::new(0));
    assert_eq!(control.initial_window(), 32_768);
    assert_eq!(control.on_track_rebuild(&LOSS, Nanos::new(1)).length, 32_768);
}

#[test]
fn round_trips_are_measured_when_the_setting_asks_for_it() {
    let config = CubicConfig { measure_rtt: true, ..CubicConfig::default() };
    let timer = cubic(config).round_trip_timer().unwrap();
    assert!(!timer.is_due(Nanos::new(400_000)) && timer.is_due(Nanos::new(400_001)));
    assert!(cubic(CubicConfig::default()).round_trip_timer().is_none());
}

#[test]
fn tcp_mode_grows_with_measured_round_trips() {
    let second = |s: u64| Nanos::new(1) + Duration::from_secs(s);
    let with = |rtt: Duration| {
        let mut control = cubic(CubicConfig { tcp_mode: true, ..CubicConfig::default() });
        control.on_round_trip(rtt);
        assert_eq!(control.cubic().unwrap().rtt(), rtt);
        control.on_track_rebuild(&QUIET, second(10));
        control.on_track_rebuild(&LOSS, second(10));
        control.on_track_rebuild(&QUIET, second(11)).length / MTU
    };
    // Cubic is at 87 a second after the loss; TCP at 74.4 + 1 / 3 per round trip.
    for (millis, cwnd) in [(10, 93), (20, 91), (25, 87), (1000, 87)] {
        assert_eq!(with(Duration::from_millis(millis)), cwnd, "{millis} ms");
    }
}

#[test]
fn channels_name_static_and_cubic() {
    assert_eq!("static".parse(), Ok(CongestionControlKind::Static));
    assert_eq!("cubic".parse(), Ok(CongestionControlKind::Cubic));
    for name in ["", "Cubic", "cubics", "bbr"] {
        assert_eq!(name.parse::<CongestionControlKind>(), Err(UnknownCongestionControl(name.to_owned())));
    }
}

proptest! {
    #[test]
    fn cubic_stays_between_one_datagram_and_its_maximum(
        max_window in 0_i32..(1 << 29),
        mtu in 2_i64..2047,
        tcp_mode: bool,
        rtt in 0_u64..10_000_000_000,
        steps in proptest::collection::vec((any::<bool>(), 0_i64..5_000_000_000), 1..100),
    ) {
        let mtu = Mtu::new(mtu * 32).unwrap();
        let config = CubicConfig { tcp_mode, ..CubicConfig::default() };
        let mut control =
            CongestionControl::new(CongestionControlKind::Cubic, max_window, mtu, &config, Nanos::new(0));
        control.on_round_trip(Duration::from_nanos(rtt));
        let mut now = 0;
        for (loss_found, step) in steps {
            now += step;
            let window = control.on_track_rebuild(&Rebuild { loss_found, ..QUIET }, Nanos::new(now));
            prop_assert!(window.length >= mtu.get().min(max_window) && window.length <= control.max_window());
        }
    }
}
