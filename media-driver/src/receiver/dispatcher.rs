//! Which image a packet belongs to, and what to do when there is none. One per receive endpoint.
//!
//! What it knows of a (stream, session):
//!
//! ```text
//!            data            setup                     add_image
//!   (nothing) ---> PendingSetup ---> InitInProgress -------------> Active
//!       |   \_____________ setup ______________/^                     |
//!       |<- pending setup expires, image not created, cool down ends  |
//!       |<------------------------------------------- end of stream --|
//!       |<---- rejoin -------- CoolDown <------------- any other end -|
//! ```
//!
//! Streams and sessions without a subscription have no entry: strangers cost no memory. Source: driver spec 6.1.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, Hasher},
};

use epona_protocol::types::{SessionId, StreamId};

/// Sessions that may await their SETUP at one time. Each takes memory on the word of one unsolicited packet and is
/// forgotten after a second, so this bounds what a flood of made-up sessions costs.
pub(super) const MAX_PENDING_SETUPS: usize = 8192;

/// What to do with a data packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataAction<I> {
    /// Insert it into this image.
    Deliver(I),
    /// Send a status message with the setup flag, and remember the setup as pending.
    ElicitSetup,
    /// Nobody wants it, or its image is being made, or was given up.
    Ignore,
    /// As [`DataAction::Ignore`], because too many sessions await their SETUP.
    TooManyPending,
}

/// What to do with a SETUP frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetupAction<I> {
    /// Refresh, or add, the connection of this image to its source.
    RefreshConnection(I),
    /// Ask the conductor for an image.
    CreateImage {
        /// Whether this endpoint asked for the frame: only then is its TTL compared.
        was_elicited: bool,
    },
    /// Nobody wants it, or its image is being made, or was given up.
    Ignore,
    /// The stream has as many images as it may have: an error to record.
    SessionLimitReached,
}

/// What is known of a session that somebody subscribes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Session<I> {
    PendingSetup,
    InitInProgress,
    CoolDown,
    Active(I),
}

/// What is subscribed to of one stream.
#[derive(Debug, Default)]
struct Interest {
    all_sessions: bool,
    sessions: HashSet<SessionId>,
    /// Images, and those being made: otherwise a burst of setups would pass the session limit.
    image_count: usize,
}

impl Interest {
    fn covers(&self, session: SessionId) -> bool {
        self.all_sessions || self.sessions.contains(&session)
    }
}

/// Finds the image of a packet; `I` is how the receiver names an image, unique for its lifetime.
///
/// Subscriptions are not counted here: the endpoint adds the first and removes the last of a kind.
#[derive(Debug)]
pub struct Dispatcher<I> {
    interests: HashMap<StreamId, Interest>,
    sessions: HashMap<Key, Session<I>, KeyHash>,
    /// The image found last: packets come in runs.
    last: Option<(Key, I)>,
    pending_setups: usize,
    session_limit: usize,
}

impl<I: Copy + PartialEq> Dispatcher<I> {
    /// A dispatcher without subscriptions. `session_limit` images per stream at most; `seed`, a random number, keeps
    /// strangers from choosing sessions that collide.
    #[must_use]
    pub fn new(session_limit: usize, seed: u64) -> Self {
        Self {
            interests: HashMap::new(),
            sessions: HashMap::with_hasher(KeyHash(seed)),
            last: None,
            pending_setups: 0,
            session_limit,
        }
    }

    /// Decides on a DATA or PAD packet; `end_of_stream` from the flags of its first frame.
    #[inline]
    pub fn on_data(&mut self, stream: StreamId, session: SessionId, end_of_stream: bool) -> DataAction<I> {
        let key = Key::of(stream, session);
        match self.last {
            Some((last, image)) if last == key => DataAction::Deliver(image),
            _ => self.look_up_data(key, end_of_stream),
        }
    }

    fn look_up_data(&mut self, key: Key, end_of_stream: bool) -> DataAction<I> {
        match self.sessions.get(&key) {
            Some(&Session::Active(image)) => {
                self.last = Some((key, image));
                DataAction::Deliver(image)
            }
            Some(_) => DataAction::Ignore,
            None if end_of_stream || !self.has_interest_in(key.stream(), key.session()) => DataAction::Ignore,
            None => self.elicit(key),
        }
    }

    fn elicit(&mut self, key: Key) -> DataAction<I> {
        if self.pending_setups >= MAX_PENDING_SETUPS {
            return DataAction::TooManyPending;
        }
        self.set(key, Some(Session::PendingSetup));
        DataAction::ElicitSetup
    }

    /// Decides on a validated SETUP frame.
    pub fn on_setup(&mut self, stream: StreamId, session: SessionId) -> SetupAction<I> {
        let Some(interest) = self.interests.get(&stream) else { return SetupAction::Ignore };
        let key = Key::of(stream, session);
        let is_being_made = self.sessions.get(&key) == Some(&Session::InitInProgress);
        if interest.image_count >= self.session_limit && !is_being_made {
            return SetupAction::SessionLimitReached;
        }
        let was_elicited = match self.sessions.get(&key) {
            Some(&Session::Active(image)) => return SetupAction::RefreshConnection(image),
            Some(Session::PendingSetup) => true,
            None if interest.covers(session) => false,
            Some(Session::InitInProgress | Session::CoolDown) | None => return SetupAction::Ignore,
        };
        self.set(key, Some(Session::InitInProgress));
        SetupAction::CreateImage { was_elicited }
    }

    /// The image of a session, for RTTM frames.
    #[must_use]
    pub fn image(&self, stream: StreamId, session: SessionId) -> Option<I> {
        match self.sessions.get(&Key::of(stream, session)) {
            Some(&Session::Active(image)) => Some(image),
            _ => None,
        }
    }

    /// Whether anything is subscribed to: only then are setups elicited periodically.
    #[must_use]
    pub fn has_interest(&self) -> bool {
        !self.interests.is_empty()
    }

    /// Whether a session is subscribed to.
    #[must_use]
    pub fn has_interest_in(&self, stream: StreamId, session: SessionId) -> bool {
        self.interests.get(&stream).is_some_and(|interest| interest.covers(session))
    }

    /// Subscribes to all sessions of a stream.
    pub fn add_subscription(&mut self, stream: StreamId) {
        self.interests.entry(stream).or_default().all_sessions = true;
    }

    /// Subscribes to one session of a stream.
    pub fn add_session_subscription(&mut self, stream: StreamId, session: SessionId) {
        self.interests.entry(stream).or_default().sessions.insert(session);
    }

    /// Takes back [`Dispatcher::add_subscription`]; images of sessions not subscribed to one by one get no more data.
    /// `false` when nobody subscribes to the stream: an error to record.
    pub fn remove_subscription(&mut self, stream: StreamId) -> bool {
        let Some(interest) = self.interests.get_mut(&stream) else { return false };
        interest.all_sessions = false;
        self.forget_unwanted(stream);
        true
    }

    /// Takes back [`Dispatcher::add_session_subscription`]; its image gets no more data, unless all sessions are
    /// subscribed to. `false` when nobody subscribes to the stream: an error to record.
    pub fn remove_session_subscription(&mut self, stream: StreamId, session: SessionId) -> bool {
        let Some(interest) = self.interests.get_mut(&stream) else { return false };
        interest.sessions.remove(&session);
        self.forget_unwanted(stream);
        true
    }

    /// Forgets the sessions of a stream that nobody subscribes to, and the stream when that is all of them.
    fn forget_unwanted(&mut self, stream: StreamId) {
        let Some(interest) = self.interests.get(&stream) else { return };
        let is_unwanted = |key: &Key| key.stream() == stream && !interest.covers(key.session());
        let unwanted: Vec<Key> = self.sessions.keys().filter(|key| is_unwanted(key)).copied().collect();
        let is_last = !interest.all_sessions && interest.sessions.is_empty();
        for key in unwanted {
            self.set(key, None);
        }
        if is_last {
            self.interests.remove(&stream);
        }
    }

    /// Starts to deliver to an image; gives the one that it replaces, if there was one.
    ///
    /// # Errors
    /// The image, when its last subscription was removed while it was being made.
    pub fn add_image(&mut self, stream: StreamId, session: SessionId, image: I) -> Result<Option<I>, I> {
        if !self.has_interest_in(stream, session) {
            return Err(image);
        }
        match self.set(Key::of(stream, session), Some(Session::Active(image))) {
            Some(Session::Active(replaced)) => Ok(Some(replaced)),
            _ => Ok(None),
        }
    }

    /// Ends the delivery to an image, unless another one has taken its place; whether it was there. The session may
    /// come back at once when its stream had ended, otherwise it cools down.
    pub fn remove_image(
        &mut self,
        stream: StreamId,
        session: SessionId,
        image: I,
        end_of_stream: bool,
    ) -> bool {
        let key = Key::of(stream, session);
        let is_mapped = self.sessions.get(&key) == Some(&Session::Active(image));
        if is_mapped {
            self.set(key, (!end_of_stream).then_some(Session::CoolDown));
        }
        is_mapped
    }

    /// A pending setup has expired: the next packet of the session elicits again.
    pub fn remove_pending_setup(&mut self, stream: StreamId, session: SessionId) {
        self.remove_if(Key::of(stream, session), Session::PendingSetup);
    }

    /// The conductor made no image: the next packet of the session starts over.
    pub fn remove_init_in_progress(&mut self, stream: StreamId, session: SessionId) {
        self.remove_if(Key::of(stream, session), Session::InitInProgress);
    }

    /// The session may rejoin.
    pub fn remove_cool_down(&mut self, stream: StreamId, session: SessionId) {
        self.remove_if(Key::of(stream, session), Session::CoolDown);
    }

    fn remove_if(&mut self, key: Key, expected: Session<I>) {
        if self.sessions.get(&key) == Some(&expected) {
            self.set(key, None);
        }
    }

    /// The only way to change a session: keeps the counts right, and the image found last.
    fn set(&mut self, key: Key, session: Option<Session<I>>) -> Option<Session<I>> {
        self.last = None;
        let previous = match session {
            Some(session) => self.sessions.insert(key, session),
            None => self.sessions.remove(&key),
        };
        let is_image = |session| matches!(session, Some(Session::Active(_) | Session::InitInProgress));
        let is_pending = |session| session == Some(Session::PendingSetup);
        if let Some(interest) = self.interests.get_mut(&key.stream()) {
            interest.image_count += usize::from(is_image(session));
            interest.image_count -= usize::from(is_image(previous));
        }
        self.pending_setups += usize::from(is_pending(session));
        self.pending_setups -= usize::from(is_pending(previous));
        previous
    }
}

/// Stream and session in one word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Key(u64);

impl Key {
    #[inline]
    const fn of(stream: StreamId, session: SessionId) -> Self {
        Self((stream.get() as u32 as u64) << 32 | session.get() as u32 as u64)
    }

    const fn stream(self) -> StreamId {
        StreamId::new((self.0 >> 32) as i32)
    }

    const fn session(self) -> SessionId {
        SessionId::new(self.0 as i32)
    }
}

/// Hashes a [`Key`] with two multiplications, from a secret seed.
#[derive(Clone, Debug)]
struct KeyHash(u64);

impl BuildHasher for KeyHash {
    type Hasher = KeyHasher;

    #[inline]
    fn build_hasher(&self) -> KeyHasher {
        KeyHasher(self.0)
    }
}

struct KeyHasher(u64);

impl Hasher for KeyHasher {
    #[inline]
    fn write_u64(&mut self, value: u64) {
        const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        let product = u128::from(value ^ self.0).wrapping_mul(ODD);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
