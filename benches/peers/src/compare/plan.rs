//! What a full comparison runs.

use super::Case;
use crate::{
    measure::{FanOut, Parameters, Scenario},
    party::DriverSettings,
};
use std::time::Duration;

/// Every scenario with the parameters that the targets name, on top of `base`.
#[must_use]
pub fn all_cases(base: &Parameters) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |scenario, parameters| cases.push(Case::new(scenario, parameters));
    let of_length = |length| Parameters { length, ..*base };

    for scenario in [Scenario::UdpLatency, Scenario::IpcLatency, Scenario::Stock] {
        add(scenario, of_length(32));
    }
    for length in [32, 1344, 16384] {
        add(Scenario::UdpThroughput, of_length(length));
    }
    let stock_window = DriverSettings { window: 128 << 10, socket_buffer: 128 << 10, ..base.driver };
    add(Scenario::UdpThroughput, Parameters { driver: stock_window, ..of_length(1344) });
    for length in [32, 1344] {
        add(Scenario::IpcThroughput, of_length(length));
    }
    add(Scenario::IpcThroughput, Parameters { batch: BATCH, ..of_length(32) });
    for rate in [10_000, 100_000, 500_000, 1_000_000] {
        add(Scenario::UdpOpenLoop, Parameters { rate, ..of_length(288) });
    }
    for fan_out in [FanOut::Multicast, FanOut::Mdc] {
        add(Scenario::FanOut, Parameters { fan_out, ..of_length(1344) });
    }
    for streams in [1, 10, 100, 1000] {
        add(Scenario::Streams, Parameters { streams, ..of_length(32) });
    }
    for round_trip in [100, 10_000].map(Duration::from_micros) {
        for loss_percent in [0.0, 0.1, 1.0, 5.0] {
            add(
                Scenario::Loss,
                Parameters { round_trip, loss_percent, rate: SPARSE_RATE, ..of_length(1344) },
            );
        }
    }
    let far =
        Parameters { round_trip: Duration::from_millis(250), loss_percent: 1.0, rate: 100, ..of_length(64) };
    add(Scenario::Recovery, far);
    for scenario in [Scenario::IdleStreams, Scenario::UdpWake] {
        add(scenario, Parameters { idle_streams: 1000, ..of_length(32) });
    }
    for idle_streams in [0, 100] {
        add(Scenario::Idle, Parameters { idle_streams, ..*base });
    }
    add(Scenario::Resources, *base);
    add(Scenario::Churn, Parameters { publications: 100, rate: SPARSE_RATE, ..of_length(32) });
    cases
}

/// Messages of a batch.
const BATCH: usize = 16;

/// Messages per second whose times `loss` and `churn` measure, unless told otherwise: few enough that none waits for another.
pub const SPARSE_RATE: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn the_target_of_batches_is_part_of_it() {
        let cases = all_cases(&Parameters::default());
        assert!(cases.iter().any(|case| case.scenario == Scenario::IpcThroughput
            && (case.parameters.length, case.parameters.batch) == (32, BATCH)));
    }

    #[test]
    fn every_scenario_is_part_of_it() {
        let cases = all_cases(&Parameters::default());
        for scenario in Scenario::value_variants() {
            assert!(cases.iter().any(|case| case.scenario == *scenario), "{scenario:?}");
        }
    }
}
