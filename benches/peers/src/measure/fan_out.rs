//! One stream to several receivers, each with a driver of its own, all invoked by one thread.

use super::{
    FanOut, Measurement, Parameters, Result,
    content::Checker,
    side::{DriverTurn, FRAGMENT_LIMIT, SILENCE, Side},
    udp,
};
use crate::{
    net,
    party::{Client, Party, Publication, Subscription},
};
use std::{
    path::Path,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// What the publication and each subscription are added on. The slowest receiver sets the pace: nobody is to lose.
fn channels(fan_out: FanOut) -> Result<[String; 2]> {
    let port = net::free_port().map_err(|error| error.to_string())?;
    Ok(match fan_out {
        FanOut::Multicast => {
            let channel = format!("aeron:udp?endpoint=224.20.30.39:{port}|interface=127.0.0.1");
            [format!("{channel}|fc=min"), channel]
        }
        FanOut::Mdc => {
            let control = format!("control=127.0.0.1:{port}|control-mode=dynamic");
            [format!("aeron:udp?{control}|fc=min"), format!("aeron:udp?endpoint=127.0.0.1:0|{control}")]
        }
    })
}

/// One of the receivers.
struct Receiver<P: Party> {
    // Gone before the side with its client and driver.
    subscription: <P::Client as Client>::Subscription,
    side: Side<P>,
    checker: Checker,
}

impl<P: Party> Receiver<P> {
    fn new(dir: &Path, parameters: &Parameters, channel: &str) -> Result<Self> {
        let mut side = Side::with_driver(dir, parameters, parameters.processors[1], DriverTurn::Always)?;
        let subscription = side.add_subscription(channel)?;
        Ok(Self { subscription, side, checker: Checker::new(parameters.length) })
    }

    fn poll(&mut self) {
        self.subscription.poll_fragments(FRAGMENT_LIMIT, |fragment| self.checker.take(fragment));
        self.side.turn();
    }
}

pub(super) fn run<P: Party>(parameters: &Parameters) -> Result<Measurement> {
    let [publication_channel, subscription_channel] = channels(parameters.fan_out)?;
    let scratch = net::scratch_dir().map_err(|error| error.to_string())?;
    let count = parameters.receivers.max(1);
    let ready = std::sync::atomic::AtomicBool::new(false);
    udp::in_two_threads::<P, _>(
        parameters,
        |mut side, stop| {
            let mut publication = side.add_publication(&publication_channel)?;
            // Nobody may miss the beginning: it starts when every receiver has its image.
            side.await_connection(|| {
                stop.load(Ordering::Relaxed) || publication.is_connected() && ready.load(Ordering::Acquire)
            })?;
            side.send(stop, parameters, &mut publication);
            Ok(())
        },
        |first| {
            // The thread's own driver is the first receiver's.
            drop(first);
            let receivers: Result<Vec<_>> = (0..count)
                .map(|at| {
                    let dir = scratch.path().join(format!("receiver-{at}"));
                    Receiver::<P>::new(&dir, parameters, &subscription_channel)
                })
                .collect();
            let mut receivers = receivers?;
            await_images(&mut receivers)?;
            ready.store(true, Ordering::Release);
            receive(&mut receivers, parameters.warm_up)?;
            let rate = receive(&mut receivers, parameters.duration)?;
            for receiver in &receivers {
                receiver.checker.verdict()?;
            }
            Ok(Measurement::rate(rate, parameters))
        },
    )
}

fn await_images<P: Party>(receivers: &mut [Receiver<P>]) -> Result<()> {
    let deadline = Instant::now() + SILENCE;
    while receivers.iter().any(|receiver| receiver.subscription.image_count() == 0) {
        receivers.iter_mut().for_each(|receiver| receiver.side.keep_house());
        std::thread::yield_now();
        if Instant::now() > deadline {
            return Err("not every receiver was connected".to_owned());
        }
    }
    Ok(())
}

/// Takes messages at every receiver; how many per second came to the slowest.
fn receive<P: Party>(receivers: &mut [Receiver<P>], duration: Duration) -> Result<f64> {
    let slowest =
        |receivers: &[Receiver<P>]| receivers.iter().map(|receiver| receiver.checker.messages).min();
    let first = slowest(receivers).unwrap_or(0);
    let start = Instant::now();
    let (mut last_seen, mut last_count) = (start, first);
    loop {
        for _ in 0..16 {
            receivers.iter_mut().for_each(Receiver::poll);
        }
        let (now, count) = (Instant::now(), slowest(receivers).unwrap_or(0));
        if count > last_count {
            (last_seen, last_count) = (now, count);
        } else if now - last_seen > SILENCE {
            return Err("messages stopped arriving at a receiver".to_owned());
        }
        if now - start >= duration {
            return Ok((count - first) as f64 / (now - start).as_secs_f64());
        }
    }
}
