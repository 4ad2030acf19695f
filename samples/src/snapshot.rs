//! What a driver's directory says at one moment: the model that all commands which look read from.
//!
//! ```text
//!   cnc.dat ──────────── Directory::open ──► Directory ── snapshot(now) ──► Snapshot
//!   loss-report.dat        maps to read,       errors()                       counters()      as stat prints them
//!                          never writes        losses()                       streams()       positions by stream
//!                                                                             publications()  with sender, spies
//!                                                                             images()        with subscribers
//!                                                                             clients(), endpoints(), duty_cycles()
//! ```
//!
//! It works on directories of Epona's driver and of Aeron's alike, with a driver that runs or one that is gone. Nothing
//! in shared memory is believed: what does not parse is left out.

mod client;
mod directory;
mod driver;
mod duty_cycle;
mod endpoint;
mod history;
mod image;
pub(crate) mod json;
mod publication;
mod stream;
mod subscriber;

use epona_protocol::{
    counters::{CounterDescriptor, StreamKey, SystemCounter},
    types::{ClientId, CounterTypeId, EpochMillis},
};

pub(crate) use self::{
    client::Client,
    directory::Directory,
    driver::{Driver, age_ms},
    duty_cycle::DutyCycle,
    endpoint::{Direction, Endpoint},
    history::{History, Mark},
    image::Image,
    publication::Publication,
    stream::{Stream, is_about_stream},
    subscriber::Subscriber,
};

/// Everything that the counters and the head of `cnc.dat` said at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// When it was taken.
    pub(crate) taken: EpochMillis,
    pub(crate) driver: Driver,
    counters: Vec<CounterDescriptor>,
    /// How many counters there is room for.
    capacity: usize,
}

impl Snapshot {
    /// All allocated counters, in the order of their ids.
    pub(crate) fn counters(&self) -> &[CounterDescriptor] {
        &self.counters
    }

    /// How many counters the driver has room for.
    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// The value of one of the driver's own counters, if the driver has it.
    pub(crate) fn system(&self, counter: SystemCounter) -> Option<i64> {
        self.system_counter(counter).map(|found| found.value)
    }

    /// The label of one of them, with what the driver appended to it.
    pub(crate) fn system_label(&self, counter: SystemCounter) -> Option<&str> {
        self.system_counter(counter).map(|found| found.label.as_str())
    }

    fn system_counter(&self, counter: SystemCounter) -> Option<&CounterDescriptor> {
        self.of_type(CounterTypeId::SYSTEM_COUNTER).find(|found| found.id == counter.id())
    }

    /// Clients that the driver knows, in the order of their counters.
    pub(crate) fn clients(&self) -> Vec<Client> {
        client::clients(self)
    }

    /// The client of that id, as people know it: its name, else its id.
    pub(crate) fn client_name(&self, client_id: ClientId) -> String {
        let client = self.clients().into_iter().find(|client| client.id == client_id);
        let name = client.and_then(|client| client.name);
        name.map_or_else(|| client_id.to_string(), |name| format!("'{name}'"))
    }

    /// Sockets that the driver sends and receives on.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        endpoint::endpoints(self)
    }

    /// Positions by stream, ordered by session, stream and channel.
    pub(crate) fn streams(&self) -> Vec<Stream> {
        stream::streams(self)
    }

    /// Publications on this driver, in the order of their registration.
    pub(crate) fn publications(&self) -> Vec<Publication> {
        publication::publications(self)
    }

    /// Images on this driver, in the order of their creation.
    pub(crate) fn images(&self) -> Vec<Image> {
        image::images(self)
    }

    /// How long the driver's roles took for their longest cycle.
    pub(crate) fn duty_cycles(&self) -> Vec<DutyCycle> {
        duty_cycle::duty_cycles(self)
    }

    fn of_type(&self, type_id: CounterTypeId) -> impl Iterator<Item = &CounterDescriptor> {
        self.counters.iter().filter(move |counter| counter.type_id == type_id)
    }

    /// Counters about streams, with their keys.
    fn stream_counters(&self) -> impl Iterator<Item = (&CounterDescriptor, StreamKey<'_>)> {
        self.counters
            .iter()
            .filter(|counter| is_about_stream(counter.type_id))
            .filter_map(|counter| StreamKey::decode(&counter.key).map(|key| (counter, key)))
    }
}
