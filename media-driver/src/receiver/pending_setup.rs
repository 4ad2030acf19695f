//! SETUP frames that receivers have asked for: when to give up, and when to ask again.
//! Source: driver spec 6.3, wire spec 2.3.

use core::time::Duration;

use epona_protocol::types::{Nanos, SessionId, StreamId};

use super::origin::DestinationIndex;
use crate::endpoint_id::ReceiveEndpointId;

/// Time until an unanswered request is forgotten, or repeated when it is periodic.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Requests under way at one time. Those that were answered stay until they expire too, so that a flood of made-up
/// sessions with setups of their own is bounded like one without.
const MAX_ENTRIES: usize = 16 * 1024;

/// Whom a receiver asked for a setup.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetupTarget {
    /// The endpoint.
    pub endpoint: ReceiveEndpointId,
    /// The destination of it that knows the address to ask.
    pub destination: DestinationIndex,
}

/// What became due; `T` is [`SetupTarget`] in a receiver.
#[derive(Debug)]
pub enum Due<'a, T> {
    /// No SETUP came: the session's next packet may elicit one again. The entry is gone.
    Expired(&'a T, StreamId, SessionId),
    /// Ask again, if the endpoint has any stream interest.
    Repeat(&'a T, StreamId, SessionId),
}

#[derive(Debug)]
struct PendingSetup<T> {
    target: T,
    stream: StreamId,
    session: SessionId,
    asked_at: Nanos,
    is_periodic: bool,
}

/// The requests of one receiver that are under way.
#[derive(Debug)]
pub struct PendingSetups<T> {
    entries: Vec<PendingSetup<T>>,
}

impl<T> Default for PendingSetups<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<T> PendingSetups<T> {
    /// Whether there is no room for another one-shot request.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.entries.len() >= MAX_ENTRIES
    }

    /// A setup was elicited from a session.
    pub fn add(&mut self, target: T, stream: StreamId, session: SessionId, now: Nanos) {
        self.entries.push(PendingSetup { target, stream, session, asked_at: now, is_periodic: false });
    }

    /// An endpoint or destination with an explicit control address announces itself, for any stream and session, until
    /// it is removed. The first time is the caller's.
    pub fn add_periodic(&mut self, target: T, now: Nanos) {
        let (stream, session) = (StreamId::new(0), SessionId::new(0));
        self.entries.push(PendingSetup { target, stream, session, asked_at: now, is_periodic: true });
    }

    /// Repeats requests to some targets no longer; what was asked once expires as ever, so that its session may ask
    /// again by another target.
    pub fn remove_periodic(&mut self, mut is_gone: impl FnMut(&T) -> bool) {
        self.entries.retain(|entry| !(entry.is_periodic && is_gone(&entry.target)));
    }

    /// Removes the requests to some targets.
    pub fn remove(&mut self, mut is_gone: impl FnMut(&T) -> bool) {
        self.entries.retain(|entry| !is_gone(&entry.target));
    }

    /// Hands out what is due; `act` answers whether it asked again, otherwise a repetition stays due. How much was done.
    pub fn poll(&mut self, now: Nanos, mut act: impl FnMut(Due<'_, T>) -> bool) -> usize {
        let mut work_count = 0;
        self.entries.retain_mut(|entry| {
            if now <= entry.asked_at + TIMEOUT {
                return true;
            }
            if !entry.is_periodic {
                act(Due::Expired(&entry.target, entry.stream, entry.session));
                work_count += 1;
            } else if act(Due::Repeat(&entry.target, entry.stream, entry.session)) {
                entry.asked_at = now;
                work_count += 1;
            }
            entry.is_periodic
        });
        work_count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: StreamId = StreamId::new(10);
    const SESSION: SessionId = SessionId::new(20);
    const JUST: Duration = Duration::from_nanos(1);

    /// What is due at a time, as text.
    fn poll(pending: &mut PendingSetups<&str>, now: Nanos, is_wanted: bool) -> Vec<String> {
        let mut due = Vec::new();
        pending.poll(now, |event| {
            due.push(match event {
                Due::Expired(target, stream, session) => format!("expired {target} {stream} {session}"),
                Due::Repeat(target, stream, session) => format!("repeat {target} {stream} {session}"),
            });
            is_wanted
        });
        due
    }

    #[test]
    fn an_elicited_setup_expires_once_after_a_second() {
        let mut pending = PendingSetups::default();
        let start = Nanos::new(5);
        pending.add("a", STREAM, SESSION, start);
        assert!(poll(&mut pending, start + TIMEOUT, true).is_empty());
        assert_eq!(poll(&mut pending, start + TIMEOUT + JUST, true), ["expired a 10 20"]);
        assert!(poll(&mut pending, start + TIMEOUT * 9, true).is_empty());
    }

    #[test]
    fn a_periodic_request_is_repeated_every_second_for_any_stream_and_session() {
        let mut pending = PendingSetups::default();
        let mut now = Nanos::new(5);
        pending.add_periodic("a", now);
        for _ in 0..3 {
            now = now + TIMEOUT;
            assert!(poll(&mut pending, now, true).is_empty());
            now = now + JUST;
            assert_eq!(poll(&mut pending, now, true), ["repeat a 0 0"]);
        }
    }

    #[test]
    fn a_repetition_that_nobody_wants_waits_until_somebody_does() {
        let mut pending = PendingSetups::default();
        let later = Nanos::new(0) + TIMEOUT + JUST;
        pending.add_periodic("a", Nanos::new(0));
        assert_eq!(poll(&mut pending, later, false), ["repeat a 0 0"]);
        assert_eq!(poll(&mut pending, later, true), ["repeat a 0 0"]);
        assert!(poll(&mut pending, later, true).is_empty());
    }

    #[test]
    fn requests_of_removed_targets_are_gone() {
        let mut pending = PendingSetups::default();
        pending.add_periodic("a", Nanos::new(0));
        pending.add_periodic("b", Nanos::new(0));
        pending.add("b", STREAM, SESSION, Nanos::new(0));
        pending.remove(|target| *target == "b");
        assert_eq!(poll(&mut pending, Nanos::new(0) + TIMEOUT * 2, true), ["repeat a 0 0"]);
    }
}
