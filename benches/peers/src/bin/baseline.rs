//! Measures every party in every scenario on this machine, interleaved, and prints medians with their spread.

use clap::Parser;
use epona_peers::{
    aeron::Aeron,
    epona::Epona,
    measure::{self, Measurement, Parameters, Scenario},
    party::{DriverSettings, Party},
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, process::ExitCode, time::Duration};

/// Figures of Epona, Aeron C and a bare socket in the two-thread topology.
#[derive(Parser, Debug)]
#[command(version)]
struct Arguments {
    /// Scenarios to run; all of them when none is named.
    #[arg(long, value_enum)]
    scenario: Vec<Scenario>,
    /// Message lengths for throughput, bytes.
    #[arg(long, default_values_t = [32, 1024, 1344])]
    length: Vec<usize>,
    /// Seconds measured per run.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Interleaved runs.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Idle streams beside the measured one; several numbers compare them.
    #[arg(long, default_values_t = [0])]
    idle: Vec<usize>,
    /// Parties to measure; all of them when none is named.
    #[arg(long)]
    party: Vec<String>,
    /// Window of IPC publications, bytes.
    #[arg(long, default_value_t = DriverSettings::default().ipc_window)]
    ipc_window: usize,
    /// Print one JSON object per scenario instead of a table.
    #[arg(long)]
    json: bool,
}

/// All values of one metric, by party.
type Values = BTreeMap<&'static str, Vec<f64>>;

/// What one scenario at one length amounted to, metric by metric in the order of reporting.
struct Case {
    scenario: Scenario,
    length: usize,
    parameters: Parameters,
    metrics: Vec<(measure::Metric, Values)>,
    faults: Vec<String>,
}

impl Case {
    fn new(scenario: Scenario, length: usize, idle_streams: usize, arguments: &Arguments) -> Self {
        let parameters = Parameters {
            length,
            duration: Duration::from_secs_f64(arguments.seconds),
            // Long enough to touch every page of the log buffers once.
            warm_up: Duration::from_secs(1),
            idle_streams,
            processors: [0, 1],
            driver: DriverSettings { ipc_window: arguments.ipc_window, ..DriverSettings::default() },
        };
        Self { scenario, length, parameters, metrics: Vec::new(), faults: Vec::new() }
    }

    /// Once with every party that was asked for.
    fn run(&mut self, arguments: &Arguments) {
        let (scenario, parameters) = (self.scenario, self.parameters);
        let wanted = |name: &str| arguments.party.is_empty() || arguments.party.iter().any(|p| p == name);
        if wanted("bare_socket") {
            self.add("bare_socket", measure::run_bare_socket(scenario, &parameters));
        }
        if wanted(Epona::NAME) {
            self.add(Epona::NAME, measure::run::<Epona>(scenario, &parameters).map(Some));
        }
        if wanted(Aeron::NAME) {
            self.add(Aeron::NAME, measure::run::<Aeron>(scenario, &parameters).map(Some));
        }
    }

    /// What the idle streams of this case cost, as the share that is left of what was without.
    fn print_ratios(&self, base: &Self) {
        for ((metric, values), (_, base_values)) in self.metrics.iter().zip(&base.metrics) {
            for (party, values) in values {
                let Some(base_values) = base_values.get(party) else { continue };
                let ratio = spread(values).median / spread(base_values).median;
                println!(
                    "{:?} {} B, {} idle streams over {}: {party} {} x {ratio:.3}",
                    self.scenario,
                    self.length,
                    self.parameters.idle_streams,
                    base.parameters.idle_streams,
                    metric.name
                );
            }
        }
    }

    fn add(&mut self, party: &'static str, outcome: measure::Result<Option<Measurement>>) {
        let measurement = match outcome {
            Ok(Some(measurement)) => measurement,
            Ok(None) => return,
            Err(fault) => return self.faults.push(format!("{party}: {fault}")),
        };
        for metric in measurement.metrics(self.length) {
            let known = self.metrics.iter().position(|(known, _)| known.name == metric.name);
            let at = known.unwrap_or_else(|| {
                self.metrics.push((metric, Values::new()));
                self.metrics.len() - 1
            });
            self.metrics[at].1.entry(party).or_default().push(metric.value);
        }
    }

    fn json(&self) -> Value {
        let metrics = self.metrics.iter().map(|(metric, values)| {
            let better = if metric.higher_is_better { "higher" } else { "lower" };
            let parties: Map<_, _> =
                values.iter().map(|(&party, values)| (party.to_owned(), spread(values).into())).collect();
            json!({"name": metric.name, "unit": metric.unit, "better": better, "parties": parties})
        });
        json!({
            "scenario": self.scenario,
            "parameters": self.parameters,
            "valid": self.faults.is_empty(),
            "faults": self.faults,
            "metrics": metrics.collect::<Vec<_>>(),
        })
    }

    fn print(&self) {
        for (metric, values) in &self.metrics {
            for (party, values) in values {
                let Spread { median, min, max } = spread(values);
                println!(
                    "{:<16} {:>5} B {:>5} idle  {:<12} {:<6} {median:>10.2} {:<7} ({min:.2} to {max:.2})",
                    format!("{:?}", self.scenario),
                    self.length,
                    self.parameters.idle_streams,
                    party,
                    metric.name,
                    metric.unit
                );
            }
        }
        for fault in &self.faults {
            println!("{:?} {} B: invalid: {fault}", self.scenario, self.length);
        }
    }
}

/// Median and extremes.
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl From<Spread> for Value {
    fn from(Spread { median, min, max }: Spread) -> Self {
        json!({"median": median, "min": min, "max": max})
    }
}

fn spread(values: &[f64]) -> Spread {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Spread { median: sorted[sorted.len() / 2], min: sorted[0], max: sorted[sorted.len() - 1] }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let every =
        [Scenario::UdpLatency, Scenario::UdpThroughput, Scenario::IpcLatency, Scenario::IpcThroughput];
    let scenarios = if arguments.scenario.is_empty() { &every[..] } else { &arguments.scenario };
    if !arguments.json {
        print_environment();
    }
    let mut valid = true;
    for &scenario in scenarios {
        let lengths = match scenario {
            Scenario::UdpLatency | Scenario::UdpWake | Scenario::IpcLatency => &[32][..],
            Scenario::UdpThroughput | Scenario::IpcThroughput => &arguments.length,
        };
        for &length in lengths {
            let mut cases: Vec<_> =
                arguments.idle.iter().map(|&idle| Case::new(scenario, length, idle, &arguments)).collect();
            for _ in 0..arguments.runs {
                for case in &mut cases {
                    case.run(&arguments);
                }
            }
            for case in &cases {
                valid &= case.faults.is_empty();
                if arguments.json { println!("{}", case.json()) } else { case.print() }
            }
            if let [first, others @ ..] = &cases[..]
                && !arguments.json
            {
                others.iter().for_each(|other| other.print_ratios(first));
            }
        }
    }
    if valid { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_environment() {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpu_info = read("/proc/cpuinfo");
    let model = cpu_info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{} x {processors}, Linux {}, load {}",
        model.map_or("unknown processor", |(_, name)| name),
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/loadavg").trim()
    );
    println!("{}", DriverSettings::default());
}
