//! Ping-pong between two client processes over a driver process, of their make or of the other, with its default settings:
//! more threads than processors where there are two.

use super::{Measurement, Parameters, Result, measurement::new_histogram, side::Side, udp};
use crate::{
    party::{DriverKind, Party, Publication, Subscription},
    process::{ClientProcess, DriverProcess},
};
use std::{path::PathBuf, sync::atomic::AtomicBool, time::Duration};

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum End {
    /// It measures round trips and prints them.
    Ping,
    /// It echoes until it is ended.
    Pong,
}

/// What a client process is told.
#[derive(Clone, Debug, clap::Args)]
pub struct StockClient {
    /// Directory of its driver.
    #[arg(long)]
    dir: PathBuf,
    /// What it does.
    #[arg(long, value_enum)]
    end: End,
    /// Channel of the pings.
    #[arg(long)]
    ping: String,
    /// Channel of the pongs.
    #[arg(long)]
    pong: String,
    /// Length of a message, bytes.
    #[arg(long)]
    length: usize,
    /// Seconds before measuring.
    #[arg(long)]
    warm_up: f64,
    /// Seconds measured.
    #[arg(long)]
    seconds: f64,
}

impl StockClient {
    fn arguments(&self) -> Vec<String> {
        let end = match self.end {
            End::Ping => "ping",
            End::Pong => "pong",
        };
        [
            ("--dir", self.dir.to_string_lossy().into_owned()),
            ("--end", end.to_owned()),
            ("--ping", self.ping.clone()),
            ("--pong", self.pong.clone()),
            ("--length", self.length.to_string()),
            ("--warm-up", self.warm_up.to_string()),
            ("--seconds", self.seconds.to_string()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    }

    /// Does its part in this process; the times of a ping, each in nanoseconds with how often it was seen.
    ///
    /// # Errors
    /// The driver's refusal, or messages that are lost or garbled.
    pub fn run<P: Party>(&self) -> Result<Vec<(u64, u64)>> {
        let parameters = Parameters {
            length: self.length,
            warm_up: Duration::from_secs_f64(self.warm_up),
            duration: Duration::from_secs_f64(self.seconds),
            ..Parameters::default()
        };
        let mut side = Side::<P>::of_a_process(&self.dir)?;
        match self.end {
            End::Pong => {
                let mut incoming = [side.add_subscription(&self.ping)?];
                let mut outgoing = side.add_publication(&self.pong)?;
                // Whoever started the process ends it.
                side.pong(&AtomicBool::new(false), &parameters, &mut incoming, &mut outgoing);
                Ok(Vec::new())
            }
            End::Ping => {
                let mut incoming = side.add_subscription(&self.pong)?;
                let mut outgoing = [side.add_publication(&self.ping)?];
                side.await_connection(|| outgoing[0].is_connected() && incoming.image_count() == 1)?;
                let times = side.ping(&parameters, &mut outgoing, &mut incoming)?;
                Ok(times
                    .iter_recorded()
                    .map(|value| (value.value_iterated_to(), value.count_at_value()))
                    .collect())
            }
        }
    }
}

/// Of clients of one make on a driver of either.
pub(super) fn run<P: Party>(driver: DriverKind, parameters: &Parameters) -> Result<Measurement> {
    let driver = DriverProcess::spawn_stock(driver).map_err(|error| error.to_string())?;
    let mut client = StockClient {
        dir: driver.dir().to_owned(),
        end: End::Pong,
        ping: udp::channel()?,
        pong: udp::channel()?,
        length: parameters.length,
        warm_up: parameters.warm_up.as_secs_f64(),
        seconds: parameters.duration.as_secs_f64(),
    };
    let start = |client: &StockClient| {
        ClientProcess::spawn(P::NAME, &client.arguments()).map_err(|error| error.to_string())
    };
    let _pong = start(&client)?;
    client.end = End::Ping;
    let output = start(&client)?.output()?;
    let times: Vec<(u64, u64)> =
        serde_json::from_str(&output).map_err(|error| format!("ping printed {output:?}: {error}"))?;
    let mut histogram = new_histogram()?;
    for (value, count) in times {
        histogram.saturating_record_n(value, count);
    }
    Ok(Measurement::times(&histogram))
}
