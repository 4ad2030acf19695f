//! Measures every party in a scenario on this machine, interleaved, and prints medians with their spread.
//!
//! Results go to standard output, everything else to standard error; the exit status tells whether all is valid.

use clap::{Parser, ValueEnum};
use epona_peers::{
    compare::{self, Case, Environment, SPARSE_RATE, Watchdog},
    measure::{Contender, FanOut, Parameters, Scenario},
    party::DriverSettings,
    process,
    roles::Role,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// One line per metric and party.
    Text,
    /// One JSON object per scenario.
    Json,
}

/// Figures of Epona, Aeron C and bare sockets, side by side.
#[derive(Parser, Debug)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// Scenario to run.
    #[arg(long, value_enum, required_unless_present_any = ["all", "from"])]
    scenario: Vec<Scenario>,
    /// Run every scenario, with the parameters of its targets.
    #[arg(long, conflicts_with = "scenario")]
    all: bool,
    /// Length of a message, bytes; at least 16.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(16..=1 << 20))]
    length: u32,
    /// Messages of ipc-throughput and udp-throughput that are offered together, where a client can: Epona's.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    batch: u32,
    /// Seconds measured per run.
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
    /// Seconds of warm-up before them.
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    warm_up: f64,
    /// Interleaved runs.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Parties to measure; all that fit when none is named.
    #[arg(long, value_enum)]
    party: Vec<Contender>,
    /// Connected streams beside the measured one on which nothing is sent; idle-streams and udp-wake have 1000 when
    /// this is not given, idle 100.
    #[arg(long)]
    idle: Option<usize>,
    /// Streams of the scenario streams.
    #[arg(long, default_value_t = 100)]
    streams: usize,
    /// Messages that each of them sends in its turn.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65536))]
    burst: u32,
    /// Messages per second of udp-open-loop and recovery (100000 when this is not given), loss and churn (10000).
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    rate: Option<u64>,
    /// Datagrams lost in either direction by the network of loss, per cent.
    #[arg(long, default_value_t = 1.0, value_parser = per_cent)]
    loss: f64,
    /// Round trip of that network, milliseconds.
    #[arg(long, default_value_t = 0.1, value_parser = milliseconds)]
    round_trip_ms: f64,
    /// Decides which datagrams are lost.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Publications of resources (1000 when this is not given) and churn (100).
    #[arg(long)]
    publications: Option<usize>,
    /// Receivers of fan-out.
    #[arg(long, default_value_t = 3)]
    receivers: usize,
    /// How fan-out reaches its receivers.
    #[arg(long, value_enum, default_value = "mdc")]
    fan_out: FanOut,
    /// Largest datagram of both drivers, bytes.
    #[arg(long, default_value_t = DriverSettings::default().mtu)]
    mtu: usize,
    /// Receiver window of both drivers, bytes.
    #[arg(long, default_value_t = DriverSettings::default().window)]
    window: usize,
    /// Window of IPC publications of both drivers, bytes.
    #[arg(long, default_value_t = DriverSettings::default().ipc_window)]
    ipc_window: usize,
    /// Socket buffers of every party, bytes.
    #[arg(long, default_value_t = DriverSettings::default().socket_buffer)]
    socket_buffer: usize,
    /// How to print results.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Write a page with plots, the environment and the configuration of each party.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Report what such documents hold as well, for instance from runs at another time.
    #[arg(long, value_name = "FILE")]
    from: Vec<PathBuf>,
    /// Write everything as one JSON document.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0 to 3600".to_owned()),
    }
}

fn per_cent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=50.0).contains(&share) => Ok(share),
        _ => Err("a number from 0 to 50".to_owned()),
    }
}

fn milliseconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(time) if (0.0..=1000.0).contains(&time) => Ok(time),
        _ => Err("a number of milliseconds from 0 to 1000".to_owned()),
    }
}

impl Arguments {
    /// What to run; of everything that there is, what the parties have a part in.
    fn cases(&self, parties: &[Contender]) -> Result<Vec<Case>, String> {
        let has_parties = |scenario| parties.iter().any(|party| party.fits(scenario));
        if self.all {
            let mut cases = compare::all_cases(&self.parameters(Scenario::UdpLatency));
            cases.retain(|case| has_parties(case.scenario));
            return Ok(cases);
        }
        if let Some(&scenario) = self.scenario.iter().find(|&&scenario| !has_parties(scenario)) {
            let reasons: Vec<_> = parties.iter().map(|party| party.no_part(scenario)).collect();
            return Err(reasons.join("; "));
        }
        self.scenario.iter().map(|&scenario| self.case(scenario)).collect()
    }

    fn case(&self, scenario: Scenario) -> Result<Case, String> {
        let longest = self.mtu.saturating_sub(32);
        let one_fragment = !matches!(
            scenario,
            Scenario::UdpThroughput | Scenario::IpcThroughput | Scenario::Streams | Scenario::FanOut
        );
        if one_fragment && self.length as usize > longest {
            return Err(format!(
                "--length {} is more than one fragment holds in this scenario: at most {longest} with --mtu {}",
                self.length, self.mtu
            ));
        }
        Ok(Case::new(scenario, self.parameters(scenario)))
    }

    fn parameters(&self, scenario: Scenario) -> Parameters {
        let idle_by_default = match scenario {
            Scenario::IdleStreams | Scenario::UdpWake => 1000,
            Scenario::Idle => 100,
            _ => 0,
        };
        let rate_by_default = match scenario {
            Scenario::Loss | Scenario::Churn => SPARSE_RATE,
            _ => 100_000,
        };
        let publications_by_default = if scenario == Scenario::Churn { 100 } else { 1000 };
        let driver = DriverSettings {
            mtu: self.mtu,
            window: self.window,
            ipc_window: self.ipc_window,
            socket_buffer: self.socket_buffer,
            ..DriverSettings::default()
        };
        Parameters {
            length: self.length as usize,
            batch: self.batch as usize,
            duration: Duration::from_secs_f64(self.seconds),
            warm_up: Duration::from_secs_f64(self.warm_up),
            runs: self.runs as usize,
            idle_streams: self.idle.unwrap_or(idle_by_default),
            streams: self.streams,
            burst: self.burst as usize,
            rate: self.rate.unwrap_or(rate_by_default),
            loss_percent: self.loss,
            round_trip: Duration::from_secs_f64(self.round_trip_ms / 1e3),
            seed: self.seed,
            publications: self.publications.unwrap_or(publications_by_default),
            receivers: self.receivers,
            fan_out: self.fan_out,
            driver,
            ..Parameters::default()
        }
    }

    /// Environment and cases of earlier runs.
    fn earlier(&self) -> Result<(Option<Environment>, Vec<Case>), String> {
        let (mut environment, mut cases) = (None, Vec::new());
        for file in &self.from {
            let text = fs::read_to_string(file).map_err(|error| error.to_string());
            let read = text.and_then(|text| compare::read_document(&text).map_err(|error| error.to_string()));
            let (its_environment, its_cases) =
                read.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            environment.get_or_insert(its_environment);
            cases.extend(its_cases);
        }
        Ok((environment, cases))
    }

    /// Writes the files that were asked for.
    fn write(&self, environment: &Environment, cases: &[Case]) -> Result<(), String> {
        let write = |file: &Path, text: String| {
            fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
        };
        if let Some(file) = &self.report {
            write(file, compare::page(environment, cases))?;
        }
        if let Some(file) = &self.json {
            write(file, format!("{:#}\n", compare::document(environment, cases)))?;
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(role) = &arguments.role {
        return role.run();
    }
    let contenders =
        if arguments.party.is_empty() { Contender::ALL.to_vec() } else { arguments.party.clone() };
    let cases = arguments.cases(&contenders);
    let (mut cases, earlier) = match cases.and_then(|cases| Ok((cases, arguments.earlier()?))) {
        Ok(cases) => cases,
        Err(fault) => {
            eprintln!("compare: {fault}");
            return ExitCode::from(2);
        }
    };
    let environment = earlier.0.unwrap_or_else(Environment::here);
    if cases.iter().any(|case| case.scenario.has_processes())
        && let Err(fault) = process::eponamd_program()
    {
        eprintln!("compare: {fault}");
        return ExitCode::FAILURE;
    }
    let watchdog = Watchdog::start();
    for case in &mut cases {
        let (scenario, parameters, title) = (case.scenario, case.parameters, case.title());
        for party in arguments.party.iter().filter(|party| !party.fits(scenario)) {
            eprintln!("{}", party.no_part(scenario));
        }
        case.run(&contenders, |run, contender| {
            eprintln!("{scenario}, {title}, run {} of {}: {}", run + 1, parameters.runs, contender.name());
            watchdog.expect(
                format!("{scenario}: {}", contender.name()),
                3 * (parameters.warm_up + parameters.duration),
            );
        });
        for fault in &case.faults {
            eprintln!("{scenario}: invalid: {fault}");
        }
        match arguments.format {
            Format::Json => println!("{}", case.json()),
            Format::Text => print_text(case),
        }
    }
    cases.extend(earlier.1);
    if let Err(fault) = arguments.write(&environment, &cases) {
        eprintln!("compare: {fault}");
        return ExitCode::FAILURE;
    }
    if cases.iter().all(Case::is_valid) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_text(case: &Case) {
    println!("{}, {}: {}", case.scenario, case.title(), case.settings());
    for metric in &case.metrics {
        for contender in metric.contenders() {
            let Some(spread) = metric.spread(contender) else { continue };
            println!(
                "  {:<20} {:<12} {:>12.3} {:<8} ({:.3} to {:.3})",
                contender.name(),
                metric.name,
                spread.median,
                metric.unit,
                spread.min,
                spread.max
            );
        }
        for other in metric.contenders().filter(|&contender| contender != Contender::Epona) {
            if let Some(ratio) = metric.ratio_to(other) {
                println!("  {:<20} {:<12} {ratio:>12.3} x {}", "epona", metric.name, other.name());
            }
        }
    }
}
