//! What one run measured, as numbers to report.

use super::{Parameters, Result};
use hdrhistogram::Histogram;
use std::time::Duration;

/// Percentiles of the plots, of ever rarer events up to the maximum.
pub const PERCENTILES: [f64; 14] =
    [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.995, 99.999, 100.0];

/// One number of a measurement.
#[derive(Clone, PartialEq, Debug)]
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

impl Metric {
    /// More is better.
    #[must_use]
    pub fn higher(name: &'static str, unit: &'static str, value: f64) -> Self {
        Self { name, unit, higher_is_better: true, value }
    }

    /// Less is better.
    #[must_use]
    pub fn lower(name: &'static str, unit: &'static str, value: f64) -> Self {
        Self { name, unit, higher_is_better: false, value }
    }
}

/// What one run measured.
#[derive(Clone, PartialEq, Debug)]
pub struct Measurement {
    /// The numbers, in the order of reporting.
    pub metrics: Vec<Metric>,
    /// Where times were measured, microseconds at each of [`PERCENTILES`].
    pub curve: Option<[f64; PERCENTILES.len()]>,
}

impl Measurement {
    /// Of times in nanoseconds.
    pub(super) fn times(histogram: &Histogram<u64>) -> Self {
        let at = |percentile: f64| histogram.value_at_quantile(percentile / 100.0) as f64 / 1000.0;
        let metrics = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99_9", 99.9), ("max", 100.0)]
            .map(|(name, percentile)| Metric::lower(name, "us", at(percentile)));
        Self { metrics: metrics.into(), curve: Some(PERCENTILES.map(at)) }
    }

    /// Of messages per second, counted where they arrive.
    pub(super) fn rate(per_second: f64, parameters: &Parameters) -> Self {
        let metrics = vec![
            Metric::higher("rate", "Mmsg/s", per_second / 1e6),
            Metric::higher("bytes", "MB/s", per_second * parameters.length as f64 / 1e6),
        ];
        Self { metrics, curve: None }
    }
}

/// A histogram of nanoseconds, to a minute, with three digits.
pub(super) fn new_histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_max(60_000_000_000, 3).map_err(|error| error.to_string())
}

/// Records a time, or the longest there is.
pub(super) fn record(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_reported_in_microseconds_up_to_the_maximum() -> Result<()> {
        let mut histogram = new_histogram()?;
        (1..=1000).for_each(|us| record(&mut histogram, Duration::from_micros(us)));
        let measured = Measurement::times(&histogram);
        let value =
            |name| measured.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value);
        assert!(value("p50").is_some_and(|us| (us - 500.0).abs() < 1.0), "{measured:?}");
        assert!(value("max").is_some_and(|us| (us - 1000.0).abs() < 1.0), "{measured:?}");
        assert!(measured.metrics.iter().all(|metric| !metric.higher_is_better));
        assert!(measured.curve.is_some_and(|curve| curve.is_sorted()));
        Ok(())
    }

    #[test]
    fn a_rate_is_reported_in_messages_and_in_bytes() {
        let parameters = Parameters { length: 1000, ..Parameters::default() };
        let measured = Measurement::rate(2e6, &parameters);
        assert_eq!(
            measured.metrics,
            [Metric::higher("rate", "Mmsg/s", 2.0), Metric::higher("bytes", "MB/s", 2000.0)]
        );
    }
}
