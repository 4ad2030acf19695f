//! `epona metrics`: what a driver's counters say, over HTTP: for Prometheus, for probes, and as a page for people.
//!
//! ```text
//!   /metrics       series.rs    OpenMetrics text
//!   /healthz                    200 while the driver runs, else 503
//!   /              page.html    draws what /streams.json says, each second
//!   /streams.json  live.rs
//! ```
//!
//! Each answer is made of a snapshot of its own; the driver does not notice, and may end and start again meanwhile.

mod live;
mod series;
mod server;
mod system;

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use self::{
    live::Live,
    server::{Answer, Server},
};
use crate::{
    common::{Stop, note},
    interrupt::Interrupt,
    look::{DirOptions, note_absence, now},
    snapshot::Directory,
};

const PAGE: &str = include_str!("metrics/page.html");

/// Serve metrics of a media driver over HTTP, with a live page
#[derive(Args, Debug)]
#[command(
    after_help = "/metrics is OpenMetrics text for Prometheus, /healthz answers 200 while the driver runs and 503 otherwise, / is a
page with plots of rate, lag and loss. Whoever can reach the address can read it: it listens on this host alone unless
told otherwise.

Examples:
  epona metrics
  epona metrics --listen 0.0.0.0:9740 --dir /dev/shm/aeron-prod
  curl -s localhost:9740/metrics | grep back_pressure"
)]
pub(crate) struct Options {
    /// Address and port to serve on; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9740")]
    listen: SocketAddr,

    #[command(flatten)]
    dir: DirOptions,
}

/// Serves until Ctrl-C, which is how it is meant to end.
///
/// # Errors
/// When there is no driver's directory at the start; when the address cannot be served on.
pub(crate) fn run(options: &Options, interrupt: &Interrupt) -> Result<(), Stop> {
    let source = Source { path: options.dir.directory() };
    note_absence(&options.dir.open()?.snapshot(now()));
    let server = Server::bind(options.listen)?;
    note(&format!("Serving http://{}/ for {}. Ctrl-C ends.", server.address(), source.path.display()));
    server.run(interrupt, move |path| source.answer(path));
    Ok(())
}

/// Where answers come from.
#[derive(Debug)]
struct Source {
    path: PathBuf,
}

impl Source {
    /// The answer to a request for a path; `None` when there is no such page.
    fn answer(&self, path: &str) -> Option<Answer> {
        match path {
            "/" => Some(Answer::ok("text/html; charset=utf-8", PAGE.to_owned())),
            "/metrics" => Some(self.metrics()),
            "/streams.json" => Some(self.live()),
            "/healthz" => Some(self.health()),
            _ => None,
        }
    }

    fn metrics(&self) -> Answer {
        match series::encode(Directory::open(&self.path).ok().as_ref(), now()) {
            Ok(text) => Answer::ok(series::CONTENT_TYPE, text),
            Err(error) => Answer::failed(&format!("cannot encode the metrics: {error}")),
        }
    }

    fn live(&self) -> Answer {
        let directory = match Directory::open(&self.path) {
            Ok(directory) => directory,
            Err(error) => return Answer::unavailable(&error.to_string()),
        };
        match serde_json::to_string(&Live::new(&directory, &directory.snapshot(now()))) {
            Ok(json) => Answer::ok("application/json", json),
            Err(error) => Answer::failed(&error.to_string()),
        }
    }

    fn health(&self) -> Answer {
        let driver = match Directory::open(&self.path) {
            Ok(directory) => directory.snapshot(now()).driver,
            Err(error) => return Answer::unavailable(&error.to_string()),
        };
        let (pid, now) = (driver.pid, now());
        match driver.absence(now) {
            None => {
                let age = driver.heartbeat_age_ms(now).unwrap_or_default();
                Answer::ok("text/plain; charset=utf-8", format!("ok: pid {pid}, heartbeat {age} ms ago\n"))
            }
            Some(absence) => {
                Answer::unavailable(&format!("the media driver (pid {pid}) is not running: {absence}"))
            }
        }
    }
}
