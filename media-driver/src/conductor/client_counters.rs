//! Counters that clients ask for. Source: driver spec 2.13.

use epona_protocol::{
    command::{ErrorCode, Event},
    counters::NewCounter,
    types::{ClientId, CorrelationId, CounterTypeId, RegistrationId},
};

use super::{Conductor, clients::CounterLink};
use crate::error::DriverError;

/// Owner of counters that belong to no client.
pub(super) const NO_OWNER: i64 = -1;

impl Conductor {
    pub(super) fn add_counter(
        &mut self,
        client_id: ClientId,
        correlation_id: CorrelationId,
        type_id: CounterTypeId,
        key: &[u8],
        label: &[u8],
    ) -> Result<(), DriverError> {
        let client = self.clients.get_or_add(client_id, &mut self.services)?;
        let counter = self.services.allocate(&NewCounter {
            type_id,
            key,
            label,
            registration_id: correlation_id.get(),
            owner_id: client_id.get(),
            reference_id: 0,
        })?;
        let registration_id = correlation_id.as_registration_id();
        client.counters.push(CounterLink { registration_id, counter_id: counter.id() });
        self.services.on_counter_ready(correlation_id.get(), counter.id());
        Ok(())
    }

    pub(super) fn add_static_counter(
        &mut self,
        client_id: ClientId,
        correlation_id: CorrelationId,
        registration_id: RegistrationId,
        type_id: CounterTypeId,
        key: &[u8],
        label: &[u8],
    ) -> Result<(), DriverError> {
        self.clients.get_or_add(client_id, &mut self.services)?;
        let reader = self.services.counters.reader();
        let counter_id = match reader.find(type_id, registration_id.get()) {
            Some(existing) if reader.owner_id(existing) == Some(NO_OWNER) => existing,
            Some(other) => {
                return Err(DriverError::generic(format!(
                    "cannot add static counter, because a non-static counter exists: counterId={other} \
                     typeId={type_id} registrationId={registration_id}"
                )));
            }
            None => self
                .services
                .allocate(&NewCounter {
                    type_id,
                    key,
                    label,
                    registration_id: registration_id.get(),
                    owner_id: NO_OWNER,
                    reference_id: 0,
                })?
                .id(),
        };
        self.services.tell(&Event::StaticCounter { correlation_id, counter_id });
        Ok(())
    }

    pub(super) fn remove_counter(
        &mut self,
        client_id: ClientId,
        correlation_id: CorrelationId,
        registration_id: RegistrationId,
    ) -> Result<(), DriverError> {
        let link = self.clients.get_mut(client_id).and_then(|client| {
            let at = client.counters.iter().position(|link| link.registration_id == registration_id)?;
            Some(client.counters.swap_remove(at))
        });
        let Some(link) = link else {
            return Err(DriverError::new(
                ErrorCode::UnknownCounter,
                format!("unknown counter client_id={client_id} registration_id={registration_id}"),
            ));
        };
        self.services.succeed(correlation_id);
        self.services.on_unavailable_counter(registration_id, link.counter_id);
        self.services.free(link.counter_id);
        Ok(())
    }
}
