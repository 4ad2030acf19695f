//! Starts event logging as configured, and ends it when all else has ended.

use std::fmt;

use super::LaunchError;
use crate::{
    clock::SystemClock,
    config::Logging,
    duty_cycle::{AgentRunner, RunningAgent, StopSignal},
    event_log::{EventLog, EventLogger, EventSet, Output},
    idle::IdleStrategy,
};

/// The thread that writes; the system may cut its name to 15 bytes.
const THREAD_NAME: &str = "aeron-md-evt";

/// How long the writer sleeps when there is nothing to write: as long as Aeron's.
const IDLE: std::time::Duration = std::time::Duration::from_millis(1);

/// The event log of one driver, and the thread that writes it. Without events there is no thread.
#[derive(Default)]
pub(super) struct EventLogging {
    /// Where roles tell what they do.
    pub(super) log: EventLog,
    /// What there is to tell a person.
    pub(super) notices: Vec<String>,
    writer: Option<RunningAgent<EventLogger, SystemClock>>,
}

impl EventLogging {
    /// Logs what the settings select to where they say.
    ///
    /// # Errors
    /// When the file cannot be opened, or the system refuses a thread.
    pub(super) fn start(settings: &Logging, clock: SystemClock) -> Result<Self, LaunchError> {
        let parse = |list: &Option<String>| EventSet::parse(list.as_deref().unwrap_or_default());
        let ((enabled, unknown), (disabled, also_unknown)) =
            (parse(&settings.events), parse(&settings.disabled_events));
        let tell = |(setting, event)| {
            format!(
                "WARNING: {setting} names no event '{event}': expected names, numbers, all, admin or a mask"
            )
        };
        let unknown = unknown.into_iter().map(|event| ("aeron.event.log", event));
        let also_unknown = also_unknown.into_iter().map(|event| ("aeron.event.log.disable", event));
        let notices = unknown.chain(also_unknown).map(tell).collect();
        let selected = enabled.without(disabled);
        if selected.is_empty() {
            return Ok(Self { log: EventLog::off(), notices, writer: None });
        }
        let output = open(settings)?;
        let (log, source) = EventLog::new(selected);
        let runner = AgentRunner::new(EventLogger::new(source, output), IdleStrategy::Sleeping(IDLE), clock);
        // Should it die of a bug, the driver lives on; events are lost then.
        let writer = runner
            .spawn(THREAD_NAME, StopSignal::default())
            .map_err(LaunchError::system(format!("start the thread {THREAD_NAME}")))?;
        Ok(Self { log, notices, writer: Some(writer) })
    }

    /// Writes all that is left.
    fn stop(&mut self) {
        if let Some(writer) = self.writer.take().and_then(|writer| writer.stop().ok()) {
            writer.close();
        }
    }
}

fn open(settings: &Logging) -> Result<Output, LaunchError> {
    match &settings.file {
        None => Ok(Output::standard()),
        Some(file) => Output::file(file, settings.file_max_length)
            .map_err(LaunchError::system(format!("open the event log {file} (aeron.event.log.filename)"))),
    }
}

impl Drop for EventLogging {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for EventLogging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventLogging({:?})", self.log)
    }
}
