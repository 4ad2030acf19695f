//! Scenarios that measure a party, written once for every maker.
//!
//! Topology, unless a scenario says otherwise: two threads, one per side, each pinned to a processor and invoking its
//! own driver; over IPC there is one driver, invoked by the publishing side. No scenario knows whose code it drives.
//! Every message carries its number in the stream; a party that loses, repeats or garbles one fails its run.

#[cfg(feature = "alternatives")]
mod alternatives;
mod bare_socket;
mod churn;
mod content;
mod fan_out;
mod idle;
mod ipc;
mod loss;
mod measurement;
mod open_loop;
mod process_usage;
mod relay;
mod resources;
mod side;
mod sockets;
mod stock;
mod streams;
mod udp;
mod units;

pub use measurement::{Measurement, Metric, PERCENTILES};
pub use side::IDLE_TERM;
pub use stock::{End, StockClient};

use crate::{
    aeron::Aeron,
    epona::Epona,
    party::{DriverKind, DriverSettings, Party},
};
use clap::ValueEnum;
use sockets::Calls;
use std::{fmt, time::Duration};
use units::{milliseconds, seconds};

/// What goes wrong while measuring, as a sentence.
pub type Result<T> = std::result::Result<T, String>;

/// One scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Ping-pong over UDP on the loopback, one message in flight.
    UdpLatency,
    /// One stream over UDP on the loopback, as fast as it goes.
    UdpThroughput,
    /// Ping-pong over shared memory, one message in flight.
    IpcLatency,
    /// One stream over shared memory, as fast as it goes.
    IpcThroughput,
    /// One stream over UDP at a fixed rate (`--rate`), timed from when each message was due.
    UdpOpenLoop,
    /// One stream to several receivers (`--receivers`), each with its own driver, by multicast or MDC (`--fan-out`).
    FanOut,
    /// Several streams over UDP (`--streams`), each in turn sending a burst (`--burst`), all as fast as they go; under way
    /// is no more than the receiver's socket holds, which the windows of many streams together would overflow.
    Streams,
    /// Ping-pong over UDP beside connected streams on which nothing is sent (`--idle`).
    IdleStreams,
    /// Ping-pong over UDP where each ping wakes another of the idle streams (`--idle`).
    UdpWake,
    /// One stream over a network that loses (`--loss`) and delays (`--round-trip-ms`): how fast it goes, and how long
    /// messages at a fixed rate (`--rate`) take.
    Loss,
    /// The second half of `loss` alone: how long messages at a fixed rate take over a network that loses and delays.
    Recovery,
    /// Ping-pong over UDP between two client processes and a driver process with default settings.
    Stock,
    /// Processor time of a driver process with default settings and connected streams (`--idle`) on which nothing is
    /// sent.
    Idle,
    /// Time and memory to add and remove publications (`--publications`) at a driver process with default settings.
    Resources,
    /// One stream over UDP at a fixed rate (`--rate`) on a driver process with default settings: how long its messages take
    /// while nothing else happens, and while publications (`--publications`) are added and removed.
    Churn,
}

impl Scenario {
    /// Whether its drivers are processes.
    #[must_use]
    pub fn has_processes(self) -> bool {
        matches!(self, Self::Stock | Self::Idle | Self::Resources | Self::Churn)
    }
}

impl fmt::Display for Scenario {
    /// Its name, as on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.pad(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// How one stream reaches several receivers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FanOut {
    /// One datagram to a multicast group.
    Multicast,
    /// Multi-destination-cast: one datagram to each receiver.
    Mdc,
}

/// How a scenario is run; the same for every party.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub struct Parameters {
    /// Length of a message, bytes.
    pub length: usize,
    /// Messages of ipc-throughput and udp-throughput that are offered together, where a client can.
    pub batch: usize,
    /// Time measured, after warm-up.
    #[serde(rename = "seconds", with = "seconds")]
    pub duration: Duration,
    /// Time before measuring.
    #[serde(rename = "warm_up_seconds", with = "seconds")]
    pub warm_up: Duration,
    /// Interleaved runs.
    pub runs: usize,
    /// Connected streams beside the measured one on which nothing is sent, each with a publication and a subscription.
    pub idle_streams: usize,
    /// Streams of the scenario `streams`.
    pub streams: usize,
    /// Messages that a stream of the scenario `streams` sends in its turn.
    pub burst: usize,
    /// Messages per second of the open loop.
    pub rate: u64,
    /// Receivers of the fan-out.
    pub receivers: usize,
    /// How the fan-out reaches them.
    pub fan_out: FanOut,
    /// Datagrams lost in either direction by the network of `loss`, per cent.
    pub loss_percent: f64,
    /// Round trip of that network.
    #[serde(rename = "round_trip_ms", with = "milliseconds")]
    pub round_trip: Duration,
    /// What decides which datagrams are lost.
    pub seed: u64,
    /// How long each side sleeps after a turn of its driver, so that a scheduler has nothing to take from it.
    #[serde(skip)]
    pub rest: Duration,
    /// Publications of `resources` and `churn`.
    pub publications: usize,
    /// Processors of the two sides.
    pub processors: [usize; 2],
    /// Settings of every driver.
    pub driver: DriverSettings,
}

impl Parameters {
    /// As they are in a scenario: some choose the terms of their streams, processes have the settings that their makers
    /// chose, and no system gives longer buffers than it may.
    #[must_use]
    pub fn of(mut self, scenario: Scenario) -> Self {
        let driver = &mut self.driver;
        match scenario {
            Scenario::UdpLatency | Scenario::IdleStreams | Scenario::UdpOpenLoop => {
                driver.term_length = udp::SHORT_TERM;
            }
            Scenario::UdpWake => driver.term_length = IDLE_TERM,
            Scenario::Streams => driver.term_length = streams::term_length(self.streams),
            Scenario::Stock => *driver = DriverSettings::STOCK,
            Scenario::Churn => {
                *driver = DriverSettings { term_length: udp::SHORT_TERM, ..DriverSettings::STOCK };
            }
            Scenario::Idle | Scenario::Resources => {
                *driver = DriverSettings { term_length: IDLE_TERM, ..DriverSettings::STOCK };
            }
            _ => {}
        }
        driver.socket_buffer = driver.socket_buffer.min(sockets::longest_buffers());
        self
    }
}

impl Default for Parameters {
    /// What `compare` does when it is told nothing else; one second of warm-up takes a stream through its log.
    fn default() -> Self {
        Self {
            batch: 1,
            length: 32,
            duration: Duration::from_secs(2),
            warm_up: Duration::from_secs(1),
            runs: 5,
            idle_streams: 0,
            streams: 100,
            burst: 64,
            rate: 100_000,
            receivers: 3,
            fan_out: FanOut::Mdc,
            loss_percent: 1.0,
            round_trip: Duration::from_micros(100),
            seed: 1,
            rest: Duration::ZERO,
            publications: 1000,
            processors: [0, 1],
            driver: DriverSettings::default(),
        }
    }
}

/// Who is measured.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, clap::ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Contender {
    /// Our driver and client.
    Epona,
    /// Aeron C 1.54, driver and client.
    Aeron,
    /// Aeron C 1.54's client on our driver.
    AeronOnEponamd,
    /// UDP sockets and nothing else: one system call per datagram.
    BareSocket,
    /// UDP sockets with `sendmmsg` and `recvmmsg`.
    BareSocketMmsg,
    /// UDP sockets with segmentation offload and receive coalescing.
    BareSocketOffload,
    /// ZeroMQ over TCP (feature `alternatives`).
    Zeromq,
    /// iceoryx2 over shared memory (feature `alternatives`).
    Iceoryx2,
}

impl Contender {
    /// All of them, in the order of a run.
    pub const ALL: [Self; 8] = [
        Self::BareSocket,
        Self::BareSocketMmsg,
        Self::BareSocketOffload,
        Self::Epona,
        Self::Aeron,
        Self::AeronOnEponamd,
        Self::Zeromq,
        Self::Iceoryx2,
    ];

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Epona => Epona::NAME,
            Self::Aeron => Aeron::NAME,
            Self::AeronOnEponamd => "aeron_on_eponamd",
            Self::BareSocket => "bare_socket",
            Self::BareSocketMmsg => "bare_socket_mmsg",
            Self::BareSocketOffload => "bare_socket_offload",
            Self::Zeromq => "zeromq",
            Self::Iceoryx2 => "iceoryx2",
        }
    }

    /// What it is and how it is configured, in a sentence.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Epona => "Epona: this repository's driver and client, invoked by the measuring threads",
            Self::Aeron => {
                "Aeron C 1.54: driver and client of the rusteron crates, invoked by the measuring threads"
            }
            Self::AeronOnEponamd => {
                "Aeron C 1.54's client on our driver, which is a process with default settings"
            }
            Self::BareSocket => {
                "two UDP sockets, one send and one recv per datagram of message and 32 B header; for throughput the \
                 receiver tells the sender through a shared word how far it is, so that nothing is dropped"
            }
            Self::BareSocketMmsg => "as bare_socket, with up to 64 datagrams per sendmmsg and recvmmsg",
            Self::BareSocketOffload => {
                "as bare_socket, with UDP_SEGMENT and UDP_GRO: up to 64 datagrams per call"
            }
            Self::Zeromq => {
                "ZeroMQ 4.3: DEALER sockets over TCP on the loopback, a context with one I/O thread per side; blocking \
                 calls and no pinning, since four threads share the processors; the default high-water mark"
            }
            Self::Iceoryx2 => {
                "iceoryx2 0.10: publish and subscribe of slices over shared memory, polled by two pinned threads; a \
                 message that finds the subscriber's buffer of 1024 full is sent again"
            }
        }
    }

    /// Whether it can take part.
    #[must_use]
    pub fn fits(self, scenario: Scenario) -> bool {
        match self {
            Self::Epona | Self::Aeron => true,
            Self::AeronOnEponamd => matches!(scenario, Scenario::Stock | Scenario::Churn),
            Self::BareSocket => matches!(
                scenario,
                Scenario::UdpLatency
                    | Scenario::UdpThroughput
                    | Scenario::UdpOpenLoop
                    | Scenario::IdleStreams
                    | Scenario::UdpWake
            ),
            Self::BareSocketMmsg | Self::BareSocketOffload => scenario == Scenario::UdpThroughput,
            Self::Zeromq => {
                cfg!(feature = "alternatives")
                    && matches!(
                        scenario,
                        Scenario::UdpLatency | Scenario::UdpThroughput | Scenario::UdpOpenLoop
                    )
            }
            Self::Iceoryx2 => {
                cfg!(feature = "alternatives")
                    && matches!(scenario, Scenario::IpcLatency | Scenario::IpcThroughput)
            }
        }
    }

    /// What to say where it has no part in a scenario.
    #[must_use]
    pub fn no_part(self, scenario: Scenario) -> String {
        let name = self.name();
        if matches!(self, Self::Zeromq | Self::Iceoryx2) && !cfg!(feature = "alternatives") {
            return format!("{name} takes part when built with --features alternatives");
        }
        let its = Scenario::value_variants().iter().filter(|&&its| self.fits(its));
        let its: Vec<_> = its.map(Scenario::to_string).collect();
        format!("{name} has no part in {scenario}, only in {}", its.join(", "))
    }

    /// Runs a scenario once.
    ///
    /// # Errors
    /// It refuses something, loses or garbles a message, misses its rate, or messages stop arriving; or it does not
    /// [fit](Self::fits).
    pub fn run(self, scenario: Scenario, parameters: &Parameters) -> Result<Measurement> {
        let calls = match self {
            Self::Epona => return run::<Epona>(scenario, parameters),
            Self::Aeron => return run::<Aeron>(scenario, parameters),
            Self::AeronOnEponamd => return run_on::<Aeron>(Epona::DRIVER, scenario, parameters),
            Self::BareSocket => Calls::Single,
            Self::BareSocketMmsg => Calls::Mmsg,
            Self::BareSocketOffload => Calls::Offload,
            #[cfg(feature = "alternatives")]
            Self::Zeromq => return alternatives::run::<alternatives::Zeromq>(scenario, parameters),
            #[cfg(feature = "alternatives")]
            Self::Iceoryx2 => return alternatives::run::<alternatives::Iceoryx2>(scenario, parameters),
            #[cfg(not(feature = "alternatives"))]
            Self::Zeromq | Self::Iceoryx2 => return Err(self.no_part(scenario)),
        };
        match scenario {
            Scenario::UdpLatency | Scenario::IdleStreams | Scenario::UdpWake => {
                bare_socket::latency(parameters)
            }
            Scenario::UdpThroughput => bare_socket::throughput(calls, parameters),
            Scenario::UdpOpenLoop => bare_socket::open_loop(parameters),
            _ => Err(self.no_part(scenario)),
        }
    }
}

fn run<P: Party>(scenario: Scenario, parameters: &Parameters) -> Result<Measurement> {
    match scenario {
        Scenario::UdpLatency | Scenario::IdleStreams => udp::latency::<P>(parameters),
        Scenario::UdpThroughput => udp::throughput::<P>(parameters),
        Scenario::UdpWake => udp::wake::<P>(parameters),
        Scenario::IpcLatency => ipc::latency::<P>(parameters),
        Scenario::IpcThroughput => ipc::throughput::<P>(parameters),
        Scenario::UdpOpenLoop => open_loop::run::<P>(parameters),
        Scenario::FanOut => fan_out::run::<P>(parameters),
        Scenario::Streams => streams::run::<P>(parameters),
        Scenario::Loss => loss::run::<P>(parameters),
        Scenario::Recovery => {
            open_loop::run_on::<P>(udp::Route::lossy(parameters.loss_percent, parameters)?, parameters)
        }
        Scenario::Stock | Scenario::Churn => run_on::<P>(P::DRIVER, scenario, parameters),
        Scenario::Idle => idle::run::<P>(parameters),
        Scenario::Resources => resources::run::<P>(parameters),
    }
}

/// Clients of one make on the driver process of either.
fn run_on<P: Party>(driver: DriverKind, scenario: Scenario, parameters: &Parameters) -> Result<Measurement> {
    match scenario {
        Scenario::Stock => stock::run::<P>(driver, parameters),
        Scenario::Churn => churn::run::<P>(driver, parameters),
        _ => Err(format!("{scenario} has no driver of another make than its clients")),
    }
}
