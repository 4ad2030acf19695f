//! The messages of a subscription as a stream of a program with tasks.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use epona_protocol::types::{Position, SessionId, StreamId};
use futures_core::Stream;

use crate::{
    assembly::{Sessions, is_whole},
    header::Header,
    link::Wait,
    subscription::Subscription,
};

/// Fragments taken by one poll; messages that were polled and not taken from the stream yet are at most so many.
const FRAGMENT_LIMIT: usize = 32;

/// A whole message, copied out of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// What the publisher offered.
    pub payload: Vec<u8>,
    /// Session of the stream.
    pub session_id: SessionId,
    /// Stream of the publication.
    pub stream_id: StreamId,
    /// Position in the stream right after the message.
    pub position: Position,
    /// The eight bytes that the publisher may fill as it likes; of the first fragment.
    pub reserved_value: i64,
}

impl Message {
    fn new(payload: &[u8], header: &Header<'_>) -> Self {
        Self {
            payload: payload.to_vec(),
            session_id: header.session_id(),
            stream_id: header.stream_id(),
            position: header.position(),
            reserved_value: header.reserved_value(),
        }
    }
}

/// A [`Stream`] of owned messages, from all images of a subscription, put together where they came in fragments. It ends
/// when the subscription or its client ends. Made by [`Subscription::into_messages`].
///
/// Messages are consumed a few before they are taken: up to 32 fragments. A stream that is not polled consumes no more, and
/// so holds its publishers up as any subscriber does.
///
/// Wake-ups: a task that finds nothing runs again a few times at once, then waits for the client's conductor to notice
/// what arrives, every [`Context::wake_interval`](crate::Context::wake_interval). Needs no runtime, no timer and no
/// thread beside the conductor's; with an [`Invoker`](crate::Invoker) tasks wake when that is invoked.
///
/// Threading: `Send`.
pub struct Messages {
    subscription: Subscription,
    sessions: Sessions,
    queue: VecDeque<Message>,
    wait: Wait,
}

impl Subscription {
    /// The messages as a stream of a program with tasks, whole and owned.
    ///
    /// ```no_run
    /// # async fn print(aeron: epona_client::Aeron) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut messages = aeron.add_subscription_async("aeron:ipc", 1001)?.await?.into_messages();
    /// while let Some(message) = messages.next().await {
    ///     println!("{} bytes, now at {}", message.payload.len(), message.position);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn into_messages(self) -> Messages {
        let state = Arc::clone(&self.state);
        let is_ready = move || state.is_closed() || state.images().iter().any(|image| image.has_fragment());
        let wait = Wait::new(&self.client.shared, is_ready);
        Messages { subscription: self, sessions: Sessions::default(), queue: VecDeque::new(), wait }
    }
}

impl Messages {
    /// The subscription that is read.
    #[must_use]
    pub const fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// The next message; `None` once the subscription has ended. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Message> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Takes what there is; whether that was anything.
    fn poll_subscription(&mut self) -> bool {
        let Self { subscription, sessions, queue, .. } = self;
        let fragments = subscription.poll(
            |payload, header| {
                let mut take =
                    |message: &[u8], header: &Header<'_>| queue.push_back(Message::new(message, header));
                if is_whole(header) {
                    take(payload, header);
                } else {
                    sessions.of(header).on_fragment(payload, header, take);
                }
            },
            FRAGMENT_LIMIT,
        );
        if sessions.len() > subscription.image_count() {
            sessions.retain(|session_id| subscription.image_by_session_id(session_id).is_some());
        }
        fragments > 0
    }
}

impl Stream for Messages {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let this = &mut *self;
        loop {
            if let Some(message) = this.queue.pop_front() {
                this.wait.found();
                return Poll::Ready(Some(message));
            }
            if this.subscription.is_closed() {
                return Poll::Ready(None);
            }
            // A poll that found a part of a message only looks again.
            if !this.poll_subscription() {
                return this.wait.pending(context);
            }
        }
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("subscription", &self.subscription).finish_non_exhaustive()
    }
}
