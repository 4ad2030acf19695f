//! Sockets for which the kernel would not cut up runs of datagrams: they send one by one, several times as slowly.
//!
//! That is no fault of the driver's health: tunnels and devices without checksum offload are like that. So it is counted,
//! and recorded as an error only of a socket for which it has worked. The counter is there from the first refusal on:
//! where there is none, listings are those of a stock driver.

use std::io;

use epona_protocol::{
    counters::{AtomicCounter, NewCounter},
    types::CounterTypeId,
};

use super::Conductor;
use crate::{endpoint_id::SendEndpointId, error::DriverError, media::OffloadRefusal};

/// How many sockets were refused since the driver started, once there was one.
#[derive(Debug, Default)]
pub(super) struct OffloadRefusals(Option<AtomicCounter>);

impl Conductor {
    /// The kernel does not cut up runs for a socket any more.
    pub(super) fn on_offload_refused(&mut self, endpoint: SendEndpointId, refusal: OffloadRefusal) {
        let count = match self.offload_refusals.0.take() {
            Some(count) => Ok(count),
            None => self.services.allocate(&NewCounter {
                type_id: CounterTypeId::OFFLOAD_REFUSALS,
                key: &[],
                label: b"Sockets refused segmentation offload",
                registration_id: 0,
                owner_id: -1,
                reference_id: 0,
            }),
        };
        match count {
            Ok(count) => {
                count.increment();
                self.offload_refusals.0 = Some(count);
            }
            Err(error) => self.services.record(&error),
        }
        if refusal.has_worked {
            let error = DriverError::generic(format!(
                "the kernel ceased to cut up runs of datagrams on {}: {}; they go one by one from now on, which is slower: \
                 epona-offload=false in the channel if that is as it should be",
                self.send_channel(endpoint),
                io::Error::from_raw_os_error(refusal.code)
            ));
            self.services.record(&error);
        }
    }
}
