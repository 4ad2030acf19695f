//! Finding a driver that lives. Source: shared-memory spec 2.5.

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use epona_protocol::{
    broadcast::CopyReceiver,
    cnc::{CNC_FILE, CNC_VERSION, Cnc, CncState, NotReady, SemanticVersion},
    counters::CountersReader,
    ring_buffer::mpsc::Producer,
    types::{EpochMillis, Nanos, Now},
};

use crate::{
    aeron::Aeron,
    client::{Client, Shared},
    conductor::Conductor,
    context::Context,
    error::ClientError,
};

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

fn look(directory: &Path, now: EpochMillis, driver_timeout: Duration) -> Result<CncState, ClientError> {
    let state = Cnc::open(directory)
        .map_err(|error| io_error(format!("cannot map {}", directory.join(CNC_FILE).display()), error))?;
    Ok(state.if_active(now, driver_timeout))
}

/// How soon to look again.
pub(crate) const fn retry_interval(reason: NotReady) -> Duration {
    match reason {
        NotReady::Missing | NotReady::TooShort { .. } => Duration::from_millis(16),
        NotReady::NoVersion | NotReady::Lengths { .. } | NotReady::NoHeartbeat => Duration::from_millis(1),
        NotReady::Stale { .. } => Duration::from_millis(100),
    }
}

/// Why there was no driver to connect to in all that time.
pub(crate) fn explain(
    reason: NotReady,
    directory: PathBuf,
    timeout: Duration,
    now: EpochMillis,
) -> ClientError {
    match reason {
        NotReady::Missing => match OpenOptions::new().read(true).write(true).open(directory.join(CNC_FILE)) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => io_error(
                format!("cannot open {} for reading and writing", directory.join(CNC_FILE).display()),
                error,
            ),
            _ => ClientError::NoDriver { directory },
        },
        NotReady::TooShort { .. }
        | NotReady::NoVersion
        | NotReady::Lengths { .. }
        | NotReady::NoHeartbeat => ClientError::DriverNotReady { directory, timeout },
        NotReady::Stale { heartbeat } if heartbeat.get() < 0 => {
            ClientError::DriverInactive { directory, state: String::from("it was shut down") }
        }
        NotReady::Stale { heartbeat } => {
            let age = now.get().saturating_sub(heartbeat.get());
            let state =
                format!("its last sign of life was {age} ms ago, and the driver timeout is {timeout:?}");
            ClientError::DriverInactive { directory, state }
        }
    }
}

pub(crate) fn incompatible_version(directory: &Path, found: SemanticVersion) -> ClientError {
    incompatible(
        directory,
        format!("its version is {found}, and {CNC_VERSION} with the same major number is needed"),
    )
}

pub(crate) fn io_error(what: String, error: io::Error) -> ClientError {
    ClientError::Io { what, source: Arc::new(error) }
}

fn incompatible(directory: &Path, reason: String) -> ClientError {
    ClientError::IncompatibleDriver { path: directory.join(CNC_FILE), reason }
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
    let shared = Arc::new(Shared::new(to_driver, counters));
    let (use_invoker, driver_invoker) = (context.use_invoker, context.driver_invoker.take());
    let conductor = Conductor::new(context, Arc::clone(&shared), events, liveness_timeout, now);
    let client = if use_invoker {
        Client::invoked(shared, conductor, driver_invoker)
    } else {
        Client::threaded(shared, conductor)?
    };
    Ok(Aeron::new(client))
}
