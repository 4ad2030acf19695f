//! Counters that applications add.

use std::{fmt, sync::Arc};

use epona_protocol::types::{CounterId, RegistrationId};

use crate::{
    link::{Client, Request},
    state::CounterState,
};

/// A 64-bit number in shared memory that every process on the machine can read, with a type, a key and a label.
///
/// A counter of this client is freed when it is dropped or the client ends; the memory may then become another's, so a
/// closed counter no longer writes. A static counter outlives its clients and is never freed.
///
/// Threading: `Send` and `Sync`. [`Counter::get_and_add`] may be called by many at once; the other verbs that write
/// are for one writer at a time.
///
/// ```no_run
/// # use epona_client::{Aeron, Context, CounterTypeId};
/// # let aeron = Aeron::connect(Context::new())?;
/// let orders = aeron.add_counter(CounterTypeId::new(1001), b"", "orders accepted")?;
/// orders.get_and_add(1);
/// # Ok::<(), epona_client::ClientError>(())
/// ```
pub struct Counter {
    state: Arc<CounterState>,
    client: Arc<Client>,
}

impl Counter {
    pub(crate) const fn new(state: Arc<CounterState>, client: Arc<Client>) -> Self {
        Self { state, client }
    }

    /// The value. Acquire. What it shows after closing may be another counter's.
    #[inline]
    #[must_use]
    pub fn get(&self) -> i64 {
        self.state.counter.get_acquire()
    }

    /// Stores a value, with release ordering; nothing once closed.
    #[inline]
    pub fn set(&self, value: i64) {
        if !self.is_closed() {
            self.state.counter.set_release(value);
        }
    }

    /// Adds, wrapping; the value before. Nothing is added once closed.
    #[inline]
    pub fn get_and_add(&self, delta: i64) -> i64 {
        if self.is_closed() { self.get() } else { self.state.counter.get_and_add(delta) }
    }

    /// Raises the value to `proposed` if that is more; whether it did.
    #[inline]
    pub fn propose_max(&self, proposed: i64) -> bool {
        !self.is_closed() && self.state.counter.propose_max(proposed)
    }

    /// Index of the counter, for [`Aeron::counters_reader`](crate::Aeron::counters_reader).
    #[must_use]
    pub fn id(&self) -> CounterId {
        self.state.counter.id()
    }

    /// What the counter is registered under: the id of the add, or what the caller gave for a static counter.
    #[must_use]
    pub fn registration_id(&self) -> RegistrationId {
        self.state.registration_id
    }

    /// Whether this counter outlives its clients.
    #[must_use]
    pub fn is_static(&self) -> bool {
        self.state.is_static
    }

    /// Whether the counter or its client has ended.
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.is_closed()
    }

    /// The label, while the counter is open.
    #[must_use]
    pub fn label(&self) -> Option<String> {
        if self.is_closed() { None } else { self.client.shared.counters.label(self.id()) }
    }

    /// Closes the counter, as dropping does: frees it, unless it is static.
    pub fn close(self) {}
}

impl Drop for Counter {
    fn drop(&mut self) {
        if self.state.close() {
            self.client.tell(Request::RemoveCounter { id: self.state.correlation_id });
        }
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counter")
            .field("id", &self.id())
            .field("registration_id", &self.registration_id())
            .field("value", &self.get())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
