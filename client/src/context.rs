//! What a client is told before it connects.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use epona_protocol::cnc::{CNC_FILE, Cnc, CncState, request_termination};

use crate::{
    clock, environment,
    error::ClientError,
    handlers::{CounterEvent, Handlers, NewPublication, NewSubscription, PublicationErrorFrame},
    image::Image,
    image_handlers::ImageHandlers,
    lookup::io_error,
};

/// Longest client name, in bytes. Source: shared-memory spec 11.1.
pub const MAX_CLIENT_NAME_LENGTH: usize = 100;

/// Steps an embedded driver.
pub(crate) type DriverInvoker = Box<dyn FnMut() + Send>;

/// Settings and handlers of a client; a builder consumed by [`Aeron::connect`](crate::Aeron::connect).
///
/// Handlers run on the conductor: on its thread, or on the thread that steps it through an
/// [`Invoker`](crate::Invoker). They must be quick, and may add resources only in the asynchronous form. A handler
/// that panics is reported to the error handler and called again the next time. A handler that owns a clone of its
/// own [`Aeron`](crate::Aeron) keeps the client open until somebody calls [`Aeron::close`](crate::Aeron::close). When the
/// client has ended, handlers are dropped.
///
/// | setting | default | environment |
/// | --- | --- | --- |
/// | [`dir`](Self::dir) | `/dev/shm/aeron-<user>` | `AERON_DIR` |
/// | [`driver_timeout`](Self::driver_timeout) | 10 s | `AERON_DRIVER_TIMEOUT` (milliseconds) |
/// | [`keepalive_interval`](Self::keepalive_interval) | 500 ms | |
/// | [`resource_linger`](Self::resource_linger) | 3 s | `AERON_CLIENT_RESOURCE_LINGER_DURATION` (`3s`) |
/// | [`idle_sleep`](Self::idle_sleep) | 16 ms | `AERON_CLIENT_IDLE_SLEEP_DURATION` (`16ms`) |
/// | [`wake_interval`](Self::wake_interval) | 100 us | |
/// | [`pre_touch_mapped_memory`](Self::pre_touch_mapped_memory) | no | `AERON_CLIENT_PRE_TOUCH_MAPPED_MEMORY` |
/// | [`client_name`](Self::client_name) | none | `AERON_CLIENT_NAME` |
/// | [`use_invoker`](Self::use_invoker) | no: a conductor thread | |
///
/// Source: shared-memory spec 11.1.
///
/// ```no_run
/// use epona_client::{Aeron, Context};
///
/// let aeron = Aeron::connect(
///     Context::new()
///         .dir("/dev/shm/aeron-prod")
///         .client_name("risk")
///         .on_available_image(|image| println!("from {}", image.source_identity()))
///         .on_error(|error| eprintln!("aeron: {error}")),
/// )?;
/// # Ok::<(), epona_client::ClientError>(())
/// ```
pub struct Context {
    pub(crate) directory: PathBuf,
    pub(crate) driver_timeout: Duration,
    pub(crate) keepalive_interval: Duration,
    pub(crate) resource_linger: Duration,
    pub(crate) idle_sleep: Duration,
    pub(crate) wake_interval: Duration,
    pub(crate) pre_touch: bool,
    pub(crate) client_name: String,
    pub(crate) use_invoker: bool,
    pub(crate) driver_invoker: Option<DriverInvoker>,
    pub(crate) handlers: Handlers,
    pub(crate) image_handlers: ImageHandlers,
    problem: Option<ClientError>,
}

impl Context {
    /// The defaults, overridden by the environment. What cannot be understood there is reported by connecting.
    #[must_use]
    pub fn new() -> Self {
        Self::from_environment(&environment::of_process)
    }

    fn from_environment(lookup: environment::Lookup<'_>) -> Self {
        let mut context = Self {
            directory: environment::directory(lookup),
            driver_timeout: Duration::from_secs(10),
            keepalive_interval: Duration::from_millis(500),
            resource_linger: Duration::from_secs(3),
            idle_sleep: Duration::from_millis(16),
            wake_interval: Duration::from_micros(100),
            pre_touch: environment::flag("AERON_CLIENT_PRE_TOUCH_MAPPED_MEMORY", lookup),
            client_name: lookup("AERON_CLIENT_NAME").unwrap_or_default(),
            use_invoker: false,
            driver_invoker: None,
            handlers: Handlers::default(),
            image_handlers: ImageHandlers::new(),
            problem: None,
        };
        context.problem = context.read_durations(lookup).err();
        context
    }

    fn read_durations(&mut self, lookup: environment::Lookup<'_>) -> Result<(), ClientError> {
        if let Some(timeout) = environment::millis("AERON_DRIVER_TIMEOUT", lookup)? {
            self.driver_timeout = timeout;
        }
        if let Some(linger) = environment::duration("AERON_CLIENT_RESOURCE_LINGER_DURATION", lookup)? {
            self.resource_linger = linger;
        }
        if let Some(sleep) = environment::duration("AERON_CLIENT_IDLE_SLEEP_DURATION", lookup)? {
            self.idle_sleep = sleep;
        }
        Ok(())
    }

    /// The driver's directory, which holds its `cnc.dat`.
    #[must_use]
    pub fn dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// The directory in force.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether a driver lives in the directory: one with a heartbeat no older than the driver timeout.
    #[must_use]
    pub fn is_driver_active(&self) -> bool {
        matches!(
            Cnc::open_to_read(&self.directory)
                .map(|state| state.if_active(clock::now().epoch, self.driver_timeout)),
            Ok(CncState::Ready(_))
        )
    }

    /// Asks the driver of the directory to end, with a token that it may check; whether it does is not told. A driver
    /// does so only where its settings allow it.
    ///
    /// # Errors
    /// [`ClientError::Io`] when `cnc.dat` cannot be mapped for writing, [`ClientError::Termination`] when no request can
    /// be written there: no driver, another version, a token longer than 4096 bytes, a full command buffer.
    pub fn request_driver_termination(&self, token: &[u8]) -> Result<(), ClientError> {
        let path = self.directory.join(CNC_FILE);
        let state = Cnc::open(&self.directory)
            .map_err(|error| io_error(format!("cannot map {}", path.display()), error))?;
        request_termination(state, token)
            .map_err(|reason| ClientError::Termination { directory: self.directory.clone(), reason })
    }

    /// How long to wait for a driver and for its answers, and how old its heartbeat may be.
    #[must_use]
    pub fn driver_timeout(mut self, timeout: Duration) -> Self {
        self.driver_timeout = timeout;
        self
    }

    /// How often the driver is told that this client lives; less than the driver's client liveness timeout.
    #[must_use]
    pub fn keepalive_interval(mut self, interval: Duration) -> Self {
        self.keepalive_interval = interval;
        self
    }

    /// How long log buffers stay mapped after their image has gone, so that a polling thread need not unmap them.
    #[must_use]
    pub fn resource_linger(mut self, linger: Duration) -> Self {
        self.resource_linger = linger;
        self
    }

    /// How long an idle conductor thread sleeps, and how often it looks at timeouts; at most one second.
    #[must_use]
    pub fn idle_sleep(mut self, sleep: Duration) -> Self {
        self.idle_sleep = sleep;
        self
    }

    /// How often the conductor looks whether there is something for tasks that wait (feature `async`), as long as any
    /// does; in place of the idle sleep where that is longer. The driver tells nobody of new messages or of room for
    /// them, so this bounds how late a task wakes, and what waiting costs.
    #[must_use]
    pub fn wake_interval(mut self, interval: Duration) -> Self {
        self.wake_interval = interval;
        self
    }

    /// Whether log buffers are faulted in when they are mapped, rather than by the first messages.
    #[must_use]
    pub fn pre_touch_mapped_memory(mut self, pre_touch: bool) -> Self {
        self.pre_touch = pre_touch;
        self
    }

    /// A name shown in the label of this client's heartbeat counter; at most 100 bytes.
    #[must_use]
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = name.into();
        self
    }

    /// Start no thread: the application steps the conductor through [`Aeron::invoker`](crate::Aeron::invoker).
    #[must_use]
    pub fn use_invoker(mut self) -> Self {
        self.use_invoker = true;
        self
    }

    /// Called again and again while connecting, and while a blocking call waits in invoker mode: steps an embedded
    /// driver that has no threads of its own.
    #[must_use]
    pub fn driver_invoker(mut self, invoke: impl FnMut() + Send + 'static) -> Self {
        self.driver_invoker = Some(Box::new(invoke));
        self
    }

    /// Told of everything that goes wrong on the conductor, fatal or not. The default prints to standard error.
    #[must_use]
    pub fn on_error(mut self, handler: impl FnMut(&ClientError) + Send + 'static) -> Self {
        self.handlers.error = Box::new(handler);
        self
    }

    /// Told of images that appear, for subscriptions without a handler of their own.
    #[must_use]
    pub fn on_available_image(mut self, handler: impl FnMut(&Image) + Send + 'static) -> Self {
        self.image_handlers = self.image_handlers.on_available(handler);
        self
    }

    /// Told of images that went away, for subscriptions without a handler of their own.
    #[must_use]
    pub fn on_unavailable_image(mut self, handler: impl FnMut(&Image) + Send + 'static) -> Self {
        self.image_handlers = self.image_handlers.on_unavailable(handler);
        self
    }

    /// Told of each concurrent publication that the driver has registered for this client.
    #[must_use]
    pub fn on_new_publication(mut self, handler: impl FnMut(&NewPublication) + Send + 'static) -> Self {
        self.handlers.new_publication = Box::new(handler);
        self
    }

    /// Told of each exclusive publication that the driver has registered for this client.
    #[must_use]
    pub fn on_new_exclusive_publication(
        mut self,
        handler: impl FnMut(&NewPublication) + Send + 'static,
    ) -> Self {
        self.handlers.new_exclusive_publication = Box::new(handler);
        self
    }

    /// Told of each subscription that the driver has registered for this client.
    #[must_use]
    pub fn on_new_subscription(mut self, handler: impl FnMut(&NewSubscription) + Send + 'static) -> Self {
        self.handlers.new_subscription = Box::new(handler);
        self
    }

    /// Told of counters that appear, of this client and of all others.
    #[must_use]
    pub fn on_available_counter(mut self, handler: impl FnMut(&CounterEvent) + Send + 'static) -> Self {
        self.handlers.available_counter = Box::new(handler);
        self
    }

    /// Told of counters that are freed, of this client and of all others.
    #[must_use]
    pub fn on_unavailable_counter(mut self, handler: impl FnMut(&CounterEvent) + Send + 'static) -> Self {
        self.handlers.unavailable_counter = Box::new(handler);
        self
    }

    /// Told once when the client has closed, whether asked to or because it had to.
    #[must_use]
    pub fn on_close(mut self, handler: impl FnMut() + Send + 'static) -> Self {
        self.handlers.close = Box::new(handler);
        self
    }

    /// Told when a receiver has rejected one of this client's publications.
    #[must_use]
    pub fn on_publication_error(
        mut self,
        handler: impl FnMut(&PublicationErrorFrame) + Send + 'static,
    ) -> Self {
        self.handlers.publication_error = Box::new(handler);
        self
    }

    /// Checks what can be checked without a driver.
    pub(crate) fn validate(&mut self) -> Result<(), ClientError> {
        if let Some(problem) = self.problem.take() {
            return Err(problem);
        }
        if self.client_name.len() > MAX_CLIENT_NAME_LENGTH {
            return Err(ClientError::Configuration(format!(
                "client name of {} bytes is longer than {MAX_CLIENT_NAME_LENGTH}: shorten Context::client_name or \
                 AERON_CLIENT_NAME",
                self.client_name.len()
            )));
        }
        if self.idle_sleep > Duration::from_secs(1) {
            return Err(ClientError::Configuration(format!(
                "idle sleep of {:?} is longer than 1 s: lower Context::idle_sleep or AERON_CLIENT_IDLE_SLEEP_DURATION",
                self.idle_sleep
            )));
        }
        Ok(())
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("directory", &self.directory)
            .field("driver_timeout", &self.driver_timeout)
            .field("keepalive_interval", &self.keepalive_interval)
            .field("resource_linger", &self.resource_linger)
            .field("idle_sleep", &self.idle_sleep)
            .field("wake_interval", &self.wake_interval)
            .field("pre_touch", &self.pre_touch)
            .field("client_name", &self.client_name)
            .field("use_invoker", &self.use_invoker)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_overrides_the_defaults() {
        let context = Context::from_environment(&|name| {
            let value = match name {
                "AERON_DIR" => "/elsewhere",
                "AERON_DRIVER_TIMEOUT" => "2500",
                "AERON_CLIENT_RESOURCE_LINGER_DURATION" => "5s",
                "AERON_CLIENT_IDLE_SLEEP_DURATION" => "1ms",
                "AERON_CLIENT_PRE_TOUCH_MAPPED_MEMORY" => "true",
                "AERON_CLIENT_NAME" => "risk",
                _ => return None,
            };
            Some(String::from(value))
        });
        assert_eq!(context.directory(), Path::new("/elsewhere"));
        assert_eq!(context.driver_timeout, Duration::from_millis(2500));
        assert_eq!(context.resource_linger, Duration::from_secs(5));
        assert_eq!(context.idle_sleep, Duration::from_millis(1));
        assert!(context.pre_touch);
        assert_eq!(context.client_name, "risk");
    }

    #[test]
    fn a_setting_that_cannot_be_is_named_with_its_limit() {
        let mut bad_environment =
            Context::from_environment(&|name| (name == "AERON_DRIVER_TIMEOUT").then(|| String::from("soon")));
        let text = bad_environment.validate().unwrap_err().to_string();
        assert!(text.contains("AERON_DRIVER_TIMEOUT") && text.contains("soon"), "{text}");

        let nothing = |_: &str| None;
        let text = Context::from_environment(&nothing).client_name("n".repeat(101)).validate().unwrap_err();
        assert!(text.to_string().contains("101") && text.to_string().contains("100"), "{text}");
        let text =
            Context::from_environment(&nothing).idle_sleep(Duration::from_secs(2)).validate().unwrap_err();
        assert!(text.to_string().contains("2s"), "{text}");
    }
}
