//! Whole messages out of fragments, in front of a handler.

use std::collections::HashMap;

use epona_protocol::{logbuffer::Action, types::SessionId};

use super::message::{Assembly, is_whole};
use crate::header::Header;

/// Reassembles the messages of all images of a subscription and hands each whole message to a delegate.
///
/// A message in one frame goes straight through, in place; a longer one is copied together per session, in a buffer
/// that grows to the longest message and stays. Fragments whose message did not begin here, or with one missing, are
/// dropped. Source: shared-memory spec 9.6.
///
/// ```no_run
/// # use epona_client::{Aeron, Context, FragmentAssembler};
/// # let aeron = Aeron::connect(Context::new())?;
/// let mut subscription = aeron.add_subscription("aeron:udp?endpoint=localhost:20121", 1001)?;
/// let mut assembler = FragmentAssembler::new(|message, header| {
///     println!("{} bytes from session {}", message.len(), header.session_id());
/// });
/// loop {
///     subscription.poll(|fragment, header| assembler.on_fragment(fragment, header), 10);
/// }
/// # #[allow(unreachable_code)]
/// # Ok::<(), epona_client::ClientError>(())
/// ```
#[derive(Debug)]
pub struct FragmentAssembler<H> {
    delegate: H,
    sessions: Sessions,
}

impl<H: FnMut(&[u8], &Header<'_>)> FragmentAssembler<H> {
    /// Puts an assembler in front of a handler of whole messages.
    #[must_use]
    pub fn new(delegate: H) -> Self {
        Self { delegate, sessions: Sessions::default() }
    }

    /// Takes what a poll hands out.
    #[inline]
    pub fn on_fragment(&mut self, payload: &[u8], header: &Header<'_>) {
        if is_whole(header) {
            (self.delegate)(payload, header);
        } else {
            self.sessions.of(header).on_fragment(payload, header, &mut self.delegate);
        }
    }

    /// Frees the buffer of a session that has gone; whether there was one.
    pub fn free_session_buffer(&mut self, session_id: SessionId) -> bool {
        self.sessions.free(session_id)
    }

    /// Drops all messages under assembly and frees their buffers.
    pub fn clear(&mut self) {
        self.sessions.clear();
    }
}

/// [`FragmentAssembler`] for controlled polls: the delegate says what to do after each message.
///
/// When it aborts a message of several fragments, only the last fragment comes again, and the message with it.
#[derive(Debug)]
pub struct ControlledFragmentAssembler<H> {
    delegate: H,
    sessions: Sessions,
}

impl<H: FnMut(&[u8], &Header<'_>) -> Action> ControlledFragmentAssembler<H> {
    /// Puts an assembler in front of a handler of whole messages.
    #[must_use]
    pub fn new(delegate: H) -> Self {
        Self { delegate, sessions: Sessions::default() }
    }

    /// Takes what a controlled poll hands out, and answers it.
    #[inline]
    pub fn on_fragment(&mut self, payload: &[u8], header: &Header<'_>) -> Action {
        if is_whole(header) {
            (self.delegate)(payload, header)
        } else {
            self.sessions.of(header).on_fragment_controlled(payload, header, &mut self.delegate)
        }
    }

    /// Frees the buffer of a session that has gone; whether there was one.
    pub fn free_session_buffer(&mut self, session_id: SessionId) -> bool {
        self.sessions.free(session_id)
    }

    /// Drops all messages under assembly and frees their buffers.
    pub fn clear(&mut self) {
        self.sessions.clear();
    }
}

/// [`FragmentAssembler`] for polls of a single image.
#[derive(Debug)]
pub struct ImageFragmentAssembler<H> {
    delegate: H,
    assembly: Assembly,
}

impl<H: FnMut(&[u8], &Header<'_>)> ImageFragmentAssembler<H> {
    /// Puts an assembler in front of a handler of whole messages.
    #[must_use]
    pub fn new(delegate: H) -> Self {
        Self { delegate, assembly: Assembly::default() }
    }

    /// Takes what a poll hands out.
    #[inline]
    pub fn on_fragment(&mut self, payload: &[u8], header: &Header<'_>) {
        if is_whole(header) {
            (self.delegate)(payload, header);
        } else {
            self.assembly.on_fragment(payload, header, &mut self.delegate);
        }
    }

    /// Drops the message under assembly.
    pub fn clear(&mut self) {
        self.assembly = Assembly::default();
    }
}

/// [`ControlledFragmentAssembler`] for controlled polls of a single image.
#[derive(Debug)]
pub struct ImageControlledFragmentAssembler<H> {
    delegate: H,
    assembly: Assembly,
}

impl<H: FnMut(&[u8], &Header<'_>) -> Action> ImageControlledFragmentAssembler<H> {
    /// Puts an assembler in front of a handler of whole messages.
    #[must_use]
    pub fn new(delegate: H) -> Self {
        Self { delegate, assembly: Assembly::default() }
    }

    /// Takes what a controlled poll hands out, and answers it.
    #[inline]
    pub fn on_fragment(&mut self, payload: &[u8], header: &Header<'_>) -> Action {
        if is_whole(header) {
            (self.delegate)(payload, header)
        } else {
            self.assembly.on_fragment_controlled(payload, header, &mut self.delegate)
        }
    }

    /// Drops the message under assembly.
    pub fn clear(&mut self) {
        self.assembly = Assembly::default();
    }
}

/// Assemblies by session.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    assemblies: HashMap<SessionId, Assembly>,
}

impl Sessions {
    pub(crate) fn of(&mut self, header: &Header<'_>) -> &mut Assembly {
        self.assemblies.entry(header.session_id()).or_default()
    }

    fn free(&mut self, session_id: SessionId) -> bool {
        self.assemblies.remove(&session_id).is_some()
    }

    fn clear(&mut self) {
        self.assemblies.clear();
    }
}

#[cfg(feature = "async")]
impl Sessions {
    pub(crate) fn len(&self) -> usize {
        self.assemblies.len()
    }

    /// Frees the buffers of all sessions but those that are wanted.
    pub(crate) fn retain(&mut self, mut is_wanted: impl FnMut(SessionId) -> bool) {
        self.assemblies.retain(|session_id, _| is_wanted(*session_id));
    }
}
