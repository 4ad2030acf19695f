//! Events to clients, over the broadcast buffer.

use epona_protocol::{
    broadcast::{TransmitError, Transmitter},
    command::Event,
};

/// Tells all clients what happened; each picks what concerns it.
#[derive(Debug)]
pub struct ClientProxy {
    transmitter: Transmitter,
    record: Vec<u8>,
}

impl ClientProxy {
    /// A proxy over the to-clients buffer.
    #[must_use]
    pub fn new(transmitter: Transmitter) -> Self {
        Self { transmitter, record: Vec::with_capacity(4096) }
    }

    /// Sends one event; its record. There is no back pressure: clients that fall behind notice by themselves.
    ///
    /// # Errors
    /// When the event is longer than an eighth of the buffer.
    pub fn send(&mut self, event: &Event<'_>) -> Result<&[u8], TransmitError> {
        event.encode(&mut self.record);
        self.transmitter.transmit(event.type_id(), &self.record)?;
        Ok(&self.record)
    }
}
