//! Where an endpoint with several destinations sends to (MDC).
//!
//! ```text
//!   manual    a client adds and removes destinations        kept until removed; the receiver's id is learned later
//!   dynamic   a receiver's status message adds it           forgotten after 5 s without another one
//! ```
//!
//! A send goes to every destination, starting with another one each time, in as few system calls as there is room
//! for: datagrams for several destinations share a batch. Source: wire spec 7.1, driver spec 6.6.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use epona_protocol::{
    counters::AtomicCounter,
    types::{Nanos, ReceiverId, RegistrationId},
};

use super::{
    fan_out::FanOut,
    sent::{SendFailure, Sent},
};
use crate::media::transport::{SendRun, Transport};

/// A destination that is silent for longer is forgotten (dynamic) or its name is to be resolved again (manual).
/// Source: driver spec 6.6, 6.8.
pub const DESTINATION_TIMEOUT: Duration = Duration::from_secs(5);

/// Most destinations that status messages may add to one endpoint: room is made for them when the endpoint is, and a
/// flood of made-up receivers costs no more than that.
pub const MAX_LEARNED_DESTINATIONS: usize = 1024;

/// A destination that a client adds.
#[derive(Clone, Debug)]
pub struct ManualDestination {
    /// Correlation id of the command that adds it, by which it is removed and named in errors.
    pub registration_id: RegistrationId,
    /// Value of `endpoint` in its channel, by which it is resolved again.
    pub name: Arc<str>,
    /// What the name stands for; `None` while it stands for nothing, so that nothing is sent.
    pub address: Option<SocketAddr>,
}

/// A manual destination that was silent for too long; see [`Destinations::take_silent`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SilentDestination {
    /// Value of `endpoint` in its channel.
    pub name: Arc<str>,
    /// What that stood for last.
    pub address: Option<SocketAddr>,
}

/// How destinations come and go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Manual,
    Dynamic,
}

/// What a status message tells of destinations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Learned {
    /// Nothing that was not known.
    Nothing,
    /// A destination, which was added.
    Destination,
    /// A destination for which there is no room. Whether that is news, so that it is worth an error.
    TooMany {
        /// No other was turned away since there was room.
        is_first: bool,
    },
}

#[derive(Clone, Debug)]
struct Destination {
    /// Of manual destinations only.
    manual: Option<(RegistrationId, Arc<str>)>,
    address: Option<SocketAddr>,
    receiver_id: Option<ReceiverId>,
    time_of_last_activity: Nanos,
}

impl Destination {
    /// A receiver that is known by its id may change its address, but not its port. Source: wire spec 7.1.
    fn is_of(&self, receiver_id: ReceiverId, source: SocketAddr) -> bool {
        self.address.is_some_and(|address| match self.receiver_id {
            Some(known) => known == receiver_id && address.port() == source.port(),
            None => address == source,
        })
    }
}

/// The destinations of one endpoint; owned by the sender, which is the only caller.
#[derive(Debug)]
pub struct Destinations {
    mode: Mode,
    list: Vec<Destination>,
    count: AtomicCounter,
    round_robin: usize,
    /// No learned destination expires before this.
    time_of_next_expiry: Nanos,
    has_turned_away: bool,
}

impl Destinations {
    /// Destinations that a client adds and removes; `count` is the counter `mdc-num-dest`.
    #[must_use]
    pub fn manual(count: AtomicCounter) -> Self {
        Self::new(Mode::Manual, Vec::new(), count)
    }

    /// Destinations learned from status messages; `count` is the counter `mdc-num-dest`.
    #[must_use]
    pub fn dynamic(count: AtomicCounter) -> Self {
        Self::new(Mode::Dynamic, Vec::with_capacity(MAX_LEARNED_DESTINATIONS), count)
    }

    fn new(mode: Mode, list: Vec<Destination>, count: AtomicCounter) -> Self {
        Self {
            mode,
            list,
            count,
            round_robin: 0,
            time_of_next_expiry: Nanos::default(),
            has_turned_away: false,
        }
    }

    /// Adds a destination; nothing for an endpoint whose destinations are learned.
    pub fn add(&mut self, destination: ManualDestination, now: Nanos) {
        if self.mode == Mode::Manual {
            let ManualDestination { registration_id, name, address } = destination;
            self.push(Destination {
                manual: Some((registration_id, name)),
                address,
                receiver_id: None,
                time_of_last_activity: now,
            });
        }
    }

    /// Removes the last destination that was added under this name, else the last one at this address; whether there
    /// was one.
    ///
    /// The name comes first, for it may stand for another address by now than when the destination was added.
    pub fn remove(&mut self, name: &str, address: Option<SocketAddr>) -> bool {
        let has_name = |d: &Destination| matches!(&d.manual, Some((_, added)) if added.as_ref() == name);
        let found = self
            .list
            .iter()
            .rposition(has_name)
            .or_else(|| self.list.iter().rposition(|d| address.is_some() && d.address == address));
        self.remove_at(found)
    }

    /// Removes the destination with this id; whether there was one.
    pub fn remove_by_id(&mut self, id: RegistrationId) -> bool {
        let has_id = |d: &Destination| matches!(&d.manual, Some((added, _)) if *added == id);
        let found = self.list.iter().position(has_id);
        self.remove_at(found)
    }

    fn remove_at(&mut self, at: Option<usize>) -> bool {
        let Some(at) = at else { return false };
        self.list.remove(at);
        self.publish_count();
        true
    }

    fn push(&mut self, destination: Destination) {
        self.list.push(destination);
        self.publish_count();
    }

    fn publish_count(&self) {
        self.count.set_release(self.list.len() as i64);
    }

    /// A valid status message came: whose, is remembered; of a receiver that is not known, it is a new destination
    /// where destinations are learned.
    pub fn on_status_message(&mut self, receiver_id: ReceiverId, source: SocketAddr, now: Nanos) -> Learned {
        if let Some(known) = self.list.iter_mut().find(|d| d.is_of(receiver_id, source)) {
            known.receiver_id = Some(receiver_id);
            known.time_of_last_activity = now;
            return Learned::Nothing;
        }
        if self.mode == Mode::Manual {
            return Learned::Nothing;
        }
        if self.list.len() >= MAX_LEARNED_DESTINATIONS {
            let is_first = !std::mem::replace(&mut self.has_turned_away, true);
            return Learned::TooMany { is_first };
        }
        self.push(Destination {
            manual: None,
            address: Some(source),
            receiver_id: Some(receiver_id),
            time_of_last_activity: now,
        });
        Learned::Destination
    }

    /// Id of the manual destination that a receiver belongs to.
    #[must_use]
    pub fn registration_id_of(&self, receiver_id: ReceiverId, source: SocketAddr) -> Option<RegistrationId> {
        let found = self.list.iter().find(|d| d.is_of(receiver_id, source))?;
        found.manual.as_ref().map(|(id, _)| *id)
    }

    /// Manual destinations from which no status message came for longer than [`DESTINATION_TIMEOUT`]: their names may
    /// stand for other addresses by now, which [`Destinations::update`] takes. Each is given once per timeout, and the
    /// ones that could not be resolved are among them. Does not allocate. Source: driver spec 6.8.
    pub fn take_silent(&mut self, now: Nanos) -> impl Iterator<Item = SilentDestination> {
        self.list.iter_mut().filter_map(move |destination| {
            let (_, name) = destination.manual.as_ref()?;
            if now <= destination.time_of_last_activity + DESTINATION_TIMEOUT {
                return None;
            }
            destination.time_of_last_activity = now;
            Some(SilentDestination { name: Arc::clone(name), address: destination.address })
        })
    }

    /// Sends to a new address from now on wherever this name was added; how many destinations that are.
    pub fn update(&mut self, name: &str, address: SocketAddr) -> usize {
        let mut updated = 0;
        for destination in &mut self.list {
            if matches!(&destination.manual, Some((_, added)) if added.as_ref() == name) {
                destination.address = Some(address);
                updated += 1;
            }
        }
        updated
    }

    /// Sends runs to every destination that has an address. Without any there is nothing to fail: all is sent.
    #[inline]
    pub(super) fn send(
        &mut self,
        now: Nanos,
        transport: &mut dyn Transport,
        runs: &[SendRun<'_>],
        failure: &mut Option<SendFailure>,
    ) -> Sent {
        self.expire(now);
        let start = self.next_start();
        let (before, after) = self.list.split_at(start);
        let mut fan_out = FanOut::new(now, transport, runs, failure);
        for destination in after.iter().chain(before) {
            if let Some(address) = destination.address {
                fan_out.send_to(address);
            }
        }
        fan_out.finish()
    }

    fn next_start(&mut self) -> usize {
        let mut start = self.round_robin;
        if start >= self.list.len() {
            start = 0;
        }
        self.round_robin = start + 1;
        start
    }

    /// Forgets receivers that fell silent, where destinations are learned.
    #[inline]
    fn expire(&mut self, now: Nanos) {
        if self.mode == Mode::Dynamic && now > self.time_of_next_expiry {
            self.forget_silent(now);
        }
    }

    fn forget_silent(&mut self, now: Nanos) {
        let expiry = |d: &Destination| d.time_of_last_activity + DESTINATION_TIMEOUT;
        let count = self.list.len();
        self.list.retain(|d| now <= expiry(d));
        self.time_of_next_expiry = self.list.iter().map(expiry).min().unwrap_or(now + DESTINATION_TIMEOUT);
        if self.list.len() < count {
            self.has_turned_away = false;
            self.publish_count();
        }
    }
}

#[cfg(test)]
mod tests;
