//! Stepping a client's conductor by hand.

use std::sync::Arc;

use epona_protocol::types::Now;

use crate::{
    clock::{self, Clock},
    error::ClientError,
    link::Client,
};

/// Runs the conductor of a client that has no thread for it; see [`Context::use_invoker`](crate::Context::use_invoker).
///
/// It must run more often than the driver's client liveness timeout (10 s), or the client ends. All times come from
/// the caller, so that many clients can be stepped in one thread under a virtual clock.
///
/// Threading: may be shared; one caller at a time does work, others wait for it. Handlers run on the caller.
///
/// ```no_run
/// # use epona_client::{Aeron, Context};
/// let aeron = Aeron::connect(Context::new().use_invoker())?;
/// let invoker = aeron.invoker().expect("a client that was asked to be invoked");
/// let mut pending = aeron.add_subscription_async("aeron:ipc", 1001)?;
/// let mut subscription = loop {
///     invoker.invoke()?;
///     if let Some(subscription) = pending.poll()? {
///         break subscription;
///     }
/// };
/// # Ok::<(), epona_client::ClientError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Invoker {
    client: Arc<Client>,
}

impl Invoker {
    pub(crate) const fn new(client: Arc<Client>) -> Self {
        Self { client }
    }

    /// One duty cycle at the time given; how much there was to do.
    ///
    /// The nanoseconds may count from any origin, but from one throughout; the wall time is compared with the driver's.
    ///
    /// # Errors
    /// Fatal: the client has ended. First the cause itself, from then on [`ClientError::Closed`] with the cause. From
    /// within one of the client's own handlers [`ClientError::Reentrant`].
    pub fn do_work(&self, now: Now) -> Result<usize, ClientError> {
        self.client.do_work(now, Clock::Caller)
    }

    /// [`Invoker::do_work`] by the system's clocks.
    ///
    /// # Errors
    /// As [`Invoker::do_work`].
    pub fn invoke(&self) -> Result<usize, ClientError> {
        self.client.do_work(clock::now(), Clock::System)
    }
}
