//! Channel endpoints as the conductor keeps them, of either kind: which there are, and how they are found.
//!
//! ```text
//!            no user left                       agent gave it back
//!   Active ───────────────► Closing (command) ───────────────────► slot free
//! ```
//! Source: driver spec 2.6.

use std::{net::SocketAddr, sync::Arc};

use crate::{error::DriverError, media::udp_channel::UdpChannel};

/// Whether an endpoint may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EndpointPhase {
    /// In use.
    Active,
    /// On its way out: commands that want it are asked to come back.
    Closing,
}

/// All endpoints of one kind, in slots that are used again.
#[derive(Debug)]
pub(super) struct Endpoints<E> {
    slots: Vec<Option<E>>,
}

impl<E> Default for Endpoints<E> {
    fn default() -> Self {
        Self { slots: Vec::new() }
    }
}

/// What both kinds of endpoint can say of themselves.
pub(super) trait Entry {
    /// The channel that the endpoint was made for.
    fn channel(&self) -> &Arc<UdpChannel>;
    /// Whether it may be used.
    fn phase(&self) -> EndpointPhase;
    /// Whether channels of the same canonical form may share the endpoint.
    fn is_for(&self, _channel: &UdpChannel) -> bool {
        true
    }
    /// Its local or control address where that is no longer its channel's.
    fn moved_local(&self) -> Option<SocketAddr> {
        None
    }
    /// The address of its peer where that is no longer its channel's.
    fn moved_remote(&self) -> Option<SocketAddr> {
        None
    }
}

impl<E: Entry> Endpoints<E> {
    /// Index of the slot that the next endpoint will get.
    #[must_use]
    pub(super) fn next_index(&self) -> u32 {
        let at = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// Puts an endpoint into the slot that [`Endpoints::next_index`] named.
    pub(super) fn insert(&mut self, index: u32, entry: E) {
        let at = index as usize;
        if at >= self.slots.len() {
            self.slots.resize_with(at + 1, || None);
        }
        self.slots[at] = Some(entry);
    }

    /// The endpoint in a slot.
    #[must_use]
    pub(super) fn get(&self, index: usize) -> Option<&E> {
        self.slots.get(index)?.as_ref()
    }

    /// The endpoint in a slot, to change.
    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut E> {
        self.slots.get_mut(index)?.as_mut()
    }

    /// Frees a slot.
    pub(super) fn remove(&mut self, index: usize) -> Option<E> {
        self.slots.get_mut(index)?.take()
    }

    /// The endpoint that a channel should use: by tag, else by canonical form. Source: driver spec 2.6.
    ///
    /// # Errors
    /// When a tag names an endpoint with other addresses, or the endpoint is on its way out.
    pub(super) fn find(&self, channel: &UdpChannel) -> Result<Option<u32>, DriverError> {
        let Some((at, entry)) = self.find_entry(channel)? else { return Ok(None) };
        if entry.phase() == EndpointPhase::Closing {
            return Err(DriverError::temporarily_unavailable(format!(
                "channel {} is closing: try again",
                channel.uri()
            )));
        }
        Ok(Some(at))
    }

    /// [`Endpoints::find`], whether or not it may be used.
    pub(super) fn find_entry(&self, channel: &UdpChannel) -> Result<Option<(u32, &E)>, DriverError> {
        let entries = || {
            self.slots
                .iter()
                .enumerate()
                .filter_map(|(at, slot)| Some((u32::try_from(at).ok()?, slot.as_ref()?)))
        };
        for (at, entry) in entries() {
            if channel.matches_tag(entry.channel(), entry.moved_local(), entry.moved_remote())? {
                return Ok(Some((at, entry)));
            }
        }
        let is_same = |existing: &UdpChannel| {
            existing.canonical_form() == channel.canonical_form()
                && (existing.tag().is_none() || channel.tag().is_none() || existing.tag() == channel.tag())
        };
        Ok(entries().find(|(_, entry)| is_same(entry.channel()) && entry.is_for(channel)))
    }
}
