//! The native resource agent: the role that may block, so that no other has to.
//!
//! Resolving names, and creating, mapping and deleting log buffers, happen here; some are kept ready (`spares`). Each
//! request carries a job id that comes back with its outcome. Source: driver spec 1.1, 8.4.

mod spares;

use std::{collections::VecDeque, fs, io, path::PathBuf, sync::Arc, time::Duration};

use epona_protocol::{
    command::ErrorCode,
    logbuffer::{LogBuffers, LogBuffersError, descriptor},
    memory::Allocation,
    types::Now,
};

use self::spares::Spares;
use crate::{
    commands::{LogSpec, ResourceCommand, ResourceOutcome},
    directory::{
        spare_logs,
        storage::{self, FileSystem, Need, Promises, Storage},
    },
    duty_cycle::{DutyCycle, Inputs},
    error::DriverError,
    media::udp_channel::ChannelResolver,
    name_resolution::{NameQuery, Report},
    proxy::{COMMAND_DRAIN_LIMIT, Inbox, Proxy},
    status::SystemCounters,
};

/// Longest time without a turn: for gossip, which has no deadline shorter than a second, and for files that could not be
/// deleted.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// Settings of the agent. Source: driver spec 9.2.
#[derive(Clone, Debug)]
pub struct ResourceConfig {
    /// The Aeron directory, whose file system must have room.
    pub directory: PathBuf,
    /// Whether room is checked before a log is created.
    pub perform_storage_checks: bool,
    /// Room at or below which a warning goes to the error log, in bytes.
    pub low_storage_warning: u64,
    /// Failed deletions retried per turn.
    pub resource_free_limit: usize,
    /// Logs that are kept ready of each length that was asked for, 0 for none.
    pub spare_logs: usize,
    /// Whether logs may have huge pages.
    pub huge_pages: bool,
}

/// The native resource agent role.
#[derive(Debug)]
pub struct NativeResourceAgent {
    config: ResourceConfig,
    file_system: Box<dyn FileSystem>,
    channels: ChannelResolver,
    inbox: Inbox<ResourceCommand>,
    conductor: Proxy<ResourceOutcome>,
    system: SystemCounters,
    promises: Promises,
    spares: Spares,
    to_delete: VecDeque<PathBuf>,
    reports: Vec<Report>,
}

impl NativeResourceAgent {
    /// An agent without work.
    #[must_use]
    pub fn new(
        config: ResourceConfig,
        file_system: Box<dyn FileSystem>,
        channels: ChannelResolver,
        inbox: Inbox<ResourceCommand>,
        conductor: Proxy<ResourceOutcome>,
        system: SystemCounters,
    ) -> Self {
        Self {
            spares: Spares::new(spare_logs(&config.directory), config.spare_logs),
            config,
            file_system,
            channels,
            inbox,
            conductor,
            system,
            promises: Promises::default(),
            to_delete: VecDeque::new(),
            reports: Vec::new(),
        }
    }

    fn execute(&mut self, command: ResourceCommand) {
        match command {
            ResourceCommand::ResolveChannel { job, channel, purpose } => {
                let channel = self.channels.resolve(&channel, purpose);
                let channel = channel.map(Arc::new).map_err(DriverError::from);
                self.conductor.send(ResourceOutcome::Channel(job, channel));
            }
            ResourceCommand::ResolveAddress { job, parameter, name, is_re_resolution } => {
                let query = NameQuery { name: &name, parameter, is_re_resolution };
                let address = self.channels.resolve_address(query);
                self.conductor.send(ResourceOutcome::Address(job, address));
            }
            ResourceCommand::MapLog { job, spec } => {
                let log = self.map(&spec);
                self.conductor.send(ResourceOutcome::Log(job, log));
            }
            ResourceCommand::FreeLog { path, log } => self.free(path, log),
        }
    }

    /// Lets the name resolver do what it has to do by itself.
    fn resolve_names(&mut self, now: Now) -> usize {
        let work = self.channels.names().do_work(now, &mut self.reports);
        for report in self.reports.drain(..) {
            match report {
                Report::Label(counter, label) => self.conductor.send(ResourceOutcome::Label(counter, label)),
                Report::Error(error) => {
                    // Errors come again as long as their cause lasts: what does not fit may be dropped.
                    let _ = self.conductor.try_send(ResourceOutcome::Warning(Box::new(error)));
                }
            }
        }
        work
    }

    fn map(&mut self, spec: &LogSpec) -> Result<LogBuffers, DriverError> {
        let log = match self.take_or_create(spec) {
            Err(error) if error.code == ErrorCode::StorageSpace && self.clear_spares() > 0 => {
                self.take_or_create(spec)
            }
            mapped => mapped,
        }?;
        Ok(if self.config.huge_pages { log } else { log.without_huge_pages() })
    }

    fn take_or_create(&mut self, spec: &LogSpec) -> Result<LogBuffers, DriverError> {
        let LogSpec { path, parameters, is_sparse, .. } = spec;
        let length = descriptor::file_length(parameters.term_length, parameters.page_size);
        let failed = |error: LogBuffersError| match error {
            LogBuffersError::Io(error) => mapping_error(spec, &error),
            other => DriverError::generic(format!("error mapping log file {}: {other}", path.display())),
        };
        match self.spares.take(length, path) {
            Ok(Some(file)) => return LogBuffers::in_new_file(&file, parameters).map_err(failed),
            Ok(None) => {}
            Err(_) => self.system.bytes_currently_mapped.add(-(length as i64)),
        }
        if self.config.perform_storage_checks {
            self.check_storage(length as u64, spec)?;
        }
        let allocation = if *is_sparse { Allocation::Sparse } else { Allocation::Full };
        let log = LogBuffers::create(path, parameters, allocation).map_err(failed)?;
        if *is_sparse {
            self.promises.add(path.clone(), length as u64);
        }
        self.system.bytes_currently_mapped.add(length as i64);
        Ok(log)
    }

    /// Makes one of the spares that are missing, where that leaves more storage than is worth a warning.
    fn make_spare(&mut self) -> usize {
        let Some(length) = self.spares.missing() else { return 0 };
        let ResourceConfig { directory, low_storage_warning, .. } = &self.config;
        let needed = (length as u64).saturating_add(*low_storage_warning);
        let usable = self.file_system.usable_space(directory).unwrap_or(0);
        if self.promises.available(usable, needed) < needed || self.spares.make(length).is_err() {
            self.spares.give_up();
            return 0;
        }
        self.system.bytes_currently_mapped.add(length as i64);
        1
    }

    /// Deletes all spares; how many bytes that were.
    fn clear_spares(&mut self) -> u64 {
        let bytes = self.spares.clear();
        self.system.bytes_currently_mapped.add(-(bytes as i64));
        bytes
    }

    fn free(&mut self, path: PathBuf, log: LogBuffers) {
        let metadata = log.metadata();
        if let (Ok(term_length), Ok(page_size)) = (metadata.term_length(), metadata.page_size()) {
            let length = descriptor::file_length(term_length, page_size);
            self.system.bytes_currently_mapped.add(-(length as i64));
        }
        drop(log);
        self.promises.remove(&path);
        self.delete(path);
    }

    /// Refuses a log that does not fit, and warns when little room is left.
    fn check_storage(&mut self, needed: u64, spec: &LogSpec) -> Result<(), DriverError> {
        let ResourceConfig { directory, low_storage_warning, .. } = &self.config;
        let usable = self.file_system.usable_space(directory).map_err(|error| mapping_error(spec, &error))?;
        let available = self.promises.available(usable, needed);
        let need = Need {
            length: needed,
            term_length: spec.parameters.term_length.get() as u64,
            origin: spec.term_length_origin,
        };
        let storage = storage::check(directory, available, need, *low_storage_warning)?;
        if let Storage::Low(warning) = storage {
            let warning = Box::new(DriverError::new(ErrorCode::StorageSpace, warning));
            self.conductor.send(ResourceOutcome::Warning(warning));
        }
        Ok(())
    }

    /// Deletes a file, or keeps it for a later turn. A file that is already gone is as good as deleted.
    fn delete(&mut self, path: PathBuf) -> bool {
        match fs::remove_file(&path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(_) => {
                self.system.free_fails.increment();
                self.to_delete.push_back(path);
                false
            }
        }
    }

    fn retry_deletes(&mut self) -> usize {
        let retries = self.to_delete.len().min(self.config.resource_free_limit);
        let mut deleted = 0;
        for _ in 0..retries {
            if let Some(path) = self.to_delete.pop_front() {
                deleted += usize::from(self.delete(path));
            }
        }
        deleted
    }
}

fn mapping_error(spec: &LogSpec, error: &io::Error) -> DriverError {
    let code = if error.kind() == io::ErrorKind::StorageFull {
        ErrorCode::StorageSpace
    } else {
        ErrorCode::GenericError
    };
    DriverError::new(code, format!("error mapping log file {}: {error}", spec.path.display()))
}

impl DutyCycle for NativeResourceAgent {
    fn do_work(&mut self, now: Now) -> usize {
        self.conductor.flush();
        let mut work = self.resolve_names(now);
        work += self.retry_deletes();
        for _ in 0..COMMAND_DRAIN_LIMIT {
            let Some(command) = self.inbox.take() else { break };
            self.execute(command);
            work += 1;
        }
        if work == 0 { self.make_spare() } else { work }
    }

    fn role_name(&self) -> &str {
        "native-resource-agent"
    }

    fn inputs(&self) -> io::Result<Inputs> {
        let wakers = vec![self.inbox.waker().clone()];
        Ok(Inputs { wakers, longest_wait: LONGEST_WAIT, ..Inputs::default() })
    }

    /// Frees the logs that still wait for it, once. Source: driver spec 8.3, 14.6.
    fn on_close(&mut self, _now: Now) {
        while let Some(command) = self.inbox.take() {
            if let ResourceCommand::FreeLog { path, log } = command {
                self.free(path, log);
            }
        }
        for path in std::mem::take(&mut self.to_delete) {
            self.delete(path);
        }
        self.clear_spares();
    }
}

#[cfg(test)]
mod tests;
