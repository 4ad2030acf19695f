//! What else a user might pick: two ends that send each other messages, of any make.

mod iceoryx2;
mod zeromq;

pub(super) use iceoryx2::Iceoryx2;
pub(super) use zeromq::Zeromq;

use super::{
    Measurement, Parameters, Result, Scenario,
    content::{self, Checker},
    measurement::{new_histogram, record},
    open_loop::Schedule,
    side::SILENCE,
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Messages between two looks at the clock.
const CHUNK: usize = 256;

/// One of two connected ends.
pub(super) trait End: Sized {
    /// Opens one of the two ends of the connection with that name, and pins the calling thread if that suits.
    fn open(name: &str, is_first: bool, parameters: &Parameters) -> Result<Self>;
    /// Sends, now or after a moment; whether it was taken.
    fn send(&mut self, message: &[u8]) -> Result<bool>;
    /// Receives at most one message, which may wait for a moment; whether there was one.
    fn receive(&mut self, on_message: &mut dyn FnMut(&[u8])) -> Result<bool>;
}

pub(super) fn run<E: End>(scenario: Scenario, parameters: &Parameters) -> Result<Measurement> {
    match scenario {
        Scenario::UdpLatency | Scenario::IpcLatency => latency::<E>(parameters),
        Scenario::UdpThroughput | Scenario::IpcThroughput => throughput::<E>(parameters),
        Scenario::UdpOpenLoop => open_loop::<E>(parameters),
        _ => Err(format!("it has no part in {scenario}")),
    }
}

/// Runs two ends, and tells the first to stop when the second is done.
fn in_two_threads<E: End, T: Send>(
    parameters: &Parameters,
    servant: impl FnOnce(E, &AtomicBool) -> Result<()> + Send,
    master: impl FnOnce(E) -> Result<T> + Send,
) -> Result<T> {
    let name = crate::net::free_port().map_err(|error| error.to_string())?.to_string();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let servant = scope.spawn(|| servant(E::open(&name, true, parameters)?, &stop));
        let master = scope.spawn(|| {
            let outcome = E::open(&name, false, parameters).and_then(master);
            stop.store(true, Ordering::Relaxed);
            outcome
        });
        let servant = servant.join().map_err(|_| "a measuring thread panicked".to_owned());
        let master = master.join().map_err(|_| "a measuring thread panicked".to_owned());
        servant??;
        master?
    })
}

/// Sends a message, however often that takes.
fn send<E: End>(end: &mut E, message: &[u8], stop: Option<&AtomicBool>) -> Result<()> {
    let start = Instant::now();
    while !end.send(message)? {
        if stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Ok(());
        }
        if start.elapsed() > SILENCE {
            return Err("a message was not taken".to_owned());
        }
    }
    Ok(())
}

fn latency<E: End>(parameters: &Parameters) -> Result<Measurement> {
    in_two_threads::<E, _>(
        parameters,
        |mut end, stop| {
            let mut message = content::message(parameters.length);
            while !stop.load(Ordering::Relaxed) {
                if end.receive(&mut |ping| message.copy_from_slice(ping))? {
                    send(&mut end, &message, Some(stop))?;
                }
            }
            Ok(())
        },
        |mut end| {
            let mut message = content::message(parameters.length);
            let mut histogram = new_histogram()?;
            let measured_from = Instant::now() + parameters.warm_up;
            let over = measured_from + parameters.duration;
            for number in 0.. {
                content::stamp(&mut message, number);
                let sent_at = Instant::now();
                send(&mut end, &message, None)?;
                let mut is_right = false;
                while !end.receive(&mut |echo| is_right = echo == message)? {
                    if sent_at.elapsed() > SILENCE {
                        return Err("a message was not echoed".to_owned());
                    }
                }
                let now = Instant::now();
                if !is_right {
                    return Err("an echo is not what was sent".to_owned());
                }
                if now >= over {
                    break;
                }
                if sent_at >= measured_from {
                    record(&mut histogram, now - sent_at);
                }
            }
            Ok(Measurement::times(&histogram))
        },
    )
}

fn throughput<E: End>(parameters: &Parameters) -> Result<Measurement> {
    in_two_threads::<E, _>(
        parameters,
        |mut end, stop| {
            let mut message = content::message(parameters.length);
            for number in 0.. {
                content::stamp(&mut message, number);
                send(&mut end, &message, Some(stop))?;
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
            Ok(())
        },
        |mut end| {
            let mut checker = Checker::new(parameters.length);
            count(&mut end, parameters.warm_up, &mut checker)?;
            let rate = count(&mut end, parameters.duration, &mut checker)?;
            checker.verdict()?;
            Ok(Measurement::rate(rate, parameters))
        },
    )
}

fn count<E: End>(end: &mut E, duration: Duration, checker: &mut Checker) -> Result<f64> {
    let (start, first) = (Instant::now(), checker.messages);
    let mut last_seen = start;
    loop {
        let before = checker.messages;
        for _ in 0..CHUNK {
            end.receive(&mut |message| checker.take(message))?;
        }
        let now = Instant::now();
        if checker.messages > before {
            last_seen = now;
        } else if now - last_seen > SILENCE {
            return Err("messages stopped arriving".to_owned());
        }
        if now - start >= duration {
            return Ok((checker.messages - first) as f64 / (now - start).as_secs_f64());
        }
    }
}

fn open_loop<E: End>(parameters: &Parameters) -> Result<Measurement> {
    let schedule = Schedule::new(parameters);
    let (sender, receiver) = (schedule.clone(), schedule);
    in_two_threads::<E, _>(
        parameters,
        |mut end, stop| {
            let mut message = content::message(parameters.length);
            sender.send(&mut message, stop, |message| end.send(message), || ())
        },
        |mut end| receiver.receive(|on_message| end.receive(on_message).map(drop)),
    )
}
