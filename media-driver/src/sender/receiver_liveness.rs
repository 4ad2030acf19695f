//! Which receivers of a publication are alive: who has sent a status message lately.
//! Source: wire spec 2.5, driver spec 3.6.

use core::time::Duration;

use epona_protocol::types::{Nanos, ReceiverId};

/// Receivers of one publication that are kept track of. Each takes memory on the word of one datagram until it has been
/// silent for the timeout, so this bounds what a flood of made-up receivers costs.
const MAX_RECEIVERS: usize = 4096;

/// When each receiver last sent a status message; few receivers, so a list is faster than a map.
#[derive(Debug)]
pub struct ReceiverLiveness {
    receivers: Vec<(ReceiverId, Nanos)>,
    timeout: Duration,
}

impl ReceiverLiveness {
    /// Nobody is there; a receiver is gone after `timeout` without a status message.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { receivers: Vec::with_capacity(4), timeout }
    }

    /// A status message without the setup flag arrived; one at the end of its stream takes the receiver away. `false`
    /// when there are too many receivers to take another one.
    pub fn on_status_message(&mut self, receiver: ReceiverId, end_of_stream: bool, now: Nanos) -> bool {
        if end_of_stream {
            self.remove(receiver);
            return true;
        }
        if let Some((_, last_heard)) = self.receivers.iter_mut().find(|(id, _)| *id == receiver) {
            *last_heard = now;
            return true;
        }
        let has_room = self.receivers.len() < MAX_RECEIVERS;
        if has_room {
            self.receivers.push((receiver, now));
        }
        has_room
    }

    /// Takes a receiver away, as an ERR frame does; whether it was there, and so the error is news.
    pub fn remove(&mut self, receiver: ReceiverId) -> bool {
        let index = self.receivers.iter().position(|(id, _)| *id == receiver);
        index.is_some_and(|index| {
            self.receivers.swap_remove(index);
            true
        })
    }

    /// Takes away who has been silent for the timeout; called in duty cycles that sent nothing.
    #[inline]
    pub fn on_idle(&mut self, now: Nanos) {
        let timeout = self.timeout;
        self.receivers.retain(|(_, last_heard)| *last_heard + timeout > now);
    }

    /// When the next receiver is gone unless it reports; at the end of time when there is none.
    #[must_use]
    pub fn next_timeout(&self) -> Nanos {
        let oldest = self.receivers.iter().map(|(_, last_heard)| *last_heard).min();
        oldest.map_or(Nanos::new(i64::MAX), |oldest| oldest + self.timeout)
    }

    /// Whether anybody is there.
    #[inline]
    #[must_use]
    pub const fn has_receivers(&self) -> bool {
        !self.receivers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);
    const ONE: ReceiverId = ReceiverId::new(1);
    const TWO: ReceiverId = ReceiverId::new(-2);

    #[test]
    fn a_receiver_lives_until_it_has_been_silent_for_the_timeout() {
        let mut liveness = ReceiverLiveness::new(TIMEOUT);
        let start = Nanos::new(0);
        assert!(liveness.on_status_message(ONE, false, start));
        assert!(liveness.on_status_message(TWO, false, start));
        assert!(liveness.on_status_message(ONE, false, start + Duration::from_nanos(1)));
        liveness.on_idle(start + TIMEOUT);
        assert!(liveness.has_receivers() && !liveness.remove(TWO));
        liveness.on_idle(start + TIMEOUT + Duration::from_nanos(1));
        assert!(!liveness.has_receivers());
    }

    #[test]
    fn a_receiver_at_the_end_of_its_stream_is_gone_at_once() {
        let mut liveness = ReceiverLiveness::new(TIMEOUT);
        assert!(liveness.on_status_message(ONE, true, Nanos::new(0)));
        assert!(!liveness.has_receivers());
        assert!(liveness.on_status_message(ONE, false, Nanos::new(0)));
        assert!(liveness.on_status_message(TWO, true, Nanos::new(0)));
        assert!(liveness.has_receivers());
        assert!(liveness.on_status_message(ONE, true, Nanos::new(0)));
        assert!(!liveness.has_receivers());
    }

    #[test]
    fn a_flood_of_made_up_receivers_is_bounded_and_harms_none_that_is_known() {
        let mut liveness = ReceiverLiveness::new(TIMEOUT);
        let start = Nanos::new(0);
        let admitted =
            (0..100_000).filter(|id| liveness.on_status_message(ReceiverId::new(*id), false, start));
        assert_eq!(admitted.count(), MAX_RECEIVERS);
        let later = start + Duration::from_secs(1);
        assert!(liveness.on_status_message(ReceiverId::new(7), false, later));
        liveness.on_idle(start + TIMEOUT);
        assert!(
            liveness.has_receivers() && liveness.on_status_message(ReceiverId::new(100_000), false, later)
        );
    }

    #[test]
    fn an_error_of_a_receiver_is_news_once_until_it_reports_again() {
        let mut liveness = ReceiverLiveness::new(TIMEOUT);
        assert!(!liveness.remove(ONE));
        assert!(liveness.on_status_message(ONE, false, Nanos::new(0)));
        assert!(liveness.remove(ONE));
        assert!(!liveness.remove(ONE) && !liveness.has_receivers());
        assert!(liveness.on_status_message(ONE, false, Nanos::new(0)));
        assert!(liveness.remove(ONE));
    }
}
