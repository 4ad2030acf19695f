//! The floor: two UDP sockets on the loopback and nothing else.

use super::{Parameters, Result, new_histogram, side::pin};
use hdrhistogram::Histogram;
use std::{
    io::ErrorKind,
    net::UdpSocket,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Instant,
};

/// Two connected sockets that do not block.
fn pair() -> std::io::Result<(UdpSocket, UdpSocket)> {
    let (one, other) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    one.connect(other.local_addr()?)?;
    other.connect(one.local_addr()?)?;
    one.set_nonblocking(true)?;
    other.set_nonblocking(true)?;
    Ok((one, other))
}

/// Spins until a datagram has come, or until `stop`; whether it came.
fn receive(socket: &UdpSocket, buffer: &mut [u8], stop: &AtomicBool) -> Result<bool> {
    loop {
        match socket.recv(buffer) {
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if stop.load(Ordering::Relaxed) {
                    return Ok(false);
                }
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

pub(super) fn latency(parameters: &Parameters) -> Result<Histogram<u64>> {
    let (ping, pong) = pair().map_err(|error| error.to_string())?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let echo = scope.spawn(|| {
            pin(parameters.processors[0])?;
            let mut buffer = vec![0; 65536];
            // The length of a message and its data header, as a driver would send it.
            let length = parameters.length + 32;
            while receive(&pong, &mut buffer, &stop)? {
                pong.send(&buffer[..length]).map_err(|error| error.to_string())?;
            }
            Ok::<_, String>(())
        });
        let measured = scope.spawn(|| {
            let outcome = pin(parameters.processors[1]).and_then(|()| round_trips(&ping, parameters, &stop));
            stop.store(true, Ordering::Relaxed);
            outcome
        });
        let measured = measured.join().map_err(|_| "a measuring thread panicked".to_owned())?;
        echo.join().map_err(|_| "a measuring thread panicked".to_owned())??;
        measured
    })
}

fn round_trips(socket: &UdpSocket, parameters: &Parameters, stop: &AtomicBool) -> Result<Histogram<u64>> {
    let mut histogram = new_histogram()?;
    let mut buffer = vec![0; 65536];
    let message = vec![0x5a; parameters.length + 32];
    let measured_from = Instant::now() + parameters.warm_up;
    let end = measured_from + parameters.duration;
    loop {
        let sent_at = Instant::now();
        socket.send(&message).map_err(|error| error.to_string())?;
        if !receive(socket, &mut buffer, stop)? {
            return Err("stopped".to_owned());
        }
        let now = Instant::now();
        if now >= end {
            return Ok(histogram);
        }
        if sent_at >= measured_from {
            histogram.saturating_record(u64::try_from((now - sent_at).as_nanos()).unwrap_or(u64::MAX));
        }
    }
}
