//! A limit on everything.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

/// Time for everything of a run but warm-up and measurement; a party that needs more has hung.
const RUN_PATIENCE: Duration = Duration::from_secs(180);

/// Ends the program when a run takes longer than any can.
#[derive(Debug)]
pub struct Watchdog(mpsc::Sender<(String, Duration)>);

impl Watchdog {
    /// Begins to watch.
    #[must_use]
    pub fn start() -> Self {
        let (sender, receiver) = mpsc::channel::<(String, Duration)>();
        std::thread::spawn(move || {
            let mut limit = None;
            loop {
                let next = match &limit {
                    None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                    Some((_, patience)) => receiver.recv_timeout(*patience),
                };
                match (next, &limit) {
                    (Ok((what, duration)), _) => limit = Some((what, duration + RUN_PATIENCE)),
                    (Err(RecvTimeoutError::Timeout), Some((what, patience))) => {
                        eprintln!("compare: {what} did not end within {patience:?}");
                        std::process::exit(1);
                    }
                    _ => return,
                }
            }
        });
        Self(sender)
    }

    /// From now on, `what` is run and measures for `duration`.
    pub fn expect(&self, what: String, duration: Duration) {
        // The watchdog listens as long as the sender lives.
        let _ = self.0.send((what, duration));
    }
}
