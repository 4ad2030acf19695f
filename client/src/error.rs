//! What can go wrong outside the hot path.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use epona_protocol::{cnc::TerminationError, command::ErrorCode, types::RegistrationId};

/// Why a call, a request to the driver, or the whole client failed.
///
/// Cheap to clone: one failure may end many requests, and is kept as the cause that later calls report.
///
/// `Debug` shows the same text as `Display`, since that is what a `main` that returns an error prints.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No driver has created its file in the directory within the driver timeout.
    #[error(
        "no media driver at {directory}: cnc.dat does not exist.\n  Start one with `eponamd`, point elsewhere with \
         AERON_DIR or Context::dir, or embed one with epona_media_driver::EmbeddedDriver."
    )]
    NoDriver {
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// The driver's file is there, but is still incomplete after the driver timeout.
    #[error(
        "the media driver at {directory} has created cnc.dat but not finished it within {timeout:?}: it is starting \
         slowly or died while it did; see its output, or raise Context::driver_timeout (AERON_DRIVER_TIMEOUT)"
    )]
    DriverNotReady {
        /// Where the driver's file is.
        directory: PathBuf,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// The driver's file is there, but its driver has stopped or gives no sign of life.
    #[error(
        "the media driver at {directory} is not running: {state}.\n  Start one with `eponamd`, or point elsewhere \
         with AERON_DIR or Context::dir."
    )]
    DriverInactive {
        /// Where the driver's file is.
        directory: PathBuf,
        /// What its heartbeat says.
        state: String,
    },
    /// The driver's file is of another format, or damaged.
    #[error("{path} cannot be used: {reason}")]
    IncompatibleDriver {
        /// The driver's file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The driver refused a request.
    #[error("{request} was refused by the driver: {}", refusal(request, *code, message))]
    Registration {
        /// What was asked for.
        request: String,
        /// Id of the request.
        registration_id: RegistrationId,
        /// Kind of refusal.
        code: ErrorCode,
        /// The driver's words.
        message: String,
    },
    /// The driver did not answer a request.
    #[error(
        "{request} was not answered by the driver within {timeout:?} (Context::driver_timeout, \
         AERON_DRIVER_TIMEOUT)"
    )]
    RegistrationTimeout {
        /// What was asked for.
        request: String,
        /// Id of the request.
        registration_id: RegistrationId,
        /// How long an answer was awaited.
        timeout: Duration,
    },
    /// The driver's command buffer had no room for a request for as long as the driver timeout.
    #[error(
        "{request} could not be sent within {timeout:?}: the driver's command buffer is full, so the driver is stuck \
         or overloaded (aeron.conductor.buffer.length sets its size)"
    )]
    CommandBufferFull {
        /// What was asked for.
        request: String,
        /// How long there was no room.
        timeout: Duration,
    },
    /// A request that can never fit the driver's command buffer.
    #[error("{request} cannot be sent: {reason}")]
    RequestTooLong {
        /// What was asked for.
        request: String,
        /// The limit that it breaks.
        reason: String,
    },
    /// A driver could not be asked to end.
    #[error("the media driver at {directory} was not asked to end: {reason}")]
    Termination {
        /// Where the driver's file is, or should be.
        directory: PathBuf,
        /// What was in the way.
        reason: TerminationError,
    },
    /// Fatal: the driver stopped, or has given no sign of life for the driver timeout.
    #[error("the media driver is gone: {state}")]
    DriverTimeout {
        /// What its heartbeat says.
        state: String,
    },
    /// Fatal: the driver gave up on this client, whose conductor did not run for too long.
    #[error(
        "the driver has timed this client out: its conductor gave no sign of life for the driver's \
         aeron.client.liveness.timeout"
    )]
    ClientTimeout,
    /// Fatal: the conductor was not run for so long that the driver may already have given up on this client.
    #[error(
        "the client's conductor was not run for {interval:?}, more than {limit:?} \
         (the driver's aeron.client.liveness.timeout)"
    )]
    ConductorServiceTimeout {
        /// Time between two runs.
        interval: Duration,
        /// Longest time allowed.
        limit: Duration,
    },
    /// Fatal: the counter that says that this client lives was freed or reused.
    #[error("the client's heartbeat counter was closed by the driver")]
    HeartbeatCounterLost,
    /// Fatal: the driver sent events faster than this client read them, so some are lost.
    #[error(
        "events of the driver were lost: the conductor could not keep up with them (run it more often, or raise \
         aeron.clients.buffer.length of the driver)"
    )]
    Lapped,
    /// The client has been closed, or has ended for the given cause.
    #[error("the client is closed{}", cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default())]
    Closed {
        /// The fatal error that ended it, if it was not closed on purpose.
        cause: Option<Arc<Self>>,
    },
    /// A blocking call from a handler, which would wait for itself.
    #[error("blocking call from within a handler of the client: use the asynchronous form there")]
    Reentrant,
    /// A log buffer could not be mapped, or is not one.
    #[error("log buffer {path} cannot be used: {reason}")]
    LogBuffer {
        /// The file, as the driver named it.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The driver sent an event that makes no sense; it was dropped.
    #[error("event {type_id:#06x} of the driver was dropped: {reason}")]
    MalformedEvent {
        /// Type of the event.
        type_id: i32,
        /// What is wrong with it.
        reason: String,
    },
    /// A handler of the application panicked; the client goes on.
    #[error("handler {handler} panicked: {message}")]
    HandlerPanicked {
        /// Which handler.
        handler: &'static str,
        /// Its message, if it was text.
        message: String,
    },
    /// A setting or an argument that cannot be.
    #[error("{0}")]
    Configuration(String),
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// The refusal.
        source: Arc<io::Error>,
    },
}

impl ClientError {
    /// Aeron's number for this error, as its C client has them: the driver's code for a refused request, 1000 and up
    /// for failures of the client itself. Source: shared-memory spec 10.6, 16.3.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::Registration { code, .. } => code.get(),
            Self::NoDriver { .. }
            | Self::DriverInactive { .. }
            | Self::RegistrationTimeout { .. }
            | Self::DriverTimeout { .. }
            | Self::HeartbeatCounterLost => 1000,
            Self::ClientTimeout | Self::DriverNotReady { .. } => 1001,
            Self::ConductorServiceTimeout { .. } => 1002,
            Self::CommandBufferFull { .. } | Self::RequestTooLong { .. } => 1004,
            Self::Closed { .. } | Self::Reentrant => 1005,
            Self::Lapped => 1006,
            Self::MalformedEvent { .. } => 7,
            Self::IncompatibleDriver { .. }
            | Self::LogBuffer { .. }
            | Self::HandlerPanicked { .. }
            | Self::Configuration(_)
            | Self::Termination { .. }
            | Self::Io { .. } => 11,
        }
    }

    /// Whether this error ended the client, so that only connecting anew helps.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::DriverTimeout { .. }
                | Self::ClientTimeout
                | Self::ConductorServiceTimeout { .. }
                | Self::HeartbeatCounterLost
                | Self::Lapped
                | Self::Closed { .. }
        )
    }
}

/// The driver's words, without what was said before: the channel, the kind of refusal.
fn refusal(request: &str, code: ErrorCode, message: &str) -> String {
    let words = match message.rsplit_once(": channel=") {
        Some((words, channel)) if request.contains(channel) => words,
        _ => message,
    };
    let kind = code.to_string();
    if code == ErrorCode::GenericError || words.starts_with(&kind) {
        words.to_owned()
    } else {
        format!("{kind}: {words}")
    }
}

impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_driver_is_explained_with_what_to_do() {
        let error = ClientError::NoDriver { directory: PathBuf::from("/dev/shm/aeron-ada") };
        let text = error.to_string();
        assert!(text.starts_with("no media driver at /dev/shm/aeron-ada: cnc.dat does not exist."), "{text}");
        assert_eq!(format!("{error:?}"), text, "what a main that returns it prints");
        for part in ["`eponamd`", "AERON_DIR", "Context::dir", "epona_media_driver::EmbeddedDriver"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }

    #[test]
    fn a_refusal_says_everything_once() {
        let refused = |code, message: &str| {
            let error = ClientError::Registration {
                request: String::from("add subscription aeron:udp?endpoint=box stream 7"),
                registration_id: RegistrationId::new(1),
                code,
                message: message.to_owned(),
            };
            error.to_string()
        };
        let expected = |words: &str| {
            format!("add subscription aeron:udp?endpoint=box stream 7 was refused by the driver: {words}")
        };
        for (code, message, words) in [
            (
                ErrorCode::GenericError,
                "endpoint: no port: channel=aeron:udp?endpoint=box",
                "endpoint: no port",
            ),
            (ErrorCode::InvalidChannel, "invalid channel 'x': no media", "invalid channel 'x': no media"),
            (ErrorCode::UnknownHost, "unresolved - endpoint=box", "unknown host: unresolved - endpoint=box"),
            (
                ErrorCode::StorageSpace,
                "insufficient storage space: needs 2 bytes",
                "insufficient storage space: needs 2 bytes",
            ),
            (ErrorCode::NotSupported, "no: channel=aeron:ipc", "not supported: no: channel=aeron:ipc"),
        ] {
            assert_eq!(refused(code, message), expected(words));
        }
    }

    #[test]
    fn a_closed_client_tells_what_ended_it() {
        let error = ClientError::Closed { cause: Some(Arc::new(ClientError::Lapped)) };
        assert!(error.to_string().starts_with("the client is closed: events of the driver were lost"));
        assert_eq!(ClientError::Closed { cause: None }.to_string(), "the client is closed");
        assert_eq!(
            (error.code(), ClientError::Lapped.code(), ClientError::ClientTimeout.code()),
            (1005, 1006, 1001)
        );
    }
}
