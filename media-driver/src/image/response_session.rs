//! The session in which an image's source is answered.

use std::sync::atomic::{AtomicI64, Ordering};

use epona_protocol::types::SessionId;

/// No session id, which has 32 bits.
const NONE: i64 = i64::MIN;

/// Session of the response publication, as long as the requester has to be told of it.
///
/// Written by the conductor, release; read by the receiver, acquire. Source: wire spec 2.7.
#[derive(Debug)]
pub struct ResponseSession(AtomicI64);

impl Default for ResponseSession {
    fn default() -> Self {
        Self(AtomicI64::new(NONE))
    }
}

impl ResponseSession {
    /// The session to tell of.
    #[inline]
    #[must_use]
    pub fn get(&self) -> Option<SessionId> {
        match self.0.load(Ordering::Acquire) {
            NONE => None,
            session => Some(SessionId::new(session as i32)),
        }
    }

    /// Tells of a session from now on.
    pub fn set(&self, session: SessionId) {
        self.0.store(i64::from(session.get()), Ordering::Release);
    }

    /// Tells of none.
    pub fn clear(&self) {
        self.0.store(NONE, Ordering::Release);
    }
}
