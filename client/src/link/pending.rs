//! An answer of the driver that has not arrived yet.

use std::{fmt, sync::Arc};
#[cfg(feature = "async")]
use std::{
    pin::Pin,
    task::{Context, Poll},
};

use epona_protocol::types::RegistrationId;

use super::{Client, Completion, Outcome, Registered};
use crate::error::ClientError;

/// Makes a handle of what the conductor registered.
pub(crate) type Assemble<T> = fn(Registered, &Arc<Client>, RegistrationId) -> Option<T>;

/// A request on its way to the driver and back: polled, or waited for.
///
/// Dropping it before its result was taken takes the request back: what the driver registers for it is removed.
///
/// Threading: `Send`; one caller at a time. The result is there once the conductor has run after the driver answered;
/// with an [`Invoker`](crate::Invoker) that is for the application to do, in virtual time if it likes.
///
/// ```no_run
/// # use epona_client::{Aeron, Context};
/// # let aeron = Aeron::connect(Context::new())?;
/// let mut pending = aeron.add_publication_async("aeron:ipc", 1001)?;
/// let publication = loop {
///     if let Some(publication) = pending.poll()? {
///         break publication;
///     }
///     // ... do something else ...
/// };
/// # Ok::<(), epona_client::ClientError>(())
/// ```
#[must_use = "dropping a pending request takes it back"]
pub struct Pending<T> {
    registration_id: RegistrationId,
    completion: Arc<Completion>,
    client: Arc<Client>,
    assemble: Assemble<T>,
    taken: bool,
}

impl<T> Pending<T> {
    pub(crate) const fn new(
        registration_id: RegistrationId,
        completion: Arc<Completion>,
        client: Arc<Client>,
        assemble: Assemble<T>,
    ) -> Self {
        Self { registration_id, completion, client, assemble, taken: false }
    }

    /// Id of the request, and of the resource that it makes.
    #[must_use]
    pub const fn registration_id(&self) -> RegistrationId {
        self.registration_id
    }

    /// The result if it has arrived; `None` before, and again once it was taken.
    ///
    /// # Errors
    /// [`ClientError::Registration`] when the driver refused, [`ClientError::RegistrationTimeout`] when it did not
    /// answer within the driver timeout, [`ClientError::LogBuffer`] when its log buffer could not be mapped,
    /// [`ClientError::Closed`] when the client ended meanwhile.
    pub fn poll(&mut self) -> Result<Option<T>, ClientError> {
        match self.completion.take() {
            Some(outcome) => self.finish(outcome).map(Some),
            None => Ok(None),
        }
    }

    /// Waits for the result, at most for the driver timeout.
    ///
    /// # Errors
    /// As [`Pending::poll`], and [`ClientError::Reentrant`] from within a handler of the client.
    pub fn wait(mut self) -> Result<T, ClientError> {
        let outcome = self.client.wait(&self.completion);
        self.finish(outcome)
    }

    fn finish(&mut self, outcome: Outcome) -> Result<T, ClientError> {
        self.taken = !matches!(outcome, Err(ClientError::Reentrant));
        (self.assemble)(outcome?, &self.client, self.registration_id).ok_or_else(|| {
            ClientError::MalformedEvent {
                type_id: 0,
                reason: format!("the answer to request {} is of another kind", self.registration_id),
            }
        })
    }
}

/// The result, from any runtime; the client's conductor wakes the task. With an [`Invoker`](crate::Invoker) somebody else
/// has to step it meanwhile. Once the result was taken the future stays pending. Errors as of [`Pending::poll`].
#[cfg(feature = "async")]
impl<T> Future for Pending<T> {
    type Output = Result<T, ClientError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.completion.take_or_wake(context.waker()) {
            Some(outcome) => Poll::Ready(self.finish(outcome)),
            None => Poll::Pending,
        }
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        if !self.taken {
            self.client.abandon(self.registration_id);
        }
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("registration_id", &self.registration_id).finish_non_exhaustive()
    }
}
