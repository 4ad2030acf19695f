//! The clients of the driver: known by their heartbeat, and what they hold.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use epona_protocol::{
    counters::{AtomicCounter, HeartbeatKey, NewCounter, heartbeat_label},
    types::{ClientId, CounterId, CounterTypeId, EpochMillis, RegistrationId},
};

use super::services::Services;
use crate::error::DriverError;

/// A client's share in a publication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicationLink {
    /// Correlation id of the command that made the link.
    pub registration_id: RegistrationId,
    /// The publication, by the link that created it.
    pub publication: RegistrationId,
}

/// A counter that a client asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CounterLink {
    /// Correlation id of the command that made it.
    pub registration_id: RegistrationId,
    /// The counter.
    pub counter_id: CounterId,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    heartbeat: AtomicCounter,
    /// Publications that it holds.
    pub publications: Vec<PublicationLink>,
    /// Counters that it holds.
    pub counters: Vec<CounterLink>,
    is_closed_by_command: bool,
}

/// How a client's life ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It said so.
    Closed,
    /// It fell silent.
    TimedOut,
}

/// All clients, by id and in its order, so that what happens at one time happens in one order.
#[derive(Debug)]
pub struct Clients {
    by_id: BTreeMap<ClientId, Client>,
    liveness_timeout: Duration,
}

impl Clients {
    /// No clients yet; silence beyond `liveness_timeout` ends one.
    #[must_use]
    pub fn new(liveness_timeout: Duration) -> Self {
        Self { by_id: BTreeMap::new(), liveness_timeout: liveness_timeout.max(Duration::from_millis(1)) }
    }

    /// The client with this id.
    pub fn get_mut(&mut self, id: ClientId) -> Option<&mut Client> {
        self.by_id.get_mut(&id)
    }

    /// The client with this id, made known to all clients by its heartbeat counter when it is new.
    ///
    /// # Errors
    /// When no counter is left for its heartbeat. Source: driver spec 2.1.
    pub fn get_or_add(&mut self, id: ClientId, services: &mut Services) -> Result<&mut Client, DriverError> {
        let vacant = match self.by_id.entry(id) {
            Entry::Occupied(occupied) => return Ok(occupied.into_mut()),
            Entry::Vacant(vacant) => vacant,
        };
        let heartbeat = services.allocate(&NewCounter {
            type_id: CounterTypeId::CLIENT_HEARTBEAT,
            key: &HeartbeatKey { client_id: id }.encode(),
            label: heartbeat_label(id).as_bytes(),
            registration_id: id.get(),
            owner_id: id.get(),
            reference_id: 0,
        })?;
        heartbeat.set_release(services.now.epoch.get());
        services.on_counter_ready(id.get(), heartbeat.id());
        Ok(vacant.insert(Client {
            heartbeat,
            publications: Vec::new(),
            counters: Vec::new(),
            is_closed_by_command: false,
        }))
    }

    /// A keepalive by command; current clients write their heartbeat counter themselves.
    pub fn on_keepalive(&mut self, id: ClientId, now: EpochMillis) {
        if let Some(client) = self.by_id.get(&id) {
            client.heartbeat.set_release(now.get());
        }
    }

    /// A client says goodbye: it ends at the next timer tick, without a timeout. Source: driver spec 2.11.
    pub fn on_close(&mut self, id: ClientId) {
        if let Some(client) = self.by_id.get_mut(&id) {
            client.is_closed_by_command = true;
            client.heartbeat.set_release(0);
        }
    }

    /// Clients that said goodbye, and those whose heartbeat is too old. Source: driver spec 2.11.
    #[must_use]
    pub fn ended(&self, now: EpochMillis) -> Vec<(ClientId, End)> {
        let end = |client: &Client| {
            let heartbeat = EpochMillis::new(client.heartbeat.get_acquire());
            if client.is_closed_by_command {
                Some(End::Closed)
            } else {
                (now > heartbeat + self.liveness_timeout).then_some(End::TimedOut)
            }
        };
        self.by_id.iter().filter_map(|(id, client)| Some((*id, end(client)?))).collect()
    }

    /// Takes a client out, for what it holds to be released.
    pub fn remove(&mut self, id: ClientId) -> Option<Client> {
        self.by_id.remove(&id)
    }
}

impl Client {
    /// Counter of its heartbeat.
    #[must_use]
    pub fn heartbeat_id(&self) -> CounterId {
        self.heartbeat.id()
    }
}
