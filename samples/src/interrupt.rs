//! Ctrl-C, as a flag to look at between two messages.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::common::Stop;

/// Raised once somebody asked this process to end. Clones see the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    raised: Arc<AtomicBool>,
}

impl Interrupt {
    /// From now on Ctrl-C, a request to terminate, and a terminal that closes raise the flag, in place of killing the
    /// process.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub(crate) fn install() -> io::Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&interrupt.raised))?;
        }
        Ok(interrupt)
    }

    /// As Ctrl-C does.
    #[cfg(test)]
    pub(crate) fn raise(&self) {
        self.raised.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }

    /// Makes `?` leave a loop.
    ///
    /// # Errors
    /// [`Stop::Interrupted`] once the flag is raised.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), Stop> {
        if self.is_raised() { Err(Stop::Interrupted) } else { Ok(()) }
    }
}
