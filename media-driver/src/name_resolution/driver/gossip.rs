//! What datagrams of other drivers tell, and what this one tells: logic without sockets.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use epona_protocol::{
    frame::{FrameError, ResolutionEntry, ResolutionFlags, ResolutionView, ResolutionWriter},
    types::Nanos,
};

use super::{
    cache::{Known, NameCache, Told},
    neighbors::Neighbors,
};
use crate::{media::address::same_address, status::SystemCounters};

/// Longest name of a driver, in bytes: what Aeron's Java driver takes. Source: wire spec 1.12.
pub const MAX_NAME_LENGTH: usize = 512;

/// All that is known of other drivers.
#[derive(Debug)]
pub struct Gossip {
    /// What this driver is called.
    pub name: String,
    /// Where it gossips.
    pub local: SocketAddr,
    /// Names that were told.
    pub cache: NameCache,
    /// Drivers to tell and to hear.
    pub neighbors: Neighbors,
    /// Silence after which names and neighbours are forgotten.
    pub timeout: Duration,
    /// The driver's own counters.
    pub system: SystemCounters,
    /// Whether what did not fit is yet to be reported.
    pub overflowed: bool,
}

impl Gossip {
    /// Takes in what a datagram tells. What is malformed is counted and ends the datagram; an entry that cannot be
    /// true is counted and skipped.
    pub fn on_datagram(&mut self, now: Nanos, source: SocketAddr, datagram: &[u8]) {
        if self.take_in(now, source, datagram).is_err() {
            self.system.invalid_packets.increment();
        }
    }

    fn take_in(&mut self, now: Nanos, source: SocketAddr, datagram: &[u8]) -> Result<(), FrameError> {
        for entry in ResolutionView::parse(datagram)?.entries() {
            if !self.on_entry(now, source, &entry?) {
                self.system.invalid_packets.increment();
            }
        }
        Ok(())
    }

    /// False when the entry is of no use: it cannot be true, or there is no room for it.
    fn on_entry(&mut self, now: Nanos, source: SocketAddr, entry: &ResolutionEntry<'_>) -> bool {
        let is_self = entry.flags.contains(ResolutionFlags::SELF);
        let address = if is_self && entry.address.is_unspecified() {
            source
        } else {
            SocketAddr::new(entry.address, entry.port)
        };
        let Ok(age) = u64::try_from(entry.age_in_ms) else { return false };
        if entry.name.is_empty() || entry.name.len() > MAX_NAME_LENGTH || !is_unicast(address) {
            return false;
        }
        if self.is_own(entry.name, address) {
            return true;
        }
        let age = Duration::from_millis(age);
        if age >= self.timeout {
            return true;
        }
        let last_activity = now - age;
        let has_room = self.cache.tell(entry.name, Known { address, last_activity }) != Told::Full
            && (!self.is_reachable(address) || self.neighbors.tell(address, last_activity, is_self, now));
        self.overflowed |= !has_room;
        has_room
    }

    /// Names are told apart together with ports: another driver may have our name elsewhere. Source: wire spec 9.
    fn is_own(&self, name: &[u8], address: SocketAddr) -> bool {
        address.port() == self.local.port() && name == self.name.as_bytes()
    }

    /// A socket of one family does not reach the other.
    fn is_reachable(&self, address: SocketAddr) -> bool {
        address.is_ipv4() == self.local.is_ipv4()
    }

    /// Writes the datagram that tells this driver's own name; its length.
    pub fn write_own(&self, buffer: &mut [u8]) -> usize {
        let mut writer = ResolutionWriter::new(buffer);
        writer.push(&ResolutionEntry {
            flags: ResolutionFlags::SELF,
            port: self.local.port(),
            age_in_ms: 0,
            address: self.local.ip(),
            name: self.name.as_bytes(),
        });
        writer.length()
    }

    /// Hands out datagrams of at most the buffer's length that together tell all names but our own.
    pub fn write_others(&self, now: Nanos, buffer: &mut [u8], mut send: impl FnMut(&[u8])) {
        let mut names = self.cache.iter().peekable();
        while names.peek().is_some() {
            let mut writer = ResolutionWriter::new(buffer);
            while let Some((name, known)) = names.peek() {
                let age = now.since(known.last_activity).as_millis();
                let fits = writer.push(&ResolutionEntry {
                    flags: ResolutionFlags::default(),
                    port: known.address.port(),
                    age_in_ms: i32::try_from(age).unwrap_or(i32::MAX),
                    address: known.address.ip(),
                    name,
                });
                // A name too long for any datagram is left out.
                if !fits && !writer.is_empty() {
                    break;
                }
                names.next();
            }
            let length = writer.length();
            if !writer.is_empty() {
                send(&buffer[..length]);
            }
        }
    }

    /// Neighbours other than those in a list.
    pub fn neighbors_beyond<'a>(&'a self, listed: &'a [SocketAddr]) -> impl Iterator<Item = SocketAddr> + 'a {
        let is_listed = |address: SocketAddr| listed.iter().any(|other| same_address(*other, address));
        self.neighbors.iter().filter(move |address| !is_listed(*address))
    }
}

/// Whether one driver can be at an address, and only one.
fn is_unicast(address: SocketAddr) -> bool {
    let is_broadcast = matches!(address.ip(), IpAddr::V4(ip) if ip.is_broadcast());
    let ip = address.ip();
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
}
