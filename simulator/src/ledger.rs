//! What was sent, and what has arrived of it: each subscriber sees exactly the bytes that were sent, in order, from
//! where it joined.

use std::{collections::BTreeMap, time::Duration};

use epona_protocol::types::{Nanos, Position, SessionId};

use crate::{
    Violation,
    content::{self, Lengths, Limits},
    ensure, violation,
};

/// Sessions of all streams, and how far each subscriber has come in each.
#[derive(Debug)]
pub struct Ledger {
    seed: u64,
    sessions: Vec<Session>,
    /// By subscriber (stream, place) and session.
    cursors: BTreeMap<(usize, usize, usize), Cursor>,
    scratch: Vec<u8>,
}

/// The messages of one publication's log, whoever wrote them.
#[derive(Debug)]
struct Session {
    stream: usize,
    host: usize,
    id: SessionId,
    lengths: Lengths,
    limits: Limits,
    messages: Vec<Sent>,
    /// How far the publication has got, padding included.
    position: Position,
}

/// A message of a session.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// Where it starts, padding before it left out.
    start: Position,
    end: Position,
    at: Nanos,
}

/// How far a subscriber has come in a session.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    joined_at: Position,
    next: Option<usize>,
    position: Position,
}

/// Who is asked about: the stream of a subscriber and its place there.
pub(crate) type Place = (usize, usize);

impl Ledger {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, sessions: Vec::new(), cursors: BTreeMap::new(), scratch: Vec::new() }
    }

    /// Makes a publication's session known; its index. Publications that share a session share the index.
    pub(crate) fn open(
        &mut self,
        (stream, host): (usize, usize),
        id: SessionId,
        lengths: Lengths,
        limits: Limits,
    ) -> usize {
        let same = |known: &Session| (known.stream, known.host, known.id) == (stream, host, id);
        self.sessions.iter().position(same).unwrap_or_else(|| {
            let position = Position::ZERO;
            self.sessions.push(Session { stream, host, id, lengths, limits, messages: Vec::new(), position });
            self.sessions.len() - 1
        })
    }

    /// Number of the next message of a session.
    pub(crate) fn next_number(&self, session: usize) -> usize {
        self.sessions[session].messages.len()
    }

    /// Writes the next message of a session over `message`.
    pub(crate) fn compose(&self, session: usize, message: &mut Vec<u8>) {
        let known = &self.sessions[session];
        content::compose(message, (self.seed, session, known.messages.len()), known.lengths, known.limits);
    }

    /// The message composed last was taken, between two positions.
    pub(crate) fn sent(&mut self, session: usize, start: Position, end: Position, at: Nanos) {
        self.sessions[session].messages.push(Sent { start, end, at });
    }

    /// How far a publication has got.
    pub(crate) fn publication_at(&mut self, session: usize, position: Position) -> Result<(), Violation> {
        let known = &mut self.sessions[session];
        ensure!(
            position >= known.position,
            "publication of session {} went back from {:?} to {position:?}",
            known.id,
            known.position
        );
        known.position = position;
        Ok(())
    }

    /// Whether a session is known yet: a subscriber may hear of it before its publisher does.
    pub(crate) fn knows(&self, who: Place, id: SessionId) -> bool {
        self.session(who, id).is_ok()
    }

    /// A subscriber has an image.
    pub(crate) fn joined(&mut self, who: Place, id: SessionId, at: Position) -> Result<(), Violation> {
        let session = self.session(who, id)?;
        let cursor = Cursor { joined_at: at, next: None, position: at };
        let before = self.cursors.insert((who.0, who.1, session), cursor);
        ensure!(before.is_none(), "subscriber {who:?} has a second image of session {id}");
        Ok(())
    }

    /// A subscriber has lost an image; it must have had everything.
    pub(crate) fn left(&mut self, who: Place, id: SessionId) -> Result<(), Violation> {
        let session = self.session(who, id)?;
        ensure!(
            self.has_all(who, session),
            "the image of session {id} went away from subscriber {who:?} before the end: {}",
            self.progress(who, session)
        );
        Ok(())
    }

    /// A message has arrived whole; its number, and how long it took.
    pub(crate) fn delivered(
        &mut self,
        who: Place,
        id: SessionId,
        position: Position,
        payload: &[u8],
        now: Nanos,
    ) -> Result<(usize, Duration), Violation> {
        let session = self.session(who, id)?;
        let known = &self.sessions[session];
        let Some(cursor) = self.cursors.get_mut(&(who.0, who.1, session)) else {
            return Err(violation!("subscriber {who:?} got a message of session {id} without an image"));
        };
        let number = cursor.next.unwrap_or_else(|| known.first_after(cursor.joined_at));
        let Some(Sent { end, at, .. }) = known.messages.get(number) else {
            return Err(violation!("subscriber {who:?} got message {number} of {id}, never sent"));
        };
        ensure!(
            *end == position,
            "subscriber {who:?} got a message of session {id} that ends at {position:?}, but message {number} ends at {end:?}"
        );
        content::compose(&mut self.scratch, (self.seed, session, number), known.lengths, known.limits);
        ensure!(
            self.scratch == payload,
            "subscriber {who:?} got other bytes than were sent as message {number} of session {id}: {} of {} bytes",
            payload.len(),
            self.scratch.len()
        );
        cursor.next = Some(number + 1);
        Ok((number, now.since(*at)))
    }

    /// Where an image stands; it never goes back, nor ahead of its publication.
    pub(crate) fn image_at(&mut self, who: Place, id: SessionId, at: Position) -> Result<(), Violation> {
        let Ok(session) = self.session(who, id) else { return Ok(()) };
        let known = &self.sessions[session];
        let Some(cursor) = self.cursors.get_mut(&(who.0, who.1, session)) else { return Ok(()) };
        ensure!(
            cursor.position <= at && at <= known.position,
            "image of session {id} at subscriber {who:?} went from {:?} to {at:?}; the publication is at {:?}",
            cursor.position,
            known.position
        );
        cursor.position = at;
        Ok(())
    }

    /// Whether a subscriber has an image of a session, or had one.
    pub(crate) fn has_image(&self, who: Place, session: usize) -> bool {
        self.cursors.contains_key(&(who.0, who.1, session))
    }

    /// Whether a subscriber has everything of a session that was sent up to now.
    pub(crate) fn has_all(&self, who: Place, session: usize) -> bool {
        let known = &self.sessions[session];
        self.cursors.get(&(who.0, who.1, session)).is_some_and(|cursor| {
            cursor.next.unwrap_or_else(|| known.first_after(cursor.joined_at)) == known.messages.len()
        })
    }

    /// Whether a subscriber has missed nothing from the start.
    pub(crate) fn joined_at_start(&self, who: Place, session: usize) -> bool {
        self.cursors.get(&(who.0, who.1, session)).is_some_and(|cursor| cursor.joined_at == Position::ZERO)
    }

    /// How far a subscriber is, for people.
    pub(crate) fn progress(&self, who: Place, session: usize) -> String {
        let known = &self.sessions[session];
        let sent = known.messages.len();
        match self.cursors.get(&(who.0, who.1, session)) {
            Some(cursor) => format!(
                "session {}: {} of {sent} messages, at {:?} of {:?}",
                known.id,
                cursor.next.unwrap_or(0),
                cursor.position,
                known.position
            ),
            None => format!("session {}: no image, {sent} messages sent", known.id),
        }
    }

    fn session(&self, (stream, place): Place, id: SessionId) -> Result<usize, Violation> {
        self.sessions.iter().position(|known| known.stream == stream && known.id == id).ok_or_else(|| {
            violation!("subscriber {stream}.{place} hears of session {id}, which nobody publishes there")
        })
    }
}

impl Session {
    /// Number of the first message that somebody sees whole who joined at a position.
    fn first_after(&self, joined: Position) -> usize {
        self.messages.partition_point(|message| message.start < joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos::new(7);
    const WHO: Place = (0, 0);
    const SESSION: SessionId = SessionId::new(7);

    fn at(position: i64) -> Position {
        Position::new(position)
    }

    /// Three messages sent, of which a subscriber with an image has none yet.
    fn sent() -> (Ledger, Vec<Vec<u8>>) {
        let mut ledger = Ledger::new(1);
        let limits = Limits { max_payload: 1376, max_message: 8192 };
        let session = ledger.open((0, 0), SESSION, Lengths::Frame, limits);
        ledger.joined(WHO, SESSION, Position::ZERO).unwrap();
        let messages = (0..3).map(|number| {
            let mut message = Vec::new();
            ledger.compose(session, &mut message);
            ledger.sent(session, at(100 * number), at(100 * number + 100), NOW);
            message
        });
        let messages = messages.collect();
        ledger.publication_at(session, at(300)).unwrap();
        (ledger, messages)
    }

    #[test]
    fn what_was_sent_is_accepted_once_and_in_order_only() {
        let (mut ledger, messages) = sent();
        assert!(!ledger.has_all(WHO, 0));
        for (number, message) in messages.iter().enumerate() {
            let end = at(100 * number as i64 + 100);
            assert_eq!(ledger.delivered(WHO, SESSION, end, message, NOW), Ok((number, Duration::ZERO)));
            ledger.delivered(WHO, SESSION, end, message, NOW).unwrap_err();
        }
        assert!(ledger.has_all(WHO, 0));
    }

    #[test]
    fn gaps_other_bytes_other_lengths_and_other_sessions_are_found() {
        let (mut ledger, messages) = sent();
        ledger.delivered(WHO, SESSION, at(200), &messages[1], NOW).unwrap_err();
        let mut damaged = messages[0].clone();
        damaged[0] ^= 1;
        ledger.delivered(WHO, SESSION, at(100), &damaged, NOW).unwrap_err();
        ledger.delivered(WHO, SESSION, at(100), &messages[0][1..], NOW).unwrap_err();
        ledger.delivered(WHO, SessionId::new(8), at(100), &messages[0], NOW).unwrap_err();
        ledger.delivered((0, 1), SESSION, at(100), &messages[0], NOW).unwrap_err();
        ledger.delivered((1, 0), SESSION, at(100), &messages[0], NOW).unwrap_err();
        assert_eq!(ledger.delivered(WHO, SESSION, at(100), &messages[0], NOW), Ok((0, Duration::ZERO)));
    }

    #[test]
    fn an_image_may_neither_go_back_nor_ahead_nor_away_early() {
        let (mut ledger, _) = sent();
        ledger.image_at(WHO, SESSION, at(200)).unwrap();
        ledger.image_at(WHO, SESSION, at(100)).unwrap_err();
        ledger.image_at(WHO, SESSION, at(400)).unwrap_err();
        ledger.left(WHO, SESSION).unwrap_err();
        ledger.joined(WHO, SESSION, at(200)).unwrap_err();
    }

    #[test]
    fn who_joins_late_starts_with_the_next_whole_message() {
        let (mut ledger, messages) = sent();
        ledger.joined((0, 1), SESSION, at(150)).unwrap();
        assert!(!ledger.joined_at_start((0, 1), 0));
        assert_eq!(ledger.delivered((0, 1), SESSION, at(300), &messages[2], NOW), Ok((2, Duration::ZERO)));
    }
}
