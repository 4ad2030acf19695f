//! Whether the driver lives, and telling it that this client does.

use std::time::Duration;

use epona_protocol::{
    counters::{AtomicCounter, CountersReader, HeartbeatKey, heartbeat_label_suffix},
    types::{ClientId, CounterTypeId, EpochMillis, Nanos, Now},
};

use crate::error::ClientError;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Commit that this was built from, when the build says so.
const COMMIT: &str = match option_env!("EPONA_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// Watches the driver's heartbeat and keeps this client's. Source: shared-memory spec 11.3.
#[derive(Debug)]
pub(super) struct Liveness {
    client_id: ClientId,
    client_name: String,
    driver_timeout: Duration,
    interval: Duration,
    last_keepalive: Nanos,
    /// The client's heartbeat counter, which the driver makes with the first resource.
    heartbeat: Option<AtomicCounter>,
}

impl Liveness {
    pub(super) fn new(
        client_id: ClientId,
        client_name: String,
        driver_timeout: Duration,
        interval: Duration,
        now: Nanos,
    ) -> Self {
        Self { client_id, client_name, driver_timeout, interval, last_keepalive: now, heartbeat: None }
    }

    /// Does what is due; `driver_heartbeat` is what the driver last wrote.
    ///
    /// # Errors
    /// Fatal ones: [`ClientError::DriverTimeout`], [`ClientError::HeartbeatCounterLost`].
    pub(super) fn check(
        &mut self,
        now: Now,
        driver_heartbeat: EpochMillis,
        counters: &CountersReader,
    ) -> Result<usize, ClientError> {
        if now.nanos <= self.last_keepalive + self.interval {
            return Ok(0);
        }
        self.check_driver(now.epoch, driver_heartbeat)?;
        match &self.heartbeat {
            None => {
                let Some(counter) = self.find(counters) else { return Ok(0) };
                let suffix = heartbeat_label_suffix(&self.client_name, VERSION, COMMIT);
                counters.append_label(counter.id(), suffix.as_bytes());
                counter.set_release(now.epoch.get());
                self.heartbeat = Some(counter);
            }
            Some(counter) => {
                if !self.is_ours(counters, counter) {
                    return Err(ClientError::HeartbeatCounterLost);
                }
                counter.set_release(now.epoch.get());
            }
        }
        self.last_keepalive = now.nanos;
        Ok(1)
    }

    /// Moves what is due, because the clock changes.
    pub(super) fn move_times(&mut self, moved: impl Fn(Nanos) -> Nanos) {
        self.last_keepalive = moved(self.last_keepalive);
    }

    fn check_driver(&self, now: EpochMillis, heartbeat: EpochMillis) -> Result<(), ClientError> {
        if heartbeat.get() == -1 {
            return Err(ClientError::DriverTimeout { state: String::from("it was shut down") });
        }
        if now > heartbeat + self.driver_timeout {
            let age = now.get().saturating_sub(heartbeat.get());
            return Err(ClientError::DriverTimeout {
                state: format!(
                    "no sign of life for {age} ms, more than {:?} (Context::driver_timeout, AERON_DRIVER_TIMEOUT)",
                    self.driver_timeout
                ),
            });
        }
        Ok(())
    }

    fn find(&self, counters: &CountersReader) -> Option<AtomicCounter> {
        let is_ours =
            |key: &[u8]| HeartbeatKey::decode(key).is_some_and(|key| key.client_id == self.client_id);
        let descriptor = counters
            .iter()
            .find(|counter| counter.type_id == CounterTypeId::CLIENT_HEARTBEAT && is_ours(&counter.key))?;
        counters.writable(descriptor.id)
    }

    fn is_ours(&self, counters: &CountersReader, counter: &AtomicCounter) -> bool {
        counters.type_id(counter.id()) == Some(CounterTypeId::CLIENT_HEARTBEAT)
            && counters
                .key(counter.id())
                .and_then(|key| HeartbeatKey::decode(&key))
                .is_some_and(|key| key.client_id == self.client_id)
    }
}
