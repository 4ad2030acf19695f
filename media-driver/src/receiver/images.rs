//! The images of the receiver: by slot, and in turns.

use epona_protocol::types::{CorrelationId, Nanos};

use super::{endpoint::ImageSlot, image::ReceiverImage};
use crate::{
    active_set::{ActiveSet, Activity},
    endpoint_id::ReceiveEndpointId,
};

/// Quiet images looked at per millisecond: each look is a comparison of times, of which eight share a cache line.
const PACE: u32 = 250;

/// Images by the slot that dispatchers know them by, of which those that nothing arrives for cost little.
#[derive(Debug)]
pub(super) struct Images {
    slots: Vec<Option<ReceiverImage>>,
    /// By slot, when something is due of the image when it is quiet.
    due: Vec<Nanos>,
    active: ActiveSet,
}

/// When something is due of a slot without an image.
const NEVER: Nanos = Nanos::new(i64::MAX);

impl Default for Images {
    fn default() -> Self {
        Self { slots: Vec::new(), due: Vec::new(), active: ActiveSet::new(PACE) }
    }
}

impl Images {
    /// The image in a slot.
    #[inline]
    pub(super) fn get_mut(&mut self, slot: ImageSlot) -> Option<&mut ReceiverImage> {
        self.slots.get_mut(slot.0)?.as_mut()
    }

    /// The image in a slot, to which something happens that may have to be answered: it has its turns from now on.
    /// Heartbeats do not count: an idle stream has them too.
    #[inline]
    pub(super) fn wake(&mut self, slot: ImageSlot) -> Option<&mut ReceiverImage> {
        let image = self.slots.get_mut(slot.0)?.as_mut();
        if image.is_some() {
            self.active.activate(slot.0);
        }
        image
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut ReceiverImage> {
        self.slots.iter_mut().flatten()
    }

    pub(super) fn of_endpoint(&mut self, id: ReceiveEndpointId) -> impl Iterator<Item = &mut ReceiverImage> {
        self.iter_mut().filter(move |image| image.state().endpoint == id)
    }

    pub(super) fn add(&mut self, image: ReceiverImage) -> ImageSlot {
        let free = self.slots.iter().position(Option::is_none);
        let at = free.unwrap_or(self.slots.len());
        image.state().listen(self.active.signal(at));
        match free {
            Some(at) => self.slots[at] = Some(image),
            None => {
                self.slots.push(Some(image));
                self.due.push(NEVER);
            }
        }
        self.active.activate(at);
        ImageSlot(at)
    }

    pub(super) fn take(&mut self, correlation_id: CorrelationId) -> Option<(ImageSlot, ReceiverImage)> {
        let at = self.find(correlation_id)?;
        let image = self.slots.get_mut(at.0)?.take()?;
        self.due[at.0] = NEVER;
        self.active.remove(at.0);
        Some((at, image))
    }

    pub(super) fn find(&self, correlation_id: CorrelationId) -> Option<ImageSlot> {
        let is_it = |image: &ReceiverImage| image.state().correlation_id == correlation_id;
        self.slots.iter().position(|slot| slot.as_ref().is_some_and(is_it)).map(ImageSlot)
    }

    /// Calls `turn` for each image that may have something to say to its source.
    #[inline]
    pub(super) fn take_turns(&mut self, now: Nanos, mut turn: impl FnMut(&mut ReceiverImage)) {
        let Self { slots, due, active } = self;
        active.take_turns(now, |at, activity| {
            let Some(due) = due.get_mut(at) else { return Activity::Quiet };
            if activity == Activity::Quiet && *due >= now {
                return Activity::Quiet;
            }
            let Some(image) = slots.get_mut(at).and_then(Option::as_mut) else { return Activity::Quiet };
            turn(image);
            *due = image.next_due();
            // Only what arrives, and what the conductor reports, makes an image busy.
            Activity::Quiet
        });
    }
}
