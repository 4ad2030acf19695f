//! The one door to atomics: `core` in production, `loom` under `--cfg loom`.
//!
//! Nothing else in the workspace that is model-checked imports `core::sync::atomic` directly, so that every
//! ordering the lock-free structures rely on is explored by the loom tests.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64, AtomicUsize, Ordering, fence};

/// Tells the processor (or loom's scheduler) that this thread is spinning.
pub fn spin_loop() {
    #[cfg(not(loom))]
    core::hint::spin_loop();
    #[cfg(loom)]
    loom::thread::yield_now();
}
