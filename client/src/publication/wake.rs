//! Waking the driver's threads, where it is a driver that can be woken.

use epona_protocol::doorbell::Doorbell;

use crate::{link::Client, offer_error::OfferError, state::PublicationState};

/// What a publication wakes when it has done something that a thread of the driver would find at its next look only.
#[derive(Clone)]
pub(super) struct Wake {
    /// Sends what was published; none over IPC.
    sender: Option<Doorbell>,
    /// Makes room.
    conductor: Option<Doorbell>,
}

impl Wake {
    pub(super) fn new(state: &PublicationState, client: &Client) -> Self {
        let doorbells = &client.shared.doorbells;
        let sender = if state.is_ipc() { None } else { doorbells.sender.clone() };
        Self { sender, conductor: doorbells.conductor.clone() }
    }

    /// Wakes the sender for what was published, or the conductor for room. The outcome as it was.
    #[inline]
    pub(super) fn after<T>(&self, outcome: Result<T, OfferError>) -> Result<T, OfferError> {
        match &outcome {
            Ok(_) => self.on_published(),
            Err(refused) => self.on_refused(*refused),
        }
        outcome
    }

    /// Wakes the sender. One load when it is awake.
    #[inline]
    pub(super) fn on_published(&self) {
        if let Some(sender) = &self.sender {
            sender.ring_unfenced();
        }
    }

    /// Wakes the conductor if it is to make room.
    #[cold]
    pub(super) fn on_refused(&self, refused: OfferError) {
        if let (OfferError::BackPressured, Some(conductor)) = (refused, &self.conductor) {
            conductor.ring_unfenced();
        }
    }

    /// Wakes the sender when a claim is committed.
    pub(super) const fn of_claim(&self) -> Option<&Doorbell> {
        self.sender.as_ref()
    }
}
