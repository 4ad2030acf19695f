//! Runs worlds from seeds and tells what came of them.
//!
//! ```sh
//! epona-sim --seeds 200 --format json         # many worlds, figures
//! epona-sim --until-failure --from 1000       # until one fails
//! epona-sim --seed 7 --trace                  # one world, everything that happens in it
//! epona-sim --seed 7 --pcap seed-7.pcap       # one world, its datagrams for Wireshark
//! epona-sim --seed 7 --minimise               # one world that fails, made smaller while it fails alike
//! ```

use std::{
    cell::RefCell,
    fs::File,
    io::{self, BufWriter, Write, stderr, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
    time::Instant,
};

use clap::{Parser, ValueEnum};
use epona_simulator::{
    Figures, Outcome, Scenario,
    capture::Capture,
    fault::FaultCounts,
    minimise::{Smallest, minimise},
    run,
    trace::{Event, Trace, line},
};

/// Worlds that are run unless told otherwise.
const DEFAULT_SEEDS: u64 = 100;

/// Worlds that are run to find a small one.
const MOST_RUNS: usize = 400;

/// Runs whole worlds of drivers, clients and networks, each from a seed, and checks that nothing gets lost.
#[derive(Parser, Debug)]
#[command(name = "epona-sim", version)]
struct Arguments {
    /// How many worlds to run; 100 unless told otherwise.
    #[arg(long, conflicts_with = "seed")]
    seeds: Option<u64>,
    /// First seed of many.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run worlds until one fails: however many that takes, unless --seeds says how many at most.
    #[arg(long, conflicts_with = "seed")]
    until_failure: bool,
    /// One seed to run alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Print everything that happens, as it happens, to standard error.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Write what passes the network into a capture file for Wireshark.
    #[arg(long, requires = "seed", value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Shrink a world that fails to the smallest one found in which the same invariant breaks; print that, with its trace.
    #[arg(long, requires = "seed")]
    minimise: bool,
    /// Print the scenario before running it, to standard error.
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

/// What is printed at the end, to standard output.
#[derive(serde::Serialize)]
struct Report<'a> {
    seeds: u64,
    failures: u64,
    simulated_hours: f64,
    wall_seconds: f64,
    faults: &'a FaultCounts,
    messages: u64,
    checks: u64,
    worst_recovery_ms: f64,
}

#[expect(clippy::disallowed_methods, reason = "measures how long the worlds took")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let start = Instant::now();
    let mut total = Totals::default();
    if let Some(seed) = arguments.seed {
        match run_seed(seed, &arguments) {
            Ok(outcome) => total.add(outcome),
            Err(error) => {
                tell(&format!("epona-sim: {error}"));
                return ExitCode::FAILURE;
            }
        }
    } else {
        let count = arguments.seeds.unwrap_or(if arguments.until_failure { u64::MAX } else { DEFAULT_SEEDS });
        for seed in (arguments.from..).take(usize::try_from(count).unwrap_or(usize::MAX)) {
            total.add(run(&Scenario::from_seed(seed), Trace::tail()));
            if arguments.until_failure && total.failures > 0 {
                break;
            }
        }
    }
    total.print(start.elapsed().as_secs_f64(), arguments.format);
    if total.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the world of a seed, or the smallest that fails like it.
fn run_seed(seed: u64, arguments: &Arguments) -> io::Result<Outcome> {
    let scenario = Scenario::from_seed(seed);
    if !arguments.minimise {
        return run_one(&scenario, arguments.scenario, arguments.trace, arguments.pcap.as_deref());
    }
    match minimise(&scenario, MOST_RUNS) {
        Some(Smallest { scenario, runs }) => {
            let outcome = run_one(&scenario, true, true, arguments.pcap.as_deref());
            let (streams, faults) = (scenario.streams.len(), scenario.faults.len());
            tell(&format!("minimised to {streams} streams and {faults} faults, after {runs} worlds\n"));
            outcome
        }
        None => {
            tell(&format!("seed {seed} does not fail: there is nothing to minimise"));
            run_one(&scenario, arguments.scenario, arguments.trace, arguments.pcap.as_deref())
        }
    }
}

/// Runs one world, and shows of it what was asked for.
fn run_one(
    scenario: &Scenario,
    is_shown: bool,
    is_traced: bool,
    capture: Option<&Path>,
) -> io::Result<Outcome> {
    if is_shown {
        tell(&format!("{scenario:#?}"));
    }
    let capture = capture.map(create_capture).transpose()?;
    let written = Rc::new(RefCell::new(Ok(())));
    let trace = Trace::observed({
        let (capture, written) = (capture.clone(), Rc::clone(&written));
        move |at, event| {
            if is_traced {
                tell(&line(at, event));
            }
            if let (Some(capture), Event::Datagram(entry)) = (&capture, event)
                && written.borrow().is_ok()
            {
                *written.borrow_mut() = capture.borrow_mut().record(entry);
            }
        }
    });
    let outcome = run(scenario, trace);
    if is_traced {
        tell(&format!("digest of the trace: {:016x}", outcome.digest));
    }
    written.replace(Ok(()))?;
    if let Some(capture) = capture {
        capture.borrow_mut().flush()?;
    }
    Ok(outcome)
}

type FileCapture = Rc<RefCell<Capture<BufWriter<File>>>>;

fn create_capture(path: &Path) -> io::Result<FileCapture> {
    let told = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let file = BufWriter::new(File::create(path).map_err(told)?);
    Capture::new(file).map(|capture| Rc::new(RefCell::new(capture))).map_err(told)
}

/// What came of all worlds so far.
#[derive(Default)]
struct Totals {
    seeds: u64,
    failures: u64,
    figures: Figures,
}

impl Totals {
    fn add(&mut self, outcome: Outcome) {
        self.seeds += 1;
        self.figures += outcome.figures;
        if let Some(failure) = outcome.failure {
            self.failures += 1;
            tell(&format!("{failure}\n"));
        }
    }

    fn print(&self, wall_seconds: f64, format: Format) {
        let Self { seeds, failures, figures } = self;
        let report = Report {
            seeds: *seeds,
            failures: *failures,
            simulated_hours: figures.simulated.as_secs_f64() / 3600.0,
            wall_seconds,
            faults: &figures.faults,
            messages: figures.delivered,
            checks: figures.checks,
            worst_recovery_ms: figures.worst_recovery.as_secs_f64() * 1000.0,
        };
        match format {
            Format::Json => match serde_json::to_string_pretty(&report) {
                Ok(text) => say(&text),
                Err(error) => tell(&error.to_string()),
            },
            Format::Text => {
                say(&format!(
                    "{seeds} seeds, {failures} failed; {:.3} hours simulated in {wall_seconds:.1} s",
                    report.simulated_hours
                ));
                say(&format!(
                    "{} messages delivered, {} checks; worst recovery {:.0} ms",
                    report.messages, report.checks, report.worst_recovery_ms
                ));
                say(&format!("faults: {}", report.faults));
                say(&format!("features: {}", figures.features));
            }
        }
    }
}

/// Prints a result. Who has closed the other end of the pipe has seen enough; the world still ends properly.
fn say(line: &str) {
    let _ = writeln!(stdout(), "{line}");
}

/// Prints what goes with it.
fn tell(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}
