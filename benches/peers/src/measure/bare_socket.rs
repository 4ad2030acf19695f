//! The floor: two UDP sockets on the loopback and nothing else.

use super::{
    Measurement, Parameters, Result,
    content::{self, Checker},
    measurement::{new_histogram, record},
    open_loop::Schedule,
    side::{SILENCE, pin},
    sockets::{self, Calls, MAX_BATCH, MAX_DATAGRAM},
};
use hdrhistogram::Histogram;
use std::{
    net::UdpSocket,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Instant,
};

/// What a driver would put before each message.
const HEADER_LENGTH: usize = 32;

/// What the kernel keeps per datagram beside its bytes, generously.
const KERNEL_OVERHEAD: usize = 2048;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Runs two sides over a pair of sockets, and tells the first to stop when the second is done.
fn in_two_threads<T: Send>(
    parameters: &Parameters,
    servant: impl FnOnce(&UdpSocket, &AtomicBool) -> Result<()> + Send,
    master: impl FnOnce(&UdpSocket) -> Result<T> + Send,
) -> Result<T> {
    let (one, other) = sockets::pair(parameters.driver.socket_buffer).map_err(text)?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let servant = scope.spawn(|| {
            pin(parameters.processors[0])?;
            servant(&one, &stop)
        });
        let master = scope.spawn(|| {
            let outcome = pin(parameters.processors[1]).and_then(|()| master(&other));
            stop.store(true, Ordering::Relaxed);
            outcome
        });
        let servant = servant.join().map_err(|_| "a measuring thread panicked".to_owned());
        let master = master.join().map_err(|_| "a measuring thread panicked".to_owned());
        servant??;
        master?
    })
}

pub(super) fn latency(parameters: &Parameters) -> Result<Measurement> {
    in_two_threads(
        parameters,
        |socket, stop| {
            let mut buffer = vec![0; MAX_DATAGRAM];
            while !stop.load(Ordering::Relaxed) {
                if let Some(length) = sockets::receive(socket, &mut buffer).map_err(text)? {
                    sockets::send(socket, &buffer[..length]).map_err(text)?;
                }
            }
            Ok(())
        },
        |socket| round_trips(socket, parameters).map(|times| Measurement::times(&times)),
    )
}

fn round_trips(socket: &UdpSocket, parameters: &Parameters) -> Result<Histogram<u64>> {
    let mut histogram = new_histogram()?;
    let mut buffer = vec![0; MAX_DATAGRAM];
    let mut message = content::message(parameters.length + HEADER_LENGTH);
    let measured_from = Instant::now() + parameters.warm_up;
    let end = measured_from + parameters.duration;
    for number in 0.. {
        content::stamp(&mut message, number);
        let sent_at = Instant::now();
        sockets::send(socket, &message).map_err(text)?;
        let mut turns = 0u32;
        let length = loop {
            if let Some(length) = sockets::receive(socket, &mut buffer).map_err(text)? {
                break length;
            }
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(1 << 16) && sent_at.elapsed() > SILENCE {
                return Err("a datagram was not echoed".to_owned());
            }
        };
        let now = Instant::now();
        if buffer[..length] != message {
            return Err("an echo is not what was sent".to_owned());
        }
        if now >= end {
            break;
        }
        if sent_at >= measured_from {
            record(&mut histogram, now - sent_at);
        }
    }
    Ok(histogram)
}

/// How a stream is cut into datagrams, and how much of it may be under way.
#[derive(Clone, Copy, Debug)]
struct Cut {
    calls: Calls,
    datagram: usize,
    batch: usize,
    in_flight: u64,
}

impl Cut {
    fn new(calls: Calls, parameters: &Parameters, receive_buffer: usize) -> Self {
        let datagram = (parameters.length + HEADER_LENGTH).min(parameters.driver.mtu);
        let in_flight = (receive_buffer / (datagram + KERNEL_OVERHEAD)).max(2);
        let batch = match calls {
            Calls::Single => 1,
            Calls::Mmsg | Calls::Offload => MAX_BATCH.min(65507 / datagram).min(in_flight / 2),
        };
        Self { calls, datagram, batch, in_flight: in_flight as u64 }
    }
}

pub(super) fn throughput(calls: Calls, parameters: &Parameters) -> Result<Measurement> {
    let received = AtomicU64::new(0);
    in_two_threads(
        parameters,
        |socket, stop| {
            // Both sockets of the pair have the same buffers.
            let buffer = rustix::net::sockopt::socket_recv_buffer_size(socket).map_err(text)?;
            send(socket, Cut::new(calls, parameters, buffer), &received, stop)
        },
        |socket| {
            let buffer = rustix::net::sockopt::socket_recv_buffer_size(socket).map_err(text)?;
            let cut = Cut::new(calls, parameters, buffer);
            let datagrams = receive(socket, cut, &received, parameters)?;
            let bytes = datagrams * cut.datagram as f64;
            Ok(Measurement::rate(bytes / (parameters.length + HEADER_LENGTH) as f64, parameters))
        },
    )
}

/// Sends datagrams as fast as the receiver takes them, until told to stop.
fn send(socket: &UdpSocket, cut: Cut, received: &AtomicU64, stop: &AtomicBool) -> Result<()> {
    if cut.calls == Calls::Offload {
        sockets::segment(socket, cut.datagram).map_err(text)?;
    }
    let mut batch = content::message(cut.batch * cut.datagram);
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        if sent + cut.batch as u64 > received.load(Ordering::Acquire) + cut.in_flight {
            std::hint::spin_loop();
            continue;
        }
        for (number, datagram) in (sent..).zip(batch.chunks_exact_mut(cut.datagram)) {
            content::stamp(datagram, number);
        }
        sent += match cut.calls {
            Calls::Mmsg => sockets::send_many(socket, &batch, cut.datagram).map_err(text)? as u64,
            Calls::Single | Calls::Offload => {
                u64::from(sockets::send(socket, &batch).map_err(text)?) * cut.batch as u64
            }
        };
    }
    Ok(())
}

/// Takes datagrams for the time of the measurement; how many came per second.
fn receive(socket: &UdpSocket, cut: Cut, received: &AtomicU64, parameters: &Parameters) -> Result<f64> {
    if cut.calls == Calls::Offload {
        sockets::coalesce(socket).map_err(text)?;
    }
    let mut buffer = vec![0; MAX_DATAGRAM.max(MAX_BATCH * cut.datagram)];
    let mut checker = Checker::new(cut.datagram);
    let mut rates = [0.0; 2];
    for (rate, duration) in rates.iter_mut().zip([parameters.warm_up, parameters.duration]) {
        let (start, first) = (Instant::now(), checker.messages);
        let mut last_seen = start;
        let elapsed = loop {
            let before = checker.messages;
            for _ in 0..64 {
                let length = match cut.calls {
                    Calls::Mmsg => {
                        sockets::receive_many(socket, &mut buffer, cut.datagram).map_err(text)? * cut.datagram
                    }
                    Calls::Single | Calls::Offload => {
                        sockets::receive(socket, &mut buffer).map_err(text)?.unwrap_or(0)
                    }
                };
                buffer[..length].chunks(cut.datagram).for_each(|datagram| checker.take(datagram));
                received.store(checker.messages, Ordering::Release);
            }
            let now = Instant::now();
            if checker.messages > before {
                last_seen = now;
            } else if now - last_seen > SILENCE {
                return Err("datagrams stopped arriving".to_owned());
            }
            if now - start >= duration {
                break now - start;
            }
        };
        *rate = (checker.messages - first) as f64 / elapsed.as_secs_f64();
    }
    checker.verdict()?;
    Ok(rates[1])
}

/// Datagrams at a fixed rate, timed from when each was due.
pub(super) fn open_loop(parameters: &Parameters) -> Result<Measurement> {
    let schedule = Schedule::new(parameters);
    let (sender, receiver) = (schedule.clone(), schedule);
    in_two_threads(
        parameters,
        |socket, stop| {
            let mut message = content::message(parameters.length + HEADER_LENGTH);
            let offer = |message: &[u8]| sockets::send(socket, message).map_err(text);
            sender.send(&mut message, stop, offer, || ())
        },
        |socket| {
            let mut buffer = vec![0; MAX_DATAGRAM];
            receiver.receive(|on_message| {
                if let Some(length) = sockets::receive(socket, &mut buffer).map_err(text)? {
                    on_message(&buffer[..length]);
                }
                Ok(())
            })
        },
    )
}
