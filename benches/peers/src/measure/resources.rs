//! What publications cost a driver process with default settings: time to add and to remove them, memory while they
//! are there and after.

use super::{
    Measurement, Metric, Parameters, Result,
    process_usage::{Usage, bytes_in},
    side::{IDLE_TERM, STREAM, Side},
    udp,
};
use crate::{
    party::{Client, Party},
    process::DriverProcess,
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How long a driver may take to let go of everything: it lingers for seconds.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run<P: Party>(parameters: &Parameters) -> Result<Measurement> {
    let driver = DriverProcess::spawn_stock(P::DRIVER).map_err(|error| error.to_string())?;
    let mut side = Side::<P>::of_a_process(driver.dir())?;
    let channel = || Ok::<_, String>(format!("{}|term-length={IDLE_TERM}", udp::channel()?));
    let memory = || -> Result<f64> {
        let anonymous = Usage::of(driver.id())?.anonymous_bytes;
        Ok((anonymous + bytes_in(driver.dir())) as f64 / 1024.0)
    };
    // What is there once, however many publications there are, is not part of what one of them costs. On a channel of its
    // own: its socket may still be closing when its log has gone, and a driver asks then to try again.
    drop(side.add_publication_on(&channel()?, STREAM)?);
    await_no_logs(&mut side, driver.dir())?;
    let at_rest = memory()?;

    let channel = channel()?;
    let mut publications = Vec::with_capacity(parameters.publications);
    let mut slowest = Duration::ZERO;
    let start = Instant::now();
    for stream in (STREAM..).take(parameters.publications) {
        let added_at = Instant::now();
        publications.push(side.add_publication_on(&channel, stream)?);
        slowest = slowest.max(added_at.elapsed());
        side.client.do_work();
    }
    let added = start.elapsed();
    let with_publications = memory()?;

    let start = Instant::now();
    drop(publications);
    await_no_logs(&mut side, driver.dir())?;
    let removed = start.elapsed();
    let left = memory()?;

    let count = parameters.publications.max(1) as f64;
    let metrics = vec![
        Metric::lower("add", "us", added.as_secs_f64() * 1e6 / count),
        Metric::lower("add_max", "us", slowest.as_secs_f64() * 1e6),
        Metric::lower("remove_all", "s", removed.as_secs_f64()),
        Metric::lower("memory", "KiB", (with_publications - at_rest) / count),
        Metric::lower("memory_left", "KiB", (left - at_rest).max(0.0)),
    ];
    Ok(Measurement { metrics, curve: None })
}

/// Waits until the driver has deleted every log buffer.
fn await_no_logs<P: Party>(side: &mut Side<P>, dir: &Path) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while log_buffers(dir) > 0 {
        side.client.do_work();
        std::thread::yield_now();
        if Instant::now() > deadline {
            return Err(format!("log buffers are left {PATIENCE:?} after their publications"));
        }
    }
    Ok(())
}

fn log_buffers(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("publications")).map_or(0, Iterator::count)
}
