//! What an application wants to be told of images.

use std::{fmt, sync::Arc};

use crate::{
    handlers::{ImageCalls, ImageHandler},
    image::Image,
    link::Shared,
};

/// Told of an image.
type Handler = Box<dyn FnMut(&Image) + Send>;

/// Handlers of one subscription; what is not set falls back to those of the [`Context`](crate::Context).
///
/// They run on the conductor. The image lent to a handler tells about itself; polling it is the subscription's.
#[derive(Default)]
pub struct ImageHandlers {
    available: Option<Handler>,
    unavailable: Option<Handler>,
}

impl ImageHandlers {
    /// No handlers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Told of each image that appears.
    #[must_use]
    pub fn on_available(mut self, handler: impl FnMut(&Image) + Send + 'static) -> Self {
        self.available = Some(Box::new(handler));
        self
    }

    /// Told of each image that went away.
    #[must_use]
    pub fn on_unavailable(mut self, handler: impl FnMut(&Image) + Send + 'static) -> Self {
        self.unavailable = Some(Box::new(handler));
        self
    }

    /// As the conductor of a client calls them.
    pub(crate) fn on(self, shared: &Arc<Shared>) -> ImageCalls {
        let call = |mut handler: Handler| -> ImageHandler {
            let shared = Arc::clone(shared);
            Box::new(move |state| handler(&Image::new(Arc::clone(state), Arc::clone(&shared))))
        };
        ImageCalls { available: self.available.map(call), unavailable: self.unavailable.map(call) }
    }
}

impl fmt::Debug for ImageHandlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageHandlers")
            .field("available", &self.available.is_some())
            .field("unavailable", &self.unavailable.is_some())
            .finish()
    }
}
