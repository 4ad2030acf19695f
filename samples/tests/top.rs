//! `epona top` in a terminal, as people see it.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod harness;

use std::{path::Path, process::Command};

use epona_client::{Aeron, Context, OfferError};
use epona_media_driver::EmbeddedDriver;
use harness::{await_that, run, skipped};

/// A terminal of 80 by 24, in a server of its own that ends with it.
struct Tmux {
    socket: String,
}

impl Tmux {
    /// Runs the program in one; `None` without tmux.
    fn start(directory: &Path, args: &str) -> Option<Self> {
        let number = directory.file_name().unwrap().to_string_lossy().into_owned();
        let tmux = Self { socket: format!("epona-top-{number}") };
        let program = env!("CARGO_BIN_EXE_epona");
        let command = format!(
            "AERON_DIR='{}' '{program}' top {args}; echo ended with $?; read line",
            directory.display()
        );
        let started =
            tmux.command(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", &command]);
        started.is_some().then_some(tmux)
    }

    fn command(&self, args: &[&str]) -> Option<String> {
        let output = Command::new("tmux").args(["-L", &self.socket]).args(args).output().ok()?;
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap())
    }

    fn press(&self, key: &str) {
        self.command(&["send-keys", key]).unwrap();
    }

    /// The lines on the screen, once they are as wanted.
    fn await_screen(&self, what: &str, is_wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        await_that(what, || {
            let screen = self.command(&["capture-pane", "-p"]).unwrap();
            lines = screen.lines().map(|line| line.trim_end().to_owned()).collect();
            is_wanted(&lines)
        });
        lines
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = Command::new("tmux").args(["-L", &self.socket, "kill-server"]).output();
    }
}

fn has(lines: &[String], parts: &[&str]) -> bool {
    lines.iter().any(|line| parts.iter().all(|part| line.contains(part)))
}

#[test]
fn a_subscriber_that_stands_still_is_named_and_keys_work() {
    let driver = EmbeddedDriver::launch().unwrap();
    let client = |name| Aeron::connect(Context::new().dir(driver.directory()).client_name(name)).unwrap();
    let (source, risk) = (client("source"), client("risk"));
    let channel = "aeron:ipc?term-length=64k";
    let subscription = risk.add_subscription(channel, 7).unwrap();
    let mut publication = source.add_exclusive_publication(channel, 7).unwrap();
    let idle = source.add_publication("aeron:ipc?alias=resting", 8).unwrap();
    await_that("a connection", || publication.is_connected());
    let Some(tmux) = Tmux::start(driver.directory(), "--delay 50ms") else {
        return skipped("tmux is not installed");
    };
    // Until it is known that nothing more goes: the driver's limit moves with its turns.
    let mut refusals = 0;
    while refusals < 1000 {
        match publication.offer(&[0; 1000]) {
            Ok(_) => refusals = 0,
            Err(OfferError::BackPressured | OfferError::AdminAction) => refusals += 1,
            Err(error) => panic!("{error}"),
        }
        std::thread::yield_now();
    }
    let (publisher, subscriber) =
        (publication.registration_id().to_string(), subscription.registration_id().to_string());
    let name = format!("sub {subscriber} 'risk'");
    let lines = tmux.await_screen("a subscriber that stands still", |lines| {
        has(lines, &[&format!("pub {publisher} stream 7"), &name])
            && has(lines, &[&format!("  {name}"), "still"])
    });
    assert!(lines[0].starts_with("epona top  ") && lines[0].contains("/aeron-embedded-"), "{lines:#?}");
    assert!(lines[3].starts_with("longest cycle: conductor "), "{lines:#?}");
    assert!(
        lines[4].starts_with("STREAM ") && lines[23].starts_with("q quit  p pause  s sort: rate"),
        "{lines:#?}"
    );
    let resting = format!("pub {} stream 8", idle.registration_id());
    assert!(has(&lines, &[&resting, "aeron:ipc"]), "{lines:#?}");

    tmux.press("s");
    tmux.await_screen("another order", |lines| lines[23].contains("sort: lag"));
    tmux.press("/");
    tmux.press("risk");
    tmux.press("Enter");
    tmux.await_screen("the filter", |lines| lines[23].contains("filter: risk") && !has(lines, &[&resting]));
    tmux.press("p");
    tmux.await_screen("a pause", |lines| lines[0].contains("  PAUSED  pid "));
    tmux.press("?");
    tmux.await_screen("help", |lines| has(lines, &["q quit   p pause"]));
    tmux.press("x");
    tmux.await_screen("no help", |lines| !has(lines, &["q quit   p pause"]));
    tmux.press("q");
    tmux.await_screen("its end, and the terminal as it was", |lines| lines[0] == "ended with 0");
}

#[test]
fn it_ends_with_its_terminal() {
    let driver = EmbeddedDriver::launch().unwrap();
    let Some(tmux) = Tmux::start(driver.directory(), "--delay 50ms") else {
        return skipped("tmux is not installed");
    };
    tmux.await_screen("a screen", |lines| lines[0].starts_with("epona top  "));
    let directory = driver.directory().display().to_string();
    let has = |file: &Path, part: &str| {
        std::fs::read(file).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(part))
    };
    let running = || {
        let mut processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        processes.any(|it| has(&it.join("cmdline"), "top\0--delay") && has(&it.join("environ"), &directory))
    };
    assert!(running());
    drop(tmux);
    await_that("the end of what ran in the terminal", || !running());
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let driver = EmbeddedDriver::launch().unwrap();
    let ended = run(driver.directory(), &["top"]).expect_code(1);
    assert_eq!(ended.stderr.len(), 1, "{ended:?}");
    assert!(
        ended.stderr[0].contains("needs a terminal") && ended.stderr[0].contains("epona streams"),
        "{ended:?}"
    );
}
