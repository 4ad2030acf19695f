//! Scenarios that measure a party, written once for every maker.
//!
//! Topology: two threads, one per side, each pinned to a processor and invoking its own driver; over IPC there is
//! one driver, invoked by the publishing side. No scenario knows whose code it drives.

mod bare_socket;
mod ipc;
mod side;
mod udp;

use crate::party::{DriverSettings, Party};
use hdrhistogram::Histogram;
use std::time::Duration;

/// What goes wrong while measuring, as a sentence.
pub type Result<T> = std::result::Result<T, String>;

/// One scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Ping-pong over UDP on the loopback, one message in flight.
    UdpLatency,
    /// One stream over UDP on the loopback, as fast as it goes.
    UdpThroughput,
    /// Ping-pong over UDP where each ping wakes another of the idle streams; needs some.
    UdpWake,
    /// Ping-pong over shared memory, one message in flight.
    IpcLatency,
    /// One stream over shared memory, as fast as it goes.
    IpcThroughput,
}

/// How a scenario is run; the same for every party.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Parameters {
    /// Length of a message, bytes.
    pub length: usize,
    /// Time measured, after warm-up.
    pub duration: Duration,
    /// Time before measuring.
    pub warm_up: Duration,
    /// Connected streams beside the measured one on which nothing is sent, each with a publication and a subscription.
    pub idle_streams: usize,
    /// Processors of the two sides.
    pub processors: [usize; 2],
    /// Settings of every driver.
    pub driver: DriverSettings,
}

/// What one run measured.
#[derive(Clone, Debug)]
pub enum Measurement {
    /// Round-trip times, nanoseconds.
    RoundTrip(Histogram<u64>),
    /// Messages per second, counted where they arrive.
    Rate(f64),
}

/// One number of a measurement.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, for instance `p50`.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Whether more of it is better.
    pub higher_is_better: bool,
    /// Its value.
    pub value: f64,
}

impl Measurement {
    /// The numbers to report; `length` is that of a message, in bytes.
    #[must_use]
    pub fn metrics(&self, length: usize) -> Vec<Metric> {
        match self {
            Self::RoundTrip(histogram) => {
                let percentile = |name, quantile| Metric {
                    name,
                    unit: "us",
                    higher_is_better: false,
                    value: histogram.value_at_quantile(quantile) as f64 / 1000.0,
                };
                vec![
                    percentile("p50", 0.5),
                    percentile("p90", 0.9),
                    percentile("p99", 0.99),
                    percentile("p99_9", 0.999),
                ]
            }
            Self::Rate(per_second) => {
                let rate = |name, unit, value| Metric { name, unit, higher_is_better: true, value };
                vec![
                    rate("rate", "Mmsg/s", per_second / 1e6),
                    rate("bytes", "MB/s", per_second * length as f64 / 1e6),
                ]
            }
        }
    }
}

/// Runs a scenario once for a party.
///
/// # Errors
/// The party refuses something, or messages stop arriving.
pub fn run<P: Party>(scenario: Scenario, parameters: &Parameters) -> Result<Measurement> {
    match scenario {
        Scenario::UdpLatency => udp::latency::<P>(parameters).map(Measurement::RoundTrip),
        Scenario::UdpThroughput => udp::throughput::<P>(parameters).map(Measurement::Rate),
        Scenario::UdpWake => udp::wake::<P>(parameters).map(Measurement::RoundTrip),
        Scenario::IpcLatency => ipc::latency::<P>(parameters).map(Measurement::RoundTrip),
        Scenario::IpcThroughput => ipc::throughput::<P>(parameters).map(Measurement::Rate),
    }
}

/// Runs a scenario once over bare sockets; `None` where that means nothing.
///
/// # Errors
/// The operating system refuses, or messages stop arriving.
pub fn run_bare_socket(scenario: Scenario, parameters: &Parameters) -> Result<Option<Measurement>> {
    match scenario {
        Scenario::UdpLatency | Scenario::UdpWake => {
            bare_socket::latency(parameters).map(|histogram| Some(Measurement::RoundTrip(histogram)))
        }
        Scenario::UdpThroughput | Scenario::IpcLatency | Scenario::IpcThroughput => Ok(None),
    }
}

/// A histogram of nanoseconds, to a minute, with three digits.
fn new_histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_max(60_000_000_000, 3).map_err(|error| error.to_string())
}
