//! Machines made of files, and what is chosen on them.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::*;

/// Two dies of two cores of two threads each, an L3 cache per die: cores are (0, 4), (1, 5), (2, 6), (3, 7).
struct Fixture(TempDir);

impl Fixture {
    fn new() -> Self {
        let fixture = Self(TempDir::new().unwrap());
        fixture.write("sys/devices/system/cpu/online", "0-7\n");
        for cpu in 0..8 {
            let (core, die) = (cpu % 4, cpu % 4 / 2);
            let cpu = format!("sys/devices/system/cpu/cpu{cpu}");
            let siblings = format!("{core},{}\n", core + 4);
            fixture.write(&format!("{cpu}/topology/thread_siblings_list"), &siblings);
            fixture.write(&format!("{cpu}/topology/die_id"), &format!("{die}\n"));
            let l3 = ["0-1,4-5\n", "2-3,6-7\n"][die];
            fixture.write(&format!("{cpu}/cache/index3/shared_cpu_list"), l3);
        }
        fixture
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn with_cpuset(self, group: &str, cpus: &str) -> Self {
        self.write("proc/self/cgroup", "3:cpuset:/old\n0::/a/b\n");
        self.write(&format!("sys/fs/cgroup{group}/cpuset.cpus.effective"), cpus);
        self
    }

    fn machine(&self) -> Machine {
        Machine::mounted_at(self.0.path().join("sys"), self.0.path().join("proc"))
    }

    fn resolve(&self, threads: &Threads) -> Result<(Affinity, Vec<String>), AffinityError> {
        Affinity::resolve(threads, &self.machine())
    }
}

fn threads(conductor: Option<u8>, sender: Option<u8>, receiver: Option<u8>, agent: Option<u8>) -> Threads {
    Threads {
        conductor_cpu: conductor,
        sender_cpu: sender,
        receiver_cpu: receiver,
        native_resource_agent_cpu: agent,
        ..Threads::default()
    }
}

fn by_offset(threads: Threads) -> Threads {
    Threads { affinity_by_cpuset_offset: true, ..threads }
}

#[test]
fn nothing_configured_reads_nothing_and_pins_nothing() {
    let nowhere = Machine::mounted_at("/nowhere", "/nowhere");
    let resolved = Affinity::resolve(&Threads::default(), &nowhere).unwrap();
    assert_eq!(resolved, (Affinity::default(), Vec::new()));
    let error = Affinity::resolve(&threads(Some(0), None, None, None), &nowhere).unwrap_err();
    assert!(error.to_string().contains("/nowhere/devices/system/cpu/online"), "{error}");
}

#[test]
fn each_thread_gets_the_processor_of_its_role_and_shared_ones_that_of_their_first() {
    let (affinity, warnings) = Fixture::new().resolve(&threads(Some(0), Some(1), Some(4), Some(5))).unwrap();
    assert_eq!(warnings, Vec::<String>::new(), "all on one die");
    for (role, cpu) in [
        (ThreadRole::Conductor, 0),
        (ThreadRole::Shared, 0),
        (ThreadRole::Sender, 1),
        (ThreadRole::SharedNetwork, 1),
        (ThreadRole::Receiver, 4),
        (ThreadRole::NativeResourceAgent, 5),
    ] {
        assert_eq!(affinity.of(role), Some(cpu), "{role:?}");
    }
}

#[test]
fn doubtful_choices_are_told() {
    let fixture = Fixture::new();
    let warnings = |threads: &Threads| fixture.resolve(threads).unwrap().1;
    assert_eq!(
        warnings(&threads(Some(3), Some(3), None, Some(3))),
        [
            "WARN: conductor and sender are sharing cpu affinity=3",
            "WARN: conductor and native_resource_agent are sharing cpu affinity=3",
            "WARN: sender and native_resource_agent are sharing cpu affinity=3",
        ]
    );
    let configuration = "conductor=-1 (-1), sender=0 (0), receiver=2 (2), native_resource_agent=-1 (-1)";
    assert_eq!(
        warnings(&threads(None, Some(0), Some(2), None)),
        [
            format!("WARNING: affinity spans multiple L3 cache domains, configuration: {configuration}"),
            format!("WARNING: affinity spans multiple CPU dies, configuration: {configuration}"),
        ]
    );
    assert_eq!(
        warnings(&threads(None, None, Some(99), None)),
        ["WARNING: aeron.receiver.cpu.affinity asks for CPU 99, but online are 0-7"]
    );
}

#[test]
fn a_machine_that_tells_no_topology_gives_no_reason_to_doubt() {
    let fixture = Fixture(TempDir::new().unwrap());
    fixture.write("sys/devices/system/cpu/online", "0-3");
    assert_eq!(fixture.resolve(&threads(Some(0), Some(1), Some(2), None)).unwrap().1, Vec::<String>::new());
}

#[test]
fn doubts_end_the_start_when_they_are_to() {
    let fixture = Fixture::new();
    let strict = |threads| Threads { affinity_warnings_fail_start: true, ..threads };
    assert!(fixture.resolve(&strict(threads(Some(0), Some(1), None, None))).is_ok());
    let error = fixture.resolve(&strict(threads(Some(1), Some(1), None, None))).unwrap_err();
    let AffinityError::Warnings(warnings) = &error else { panic!("{error}") };
    assert_eq!(warnings.len(), 1);
    assert!(error.to_string().contains("conductor and sender are sharing cpu affinity=1"), "{error}");
}

#[test]
fn offsets_count_within_the_nearest_control_group_that_has_processors() {
    for group in ["/a/b", "/a", ""] {
        let fixture = Fixture::new().with_cpuset(group, "2-3,6-7\n");
        let (affinity, warnings) =
            fixture.resolve(&by_offset(threads(Some(0), Some(3), Some(1), None))).unwrap();
        let expected =
            Affinity { conductor: Some(2), sender: Some(7), receiver: Some(3), native_resource_agent: None };
        assert_eq!((affinity, warnings), (expected, Vec::new()), "{group:?}");
    }
}

#[test]
fn an_offset_beyond_the_cpuset_is_refused() {
    let fixture = Fixture::new().with_cpuset("/a/b", "2-3,6-7");
    let error = fixture.resolve(&by_offset(threads(None, None, None, Some(4)))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "aeron.driver.native.resource.agent.cpu.affinity=4 must be less than 4, the number of processors in the \
         cpuset 2-3,6-7"
    );
}

#[test]
fn a_cpuset_that_splits_cores_or_spans_dies_is_doubtful() {
    let fixture = Fixture::new().with_cpuset("/a/b", "0,2");
    let (_, warnings) = fixture.resolve(&by_offset(Threads::default())).unwrap();
    let partial = |sibling, cpu| {
        format!(
            "WARNING: cpuset is missing sibling CPU(s) {sibling} of the core containing CPU {cpu} (partial core \
             in cpuset)"
        )
    };
    assert_eq!(
        warnings,
        [
            partial(4, 0),
            partial(6, 2),
            "WARNING: cpuset spans multiple L3 cache domains, configuration: 0,2".to_owned(),
            "WARNING: cpuset spans multiple CPU dies, configuration: 0,2".to_owned(),
        ]
    );
}

#[test]
fn offsets_without_a_control_group_of_version_2_are_refused() {
    let offsets = by_offset(threads(Some(0), None, None, None));
    for (groups, expected) in [
        ("3:cpuset:/\n", "names no control group of version 2"),
        ("0::/../../elsewhere\n", "names no control group of version 2"),
        ("0::/a\n", "no cpuset.cpus.effective"),
    ] {
        let fixture = Fixture::new();
        fixture.write("proc/self/cgroup", groups);
        let error = fixture.resolve(&offsets).unwrap_err().to_string();
        assert!(error.contains(expected), "{groups:?}: {error}");
    }
    let fixture = Fixture::new().with_cpuset("/a/b", "\n");
    assert!(fixture.resolve(&offsets).unwrap_err().to_string().contains("it is empty"));
}

#[test]
fn this_machine_says_which_processors_run() {
    assert!(Path::new("/sys").is_dir() && Machine::default().online().unwrap().count() >= 1);
}
