//! One stream over a network that delays and loses: how fast it goes, what that is of the same network without loss,
//! and how long messages at a fixed rate take.

use super::{Measurement, Metric, Parameters, Result, open_loop, udp, udp::Route};
use crate::party::Party;

pub(super) fn run<P: Party>(parameters: &Parameters) -> Result<Measurement> {
    let lossy = |loss_percent| Route::lossy(loss_percent, parameters);
    let mut measurement = udp::throughput_on::<P>(lossy(parameters.loss_percent)?, parameters)?;
    if parameters.loss_percent > 0.0 {
        let lossless = udp::throughput_on::<P>(lossy(0.0)?, parameters)?;
        let rate = |measurement: &Measurement| measurement.metrics.first().map_or(0.0, |rate| rate.value);
        let share = rate(&measurement) / rate(&lossless);
        measurement.metrics.push(Metric::higher("of_lossless", "", share));
    }
    let latency = open_loop::run_on::<P>(lossy(parameters.loss_percent)?, parameters)?;
    measurement.curve = latency.curve;
    measurement.metrics.extend(latency.metrics.into_iter().filter(|metric| metric.name != "rate"));
    Ok(measurement)
}
