//! What was sent, and what has arrived of it: each subscriber sees exactly the bytes that were sent, in order, from
//! where it joined; with what is lost left out, if it wants it so.

use std::{collections::BTreeMap, ops::Range};

use epona_protocol::types::{Nanos, Position, SessionId};

use crate::{
    Violation, ensure,
    feature::Feature,
    invariants::content::{self, Lengths, Limits, mix},
    violation,
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
    /// Where the log begins.
    start: Position,
    /// How far the publication has got, padding included.
    position: Position,
    /// Number of the first message after all faults were over.
    healed: usize,
    /// Whether images of it may end before its messages do, because it was rejected or revoked.
    may_end_early: bool,
    /// What is seen to work when its messages arrive.
    shows: Vec<Feature>,
}

/// A message of a session.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// Where it starts, padding before it left out.
    start: Position,
    end: Position,
    at: Nanos,
    /// What its publisher wrote into its header.
    reserved: i64,
}

/// A message that has arrived as it should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Delivery {
    /// Its number in its session.
    pub(crate) number: usize,
    /// When it was sent.
    pub(crate) sent_at: Nanos,
    /// The reserved value that its publisher gave it.
    pub(crate) reserved: i64,
    /// How many before it were lost to who lives with loss.
    pub(crate) missed: usize,
}

/// How far a subscriber has come in a session.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    joined_at: Position,
    next: Option<usize>,
    position: Position,
    is_lossy: bool,
    has_left: bool,
}

/// Who is asked about: the stream of a subscriber and its place there.
pub(crate) type Place = (usize, usize);

impl Ledger {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, sessions: Vec::new(), cursors: BTreeMap::new(), scratch: Vec::new() }
    }

    /// Makes a publication's session known, with its position; its index. Publications that share a session share the
    /// index.
    pub(crate) fn open(
        &mut self,
        (stream, host): (usize, usize),
        id: SessionId,
        start: Position,
        lengths: Lengths,
        limits: Limits,
    ) -> usize {
        let same = |known: &Session| (known.stream, known.host, known.id) == (stream, host, id);
        self.sessions.iter().position(same).unwrap_or_else(|| {
            self.sessions.push(Session {
                stream,
                host,
                id,
                lengths,
                limits,
                messages: Vec::new(),
                start,
                position: start,
                healed: 0,
                may_end_early: false,
                shows: Vec::new(),
            });
            self.sessions.len() - 1
        })
    }

    /// Number of the next message of a session.
    pub(crate) fn next_number(&self, session: usize) -> usize {
        self.sessions[session].messages.len()
    }

    /// Writes a message of a session over `message`, by its number.
    pub(crate) fn compose(&self, session: usize, number: usize, message: &mut Vec<u8>) {
        let known = &self.sessions[session];
        content::compose(message, (self.seed, session, number), known.lengths, known.limits);
    }

    /// The reserved value of a message, for publishers that give them one; never 0.
    pub(crate) const fn reserved_value(&self, session: usize, number: usize) -> i64 {
        mix(mix(self.seed, session as u64), number as u64).cast_signed() | 1
    }

    /// The message composed last was taken, between two positions, with a reserved value.
    pub(crate) fn sent(
        &mut self,
        session: usize,
        (start, end): (Position, Position),
        reserved: i64,
        at: Nanos,
    ) {
        self.sessions[session].messages.push(Sent { start, end, at, reserved });
    }

    /// What is seen to work when messages of a session arrive.
    pub(crate) fn shows(&mut self, session: usize, what: &[Feature]) {
        self.sessions[session].shows = what.to_vec();
    }

    /// As it was told to [`Ledger::shows`].
    pub(crate) fn shown_by(&self, who: Place, id: SessionId) -> &[Feature] {
        self.session(who, id).map_or(&[], |session| &self.sessions[session].shows)
    }

    /// All faults are over: what is sent from now on must arrive.
    pub(crate) fn heal(&mut self) {
        for session in &mut self.sessions {
            session.healed = session.messages.len();
        }
    }

    /// A session was rejected or revoked: its images may end at any time.
    pub(crate) fn may_end_early(&mut self, session: usize) {
        self.sessions[session].may_end_early = true;
    }

    /// Whether images of a session may end before its messages do.
    pub(crate) fn ends_early(&self, session: usize) -> bool {
        self.sessions[session].may_end_early
    }

    /// As [`Ledger::may_end_early`], by stream and id.
    pub(crate) fn rejected(&mut self, who: Place, id: SessionId) {
        if let Ok(session) = self.session(who, id) {
            self.may_end_early(session);
        }
    }

    /// Host of the publication of a session.
    pub(crate) fn host(&self, who: Place, id: SessionId) -> Option<usize> {
        self.session(who, id).ok().map(|session| self.sessions[session].host)
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
    pub(crate) fn joined(
        &mut self,
        who: Place,
        id: SessionId,
        at: Position,
        is_lossy: bool,
    ) -> Result<(), Violation> {
        let session = self.session(who, id)?;
        let cursor = Cursor { joined_at: at, next: None, position: at, is_lossy, has_left: false };
        if let Some(before) = self.cursors.insert((who.0, who.1, session), cursor) {
            if at == before.position
                && let Some(cursor) = self.cursors.get_mut(&(who.0, who.1, session))
            {
                // Whoever goes on where it was may even complete a message that had begun before.
                (cursor.joined_at, cursor.next) = (before.joined_at, before.next);
            }
            ensure!(before.has_left, "subscriber {who:?} has a second image of session {id}");
            // After a rejection over IPC a driver may start again where it last looked. Source: driver spec 2.7.
            ensure!(
                at >= before.position || self.sessions[session].may_end_early,
                "subscriber {who:?} had come to {:?} in session {id}, and joins again at {at:?}",
                before.position
            );
        }
        Ok(())
    }

    /// A subscriber has lost an image; it must have had everything, unless there is an excuse.
    pub(crate) fn left(&mut self, who: Place, id: SessionId, is_excused: bool) -> Result<(), Violation> {
        let session = self.session(who, id)?;
        ensure!(
            is_excused || self.sessions[session].may_end_early || self.has_all(who, session),
            "the image of session {id} went away from subscriber {who:?} before the end: {}",
            self.progress(who, session)
        );
        if let Some(cursor) = self.cursors.get_mut(&(who.0, who.1, session)) {
            cursor.has_left = true;
        }
        Ok(())
    }

    /// A subscriber may have its next image of a session as if it were its first; whether it had one, and has none now.
    pub(crate) fn forget_image(&mut self, who: Place, id: SessionId) -> bool {
        let Ok(session) = self.session(who, id) else { return false };
        let key = (who.0, who.1, session);
        let has_left = self.cursors.get(&key).is_some_and(|cursor| cursor.has_left);
        has_left && self.cursors.remove(&key).is_some()
    }

    /// A subscriber is gone, and may come again as if it were another one.
    pub(crate) fn forget(&mut self, (stream, place): Place) {
        self.cursors.retain(|key, _| (key.0, key.1) != (stream, place));
    }

    /// A message has arrived whole. Drivers write over what is `stamped` of it.
    pub(crate) fn delivered(
        &mut self,
        who: Place,
        id: SessionId,
        position: Position,
        payload: &[u8],
        stamped: &[Range<usize>],
    ) -> Result<Delivery, Violation> {
        let session = self.session(who, id)?;
        let known = &self.sessions[session];
        let Some(cursor) = self.cursors.get_mut(&(who.0, who.1, session)) else {
            return Err(violation!("subscriber {who:?} got a message of session {id} without an image"));
        };
        let next = cursor.next.unwrap_or_else(|| known.first_after(cursor.joined_at));
        let number = if cursor.is_lossy { next.max(known.first_ending_at(position)) } else { next };
        let Some(Sent { end, at, reserved, .. }) = known.messages.get(number) else {
            return Err(violation!("subscriber {who:?} got message {number} of {id}, never sent"));
        };
        ensure!(
            *end == position,
            "subscriber {who:?} got a message of session {id} that ends at {position:?}, but message {number} ends at {end:?}"
        );
        content::compose(&mut self.scratch, (self.seed, session, number), known.lengths, known.limits);
        for range in stamped {
            if let (Some(expected), Some(time)) =
                (self.scratch.get_mut(range.clone()), payload.get(range.clone()))
            {
                expected.copy_from_slice(time);
            }
        }
        ensure!(
            self.scratch == payload,
            "subscriber {who:?} got other bytes than were sent as message {number} of session {id}: {} of {} bytes",
            payload.len(),
            self.scratch.len()
        );
        cursor.next = Some(number + 1);
        Ok(Delivery { number, sent_at: *at, reserved: *reserved, missed: number - next })
    }

    /// Where an image stands; it never goes back, nor ahead of its publication.
    pub(crate) fn image_at(&mut self, who: Place, id: SessionId, at: Position) -> Result<(), Violation> {
        let Ok(session) = self.session(who, id) else { return Ok(()) };
        let known = &self.sessions[session];
        let Some(cursor) = self.cursors.get_mut(&(who.0, who.1, session)) else { return Ok(()) };
        ensure!(
            cursor.position <= at,
            "image of session {id} at subscriber {who:?} went back from {:?} to {at:?}",
            cursor.position
        );
        // A claim that its publisher left behind becomes padding that no publisher has told of.
        ensure!(
            at <= known.position || known.may_end_early,
            "image of session {id} at subscriber {who:?} is at {at:?}, ahead of its publication at {:?}",
            known.position
        );
        cursor.position = at;
        Ok(())
    }

    /// How far a subscriber has consumed a session, while it has an image of it.
    pub(crate) fn position_of(&self, who: Place, session: usize) -> Option<Position> {
        let cursor = self.cursors.get(&(who.0, who.1, session))?;
        (!cursor.has_left).then_some(cursor.position)
    }

    /// Whether a subscriber has everything of a session that was sent up to now; or may have lost it.
    pub(crate) fn has_all(&self, who: Place, session: usize) -> bool {
        let known = &self.sessions[session];
        let last = known.messages.last().map_or(known.start, |message| message.end);
        self.cursors.get(&(who.0, who.1, session)).is_some_and(|cursor| {
            cursor.next.unwrap_or_else(|| known.first_after(cursor.joined_at)) >= known.messages.len()
                || (cursor.is_lossy && cursor.position >= last)
        })
    }

    /// Whether a subscriber has an image of a session, and something by it that was sent after all faults were over.
    pub(crate) fn has_recovered(&self, who: Place, session: usize) -> bool {
        let known = &self.sessions[session];
        self.cursors
            .get(&(who.0, who.1, session))
            .is_some_and(|cursor| !cursor.has_left && cursor.next.is_some_and(|next| next > known.healed))
    }

    /// Whether a subscriber has missed nothing from the start.
    pub(crate) fn joined_at_start(&self, who: Place, session: usize) -> bool {
        let start = self.sessions[session].start;
        self.cursors.get(&(who.0, who.1, session)).is_some_and(|cursor| cursor.joined_at == start)
    }

    /// How far a subscriber is, for people.
    pub(crate) fn progress(&self, who: Place, session: usize) -> String {
        let known = &self.sessions[session];
        let sent = known.messages.len();
        match self.cursors.get(&(who.0, who.1, session)) {
            Some(cursor) => format!(
                "session {}: {} of {sent} messages, at {:?} of {:?}{}",
                known.id,
                cursor.next.unwrap_or(0),
                cursor.position,
                known.position,
                if cursor.has_left { ", image gone" } else { "" }
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

    /// Number of the first message that ends at a position or after it.
    fn first_ending_at(&self, end: Position) -> usize {
        self.messages.partition_point(|message| message.end < end)
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

    fn delivery(number: usize, missed: usize) -> Result<Delivery, Violation> {
        Ok(Delivery { number, sent_at: NOW, reserved: number as i64, missed })
    }

    /// Three messages sent, of which a subscriber with an image has none yet.
    fn sent() -> (Ledger, Vec<Vec<u8>>) {
        let mut ledger = Ledger::new(1);
        let limits = Limits { max_payload: 1376, max_message: 8192 };
        let session = ledger.open((0, 0), SESSION, Position::ZERO, Lengths::Frame, limits);
        ledger.joined(WHO, SESSION, Position::ZERO, false).unwrap();
        let messages = (0..3).map(|number| {
            let mut message = Vec::new();
            ledger.compose(session, number as usize, &mut message);
            let places = (at(100 * number), at(100 * number + 100));
            ledger.sent(session, places, number, NOW);
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
            assert_eq!(ledger.delivered(WHO, SESSION, end, message, &[]), delivery(number, 0));
            ledger.delivered(WHO, SESSION, end, message, &[]).unwrap_err();
        }
        assert!(ledger.has_all(WHO, 0));
    }

    #[test]
    fn gaps_other_bytes_other_lengths_and_other_sessions_are_found() {
        let (mut ledger, messages) = sent();
        ledger.delivered(WHO, SESSION, at(200), &messages[1], &[]).unwrap_err();
        let mut damaged = messages[0].clone();
        damaged[0] ^= 1;
        ledger.delivered(WHO, SESSION, at(100), &damaged, &[]).unwrap_err();
        ledger.delivered(WHO, SESSION, at(100), &messages[0][1..], &[]).unwrap_err();
        ledger.delivered(WHO, SessionId::new(8), at(100), &messages[0], &[]).unwrap_err();
        ledger.delivered((0, 1), SESSION, at(100), &messages[0], &[]).unwrap_err();
        ledger.delivered((1, 0), SESSION, at(100), &messages[0], &[]).unwrap_err();
        assert_eq!(ledger.delivered(WHO, SESSION, at(100), &messages[0], &[]), delivery(0, 0));
    }

    #[test]
    fn an_image_may_neither_go_back_nor_ahead_nor_away_early() {
        let (mut ledger, _) = sent();
        ledger.image_at(WHO, SESSION, at(200)).unwrap();
        ledger.image_at(WHO, SESSION, at(100)).unwrap_err();
        ledger.image_at(WHO, SESSION, at(400)).unwrap_err();
        ledger.left(WHO, SESSION, false).unwrap_err();
        ledger.joined(WHO, SESSION, at(200), false).unwrap_err();
    }

    #[test]
    fn who_joins_late_starts_with_the_next_whole_message() {
        let (mut ledger, messages) = sent();
        ledger.joined((0, 1), SESSION, at(150), false).unwrap();
        assert!(!ledger.joined_at_start((0, 1), 0));
        assert_eq!(ledger.delivered((0, 1), SESSION, at(300), &messages[2], &[]), delivery(2, 0));
    }

    #[test]
    fn who_lives_with_loss_may_miss_messages_but_gets_none_twice_or_out_of_order() {
        let (mut ledger, messages) = sent();
        let who = (0, 2);
        ledger.joined(who, SESSION, Position::ZERO, true).unwrap();
        assert_eq!(ledger.delivered(who, SESSION, at(200), &messages[1], &[]), delivery(1, 1));
        ledger.delivered(who, SESSION, at(200), &messages[1], &[]).unwrap_err();
        ledger.delivered(who, SESSION, at(100), &messages[0], &[]).unwrap_err();
        ledger.delivered(who, SESSION, at(250), &messages[2], &[]).unwrap_err();
        assert!(!ledger.has_all(who, 0));
        ledger.image_at(who, SESSION, at(300)).unwrap();
        assert!(ledger.has_all(who, 0));
    }

    #[test]
    fn who_comes_back_joins_where_it_was_or_later() {
        let (mut ledger, messages) = sent();
        for number in [0, 1] {
            let end = at(100 * number as i64 + 100);
            ledger.delivered(WHO, SESSION, end, &messages[number], &[]).unwrap();
            ledger.image_at(WHO, SESSION, end).unwrap();
        }
        ledger.left(WHO, SESSION, true).unwrap();
        assert!(!ledger.has_recovered(WHO, 0));
        ledger.joined(WHO, SESSION, at(200), false).unwrap();
        assert_eq!(ledger.delivered(WHO, SESSION, at(300), &messages[2], &[]), delivery(2, 0));
        assert!(ledger.has_recovered(WHO, 0));
    }
}
