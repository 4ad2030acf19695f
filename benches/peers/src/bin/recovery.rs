//! How long messages take over networks that delay and lose: a table of Epona beside Aeron C, to paste into a document.
//!
//! Each cell is the median of interleaved runs; a party that cannot keep the rate is shown with the rate that it kept.
//! Both sides sleep for a moment between turns: at real-time priority, which a busy machine calls for, Linux stops whoever
//! never sleeps for 50 ms in every second, and those would be the latencies of the table.

use clap::Parser;
use epona_peers::{
    compare::Spread,
    measure::{Contender, Measurement, Parameters, Scenario},
};
use std::{process::ExitCode, time::Duration};

/// Percentiles of the table.
const METRICS: [&str; 5] = ["p50", "p90", "p99", "p99_9", "max"];

/// Sleep between two turns of a side.
const REST: Duration = Duration::from_micros(10);

/// Latency against loss and round trip, Epona beside Aeron C.
#[derive(Parser, Debug)]
#[command(version)]
struct Arguments {
    /// Datagrams lost in either direction, per cent; a row for each.
    #[arg(long, value_delimiter = ',', default_values_t = [0.0, 0.1, 1.0, 5.0, 10.0])]
    loss: Vec<f64>,
    /// Round trips, milliseconds; a row for each.
    #[arg(long, value_delimiter = ',', default_values_t = [0.1, 10.0, 250.0])]
    round_trip_ms: Vec<f64>,
    /// Messages per second.
    #[arg(long, default_value_t = 100)]
    rate: u64,
    /// Length of a message, bytes.
    #[arg(long, default_value_t = 64)]
    length: usize,
    /// Seconds measured per run.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Interleaved runs; each loses other datagrams.
    #[arg(long, default_value_t = 3)]
    runs: u64,
    /// Decides which datagrams are lost; the same for both parties.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Arguments {
    fn parameters(&self, round_trip_ms: f64, loss_percent: f64, run: u64) -> Result<Parameters, String> {
        if !(0.0..=1000.0).contains(&round_trip_ms) || !(0.0..=50.0).contains(&loss_percent) {
            return Err("round trips are from 0 to 1000 ms, losses from 0 to 50 per cent".to_owned());
        }
        Ok(Parameters {
            length: self.length.max(16),
            rate: self.rate,
            loss_percent,
            round_trip: Duration::from_secs_f64(round_trip_ms / 1e3),
            rest: REST,
            duration: Duration::try_from_secs_f64(self.seconds).map_err(|error| error.to_string())?,
            seed: self.seed + run,
            ..Parameters::default()
        })
    }

    /// Both parties' runs of one cell, interleaved.
    fn cell(&self, round_trip_ms: f64, loss_percent: f64) -> Result<[Cell; 2], String> {
        let mut cells = [Contender::Epona, Contender::Aeron].map(Cell::new);
        for run in 0..self.runs {
            let parameters = self.parameters(round_trip_ms, loss_percent, run)?;
            for cell in &mut cells {
                eprintln!("{round_trip_ms} ms, {loss_percent} %, run {run}: {}", cell.contender.name());
                cell.add(cell.contender.run(Scenario::Recovery, &parameters));
            }
        }
        Ok(cells)
    }
}

/// What one party measured over one network.
struct Cell {
    contender: Contender,
    values: [Vec<f64>; METRICS.len()],
    faults: Vec<String>,
}

impl Cell {
    fn new(contender: Contender) -> Self {
        Self { contender, values: Default::default(), faults: Vec::new() }
    }

    fn add(&mut self, outcome: Result<Measurement, String>) {
        match outcome {
            Err(fault) => self.faults.push(fault),
            Ok(measurement) => {
                for (values, name) in self.values.iter_mut().zip(METRICS) {
                    values.extend(measurement.metrics.iter().filter(|m| m.name == name).map(|m| m.value));
                }
            }
        }
    }

    fn row(&self) -> String {
        if let Some(fault) = self.faults.first() {
            return format!("{} of {} runs: {fault} | | | |", self.faults.len(), self.runs());
        }
        let medians = self.values.iter().map(|values| {
            Spread::of(values).map_or_else(|| "-".to_owned(), |spread| milliseconds(spread.median))
        });
        medians.collect::<Vec<_>>().join(" | ")
    }

    fn runs(&self) -> usize {
        self.faults.len() + self.values[0].len()
    }
}

/// Microseconds as milliseconds, with three digits that mean something.
fn milliseconds(us: f64) -> String {
    let ms = us / 1e3;
    let decimals = if ms < 10.0 { 3 } else { usize::from(ms < 1000.0) };
    format!("{ms:.decimals$}")
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    println!("| round trip | loss | party | p50 (ms) | p90 | p99 | p99.9 | max |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for &round_trip_ms in &arguments.round_trip_ms {
        for &loss in &arguments.loss {
            let cells = match arguments.cell(round_trip_ms, loss) {
                Ok(cells) => cells,
                Err(fault) => {
                    eprintln!("recovery: {fault}");
                    return ExitCode::from(2);
                }
            };
            for cell in cells {
                println!("| {round_trip_ms} ms | {loss} % | {} | {} |", cell.contender.name(), cell.row());
            }
        }
    }
    ExitCode::SUCCESS
}
