//! A subscription, as the polling thread and the conductor see it.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use epona_protocol::types::{CounterId, RegistrationId, StreamId};

use super::ImageState;

/// What the polling thread and the conductor share of a subscription.
pub(crate) struct SubscriptionState {
    pub(crate) registration_id: RegistrationId,
    pub(crate) channel: Arc<str>,
    pub(crate) stream_id: StreamId,
    pub(crate) channel_status_id: CounterId,
    images: Mutex<Vec<Arc<ImageState>>>,
    changes: AtomicU64,
    closed: AtomicBool,
}

impl SubscriptionState {
    pub(crate) fn new(
        registration_id: RegistrationId,
        channel: Arc<str>,
        stream_id: StreamId,
        channel_status_id: CounterId,
    ) -> Self {
        Self {
            registration_id,
            channel,
            stream_id,
            channel_status_id,
            images: Mutex::new(Vec::new()),
            changes: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Moves with every change of the list. Acquire: what it counts is in the list that is read next.
    #[inline]
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    pub(crate) fn add_image(&self, image: Arc<ImageState>) {
        self.images().push(image);
        self.changes.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn has_image(&self, correlation_id: RegistrationId) -> bool {
        self.images().iter().any(|image| image.correlation_id == correlation_id)
    }

    /// Takes an image out of the list.
    pub(crate) fn remove_image(&self, correlation_id: RegistrationId) -> Option<Arc<ImageState>> {
        let mut images = self.images();
        let index = images.iter().position(|image| image.correlation_id == correlation_id)?;
        let image = images.remove(index);
        self.changes.fetch_add(1, Ordering::Release);
        Some(image)
    }

    /// Closes all images, takes them out, and only then says that the subscription is closed: from then on no poll
    /// finds anything. By the conductor.
    pub(crate) fn close(&self) -> Vec<Arc<ImageState>> {
        let images = std::mem::take(&mut *self.images());
        images.iter().for_each(|image| image.close());
        self.changes.fetch_add(1, Ordering::Release);
        self.closed.store(true, Ordering::Release);
        images
    }

    /// The images as they are now.
    pub(crate) fn images(&self) -> MutexGuard<'_, Vec<Arc<ImageState>>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriptionState")
            .field("registration_id", &self.registration_id)
            .finish_non_exhaustive()
    }
}
