//! SIGINT and SIGTERM as something to look at. For programs; a driver embedded in one leaves signals to it.

use std::{io, sync::Arc};

use epona_protocol::sync::{AtomicUsize, Ordering};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::duty_cycle::StopSignal;

/// Watches for the signals that end a program.
#[derive(Debug)]
pub struct Signals {
    stop: StopSignal,
    received: Arc<AtomicUsize>,
}

impl Signals {
    /// From now on SIGINT and SIGTERM do no more than to be noticed here.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn watch() -> io::Result<Self> {
        let (flag, received) = (Arc::default(), Arc::default());
        for signal in [SIGINT, SIGTERM] {
            let number = usize::try_from(signal).unwrap_or_default();
            signal_hook::flag::register_usize(signal, Arc::clone(&received), number)?;
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self { stop: StopSignal::over(flag), received })
    }

    /// Raised by either signal; others may raise it too.
    #[must_use]
    pub const fn stop(&self) -> &StopSignal {
        &self.stop
    }

    /// The number of the signal that came last: the exit status of a driver that it ended. Source: driver spec 8.3.
    #[must_use]
    pub fn received(&self) -> Option<u8> {
        u8::try_from(self.received.load(Ordering::Acquire)).ok().filter(|&number| number > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test that hangs should fail")]
    fn a_signal_raises_the_stop_signal_and_is_remembered() {
        let signals = Signals::watch().unwrap();
        assert!(!signals.stop().is_raised());
        signal_hook::low_level::raise(SIGTERM).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !signals.stop().is_raised() {
            assert!(Instant::now() < deadline, "the signal does not arrive");
            std::thread::yield_now();
        }
        assert_eq!(signals.received(), Some(15));
    }
}
