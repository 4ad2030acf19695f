//! When what a value rests on was last heard, and from whom: Epona's own, in what is padding of a value record to Aeron.
//!
//! ```text
//!  value record, from +32
//!  +32  change number  i64: odd while the rest is written, 0 before the first time
//!  +40  at             i64: epoch ms
//!  +48  port           i64: 0 for nobody
//!  +56  address        16 bytes: IPv6; IPv4 as ::ffff:a.b.c.d
//! ```
//!
//! See `docs/decisions/0003-who-confirms-a-sender-limit-is-beside-it.md`.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::{
    memory::AtomicView,
    sync::{Ordering, fence},
    types::EpochMillis,
};

const CHANGE_NUMBER_OFFSET: usize = 32;
const AT_OFFSET: usize = 40;
const PORT_OFFSET: usize = 48;
const ADDRESS_OFFSET: usize = 56;

/// How often a record is read again when it changed under the reader.
const READ_ATTEMPTS: usize = 4;

/// That what a value rests on was heard: of a sender limit of Epona's driver, a status message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Confirmation {
    /// When, by the driver's clock; perhaps later than the reader's says.
    pub at: EpochMillis,
    /// Who the value waits for, where the driver knows; of a sender limit, where the receiver that sets it answers from.
    pub by: Option<SocketAddr>,
}

impl Confirmation {
    /// Stores it in a value record, whose one writer the caller is.
    pub(super) fn write(self, record: &AtomicView) {
        let change = record.get_i64(CHANGE_NUMBER_OFFSET) | 1;
        record.put_i64(CHANGE_NUMBER_OFFSET, change);
        fence(Ordering::Release);
        record.put_i64(AT_OFFSET, self.at.get());
        record.put_i64(PORT_OFFSET, self.by.map_or(0, |by| by.port().into()));
        if let Some(by) = self.by {
            let address = match by.ip() {
                IpAddr::V4(address) => address.to_ipv6_mapped(),
                IpAddr::V6(address) => address,
            };
            for (offset, half) in halves(address) {
                record.put_i64(offset, half);
            }
        }
        record.put_i64_release(CHANGE_NUMBER_OFFSET, change.wrapping_add(1));
    }

    /// Reads it whole; `None` when there is none, when it makes no sense, or when it changes all the time.
    pub(super) fn read(record: &AtomicView) -> Option<Self> {
        for _ in 0..READ_ATTEMPTS {
            let change = record.get_i64_acquire(CHANGE_NUMBER_OFFSET);
            if change == 0 {
                return None;
            }
            let (at, port) = (record.get_i64(AT_OFFSET), record.get_i64(PORT_OFFSET));
            let address = [0, 8].map(|half| record.get_i64(ADDRESS_OFFSET + half).to_le_bytes());
            fence(Ordering::Acquire);
            if change & 1 == 0 && record.get_i64(CHANGE_NUMBER_OFFSET) == change {
                return Self::of(at, port, address);
            }
        }
        None
    }

    /// Forgets it, before the record is used again.
    pub(super) fn clear(record: &AtomicView) {
        record.put_i64(CHANGE_NUMBER_OFFSET, 0);
    }

    fn of(at: i64, port: i64, address: [[u8; 8]; 2]) -> Option<Self> {
        let port = u16::try_from(port).ok().filter(|port| *port != 0);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&address[0]);
        bytes[8..].copy_from_slice(&address[1]);
        let ip = Ipv6Addr::from(bytes).to_canonical();
        (at > 0).then(|| Self { at: EpochMillis::new(at), by: port.map(|port| SocketAddr::new(ip, port)) })
    }
}

/// The two words of an address, in the order of its bytes.
fn halves(address: Ipv6Addr) -> [(usize, i64); 2] {
    let bytes = address.octets();
    [0, 8].map(|half| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[half..half + 8]);
        (ADDRESS_OFFSET + half, i64::from_le_bytes(word))
    })
}
