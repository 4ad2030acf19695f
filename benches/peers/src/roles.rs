//! What the program `compare` does when it is started as one of several processes.

use crate::{
    aeron::{self, Aeron},
    epona::Epona,
    measure::StockClient,
};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Whose client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Maker {
    /// Ours.
    Epona,
    /// Aeron C.
    Aeron,
}

/// A part to play.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Role {
    /// Aeron's media driver: settings from the environment (`AERON_*`); ends on SIGINT or SIGTERM with their number
    /// as its exit status, as `aeronmd` does.
    #[command(hide = true)]
    AeronDriver,
    /// One end of the scenario `stock`.
    #[command(hide = true)]
    StockClient {
        /// Whose client it is.
        #[arg(long, value_enum)]
        party: Maker,
        /// What it is told.
        #[command(flatten)]
        client: StockClient,
    },
}

impl Role {
    /// Plays it to the end.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        let outcome = match self {
            Self::AeronDriver => aeron_driver(),
            Self::StockClient { party, client } => {
                let times = match party {
                    Maker::Epona => client.run::<Epona>(),
                    Maker::Aeron => client.run::<Aeron>(),
                };
                times.map(|times| {
                    println!("{}", serde_json::json!(times));
                    ExitCode::SUCCESS
                })
            }
        };
        outcome.unwrap_or_else(|error| {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        })
    }
}

fn aeron_driver() -> Result<ExitCode, String> {
    let received = Arc::new(AtomicUsize::new(0));
    for signal in [SIGINT, SIGTERM] {
        let number = usize::try_from(signal).unwrap_or_default();
        signal_hook::flag::register_usize(signal, Arc::clone(&received), number)
            .map_err(|error| format!("cannot listen for signal {signal}: {error}"))?;
    }
    aeron::run_until(|| received.load(Ordering::Relaxed) != 0).map_err(|error| error.to_string())?;
    Ok(ExitCode::from(u8::try_from(received.load(Ordering::Relaxed)).unwrap_or(u8::MAX)))
}
