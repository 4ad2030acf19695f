//! One send to several destinations.
//!
//! ```text
//!   runs          | a | b |
//!   batch         | a | b | a | b | a | b | ...    as many destinations as fit one call
//!                  \ 1st / \ 2nd / \ 3rd /
//! ```
//!
//! A destination that does not take its datagrams holds up no other: the batch goes on with the next one, and the
//! receiver that missed them asks for them with a NAK. Source: wire spec 7.1.

use std::{io, net::SocketAddr};

use arrayvec::ArrayVec;
use epona_protocol::types::Nanos;

use super::sent::{SendFailure, Sent};
use crate::media::transport::{MAX_BATCH, SendOutcome, SendRun, Transport};

/// Runs on their way to several destinations.
pub(super) struct FanOut<'a, 'r> {
    now: Nanos,
    transport: &'a mut dyn Transport,
    runs: &'a [SendRun<'r>],
    /// Datagrams in `runs`.
    datagrams: usize,
    batch: ArrayVec<SendRun<'r>, MAX_BATCH>,
    /// Destinations in `batch`.
    waiting: usize,
    /// Destinations that took every datagram.
    served: usize,
    /// Destinations that did not.
    missed: usize,
    /// Whether one of them gave an error for it.
    has_failed: bool,
    failure: &'a mut Option<SendFailure>,
}

impl<'a, 'r> FanOut<'a, 'r> {
    /// Sends `runs`, 1..=64 of them, to nobody yet; the first error goes to `failure`.
    #[inline]
    pub(super) fn new(
        now: Nanos,
        transport: &'a mut dyn Transport,
        runs: &'a [SendRun<'r>],
        failure: &'a mut Option<SendFailure>,
    ) -> Self {
        let datagrams = runs.iter().map(SendRun::datagrams).sum();
        let batch = ArrayVec::new_const();
        let (waiting, served, missed, has_failed) = (0, 0, 0, false);
        Self { now, transport, runs, datagrams, batch, waiting, served, missed, has_failed, failure }
    }

    /// Sends to one more destination, at the latest with [`FanOut::finish`].
    #[inline]
    pub(super) fn send_to(&mut self, address: SocketAddr) {
        if self.batch.remaining_capacity() < self.runs.len() {
            self.flush();
        }
        for run in self.runs {
            self.batch.push(SendRun { destination: Some(address), ..*run });
        }
        self.waiting += 1;
    }

    /// What became of it all. Without destinations, all is well.
    #[inline]
    pub(super) fn finish(mut self) -> Sent {
        self.flush();
        match (self.served, self.missed) {
            (_, 0) => Sent::All,
            (0, _) if self.has_failed => Sent::Failed { accepted: 0 },
            (0, _) => Sent::Short { accepted: 0 },
            _ => Sent::Partly,
        }
    }

    #[inline]
    fn flush(&mut self) {
        if self.waiting > 0 {
            let sent = self.transport.send_batch(self.now, &self.batch);
            if sent.datagrams == self.waiting * self.datagrams {
                self.served += self.waiting;
            } else {
                self.pass_over(sent);
            }
        }
        self.batch.clear();
        self.waiting = 0;
    }

    /// Passes over each destination that stops the batch, until the batch is through.
    #[cold]
    fn pass_over(&mut self, mut sent: SendOutcome) {
        let mut done = 0;
        loop {
            let served = sent.datagrams / self.datagrams.max(1);
            self.served += served;
            done += served;
            // A call that got somewhere need not say why it got no further; the next one, which starts there, does.
            if served == 0 {
                self.miss(done, sent.error);
                done += 1;
            }
            if done >= self.waiting {
                return;
            }
            sent = self.transport.send_batch(self.now, &self.batch[done * self.runs.len()..]);
        }
    }

    fn miss(&mut self, index: usize, error: Option<io::Error>) {
        self.missed += 1;
        if let Some(error) = error {
            self.has_failed = true;
            let destination = self.batch.get(index * self.runs.len()).and_then(|run| run.destination);
            self.failure.get_or_insert(SendFailure { destination, error });
        }
    }
}
