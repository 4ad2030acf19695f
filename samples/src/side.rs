//! One side of an exchange: a thread that steps its client and, when none is running, its driver.

use std::path::{Path, PathBuf};

use epona_client::{Aeron, ExclusivePublication, Invoker, Now, Pending, Subscription};
use epona_media_driver::{
    InvokedDriver,
    clock::{Clock, SystemClock},
    config::ThreadingMode,
    driver::fresh_directory,
    idle::IdleStrategy,
};

use crate::{
    common::{Stop, Stream},
    cores::Cores,
    driver::{Choice, client_context, embedded_context},
    interrupt::Interrupt,
};

/// Where a side finds its driver, and how it waits.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    choice: Choice,
    /// Longest message that a driver of its own must take.
    length: usize,
    /// The cores to spin on; `None` when others, such as a driver in another process, need them.
    cores: Option<&'a Cores>,
}

impl<'a> Place<'a> {
    pub(crate) fn new(choice: &Choice, length: usize, cores: &'a Cores) -> Self {
        let spins = *choice == Choice::Embedded && cores.are_enough();
        Self { choice: choice.clone(), length, cores: spins.then_some(cores) }
    }

    /// For the other side of a channel that stays within one driver, which is in `directory`.
    pub(crate) fn beside(&self, directory: &Path) -> Self {
        Self { choice: Choice::Running(directory.to_owned()), length: self.length, cores: self.cores }
    }
}

/// Everything that one thread steps. Publications and subscriptions must be dropped before.
#[derive(Debug)]
pub(crate) struct Side<'a> {
    aeron: Aeron,
    invoker: Invoker,
    idle: IdleStrategy,
    clock: SystemClock,
    directory: PathBuf,
    interrupt: &'a Interrupt,
    /// Last, to end after its client.
    driver: Option<InvokedDriver>,
}

impl<'a> Side<'a> {
    /// Starts the driver if there is to be one, and connects; `number` chooses the core.
    ///
    /// # Errors
    /// When the driver cannot be started or connected to; on Ctrl-C.
    pub(crate) fn open(place: &Place<'_>, number: usize, interrupt: &'a Interrupt) -> Result<Self, Stop> {
        let idle = match place.cores {
            Some(cores) => {
                cores.pin(number);
                IdleStrategy::NoOp
            }
            None => IdleStrategy::Yielding,
        };
        let clock = SystemClock::new();
        let (mut driver, directory) = match &place.choice {
            Choice::Running(directory) => (None, directory.clone()),
            Choice::Embedded => {
                let driver = start_driver(place.length)?;
                let directory = driver.directory().to_owned();
                (Some(driver), directory)
            }
        };
        let mut connecting = Aeron::connecting(client_context(&directory).use_invoker());
        let aeron = loop {
            interrupt.check()?;
            let now = clock.now();
            step_driver(driver.as_mut(), now);
            if let Some(aeron) = connecting.poll(now)? {
                break aeron;
            }
        };
        let invoker = aeron.invoker().ok_or("the client has a thread although it was to be stepped")?;
        Ok(Self { aeron, invoker, idle, clock, directory, interrupt, driver })
    }

    /// Where its driver is.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// What the time is.
    #[inline]
    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// The clock, for a handler to read while the side is stepped.
    pub(crate) const fn clock(&self) -> SystemClock {
        self.clock
    }

    /// Whether the driver is this side's own, and ends with it.
    pub(crate) const fn has_driver(&self) -> bool {
        self.driver.is_some()
    }

    /// One turn of driver and client; idles when there was nothing to do, in the caller's work neither.
    ///
    /// # Errors
    /// When the client has ended; on Ctrl-C.
    #[inline]
    pub(crate) fn turn(&mut self, work: usize) -> Result<Now, Stop> {
        self.interrupt.check()?;
        let now = self.clock.now();
        let stepped = step_driver(self.driver.as_mut(), now);
        let conducted = self.invoker.do_work(now)?;
        self.idle.idle(work + stepped + conducted);
        Ok(now)
    }

    /// Adds a subscription and waits for it.
    ///
    /// # Errors
    /// When the driver refuses; when the client has ended; on Ctrl-C.
    pub(crate) fn add_subscription(&mut self, stream: Stream<'_>) -> Result<Subscription, Stop> {
        let adding = self.aeron.add_subscription_async(&stream.channel.to_string(), stream.id)?;
        self.complete(adding)
    }

    /// Adds a publication and waits for it.
    ///
    /// # Errors
    /// When the driver refuses; when the client has ended; on Ctrl-C.
    pub(crate) fn add_publication(&mut self, stream: Stream<'_>) -> Result<ExclusivePublication, Stop> {
        let adding = self.aeron.add_exclusive_publication_async(&stream.channel.to_string(), stream.id)?;
        self.complete(adding)
    }

    fn complete<T>(&mut self, mut pending: Pending<T>) -> Result<T, Stop> {
        loop {
            self.turn(0)?;
            if let Some(resource) = pending.poll()? {
                return Ok(resource);
            }
        }
    }
}

/// A driver in a directory of its own, which goes with it.
fn start_driver(length: usize) -> Result<InvokedDriver, Stop> {
    let context = embedded_context(length).dir(fresh_directory()).delete_dir_on_shutdown(true);
    Ok(InvokedDriver::launch(context.threading_mode(ThreadingMode::Invoker))?)
}

#[inline]
fn step_driver(driver: Option<&mut InvokedDriver>, now: Now) -> usize {
    driver.map_or(0, |driver| driver.do_work(now))
}
