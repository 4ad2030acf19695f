//! Which transports to read in a duty cycle.
//!
//! Few sockets are simply read; many are asked for readiness with one system call. The poller knows keys and
//! descriptors only: transports stay with their owners, who read them when told to.
//!
//! ```text
//!   <= threshold     every socket is read
//!   >  threshold     epoll ──edge──► ready list ──► read; off the list when found empty
//!   no descriptor    always read (simulated networks, interceptors that hold datagrams)
//! ```
//!
//! Source: driver spec 1.5, 14.3.

use std::{
    io,
    os::fd::{AsFd, OwnedFd, RawFd},
    time::Duration,
};

use mio::{Events, Interest, Poll, Token, unix::SourceFd};

use super::transport::{ReceiveBuffers, RecvOutcome};
use crate::config::Network;

/// Events taken from the system per poll; what is over comes with the next poll.
const EVENTS: usize = 256;

/// How a poller reads; the names of the settings are Aeron's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PollerConfig {
    /// Most transports that are read without asking for readiness; 0 and up.
    /// `aeron.udp.channel.transport.poller.iteration.threshold`.
    pub iteration_threshold: usize,
    /// Most reads of one transport per poll, 1..=16. `aeron.udp.channel.transport.poller.socket.poll.limit`.
    pub socket_poll_limit: usize,
}

impl Default for PollerConfig {
    fn default() -> Self {
        Self { iteration_threshold: 5, socket_poll_limit: 4 }
    }
}

impl From<&Network> for PollerConfig {
    fn from(network: &Network) -> Self {
        Self {
            iteration_threshold: network.poller_iteration_threshold,
            socket_poll_limit: network.socket_poll_limit as usize,
        }
    }
}

/// Names a transport in a poller; not to be used after [`Poller::remove`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PollToken(usize);

/// What a poll brought, summed over transports.
#[derive(Debug, Default)]
#[must_use]
pub struct PollOutcome {
    /// Bytes read.
    pub bytes: usize,
    /// Datagrams, or coalesced runs of them, read.
    pub messages: usize,
    /// Why the system could not be asked for readiness; transports without it were read nevertheless.
    pub error: Option<io::Error>,
}

#[derive(Debug)]
struct Entry<K> {
    key: K,
    descriptor: Option<RawFd>,
    ready: bool,
}

/// The transports of one role, each with a key by which the role finds it again.
#[derive(Debug)]
pub struct Poller<K> {
    config: PollerConfig,
    buffers: ReceiveBuffers,
    entries: Vec<Option<Entry<K>>>,
    /// Indices of the entries that are to be read at the next poll above the threshold.
    ready: Vec<usize>,
    count: usize,
    poll: Poll,
    events: Events,
}

impl<K> Poller<K> {
    /// A poller without transports, which are all read into `buffers`.
    ///
    /// # Errors
    /// When the system has no readiness queue left.
    pub fn new(config: PollerConfig, buffers: ReceiveBuffers) -> io::Result<Self> {
        Ok(Self {
            config,
            buffers,
            entries: Vec::new(),
            ready: Vec::new(),
            count: 0,
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
        })
    }

    /// A descriptor that is readable while a transport with a descriptor has something that was not read.
    ///
    /// # Errors
    /// When the system has no descriptors left.
    pub fn readiness(&self) -> io::Result<OwnedFd> {
        self.poll.registry().as_fd().try_clone_to_owned()
    }

    /// Transports in this poller.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Starts reading a transport; `descriptor` is what [`Transport::descriptor`](super::Transport::descriptor) says.
    ///
    /// # Errors
    /// When the system refuses to watch the descriptor.
    pub fn add(&mut self, key: K, descriptor: Option<RawFd>) -> io::Result<PollToken> {
        let free = self.entries.iter().position(Option::is_none);
        let index = free.unwrap_or(self.entries.len());
        if let Some(fd) = descriptor {
            self.poll.registry().register(&mut SourceFd(&fd), Token(index), Interest::READABLE)?;
        }
        let entry = Some(Entry { key, descriptor, ready: false });
        match free {
            Some(index) => self.entries[index] = entry,
            None => self.entries.push(entry),
        }
        self.count += 1;
        self.ready.reserve(self.entries.len() - self.ready.len());
        if self.count == self.config.iteration_threshold + 1 {
            // What arrived while all were read without asking may have no edge left to come.
            (0..self.entries.len()).for_each(|index| self.mark_ready(index));
        } else {
            self.mark_ready(index);
        }
        Ok(PollToken(index))
    }

    /// Stops reading a transport, before it is closed; its key, unless it was removed before.
    pub fn remove(&mut self, token: PollToken) -> Option<K> {
        let entry = self.entries.get_mut(token.0)?.take()?;
        self.count -= 1;
        self.ready.retain(|index| *index != token.0);
        if let Some(fd) = entry.descriptor {
            // A descriptor that was closed first has left the queue already.
            let _ = self.poll.registry().deregister(&mut SourceFd(&fd));
        }
        Some(entry.key)
    }

    /// Calls `read` for transports that may have something, up to the poll limit each and as long as a read says that
    /// there may be more. No allocation.
    ///
    /// `read` calls [`Transport::recv_batch`](super::Transport::recv_batch) of the transport that belongs to the key
    /// with the buffers given, and deals with the outcome's error itself: other transports are read regardless.
    #[inline]
    pub fn poll(&mut self, mut read: impl FnMut(&K, &mut ReceiveBuffers) -> RecvOutcome) -> PollOutcome {
        let mut outcome = PollOutcome::default();
        if self.count <= self.config.iteration_threshold {
            for entry in self.entries.iter().flatten() {
                read_entry(&entry.key, &mut self.buffers, self.config, false, &mut read, &mut outcome);
            }
            return outcome;
        }
        outcome.error = self.collect_events().err();
        let mut position = 0;
        while let Some(&index) = self.ready.get(position) {
            let Some(entry) = &mut self.entries[index] else {
                self.ready.swap_remove(position);
                continue;
            };
            let empty = read_entry(&entry.key, &mut self.buffers, self.config, true, &mut read, &mut outcome);
            if empty && entry.descriptor.is_some() {
                entry.ready = false;
                self.ready.swap_remove(position);
            } else {
                position += 1;
            }
        }
        outcome
    }

    fn collect_events(&mut self) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            mark_ready(&mut self.entries, &mut self.ready, event.token().0);
        }
        Ok(())
    }

    fn mark_ready(&mut self, index: usize) {
        mark_ready(&mut self.entries, &mut self.ready, index);
    }
}

fn mark_ready<K>(entries: &mut [Option<Entry<K>>], ready: &mut Vec<usize>, index: usize) {
    if let Some(Some(entry)) = entries.get_mut(index)
        && !entry.ready
    {
        entry.ready = true;
        ready.push(index);
    }
}

/// Reads one transport; whether the last read found nothing. A read that found less than a full vector may have been
/// cut short, so that only an empty one proves that the next arrival will raise an edge; `until_empty` asks for it, as
/// nothing tells of what stays unread.
#[inline]
fn read_entry<K>(
    key: &K,
    buffers: &mut ReceiveBuffers,
    config: PollerConfig,
    until_empty: bool,
    read: &mut impl FnMut(&K, &mut ReceiveBuffers) -> RecvOutcome,
    outcome: &mut PollOutcome,
) -> bool {
    for _ in 0..config.socket_poll_limit.max(1) {
        let got = read(key, buffers);
        outcome.bytes += got.bytes;
        outcome.messages += got.messages;
        if got.messages == 0 && !got.more {
            return true;
        }
        if !got.more && !until_empty {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests;
