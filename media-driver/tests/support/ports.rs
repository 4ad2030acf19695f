//! UDP ports that no other test gets.

use std::{
    io,
    net::{TcpListener, UdpSocket},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

/// Below the ports that systems give to sockets which ask for any.
const FIRST: u16 = 12_000;
const COUNT: u32 = 18_000;

/// A UDP port that is free, and that nobody else is given who asks here, in this process or another, until this one
/// ends: a TCP listener holds its number, which leaves the UDP port to whoever is told of it.
///
/// # Errors
/// No port is free.
pub fn free_port() -> io::Result<u16> {
    static HELD: Mutex<Vec<TcpListener>> = Mutex::new(Vec::new());
    static ASKED: AtomicU32 = AtomicU32::new(0);
    // Processes start at places of their own, so that they rarely try the same port.
    let start = std::process::id().wrapping_mul(7919);
    for _ in 0..COUNT {
        let next = start.wrapping_add(ASKED.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + (next % COUNT) as u16;
        let Ok(held) = TcpListener::bind(("127.0.0.1", port)) else { continue };
        if UdpSocket::bind(("0.0.0.0", port)).is_ok() {
            HELD.lock().unwrap_or_else(PoisonError::into_inner).push(held);
            return Ok(port);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}
