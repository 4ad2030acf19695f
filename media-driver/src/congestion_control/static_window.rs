//! A constant window: what a local network with flow control needs. Source: wire spec 6.1.

use super::Window;

/// Always the same window; never forces a status message, never measures round trips.
#[derive(Clone, Copy, Debug)]
pub struct StaticWindow {
    length: i32,
}

impl StaticWindow {
    /// A window of `length` bytes, 0..=half a term.
    #[must_use]
    pub const fn new(length: i32) -> Self {
        Self { length }
    }

    /// The window, in bytes.
    #[inline]
    #[must_use]
    pub const fn length(&self) -> i32 {
        self.length
    }

    #[inline]
    pub(super) const fn window(self) -> Window {
        Window { length: self.length, force_status_message: false }
    }
}
