//! The same exchange over two bare UDP sockets: what the operating system takes, with nothing on top.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use epona_media_driver::{
    clock::{Clock, SystemClock},
    idle::IdleStrategy,
};
use hdrhistogram::Histogram;

use super::{
    measure::progress_bar,
    message::{Message, Stamp, stamp_of},
    tally::new_histogram,
};
use crate::{common::Stop, cores::Cores, interrupt::Interrupt};

/// Round trips that tell enough about the operating system.
const MAX_MESSAGES: u64 = 100_000;

/// Round trips before those, which do not count.
const MAX_WARMUP: u64 = 10_000;

/// The most that a datagram carries.
const MAX_LENGTH: usize = 65_507;

/// After so long a datagram is lost, and sent again.
const LOST: Duration = Duration::from_millis(200);

/// Measures round trips on loopback in nanoseconds, one at a time: as many, as long and on the same cores as the
/// measurement beside, within reason.
///
/// # Errors
/// When there are no sockets to be had; on Ctrl-C.
pub(super) fn measure(
    messages: u64,
    warmup: u64,
    length: usize,
    cores: &Cores,
    interrupt: &Interrupt,
) -> Result<Histogram<u64>, Stop> {
    let (ping, pong) = pair().map_err(|error| format!("cannot measure a bare UDP socket: {error}"))?;
    let idle = if cores.are_enough() { IdleStrategy::NoOp } else { IdleStrategy::Yielding };
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let echo = scope.spawn(|| {
            cores.pin(1);
            echo(&pong, idle.clone(), &is_over)
        });
        cores.pin(0);
        let mut exchange = Exchange {
            socket: &ping,
            message: Message::new(length.min(MAX_LENGTH)),
            answer: vec![0; MAX_LENGTH],
            clock: SystemClock::new(),
            idle: idle.clone(),
            interrupt,
        };
        let measured = exchange.run(warmup.min(MAX_WARMUP), messages.min(MAX_MESSAGES));
        is_over.store(true, Ordering::Relaxed);
        echo.join().unwrap_or_else(|_| Err("the thread that echoes panicked".into())).and(measured)
    })
}

/// Two sockets on loopback that talk to each other and never wait.
fn pair() -> io::Result<(UdpSocket, UdpSocket)> {
    let ping = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let pong = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    ping.connect(pong.local_addr()?)?;
    pong.connect(ping.local_addr()?)?;
    ping.set_nonblocking(true)?;
    pong.set_nonblocking(true)?;
    Ok((ping, pong))
}

/// Sends back what arrives.
fn echo(socket: &UdpSocket, mut idle: IdleStrategy, is_over: &AtomicBool) -> Result<(), Stop> {
    let mut datagram = vec![0; MAX_LENGTH];
    while !is_over.load(Ordering::Relaxed) {
        match receive(socket, &mut datagram)? {
            // What is not sent now the other side sends again.
            Some(length) => drop(socket.send(&datagram[..length])),
            None => idle.idle(0),
        }
    }
    Ok(())
}

/// A datagram, if there is one.
fn receive(socket: &UdpSocket, datagram: &mut [u8]) -> Result<Option<usize>, Stop> {
    match socket.recv(datagram) {
        Ok(length) => Ok(Some(length)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

struct Exchange<'a> {
    socket: &'a UdpSocket,
    message: Message,
    answer: Vec<u8>,
    clock: SystemClock,
    idle: IdleStrategy,
    interrupt: &'a Interrupt,
}

impl Exchange<'_> {
    fn run(&mut self, warmup: u64, messages: u64) -> Result<Histogram<u64>, Stop> {
        let mut histogram = new_histogram()?;
        let bar = progress_bar("socket", messages)?;
        for number in 0..warmup + messages {
            let nanos = self.round_trip(number)?;
            if number >= warmup {
                histogram.saturating_record(nanos);
            }
            if number % 1000 == 0 {
                bar.set_position(number.saturating_sub(warmup));
            }
        }
        bar.finish_and_clear();
        Ok(histogram)
    }

    /// There and back, in nanoseconds.
    fn round_trip(&mut self, number: u64) -> Result<u64, Stop> {
        loop {
            let sent = self.clock.now().nanos;
            // A send that fails is a datagram that is lost.
            let _ = self.socket.send(self.message.stamped(Stamp { sent, number }));
            while self.clock.now().nanos.since(sent) < LOST {
                self.interrupt.check()?;
                let Some(length) = receive(self.socket, &mut self.answer)? else {
                    self.idle.idle(0);
                    continue;
                };
                if stamp_of(&self.answer[..length]).is_some_and(|stamp| stamp.number == number) {
                    let elapsed = self.clock.now().nanos.since(sent);
                    return Ok(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_trip_is_counted_once_and_takes_time() {
        for length in [16, 1400, 100_000] {
            let measured = measure(200, 10, length, &Cores::of_process(), &Interrupt::default()).unwrap();
            assert_eq!(measured.len(), 200);
            assert!(measured.min() > 0);
        }
    }

    #[test]
    fn an_interrupt_ends_the_measurement() {
        let interrupt = Interrupt::default();
        interrupt.raise();
        let measured = measure(u64::MAX, 0, 16, &Cores::of_process(), &interrupt);
        assert!(matches!(measured, Err(Stop::Interrupted)));
    }
}
