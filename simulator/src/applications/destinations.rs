//! The destinations of one publication or subscription: added at its start, one of them taken away for a while.

use std::time::Duration;

use epona_client::{ClientError, Pending, Subscription};
use epona_protocol::types::{Nanos, RegistrationId};

/// How long the end of a stream may take whose source was removed: longer than drivers and clients may stand still without
/// another excuse.
const ENDED: Duration = Duration::from_secs(5);

/// How a destination is removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Removal {
    ByChannel,
    ById,
}

/// What has destinations.
pub(crate) trait HasDestinations {
    fn add(&self, channel: &str) -> Result<Pending<RegistrationId>, ClientError>;
    fn remove(&self, channel: &str) -> Result<Pending<()>, ClientError>;
    fn remove_by_id(&self, id: RegistrationId) -> Result<Pending<()>, ClientError>;
}

/// The destinations, of which the first may be sent away.
#[derive(Default)]
pub(crate) struct Destinations {
    channels: Vec<String>,
    /// By which each was added last.
    ids: Vec<Option<RegistrationId>>,
    changes: Vec<Change>,
    is_first_gone: bool,
    /// Whether the first is to be away, and how it is to go.
    away: Option<Removal>,
    /// When one was removed that had no socket, so that its streams ended at once.
    unlinked_at: Option<Nanos>,
}

enum Change {
    Adding(usize, Pending<RegistrationId>),
    Removing(Pending<()>),
}

impl Destinations {
    /// None is there yet.
    pub(crate) fn new(channels: &[String]) -> Self {
        Self { channels: channels.to_vec(), ids: vec![None; channels.len()], ..Self::default() }
    }

    /// From now on the first is to be away, or there.
    pub(crate) fn send_away(&mut self, away: Option<Removal>) {
        self.away = away;
    }

    /// Its owner has gone, and another one has none yet.
    pub(crate) fn start_anew(&mut self) {
        *self = Self { away: self.away, ..Self::new(&self.channels) };
    }

    /// Adds them all.
    pub(crate) fn add_all(&mut self, owner: &impl HasDestinations) -> Result<(), ClientError> {
        for (place, channel) in self.channels.iter().enumerate() {
            self.changes.push(Change::Adding(place, owner.add(channel)?));
        }
        Ok(())
    }

    /// Whether they are as they were asked to be.
    pub(crate) const fn is_settled(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether streams of publications of the same driver may end now, because their source was removed.
    pub(crate) fn ends_links(&self, now: Nanos) -> bool {
        self.unlinked_at.is_some_and(|at| now.since(at) < ENDED)
    }

    /// Takes answers, then adds or removes the first, if it is to be so.
    pub(crate) fn step(&mut self, owner: &impl HasDestinations, now: Nanos) -> Result<usize, ClientError> {
        let before = self.changes.len();
        while let Some(change) = self.changes.last_mut() {
            match change {
                Change::Adding(place, pending) => match pending.poll()? {
                    Some(id) => self.ids[*place] = Some(id),
                    None => return Ok(before - self.changes.len()),
                },
                Change::Removing(pending) => {
                    if pending.poll()?.is_none() {
                        return Ok(before - self.changes.len());
                    }
                }
            }
            self.changes.pop();
        }
        let (Some(first), Some(id)) = (self.channels.first(), self.ids.first()) else { return Ok(before) };
        match (self.is_first_gone, self.away, id) {
            (false, Some(Removal::ById), Some(id)) => {
                self.changes.push(Change::Removing(owner.remove_by_id(*id)?));
            }
            (false, Some(_), _) => self.changes.push(Change::Removing(owner.remove(first)?)),
            (true, None, _) => self.changes.push(Change::Adding(0, owner.add(first)?)),
            _ => return Ok(before),
        }
        self.is_first_gone = !self.is_first_gone;
        if self.is_first_gone && is_link(first) {
            self.unlinked_at = Some(now);
        }
        Ok(before + 1)
    }
}

/// Whether a source is publications of the same driver.
fn is_link(channel: &str) -> bool {
    !channel.starts_with("aeron:udp")
}

impl HasDestinations for Subscription {
    fn add(&self, channel: &str) -> Result<Pending<RegistrationId>, ClientError> {
        self.add_destination(channel)
    }

    fn remove(&self, channel: &str) -> Result<Pending<()>, ClientError> {
        self.remove_destination(channel)
    }

    /// Sources have ids that nothing takes.
    fn remove_by_id(&self, _: RegistrationId) -> Result<Pending<()>, ClientError> {
        Err(ClientError::Closed { cause: None })
    }
}
