//! Finding a driver that lives. Source: shared-memory spec 2.5.

use std::sync::Arc;

use epona_protocol::{
    broadcast::CopyReceiver,
    cnc::{Cnc, CncState},
    counters::CountersReader,
    ring_buffer::mpsc::Producer,
    types::{Nanos, Now},
};

use crate::{
    aeron::Aeron,
    clock,
    conductor::Conductor,
    context::Context,
    error::ClientError,
    link::{Client, Conducting, Doorbells, Shared},
    lookup::{explain, incompatible, incompatible_version, look, retry_interval},
    runner::{AWAITING_IDLE_SLEEP, Invoked, Threaded},
};

impl Aeron {
    /// Connects to the driver of the context's directory, waiting for one to appear at most for the driver timeout.
    ///
    /// # Errors
    /// As [`Connecting::poll`].
    pub fn connect(context: Context) -> Result<Self, ClientError> {
        let mut connecting = Self::connecting(context);
        loop {
            connecting.invoke_driver();
            if let Some(aeron) = connecting.poll(clock::now())? {
                return Ok(aeron);
            }
            clock::pause(AWAITING_IDLE_SLEEP);
        }
    }

    /// [`Aeron::connect`] step by step, under a clock of the caller's.
    #[must_use]
    pub const fn connecting(context: Context) -> Connecting {
        Connecting::new(context)
    }
}

/// A client that looks for its driver; polled with the time until it has found it.
///
/// This is what [`Aeron::connect`] does with the system's clocks. Use it to connect under a clock of your own.
///
/// ```no_run
/// use epona_client::{Aeron, Context, Nanos, EpochMillis, Now};
///
/// # fn virtual_clock() -> Now { Now::default() }
/// let mut connecting = Aeron::connecting(Context::new().use_invoker());
/// let aeron = loop {
///     if let Some(aeron) = connecting.poll(virtual_clock())? {
///         break aeron;
///     }
/// };
/// # Ok::<(), epona_client::ClientError>(())
/// ```
#[derive(Debug)]
pub struct Connecting {
    context: Option<Context>,
    deadline: Option<Nanos>,
    next_look: Nanos,
}

impl Connecting {
    pub(crate) const fn new(context: Context) -> Self {
        Self { context: Some(context), deadline: None, next_look: Nanos::new(i64::MIN) }
    }

    /// Looks for the driver, unless it is too early to look again; the client once it is connected.
    ///
    /// # Errors
    /// [`ClientError::NoDriver`], [`ClientError::DriverNotReady`] or [`ClientError::DriverInactive`] when there is no
    /// living driver after the driver timeout, [`ClientError::IncompatibleDriver`] when its file is of another
    /// version, [`ClientError::Configuration`] for settings that cannot be, [`ClientError::Io`] when the file cannot
    /// be mapped or no thread be started. After an error, or the client, there is nothing more to poll.
    pub fn poll(&mut self, now: Now) -> Result<Option<Aeron>, ClientError> {
        let Some(context) = self.context.as_mut() else {
            return Err(ClientError::Closed { cause: None });
        };
        let deadline = match self.deadline {
            Some(deadline) => deadline,
            None => {
                context.validate()?;
                *self.deadline.insert(now.nanos + context.driver_timeout)
            }
        };
        if now.nanos < self.next_look && now.nanos < deadline {
            return Ok(None);
        }
        let directory = context.directory.clone();
        match look(&directory, now.epoch, context.driver_timeout)? {
            CncState::Ready(cnc) => match self.context.take() {
                Some(context) => start(context, &cnc, now).map(Some),
                None => Ok(None),
            },
            CncState::VersionMismatch { found } => Err(incompatible_version(&directory, found)),
            CncState::NotReady(reason) if now.nanos >= deadline => {
                Err(explain(reason, directory, context.driver_timeout, now.epoch))
            }
            CncState::NotReady(reason) => {
                self.next_look = now.nanos + retry_interval(reason);
                Ok(None)
            }
        }
    }
}

impl Connecting {
    /// Steps the embedded driver that is to be connected to, if there is one.
    pub(crate) fn invoke_driver(&mut self) {
        if let Some(invoke) = self.context.as_mut().and_then(|context| context.driver_invoker.as_mut()) {
            invoke();
        }
    }
}

/// A client of a driver that lives.
fn start(mut context: Context, cnc: &Cnc, now: Now) -> Result<Aeron, ClientError> {
    let liveness_timeout = cnc.metadata().client_liveness_timeout;
    if context.keepalive_interval >= liveness_timeout {
        return Err(ClientError::Configuration(format!(
            "keepalive interval of {:?} must be less than the driver's client liveness timeout of {liveness_timeout:?}: \
             lower Context::keepalive_interval, or raise aeron.client.liveness.timeout of the driver",
            context.keepalive_interval
        )));
    }
    let unusable = |what: &str, error: String| incompatible(&context.directory, format!("{what}: {error}"));
    let to_driver = Producer::new(cnc.to_driver())
        .map_err(|error| unusable("commands to the driver", error.to_string()))?;
    let events = CopyReceiver::new(cnc.to_clients())
        .map_err(|error| unusable("events to clients", error.to_string()))?;
    let counters = CountersReader::new(cnc.counters_metadata(), cnc.counters_values());
    let shared = Arc::new(Shared::new(to_driver, counters, Doorbells::open(&context.directory, cnc)));
    let (use_invoker, driver_invoker) = (context.use_invoker, context.driver_invoker.take());
    let conductor = Conductor::new(context, Arc::clone(&shared), events, liveness_timeout, now);
    let conducting: Box<dyn Conducting> = if use_invoker {
        Box::new(Invoked::new(Arc::clone(&shared), conductor, driver_invoker))
    } else {
        Box::new(Threaded::start(Arc::clone(&shared), conductor)?)
    };
    Ok(Aeron::new(Client::new(shared, conducting)))
}
