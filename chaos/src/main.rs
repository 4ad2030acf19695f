//! The program `epona-chaos`: real drivers and clients, to which everything happens that can, from a seed.
//!
//! ```text
//!   host 0                                   host 1               hosts are network namespaces with disks of their own
//!   driver  ◄──────────── link ────────────► driver               as root, else both are this one
//!     publisher 0  ── unicast ────────────►    subscriber 0
//!     subscriber 1 ◄── unicast ────────────    publisher 1        each box is a process: this program again, in a role
//!     publisher 2  ── IPC ─► subscriber 2
//!     publisher 3  ── MDC ────────────────►    subscriber 3
//! ```
//!
//! Figures go to standard output, everything else to standard error; the status is 1 when a message was lost, repeated
//! or garbled, something was left behind, a process ended unasked, or a flow did not recover.
#![expect(clippy::print_stderr, reason = "a program talks to its user")]

mod child;
mod content;
mod fault;
mod figures;
mod flow;
mod game;
mod host;
mod leaks;
#[allow(unreachable_pub, dead_code, reason = "the interop tests share the file")]
#[path = "../../benches/peers/src/namespace.rs"]
mod namespace;
mod roles;

use clap::{Parser, ValueEnum};
use game::Game;
use host::World;
use roles::Role;
use std::{
    io::{self, Write},
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Game days: kills, stops, cuts off, floods and starves real drivers and clients, and checks every message
#[derive(Parser, Debug)]
#[command(version, args_conflicts_with_subcommands = true)]
#[command(after_help = "Ends with status 1 on any content error, leak or failure.

Examples:
  epona-chaos --minutes 2
  epona-chaos --minutes 30 --seed 7 --format json")]
struct Options {
    #[command(subcommand)]
    role: Option<Role>,

    /// How long to play; a step that has begun is played to its end
    #[arg(long, default_value_t = 2.0, value_parser = minutes)]
    minutes: f64,

    /// What happens follows from it; one is chosen and printed when none is given
    #[arg(long)]
    seed: Option<u64>,

    /// Use one host even where namespaces can be made
    #[arg(long)]
    loopback: bool,

    /// How to print the figures
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.0..=10_000.0).contains(&minutes) => Ok(minutes),
        _ => Err("a number of minutes from 0 to 10000".to_owned()),
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(role) = &options.role {
        return role.run();
    }
    match play(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("epona-chaos: {error}");
            ExitCode::FAILURE
        }
    }
}

fn play(options: &Options) -> io::Result<bool> {
    let stop = Arc::<AtomicBool>::default();
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let world = World::new(options.loopback)?;
    eprintln!("seed {seed}");
    for obstacle in &world.obstacles {
        eprintln!("SKIPPED {obstacle}");
    }
    let game = Game::new(world, seed, stop)?;
    let figures = game.play(Duration::from_secs_f64(options.minutes * 60.0))?;
    let mut output = io::stdout().lock();
    match options.format {
        Format::Text => write!(output, "{figures}")?,
        Format::Json => writeln!(output, "{}", serde_json::to_string(&figures)?)?,
    }
    Ok(figures.is_good())
}
