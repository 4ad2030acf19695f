//! One scenario with one set of parameters: the runs of every party, interleaved, and what they amount to.

use super::statistics::{Spread, ratio};
use crate::{
    measure::{Contender, IDLE_TERM, Measurement, PERCENTILES, Parameters, Result, Scenario},
    party::DriverSettings,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// All values of one metric, run by run.
#[derive(Clone, Debug)]
pub struct MetricRuns {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Whether more of it is better.
    pub higher_is_better: bool,
    values: BTreeMap<Contender, Vec<f64>>,
}

impl MetricRuns {
    /// What the runs of a party amount to, if it finished any.
    #[must_use]
    pub fn spread(&self, contender: Contender) -> Option<Spread> {
        Spread::of(self.values.get(&contender)?)
    }

    /// Ours divided by theirs.
    #[must_use]
    pub fn ratio_to(&self, other: Contender) -> Option<f64> {
        ratio(self.spread(Contender::Epona), self.spread(other))
    }

    /// Who has values.
    pub fn contenders(&self) -> impl Iterator<Item = Contender> {
        self.values.keys().copied()
    }

    fn json(&self) -> Value {
        let parties: Map<_, _> = self
            .contenders()
            .map(|contender| (contender.name().to_owned(), json!(self.spread(contender))))
            .collect();
        json!({
            "name": self.name,
            "unit": self.unit,
            "better": if self.higher_is_better { "higher" } else { "lower" },
            "parties": parties,
            "ratio_to_aeron": self.ratio_to(Contender::Aeron),
            "ratio_to_bare_socket": self.ratio_to(Contender::BareSocket),
        })
    }
}

/// A scenario, how it is run, and what came of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is run.
    pub scenario: Scenario,
    /// How.
    pub parameters: Parameters,
    /// What was measured, in the order of reporting.
    pub metrics: Vec<MetricRuns>,
    /// What invalidates the case: who dropped messages, missed its rate or failed.
    pub faults: Vec<String>,
    invalid: BTreeSet<Contender>,
    curves: BTreeMap<Contender, Vec<[f64; PERCENTILES.len()]>>,
}

impl Case {
    /// Nothing is run yet; the parameters become [those of the scenario](Parameters::of).
    #[must_use]
    pub fn new(scenario: Scenario, parameters: Parameters) -> Self {
        Self {
            scenario,
            parameters: parameters.of(scenario),
            metrics: Vec::new(),
            faults: Vec::new(),
            invalid: BTreeSet::new(),
            curves: BTreeMap::new(),
        }
    }

    /// Runs each party once with the next one in between, as often as the parameters say.
    pub fn run(&mut self, contenders: &[Contender], mut progress: impl FnMut(usize, Contender)) {
        let scenario = self.scenario;
        for run in 0..self.parameters.runs {
            for &contender in contenders.iter().filter(|contender| contender.fits(scenario)) {
                progress(run, contender);
                self.add(contender, contender.run(scenario, &self.parameters));
            }
        }
    }

    fn add(&mut self, contender: Contender, outcome: Result<Measurement>) {
        let measurement = match outcome {
            Ok(measurement) => measurement,
            Err(fault) => {
                self.invalid.insert(contender);
                return self.faults.push(format!("{}: {fault}", contender.name()));
            }
        };
        if let Some(curve) = measurement.curve {
            self.curves.entry(contender).or_default().push(curve);
        }
        for metric in measurement.metrics {
            let known = self.metrics.iter().position(|known| known.name == metric.name);
            let at = known.unwrap_or_else(|| {
                self.metrics.push(MetricRuns {
                    name: metric.name.to_owned(),
                    unit: metric.unit.to_owned(),
                    higher_is_better: metric.higher_is_better,
                    values: BTreeMap::new(),
                });
                self.metrics.len() - 1
            });
            self.metrics[at].values.entry(contender).or_default().push(metric.value);
        }
    }

    /// Whether nobody dropped a message, missed its rate or failed, and something was measured.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.faults.is_empty() && !self.metrics.is_empty()
    }

    /// Whether the party ran, well or not.
    #[must_use]
    pub fn has_part(&self, contender: Contender) -> bool {
        self.is_invalid(contender) || self.metrics.iter().any(|metric| metric.spread(contender).is_some())
    }

    /// Whether the party dropped a message, missed its rate or failed in any run.
    #[must_use]
    pub fn is_invalid(&self, contender: Contender) -> bool {
        self.invalid.contains(&contender)
    }

    /// What tells the case from others of its scenario.
    #[must_use]
    pub fn title(&self) -> String {
        let Parameters { length, idle_streams: idle, streams, rate, receivers, .. } = self.parameters;
        let Parameters { loss_percent, publications, batch, .. } = self.parameters;
        let batches =
            if batch > 1 { format!(", in batches of {batch} where a client can") } else { String::new() };
        match self.scenario {
            Scenario::Churn => {
                format!("{length} B, {rate} messages/s, {publications} publications come and go")
            }
            Scenario::UdpOpenLoop => format!("{length} B, {rate} messages/s"),
            Scenario::FanOut => {
                format!("{length} B, {:?} to {receivers} receivers", self.parameters.fan_out)
            }
            Scenario::Streams => format!("{length} B, {streams} streams"),
            Scenario::IdleStreams | Scenario::UdpWake => format!("{length} B, {idle} idle streams"),
            Scenario::Loss | Scenario::Recovery => {
                let round_trip = self.parameters.round_trip;
                format!("{length} B, {loss_percent}% lost, round trip {round_trip:?}")
            }
            Scenario::Idle => format!("{idle} connected streams"),
            Scenario::Resources => format!("{publications} publications"),
            Scenario::UdpThroughput => {
                format!("{length} B, window {}{batches}", size(self.parameters.driver.window))
            }
            _ => format!("{length} B{batches}"),
        }
    }

    /// What both drivers are set to, as far as it matters to the scenario.
    #[must_use]
    pub fn settings(&self) -> String {
        let DriverSettings { mtu, window, ipc_window, socket_buffer, term_length, ipc_term_length } =
            self.parameters.driver;
        let (term_length, window, socket_buffers) = match self.scenario {
            Scenario::IpcLatency | Scenario::IpcThroughput => (ipc_term_length, ipc_window, String::new()),
            _ => (term_length, window, format!(", socket buffers {}", size(socket_buffer))),
        };
        let more = match self.scenario {
            Scenario::IdleStreams => format!(", idle streams with terms of {}", size(IDLE_TERM)),
            Scenario::Streams => format!(", bursts of {}", self.parameters.burst),
            Scenario::Stock | Scenario::Idle | Scenario::Resources | Scenario::Churn => {
                ", as the makers of both chose".to_owned()
            }
            _ => String::new(),
        };
        let (term_length, window) = (size(term_length), size(window));
        format!("terms of {term_length}, MTU {mtu} B, window {window}{socket_buffers}{more}")
    }

    /// The metric of that name.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<&MetricRuns> {
        self.metrics.iter().find(|metric| metric.name == name)
    }

    /// Microseconds at each of [`PERCENTILES`], the median of the runs, by party.
    pub fn curves(&self) -> impl Iterator<Item = (Contender, Vec<f64>)> {
        self.curves.iter().map(|(&contender, runs)| {
            let median = |at: usize| {
                let values: Vec<f64> = runs.iter().map(|run| run[at]).collect();
                Spread::of(&values).map_or(0.0, |spread| spread.median)
            };
            (contender, (0..PERCENTILES.len()).map(median).collect())
        })
    }

    /// The object that `compare` prints.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "scenario": self.scenario,
            "parameters": self.parameters,
            "valid": self.is_valid(),
            "faults": self.faults,
            "invalid_parties": self.invalid.iter().map(|contender| contender.name()).collect::<Vec<_>>(),
            "metrics": self.metrics.iter().map(MetricRuns::json).collect::<Vec<_>>(),
            "percentiles": PERCENTILES,
            "curves": self.curves().map(|(contender, curve)| (contender.name().to_owned(), json!(curve)))
                .collect::<Map<_, _>>(),
        })
    }

    /// A case of which [`Case::json`] told.
    ///
    /// # Errors
    /// The object is not such a one.
    pub fn from_json(object: &Value) -> serde_json::Result<Self> {
        let told = Told::deserialize(object)?;
        let metric = |metric: ToldMetric| MetricRuns {
            name: metric.name,
            unit: metric.unit,
            higher_is_better: metric.better == "higher",
            values: metric.parties.into_iter().map(|(party, it)| (party, it.values())).collect(),
        };
        Ok(Self {
            scenario: told.scenario,
            parameters: told.parameters,
            metrics: told.metrics.into_iter().map(metric).collect(),
            faults: told.faults,
            invalid: told.invalid_parties,
            curves: told.curves.into_iter().map(|(party, curve)| (party, vec![curve])).collect(),
        })
    }
}

/// A number of bytes in the largest unit of which it is a multiple.
fn size(bytes: usize) -> String {
    match bytes {
        0 => "0 B".to_owned(),
        bytes if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        bytes if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} B"),
    }
}

/// What is read of a case.
#[derive(Deserialize)]
struct Told {
    scenario: Scenario,
    parameters: Parameters,
    faults: Vec<String>,
    invalid_parties: BTreeSet<Contender>,
    metrics: Vec<ToldMetric>,
    curves: BTreeMap<Contender, [f64; PERCENTILES.len()]>,
}

/// What is read of a metric.
#[derive(Deserialize)]
struct ToldMetric {
    name: String,
    unit: String,
    better: String,
    parties: BTreeMap<Contender, Spread>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Metric;

    fn rate(value: f64) -> Result<Measurement> {
        Ok(Measurement { metrics: vec![Metric::higher("rate", "Mmsg/s", value)], curve: None })
    }

    #[test]
    fn the_object_has_the_promised_keys_and_ratios_of_ours_to_theirs() {
        let mut case = Case::new(Scenario::UdpThroughput, Parameters::default());
        for value in [8.0, 6.0, 10.0] {
            case.add(Contender::Epona, rate(value));
        }
        case.add(Contender::Aeron, rate(2.0));
        let json = case.json();
        assert_eq!(json["scenario"], "udp-throughput");
        assert_eq!(json["valid"], true);
        assert_eq!(json["parameters"]["length"], 32);
        let metric = &json["metrics"][0];
        assert_eq!(
            (&metric["name"], &metric["unit"], &metric["better"]),
            (&json!("rate"), &json!("Mmsg/s"), &json!("higher"))
        );
        assert_eq!(metric["parties"]["epona"], json!({"median": 8.0, "min": 6.0, "max": 10.0}));
        assert_eq!(metric["ratio_to_aeron"], 4.0);
        assert!(
            metric.get("ratio_to_bare_socket").is_some_and(Value::is_null),
            "absent parties have no ratio: {metric}"
        );
    }

    #[test]
    fn what_was_told_is_read_back() {
        let mut case = Case::new(Scenario::Loss, Parameters::default());
        case.add(Contender::Aeron, Err("lost one".to_owned()));
        for value in [8.0, 6.0, 10.0] {
            let mut measurement = rate(value).unwrap();
            measurement.curve = Some([value; PERCENTILES.len()]);
            case.add(Contender::Epona, Ok(measurement));
        }
        let told = case.json();
        assert_eq!(Case::from_json(&told).unwrap().json(), told);
        assert!(Case::from_json(&json!({"scenario": "loss"})).is_err());
    }

    #[test]
    fn a_fault_invalidates_the_case_and_is_told() {
        let mut case = Case::new(Scenario::UdpThroughput, Parameters::default());
        case.add(Contender::Epona, rate(1.0));
        case.add(Contender::Aeron, Err("lost one".to_owned()));
        assert_eq!(case.json()["valid"], false);
        assert_eq!(case.json()["faults"], json!(["aeron: lost one"]));
        assert_eq!(case.json()["invalid_parties"], json!(["aeron"]));
    }

    #[test]
    fn a_case_tells_the_settings_that_it_runs_with() {
        let case =
            |scenario| Case::new(scenario, Parameters { streams: 1000, batch: 16, ..Parameters::default() });
        for (scenario, settings) in [
            (Scenario::UdpLatency, "terms of 1 MiB, MTU 1408 B, window 2 MiB, socket buffers "),
            (Scenario::UdpThroughput, "terms of 16 MiB, MTU 1408 B, window 2 MiB, socket buffers "),
            (Scenario::Streams, "terms of 64 KiB, "),
            (Scenario::IpcThroughput, "terms of 16 MiB, MTU 1408 B, window 8 MiB"),
            (
                Scenario::Stock,
                "terms of 16 MiB, MTU 1408 B, window 128 KiB, socket buffers 128 KiB, as the makers",
            ),
        ] {
            let told = case(scenario).settings();
            assert!(told.starts_with(settings), "{scenario}: {told}");
        }
        assert_eq!(case(Scenario::UdpLatency).json()["parameters"]["driver"]["term_length"], 1 << 20);
        assert_eq!(case(Scenario::IpcThroughput).title(), "32 B, in batches of 16 where a client can");
    }

    #[test]
    fn a_case_that_measured_nothing_is_not_valid() {
        assert!(!Case::new(Scenario::IpcLatency, Parameters::default()).is_valid());
    }
}
