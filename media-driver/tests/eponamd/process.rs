//! A driver in a process of its own, and waiting for things to happen.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use epona_client::{Aeron, ClientError, Context};
use epona_protocol::{
    cnc::{Cnc, CncState},
    counters::{CountersReader, SystemCounter},
    error_log,
};
use tempfile::TempDir;

/// How long anything may take before a test fails; nothing is asserted about how long it does take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Settings of small drivers: all roles on one thread, short terms, small files, liveness looked at often.
const SMALL: &[&str] = &[
    "-Daeron.threading.mode=SHARED",
    "-Daeron.term.buffer.length=64k",
    "-Daeron.ipc.term.buffer.length=64k",
    "-Daeron.counters.buffer.length=1m",
    "-Daeron.timer.interval=100ms",
    // The machine that runs the tests may have little room without being ill.
    "-Daeron.low.file.store.warning.threshold=0",
];

/// Tries until there is something, or the deadline passes.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        assert!(Instant::now() < deadline, "not in {DEADLINE:?}: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A place for one test's directories, in memory where there is some.
pub(crate) fn workspace() -> TempDir {
    let parent = Path::new("/dev/shm");
    let parent = if parent.is_dir() { parent.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("eponamd-").tempdir_in(parent).unwrap()
}

/// A driver that runs; killed when dropped.
pub(crate) struct Driver {
    child: Child,
    directory: PathBuf,
    output: PathBuf,
}

impl Driver {
    /// Starts a driver in `<workspace>/aeron`.
    pub(crate) fn start(workspace: &TempDir, settings: &[&str]) -> Self {
        Self::start_in(workspace, &workspace.path().join("aeron"), settings)
    }

    /// Starts a driver in a directory; what it prints goes to files in the workspace.
    pub(crate) fn start_in(workspace: &TempDir, directory: &Path, settings: &[&str]) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_eponamd")), workspace, directory, settings)
    }

    /// Starts a driver through another program, which is to execute its last arguments.
    pub(crate) fn spawn(
        mut command: Command,
        workspace: &TempDir,
        directory: &Path,
        settings: &[&str],
    ) -> Self {
        let run = fs::read_dir(workspace.path()).unwrap().count();
        let output = workspace.path().join(format!("output-{run}"));
        let open = |name: &str| fs::File::create(output.with_extension(name)).unwrap();
        command.arg("--dir").arg(directory).args(SMALL).args(settings);
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        let child = command.stdin(Stdio::null()).stdout(open("out")).stderr(open("err")).spawn().unwrap();
        Self { child, directory: directory.to_owned(), output }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Connects a client that waits for the driver to start.
    pub(crate) fn connect(&self) -> Aeron {
        Aeron::connect(client_context(&self.directory))
            .unwrap_or_else(|error| panic!("{error}\nstandard error of the driver: {}", self.stderr()))
    }

    /// The driver's `cnc.dat`, once it is complete.
    pub(crate) fn cnc(&self) -> Cnc {
        until("cnc.dat is complete", || cnc_of(&self.directory))
    }

    /// The texts of the distinct error log.
    pub(crate) fn errors(&self) -> Vec<String> {
        error_log::entries(self.cnc().error_log()).map(|entry| entry.text).collect()
    }

    pub(crate) fn counter(&self, counter: SystemCounter) -> i64 {
        let cnc = self.cnc();
        CountersReader::new(cnc.counters_metadata(), cnc.counters_values()).value(counter.id()).unwrap()
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        until("the driver ends", || self.child.try_wait().unwrap())
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Ends it without warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(self.output.with_extension("out")).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.output.with_extension("err")).unwrap()
    }

    /// Waits for it to fail at its start; what it says on standard error, which is one line.
    #[track_caller]
    pub(crate) fn refusal(mut self) -> String {
        let status = self.wait();
        let text = self.stderr();
        assert_eq!(status.code(), Some(1), "{text}");
        assert!(text.starts_with("ERROR: ") && text.trim_end().lines().count() == 1, "{text}");
        text
    }

    /// Ends it by SIGTERM, and checks that it never had anything to complain about.
    #[track_caller]
    pub(crate) fn end_healthy(mut self) {
        let errors = self.errors();
        self.signal("TERM");
        let status = self.wait();
        assert_eq!((status.code(), self.stderr().as_str(), errors), (Some(15), "", Vec::new()));
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("standard error of the driver: {}", self.stderr());
        }
    }
}

/// Settings of a client that survives being kept from the processor for long.
pub(crate) fn client_context(directory: &Path) -> Context {
    Context::new().dir(directory).driver_timeout(DEADLINE).on_error(|_| {})
}

/// The code and text with which a driver refused a request.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    outcome: Result<T, ClientError>,
) -> (epona_client::ErrorCode, String) {
    match outcome {
        Err(ClientError::Registration { code, message, .. }) => (code, message),
        other => panic!("not refused by the driver: {other:?}"),
    }
}

pub(crate) fn cnc_of(directory: &Path) -> Option<Cnc> {
    match Cnc::open(directory).unwrap() {
        CncState::Ready(cnc) => Some(cnc),
        _ => None,
    }
}

/// Sends a signal to a process; the shell has a way that needs no program.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().unwrap();
    assert!(status.success());
}
