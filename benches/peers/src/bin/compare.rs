//! Measures every party in a scenario on this machine, interleaved, and prints medians with their spread.
//!
//! Results go to standard output, everything else to standard error; the exit status tells whether all is valid.

use clap::{Parser, ValueEnum};
use epona_peers::{
    compare::Case,
    measure::{Contender, FanOut, Parameters, Scenario},
    party::DriverSettings,
};
use std::{
    process::ExitCode,
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

/// Time for everything of a run but warm-up and measurement; a party that needs more has hung.
const RUN_PATIENCE: Duration = Duration::from_secs(180);

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// One line per metric and party.
    Text,
    /// One JSON object per scenario.
    Json,
}

/// Figures of Epona, Aeron C and bare sockets, side by side.
#[derive(Parser, Debug)]
#[command(version)]
struct Arguments {
    /// Scenario to run.
    #[arg(long, value_enum, required = true)]
    scenario: Vec<Scenario>,
    /// Length of a message, bytes; at least 16.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(16..=1 << 20))]
    length: u32,
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
    /// this is not given.
    #[arg(long)]
    idle: Option<usize>,
    /// Streams of the scenario streams.
    #[arg(long, default_value_t = 100)]
    streams: usize,
    /// Messages per second of udp-open-loop.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    rate: u64,
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
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0 to 3600".to_owned()),
    }
}

impl Arguments {
    fn case(&self, scenario: Scenario) -> Result<Case, String> {
        let idle_by_default = match scenario {
            Scenario::IdleStreams | Scenario::UdpWake => 1000,
            _ => 0,
        };
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
        let driver = DriverSettings {
            mtu: self.mtu,
            window: self.window,
            ipc_window: self.ipc_window,
            socket_buffer: self.socket_buffer,
            ..DriverSettings::default()
        };
        let parameters = Parameters {
            length: self.length as usize,
            duration: Duration::from_secs_f64(self.seconds),
            warm_up: Duration::from_secs_f64(self.warm_up),
            runs: self.runs as usize,
            idle_streams: self.idle.unwrap_or(idle_by_default),
            streams: self.streams,
            rate: self.rate,
            receivers: self.receivers,
            fan_out: self.fan_out,
            driver,
            ..Parameters::default()
        };
        Ok(Case::new(scenario, parameters))
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let cases: Result<Vec<_>, _> =
        arguments.scenario.iter().map(|&scenario| arguments.case(scenario)).collect();
    let mut cases = match cases {
        Ok(cases) => cases,
        Err(fault) => {
            eprintln!("compare: {fault}");
            return ExitCode::from(2);
        }
    };
    let contenders =
        if arguments.party.is_empty() { Contender::ALL.to_vec() } else { arguments.party.clone() };
    let watchdog = Watchdog::start();
    for case in &mut cases {
        let (scenario, parameters) = (case.scenario, case.parameters);
        case.run(&contenders, |run, contender| {
            eprintln!("{scenario:?}, run {} of {}: {}", run + 1, parameters.runs, contender.name());
            watchdog.expect(
                format!("{scenario:?}: {}", contender.name()),
                parameters.warm_up + parameters.duration,
            );
        });
        for fault in &case.faults {
            eprintln!("{scenario:?}: invalid: {fault}");
        }
        match arguments.format {
            Format::Json => println!("{}", case.json()),
            Format::Text => print_text(case),
        }
    }
    if cases.iter().all(Case::is_valid) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_text(case: &Case) {
    for metric in &case.metrics {
        for contender in metric.contenders() {
            let Some(spread) = metric.spread(contender) else { continue };
            println!(
                "{:<14} {:>5} B  {:<20} {:<6} {:>12.3} {:<8} ({:.3} to {:.3})",
                format!("{:?}", case.scenario),
                case.parameters.length,
                contender.name(),
                metric.name,
                spread.median,
                metric.unit,
                spread.min,
                spread.max
            );
        }
        for other in [Contender::Aeron, Contender::BareSocket] {
            if let Some(ratio) = metric.ratio_to(other) {
                println!("{:<14} {:<6} {ratio:.3} x {}", "", metric.name, other.name());
            }
        }
    }
}

/// Ends the program when a run takes longer than any can.
struct Watchdog(mpsc::Sender<(String, Duration)>);

impl Watchdog {
    fn start() -> Self {
        let (sender, receiver) = mpsc::channel::<(String, Duration)>();
        std::thread::spawn(move || {
            let mut limit = None;
            loop {
                let next = match &limit {
                    None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                    Some((_, patience)) => receiver.recv_timeout(*patience),
                };
                match (next, &limit) {
                    (Ok((what, duration)), _) => limit = Some((what, duration + RUN_PATIENCE)),
                    (Err(RecvTimeoutError::Timeout), Some((what, patience))) => {
                        eprintln!("compare: {what} did not end within {patience:?}");
                        std::process::exit(1);
                    }
                    _ => return,
                }
            }
        });
        Self(sender)
    }

    fn expect(&self, what: String, duration: Duration) {
        // The watchdog listens as long as the sender lives.
        let _ = self.0.send((what, duration));
    }
}
