//! What the two sides have done so far, for the thread that prints it.

use std::{
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

use epona_media_driver::idle::IdleStrategy;

use crate::{common::Stop, interrupt::Interrupt};

/// How far a measurement is. It only goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Phase {
    /// The sides do not know each other yet.
    Connecting,
    Running,
    /// Nothing new is to be published.
    Draining,
    /// Nothing new will be published.
    Published,
    /// The sides are to end.
    Over,
}

/// What one side has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) messages: u64,
    /// Of payload.
    pub(super) bytes: u64,
}

/// What both sides have done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) published: Count,
    /// How often a message was not taken at once.
    pub(super) refused: u64,
    pub(super) received: Count,
    /// Messages that others before and after them show to be lost.
    pub(super) skipped: u64,
}

/// Phase and totals, shared by all threads. Each total has one writer; they are only printed, so relaxed will do, and a
/// phase orders what was stored before it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    phase: AtomicU8,
    published: [AtomicU64; 2],
    refused: AtomicU64,
    received: [AtomicU64; 2],
    skipped: AtomicU64,
    subscriber_directory: OnceLock<PathBuf>,
}

impl Progress {
    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Connecting,
            1 => Phase::Running,
            2 => Phase::Draining,
            3 => Phase::Published,
            _ => Phase::Over,
        }
    }

    /// Goes on to a phase, unless a later one has begun.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    pub(super) fn set_published(&self, count: Count, refused: u64) {
        store(&self.published, count);
        self.refused.store(refused, Ordering::Relaxed);
    }

    pub(super) fn set_received(&self, count: Count, skipped: u64) {
        store(&self.received, count);
        self.skipped.store(skipped, Ordering::Relaxed);
    }

    pub(super) fn totals(&self) -> Totals {
        // What has arrived was published before: read in this order, the difference is never negative.
        let received = load(&self.received);
        Totals {
            received,
            skipped: self.skipped.load(Ordering::Relaxed),
            published: load(&self.published),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// Tells where the subscriber's driver is.
    pub(super) fn set_subscriber_directory(&self, directory: &Path) {
        self.subscriber_directory.get_or_init(|| directory.to_owned());
    }

    /// Waits until the subscriber has a driver.
    ///
    /// # Errors
    /// On Ctrl-C, and when the subscriber has none.
    pub(super) fn subscriber_directory(&self, interrupt: &Interrupt) -> Result<PathBuf, Stop> {
        let mut idle = IdleStrategy::default();
        loop {
            if let Some(directory) = self.subscriber_directory.get() {
                return Ok(directory.clone());
            }
            interrupt.check()?;
            if self.phase() == Phase::Over {
                return Err(Stop::Interrupted);
            }
            idle.idle(0);
        }
    }
}

fn store(into: &[AtomicU64; 2], count: Count) {
    into[0].store(count.messages, Ordering::Relaxed);
    into[1].store(count.bytes, Ordering::Relaxed);
}

fn load(from: &[AtomicU64; 2]) -> Count {
    Count { messages: from[0].load(Ordering::Relaxed), bytes: from[1].load(Ordering::Relaxed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_never_goes_back() {
        let progress = Progress::default();
        assert_eq!(progress.phase(), Phase::Connecting);
        for (entered, phase) in [
            (Phase::Running, Phase::Running),
            (Phase::Published, Phase::Published),
            (Phase::Draining, Phase::Published),
            (Phase::Over, Phase::Over),
            (Phase::Running, Phase::Over),
        ] {
            progress.enter(entered);
            assert_eq!(progress.phase(), phase);
        }
    }
}
