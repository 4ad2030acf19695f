//! A driver without threads: the embedding program gives it its turns.

use std::{path::PathBuf, sync::atomic::Ordering};

use epona_protocol::types::Now;

use super::{
    Environment, LaunchError, Roles, assemble, event_logging::EventLogging, housekeeping::Housekeeping,
    media_driver,
};
use crate::{
    clock::SystemClock, config::Context, directory::DriverDirectory, duty_cycle::DutyCycle,
    error::DriverError,
};

/// A driver whose roles run when [`InvokedDriver::do_work`] is called, in the order sender, receiver, native resource
/// agent, conductor. The latter two miss a few turns while messages come one by one, and while nothing goes on: whoever
/// polls for a message has it sooner. Source: driver spec 1.2.
///
/// Closed when dropped; [`InvokedDriver::close`] says whether the directory could be deleted.
#[derive(Debug)]
pub struct InvokedDriver {
    roles: Roles,
    directory: Option<DriverDirectory>,
    path: PathBuf,
    is_deleted_on_close: bool,
    last: Now,
    housekeeping: Housekeeping,
    /// The last to go, so that the end is logged too.
    logging: EventLogging,
}

impl InvokedDriver {
    /// A driver on real sockets in the configured directory.
    ///
    /// # Errors
    /// As for [`MediaDriver::launch`](super::MediaDriver::launch).
    pub fn launch(context: Context) -> Result<Self, LaunchError> {
        let clock = SystemClock::new();
        let directory = media_driver::take_directory(&context, &clock)?;
        let logging = EventLogging::start(&context.logging, clock)?;
        let environment = media_driver::system_environment(&context, &logging.log, &clock)?;
        let mut driver = Self::assemble(context, directory, environment)?;
        driver.logging = logging;
        Ok(driver)
    }

    /// A driver in an environment of the caller's making.
    ///
    /// # Errors
    /// When its files cannot be created.
    pub fn assemble(
        context: Context,
        directory: DriverDirectory,
        environment: Environment,
    ) -> Result<Self, LaunchError> {
        let path = directory.path().to_owned();
        let is_deleted_on_close = context.directory.delete_on_shutdown;
        let last = environment.now;
        let roles = assemble(context, &directory, environment)?;
        let logging = EventLogging::default();
        Ok(Self {
            roles,
            directory: Some(directory),
            path,
            is_deleted_on_close,
            last,
            housekeeping: Housekeeping::default(),
            logging,
        })
    }

    /// Gives the roles one turn; how much work there was. Time is what the caller says it is, and must not go back.
    #[inline]
    pub fn do_work(&mut self, now: Now) -> usize {
        self.last = now;
        let Roles { conductor, sender, receiver, native_resource_agent, .. } = &mut self.roles;
        let moved = sender.do_work(now) + receiver.do_work(now);
        if !self.housekeeping.is_due(moved, now.nanos) {
            return moved;
        }
        let kept = native_resource_agent.do_work(now) + conductor.do_work(now);
        self.housekeeping.on_turn(kept, now.nanos);
        moved + kept
    }

    /// The directory that clients attach to.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        &self.path
    }

    /// Whether a client was allowed to end the driver.
    #[must_use]
    pub fn is_termination_requested(&self) -> bool {
        self.roles.termination_requested.load(Ordering::Acquire)
    }

    /// An error that the distinct error log had no room for, to be printed; each is told once.
    #[must_use]
    pub fn take_unrecorded_error(&self) -> Option<DriverError> {
        self.roles.unrecorded_errors.take()
    }

    /// Ends the driver: its log files go, clients see that it has stopped.
    ///
    /// # Errors
    /// When the directory was to be deleted and could not be.
    pub fn close(mut self) -> Result<(), LaunchError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), LaunchError> {
        let Some(directory) = self.directory.take() else { return Ok(()) };
        let Roles { conductor, sender, receiver, native_resource_agent, .. } = &mut self.roles;
        sender.on_close(self.last);
        receiver.on_close(self.last);
        native_resource_agent.on_close(self.last);
        conductor.on_close(self.last);
        if self.is_deleted_on_close {
            directory.delete()?;
        }
        Ok(())
    }
}

impl Drop for InvokedDriver {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
