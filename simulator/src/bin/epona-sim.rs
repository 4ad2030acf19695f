//! Runs worlds from seeds and tells what came of them.
//!
//! ```sh
//! epona-sim --seeds 200 --format json   # many worlds, figures
//! epona-sim --seed 7 --trace            # one world, everything that happens in it
//! ```

use std::{
    io::{Write, stderr, stdout},
    process::ExitCode,
    time::Instant,
};

use clap::{Parser, ValueEnum};
use epona_simulator::{Failure, Figures, Scenario, run, trace::Trace};

/// Runs whole worlds of drivers, clients and networks, each from a seed, and checks that nothing gets lost.
#[derive(Parser, Debug)]
#[command(name = "epona-sim", version)]
struct Arguments {
    /// How many worlds to run.
    #[arg(long, default_value_t = 100, conflicts_with = "seed")]
    seeds: u64,
    /// First seed of many.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// One seed to run alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Print everything that happens, as it happens, to standard output.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Print the scenario before running it.
    #[arg(long, requires = "seed")]
    scenario: bool,
    /// How to print the figures.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// What is printed at the end.
#[derive(serde::Serialize)]
struct Report {
    seeds: u64,
    failures: usize,
    failed: Vec<FailureReport>,
    simulated_hours: f64,
    wall_seconds: f64,
    steps: u64,
    messages: u64,
    faults: Faults,
    checks: u64,
}

#[derive(serde::Serialize)]
struct Faults {
    lost: u64,
    duplicated: u64,
}

#[derive(serde::Serialize)]
struct FailureReport {
    seed: u64,
    step: u64,
    at_seconds: f64,
    reason: String,
}

#[expect(clippy::disallowed_methods, reason = "measures how long the worlds took")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (first, count) = arguments.seed.map_or((arguments.from, arguments.seeds), |seed| (seed, 1));
    let seeds = first..first.saturating_add(count);
    let start = Instant::now();
    let mut total = Figures::default();
    let mut failures = Vec::new();
    for seed in seeds {
        let scenario = Scenario::from_seed(seed);
        if arguments.scenario {
            say(&format!("{scenario:#?}"));
        }
        let trace = if arguments.trace { Trace::with_sink(say) } else { Trace::tail() };
        let outcome = run(&scenario, trace);
        total += outcome.figures;
        if arguments.trace {
            say(&format!("digest of the trace: {:016x}", outcome.digest));
        }
        if let Some(failure) = outcome.failure {
            let _ = writeln!(stderr(), "{failure}\n");
            failures.push(failure);
        }
    }
    let is_ok = failures.is_empty();
    print(&report(count, total, &failures, start.elapsed().as_secs_f64()), arguments.format);
    if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(seeds: u64, total: Figures, failures: &[Failure], wall_seconds: f64) -> Report {
    let failed = failures.iter().map(|failure| FailureReport {
        seed: failure.seed,
        step: failure.step,
        at_seconds: failure.at.as_secs_f64(),
        reason: failure.reason.clone(),
    });
    Report {
        seeds,
        failures: failures.len(),
        failed: failed.collect(),
        simulated_hours: total.simulated.as_secs_f64() / 3600.0,
        wall_seconds,
        steps: total.steps,
        messages: total.delivered,
        faults: Faults { lost: total.lost, duplicated: total.duplicated },
        checks: total.checks,
    }
}

fn print(report: &Report, format: Format) {
    match format {
        Format::Json => match serde_json::to_string_pretty(report) {
            Ok(text) => say(&text),
            Err(error) => say(&error.to_string()),
        },
        Format::Text => {
            say(&format!(
                "{} seeds, {} failed; {:.3} hours simulated in {:.1} s",
                report.seeds, report.failures, report.simulated_hours, report.wall_seconds
            ));
            say(&format!(
                "{} steps; {} messages delivered, {} datagrams lost, {} doubled; {} checks",
                report.steps, report.messages, report.faults.lost, report.faults.duplicated, report.checks
            ));
        }
    }
}

/// Prints a line. Who has closed the other end of the pipe has seen enough; the world still ends properly.
fn say(line: &str) {
    let _ = writeln!(stdout(), "{line}");
}
