//! Runs the program `epona` as people do, with deadlines that only a hang reaches.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

#[allow(unreachable_pub, reason = "programs of other packages share the file")]
#[path = "../../../media-driver/tests/support/ports.rs"]
mod ports;

#[allow(unreachable_pub, reason = "programs of other packages share the file")]
#[path = "../../../media-driver/tests/support/skip.rs"]
mod skip;

#[allow(unused_imports, reason = "each test file uses a part of it")]
pub(crate) use skip::skipped;

use rustix::process::{Pid, kill_process};

pub(crate) use rustix::process::Signal;

const DEADLINE: Duration = Duration::from_secs(60);

/// A running `epona`; killed when dropped.
pub(crate) struct Epona {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    told: Vec<String>,
    /// Directories of embedded drivers that were there before it: a process that died may have had the same id.
    before: Vec<String>,
}

/// What became of one.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// Lines that [`Epona::await_output`] has not taken.
    pub(crate) stdout: Vec<String>,
    /// All lines.
    pub(crate) stderr: Vec<String>,
    /// Directories that are named after the process and were not there before it.
    pub(crate) left_behind: Vec<String>,
}

impl Epona {
    /// Starts it with `directory` as the driver's.
    pub(crate) fn start(directory: &Path, args: &[&str]) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_epona")).args(args).env("AERON_DIR", directory))
    }

    /// Starts a command that becomes the program.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let before = embedded_directories();
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = lines_of(child.stdout.take().unwrap());
        let stderr = lines_of(child.stderr.take().unwrap());
        Self { child, stdin, stdout, stderr, told: Vec::new(), before }
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Waits for a line on standard output.
    pub(crate) fn await_output(&mut self) -> String {
        self.stdout.recv_timeout(DEADLINE).expect("a line on standard output")
    }

    /// Waits until a line on standard error contains `part`.
    pub(crate) fn await_note(&mut self, part: &str) -> String {
        loop {
            match self.stderr.recv_timeout(DEADLINE) {
                Ok(line) => self.told.push(line),
                Err(_) => panic!("nothing with {part:?} on standard error, only {:?}", self.told),
            }
            if let Some(line) = self.told.last().filter(|line| line.contains(part)) {
                return line.clone();
            }
        }
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let pid = self.child.id();
        // Both end when the process does.
        let stdout = rest(&self.stdout);
        let mut stderr = std::mem::take(&mut self.told);
        stderr.extend(rest(&self.stderr));
        let status: ExitStatus = self.child.wait().unwrap();
        let own = format!("aeron-embedded-{pid}-");
        let mut left_behind = embedded_directories();
        left_behind.retain(|name| name.starts_with(&own) && !self.before.contains(name));
        Ended { code: status.code(), stdout, stderr, left_behind }
    }
}

impl Drop for Epona {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Ends the test unless it ended well and left nothing.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.left_behind.is_empty(), "{self:?}");
        self
    }
}

/// Runs it to its end.
pub(crate) fn run(directory: &Path, args: &[&str]) -> Ended {
    let mut epona = Epona::start(directory, args);
    epona.close_input();
    epona.end()
}

/// Waits, with a limit that only a hang reaches.
#[expect(clippy::disallowed_methods, reason = "a test has no runner")]
pub(crate) fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "no {what}");
        thread::yield_now();
    }
}

/// A UDP channel on a port of the test's own.
pub(crate) fn free_channel() -> String {
    format!("aeron:udp?endpoint=127.0.0.1:{}", ports::free_port().unwrap())
}

fn lines_of(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn rest(lines: &Receiver<String>) -> Vec<String> {
    let mut rest = Vec::new();
    loop {
        match lines.recv_timeout(DEADLINE) {
            Ok(line) => rest.push(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => return rest,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("still running; so far {rest:?}"),
        }
    }
}

/// Directories of embedded drivers, which carry the id of their process.
fn embedded_directories() -> Vec<String> {
    let parents = [Path::new("/dev/shm").to_owned(), env::temp_dir()];
    let entries = parents.iter().filter_map(|parent| fs::read_dir(parent).ok()).flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("aeron-embedded-"))
        .collect()
}
