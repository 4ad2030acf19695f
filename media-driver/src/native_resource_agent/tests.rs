//! Logs that are kept ready: made when there is nothing else to do, taken, given up when storage is short.

use std::{
    collections::BTreeSet,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use epona_protocol::{
    logbuffer::{LogKind, LogParameters},
    types::{Mtu, RegistrationId, TermLength},
};

use super::*;
use crate::{
    commands::JobId, directory::storage::TermLengthOrigin, name_resolution::DefaultNameResolver, proxy::queue,
};

/// A file system with as much room as a test says.
#[derive(Clone, Debug)]
struct Room(Arc<AtomicU64>);

impl FileSystem for Room {
    fn usable_space(&mut self, _directory: &Path) -> io::Result<u64> {
        Ok(self.0.load(Ordering::Relaxed))
    }
}

/// An agent that keeps logs ready, and what it is sent.
struct World {
    agent: NativeResourceAgent,
    commands: Proxy<ResourceCommand>,
    outcomes: Inbox<ResourceOutcome>,
    system: SystemCounters,
    room: Room,
    directory: tempfile::TempDir,
    logs: Vec<LogBuffers>,
}

const SHORT: i64 = 1 << 16;
const LONG: i64 = 1 << 17;

impl World {
    fn new(spare_logs: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let system = SystemCounters::detached();
        let (commands, inbox) = queue(system.native_resource_agent_proxy_fails.clone());
        let (conductor, outcomes) = queue(system.conductor_proxy_fails.clone());
        let room = Room(Arc::new(AtomicU64::new(u64::MAX)));
        let config = ResourceConfig {
            directory: directory.path().to_owned(),
            perform_storage_checks: true,
            low_storage_warning: 1000,
            resource_free_limit: 10,
            spare_logs,
            huge_pages: true,
        };
        let channels = ChannelResolver::new(Box::new(DefaultNameResolver));
        let agent = NativeResourceAgent::new(
            config,
            Box::new(room.clone()),
            channels,
            inbox,
            conductor,
            system.clone(),
        );
        Self { agent, commands, outcomes, system, room, directory, logs: Vec::new() }
    }

    /// Asks for a log, and lets the agent do all there is to do.
    fn map(&mut self, id: i64, term_length: i64, is_sparse: bool) -> Result<PathBuf, DriverError> {
        let path = self.directory.path().join(format!("{id}.logbuffer"));
        let parameters = LogParameters {
            sparse: is_sparse,
            ..LogParameters::new(
                LogKind::ExclusivePublication,
                RegistrationId::new(id),
                Mtu::new(1408).unwrap(),
                TermLength::new(term_length).unwrap(),
            )
        };
        let term_length_origin = TermLengthOrigin::Network;
        let spec = LogSpec { path: path.clone(), parameters, is_sparse, term_length_origin };
        self.commands.send(ResourceCommand::MapLog { job: JobId(1), spec: Box::new(spec) });
        self.settle();
        let Some(ResourceOutcome::Log(_, log)) = self.outcomes.take() else { panic!("no answer") };
        self.logs.push(log?);
        Ok(path)
    }

    fn settle(&mut self) {
        let mut turns = 0;
        while self.agent.do_work(Now::default()) > 0 {
            turns += 1;
            assert!(turns < 100, "the agent finds work for ever");
        }
    }

    /// Inodes of the files that are ready.
    fn ready(&self) -> BTreeSet<u64> {
        let entries = fs::read_dir(spare_logs(self.directory.path())).into_iter().flatten();
        entries.map(|entry| entry.unwrap().metadata().unwrap().ino()).collect()
    }

    fn mapped(&self) -> i64 {
        self.system.bytes_currently_mapped.get()
    }
}

fn length_of(term_length: i64) -> i64 {
    3 * term_length + 4096
}

#[test]
fn a_log_that_was_asked_for_has_spares_made_of_which_the_next_ones_are_taken() {
    let mut world = World::new(2);
    world.map(1, SHORT, false).unwrap();
    let ready = world.ready();
    assert_eq!((ready.len(), world.mapped()), (2, 3 * length_of(SHORT)));
    for (id, is_sparse) in [(2, false), (3, true)] {
        let ready = world.ready();
        let path = world.map(id, SHORT, is_sparse).unwrap();
        let metadata = path.metadata().unwrap();
        assert!(ready.contains(&metadata.ino()), "log {id} is none of the spares");
        assert_eq!(metadata.blocks() * 512, length_of(SHORT) as u64, "all in storage");
        let log = world.logs.last().unwrap();
        assert_eq!(log.metadata().is_sparse(), is_sparse);
        assert_eq!(log.metadata().term_length(), Ok(TermLength::new(SHORT).unwrap()));
        assert_eq!((world.ready().len(), world.mapped()), (2, (2 + id) * length_of(SHORT)));
    }
}

#[test]
fn spares_are_kept_of_each_length_that_was_asked_for_and_of_none_by_default() {
    let mut world = World::new(1);
    for id in 0..3 {
        world.map(2 * id, SHORT, true).unwrap();
        world.map(2 * id + 1, LONG, true).unwrap();
        assert_eq!(world.ready().len(), 2);
    }
    let mut world = World::new(0);
    world.map(1, SHORT, false).unwrap();
    assert!(!spare_logs(world.directory.path()).exists());
}

#[test]
fn a_spare_is_made_only_where_more_storage_remains_than_is_worth_a_warning() {
    let mut world = World::new(1);
    let enough = length_of(SHORT) as u64 + 1000;
    for (room, ready) in [(enough - 1, 0), (enough, 1)] {
        world.room.0.store(room, Ordering::Relaxed);
        world.map(room as i64, SHORT, false).unwrap();
        assert_eq!(world.ready().len(), ready, "{room} bytes");
    }
}

#[test]
fn where_storage_is_short_spares_go_before_a_log_is_refused() {
    let mut world = World::new(1);
    world.map(1, SHORT, false).unwrap();
    world.room.0.store(0, Ordering::Relaxed);
    assert_eq!(world.map(2, LONG, false).unwrap_err().code, ErrorCode::StorageSpace);
    assert_eq!((world.ready().len(), world.mapped()), (0, length_of(SHORT)));
    // What was refused is not what follows: there is room again.
    world.room.0.store(u64::MAX, Ordering::Relaxed);
    world.map(3, SHORT, false).unwrap();
    assert_eq!(world.ready().len(), 1);
}

#[test]
fn a_log_is_made_where_the_spares_were() {
    /// Has room for a log, unless there are spares.
    #[derive(Debug)]
    struct Tight(PathBuf);
    impl FileSystem for Tight {
        fn usable_space(&mut self, _directory: &Path) -> io::Result<u64> {
            Ok(if self.0.exists() { 0 } else { length_of(LONG) as u64 })
        }
    }
    let mut world = World::new(1);
    world.map(1, SHORT, false).unwrap();
    world.agent.file_system = Box::new(Tight(spare_logs(world.directory.path())));
    world.map(2, LONG, false).unwrap();
    assert_eq!((world.ready().len(), world.mapped()), (0, length_of(SHORT) + length_of(LONG)));
}

#[test]
fn a_spare_that_somebody_deleted_or_whose_name_is_taken_is_made_again() {
    let mut world = World::new(1);
    world.map(1, SHORT, false).unwrap();
    let spares = spare_logs(world.directory.path());
    fs::remove_dir_all(&spares).unwrap();
    fs::create_dir(&spares).unwrap();
    fs::write(spares.join("1"), "not ours").unwrap();
    for id in 2..=4 {
        world.map(id, SHORT, false).unwrap();
    }
    assert!(spares.join("3").exists() || spares.join("2").exists());
    assert_eq!(world.mapped(), 5 * length_of(SHORT));
}

#[test]
fn spares_go_when_the_agent_closes() {
    let mut world = World::new(3);
    world.map(1, SHORT, false).unwrap();
    world.agent.on_close(Now::default());
    assert!(!spare_logs(world.directory.path()).exists());
    assert_eq!(world.mapped(), length_of(SHORT));
}
