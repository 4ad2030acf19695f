//! What the system shows of a driver's threads: their names, and where they may run.

use std::fs;

use crate::process::{Driver, until, workspace};

/// Processors that this process may use, as the kernel lists them, and the first of them.
fn own_processors() -> (String, String) {
    let list = allowed("/proc/self/status");
    let first = list.split(['-', ',']).next().unwrap().to_owned();
    (list, first)
}

fn allowed(status: &str) -> String {
    let text = fs::read_to_string(status).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.unwrap().trim().to_owned()
}

/// Names of the driver's threads with the processors that each may use, by name.
fn threads(driver: &Driver) -> Vec<(String, String)> {
    let tasks = format!("/proc/{}/task", driver.pid());
    let mut threads: Vec<_> = fs::read_dir(tasks)
        .unwrap()
        .map(|task| task.unwrap().path())
        .map(|task| {
            let name = fs::read_to_string(task.join("comm")).unwrap().trim_end().to_owned();
            (name, allowed(task.join("status").to_str().unwrap()))
        })
        .filter(|(name, _)| name != "eponamd")
        .collect();
    threads.sort();
    threads
}

/// Waits until the driver's threads are these.
fn expect_threads(driver: &Driver, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(name, on)| ((*name).to_owned(), (*on).to_owned())).collect();
    driver.cnc();
    until(&format!("threads are {expected:?}"), || (threads(driver) == expected).then_some(()));
}

#[test]
fn threads_are_named_after_their_roles_in_each_mode_and_convention() {
    let (any, _) = own_processors();
    // The kernel keeps 15 bytes of a name.
    for (mode, naming, names) in [
        ("DEDICATED", "classic", &["aeron-md-nra", "conductor", "receiver", "sender"][..]),
        ("DEDICATED", "new", &["aeron-md-cnd", "aeron-md-nra", "aeron-md-rcv", "aeron-md-snd"]),
        ("SHARED_NETWORK", "classic", &["[sender, receiv", "aeron-md-nra", "conductor"]),
        ("SHARED_NETWORK", "new", &["aeron-md-cnd", "aeron-md-net", "aeron-md-nra"]),
        ("SHARED", "classic", &["[conductor, sen"]),
        ("SHARED", "new", &["aeron-md-shd"]),
    ] {
        let workspace = workspace();
        let naming = format!("-Daeron.thread.naming={naming}");
        let driver = Driver::start(&workspace, &["--threading-mode", mode, &naming]);
        let expected: Vec<_> = names.iter().map(|name| (*name, any.as_str())).collect();
        expect_threads(&driver, &expected);
        driver.end_healthy();
    }
}

#[test]
fn threads_run_on_the_processors_of_their_roles() {
    let (any, cpu) = own_processors();
    let (any, on) = (any.as_str(), cpu.as_str());
    let pin = |role| format!("-Daeron.{role}.cpu.affinity={cpu}");
    for (mode, role, expected) in [
        (
            "DEDICATED",
            "conductor",
            &[("aeron-md-cnd", on), ("aeron-md-nra", any), ("aeron-md-rcv", any), ("aeron-md-snd", any)][..],
        ),
        (
            "DEDICATED",
            "receiver",
            &[("aeron-md-cnd", any), ("aeron-md-nra", any), ("aeron-md-rcv", on), ("aeron-md-snd", any)],
        ),
        ("SHARED_NETWORK", "sender", &[("aeron-md-cnd", any), ("aeron-md-net", on), ("aeron-md-nra", any)]),
        (
            "SHARED_NETWORK",
            "driver.native.resource.agent",
            &[("aeron-md-cnd", any), ("aeron-md-net", any), ("aeron-md-nra", on)],
        ),
        ("SHARED", "conductor", &[("aeron-md-shd", on)]),
    ] {
        let workspace = workspace();
        let settings = ["--threading-mode", mode, "-Daeron.thread.naming=new", &pin(role)];
        let driver = Driver::start(&workspace, &settings);
        expect_threads(&driver, expected);
        driver.end_healthy();
    }
}

#[test]
fn a_processor_that_does_not_exist_is_told_and_the_driver_runs() {
    let workspace = workspace();
    let driver = Driver::start(&workspace, &["-Daeron.conductor.cpu.affinity=255"]);
    let error = until("the error is recorded", || driver.errors().pop());
    assert!(error.contains("CPU 255") && error.contains("aeron.*.cpu.affinity"), "{error}");
    assert!(
        driver.stderr().starts_with("WARNING: aeron.conductor.cpu.affinity asks for CPU 255, but online")
    );
    driver.connect().add_subscription("aeron:ipc", 1).unwrap();
}

#[test]
fn a_doubtful_choice_of_processors_ends_the_start_when_it_is_to() {
    let (_, cpu) = own_processors();
    let workspace = workspace();
    let settings = [
        "-Daeron.thread.affinity.fail.on.validation.errors=true".to_owned(),
        format!("-Daeron.sender.cpu.affinity={cpu}"),
        format!("-Daeron.receiver.cpu.affinity={cpu}"),
    ];
    let mut driver = Driver::start(&workspace, &settings.each_ref().map(String::as_str));
    assert_eq!(driver.wait().code(), Some(1));
    let text = driver.stderr();
    assert!(text.contains(&format!("sender and receiver are sharing cpu affinity={cpu}")), "{text}");
}

#[test]
fn the_conductor_starts_last_so_that_somebody_takes_what_it_sends() {
    for (mode, names) in [
        ("DEDICATED", &["sender", "receiver", "aeron-md-nra", "conductor"][..]),
        ("SHARED_NETWORK", &["[sender, receiv", "aeron-md-nra", "conductor"]),
    ] {
        let workspace = workspace();
        let driver = Driver::start(&workspace, &["--threading-mode", mode]);
        // The kernel lists threads in the order in which they were made.
        let tasks = format!("/proc/{}/task", driver.pid());
        until(&format!("threads are {names:?}"), || {
            let found = fs::read_dir(&tasks).ok()?.flatten();
            let found = found.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
            let found: Vec<_> = found.map(|name| name.trim_end().to_owned()).collect();
            let roles: Vec<_> = found.iter().filter(|name| names.contains(&name.as_str())).collect();
            (roles.len() == names.len()).then(|| assert_eq!(roles, names, "{mode}"))
        });
        driver.end_healthy();
    }
}
