//! A driver of either kind as a process of its own: settings are Aeron's property names, the end may be violent.

use crate::{aeron::Cnc, namespace::Host, net, party::DriverKind};
use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

/// How long a driver may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Settings that make a driver light on the processors and its streams short of term: what most tests want.
const QUIET: &[(&str, &str)] = &[
    ("aeron.threading.mode", "SHARED"),
    ("aeron.shared.idle.strategy", "backoff"),
    ("aeron.term.buffer.length", "65536"),
    ("aeron.ipc.term.buffer.length", "65536"),
    ("aeron.term.buffer.sparse.file", "true"),
    ("aeron.perform.storage.checks", "false"),
    ("aeron.dir.delete.on.start", "true"),
    ("aeron.dir.warn.if.exists", "false"),
    // On a crowded machine a client may not run for seconds; only tests of liveness want to notice.
    ("aeron.client.liveness.timeout", "60s"),
    ("aeron.publication.unblock.timeout", "61s"),
    ("aeron.image.liveness.timeout", "30s"),
    ("aeron.publication.connection.timeout", "30s"),
];

/// A running driver process; killed when dropped.
#[derive(Debug)]
pub struct DriverProcess {
    kind: DriverKind,
    child: Child,
    dir: PathBuf,
    _scratch: Option<tempfile::TempDir>,
}

impl DriverProcess {
    /// Starts a driver in a directory of its own with quiet settings, then `properties` on top of them.
    ///
    /// # Errors
    /// As [`DriverProcess::spawn_in`].
    pub fn spawn(kind: DriverKind, properties: &[(&str, &str)]) -> io::Result<Self> {
        let scratch = net::scratch_dir()?;
        let dir = scratch.path().join("driver");
        let mut this = Self::spawn_in(kind, &dir, properties)?;
        this._scratch = Some(scratch);
        Ok(this)
    }

    /// As [`DriverProcess::spawn`], on a host of its own.
    ///
    /// # Errors
    /// As [`DriverProcess::spawn_in`].
    pub fn spawn_on(host: &Host, kind: DriverKind, properties: &[(&str, &str)]) -> io::Result<Self> {
        let scratch = net::scratch_dir()?;
        let dir = scratch.path().join("driver");
        let mut this = Self::start(kind, &dir, properties, Some(host))?;
        this._scratch = Some(scratch);
        Ok(this)
    }

    /// Starts a driver in `dir`, which stays when the value goes, and waits until it is ready for clients.
    ///
    /// # Errors
    /// The program cannot be started, or ends at once.
    pub fn spawn_in(kind: DriverKind, dir: &Path, properties: &[(&str, &str)]) -> io::Result<Self> {
        Self::start(kind, dir, properties, None)
    }

    /// Starts a driver in a directory of its own with the settings that its makers chose.
    ///
    /// # Errors
    /// As [`DriverProcess::spawn_in`].
    pub fn spawn_stock(kind: DriverKind) -> io::Result<Self> {
        let scratch = net::scratch_dir()?;
        let dir = scratch.path().join("driver");
        let mut this = Self::start_with(kind, &dir, &[], None)?;
        this._scratch = Some(scratch);
        Ok(this)
    }

    fn start(
        kind: DriverKind,
        dir: &Path,
        properties: &[(&str, &str)],
        host: Option<&Host>,
    ) -> io::Result<Self> {
        let settings: Vec<_> = QUIET.iter().chain(properties).copied().collect();
        Self::start_with(kind, dir, &settings, host)
    }

    fn start_with(
        kind: DriverKind,
        dir: &Path,
        properties: &[(&str, &str)],
        host: Option<&Host>,
    ) -> io::Result<Self> {
        let program = match kind {
            DriverKind::Aeron => compare()?,
            DriverKind::Epona => eponamd_program()?,
        };
        let mut command = match host {
            // It becomes the program, and keeps its process id.
            Some(host) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", host.namespace()]).arg(program);
                command
            }
            None => Command::new(program),
        };
        if kind == DriverKind::Aeron {
            command.arg("aeron-driver");
        }
        let settings = properties.iter().map(|&(name, value)| (name, value.to_owned()));
        let dir_setting = ("aeron.dir", dir.to_string_lossy().into_owned());
        for (name, value) in settings.chain([dir_setting]) {
            match kind {
                DriverKind::Aeron => command.env(environment_name(name), value),
                DriverKind::Epona => command.arg(format!("-D{name}={value}")),
            };
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut this = Self { kind, child, dir: dir.to_owned(), _scratch: None };
        this.await_ready()?;
        Ok(this)
    }

    /// Waits until the CnC file is this process's own, and not what a predecessor left behind.
    fn await_ready(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let pid = i64::from(self.child.id());
        while Cnc::open(&self.dir).map_or(true, |cnc| cnc.pid() != pid) {
            if let Some(status) = self.child.try_wait()? {
                let (_, stderr) = self.wait()?;
                return Err(io::Error::other(format!("the driver ended at once: {status}: {stderr}")));
            }
            if Instant::now() > deadline {
                let what = format!("the driver did not create its directory within {PATIENCE:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, what));
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Whose driver it is.
    #[must_use]
    pub fn kind(&self) -> DriverKind {
        self.kind
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its Aeron directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Ends it at once, as a crash or the kernel would.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Asks it to end (SIGTERM), waits up to 30 seconds and returns its exit code and what it wrote to standard error.
    ///
    /// # Errors
    /// It does not end, or the operating system refuses.
    pub fn terminate(&mut self) -> io::Result<(Option<i32>, String)> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        self.wait()
    }

    /// Waits up to 30 seconds for it to end by itself; its exit code and what it wrote to standard error.
    ///
    /// # Errors
    /// It does not end.
    pub fn wait(&mut self) -> io::Result<(Option<i32>, String)> {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("the driver did not end within {PATIENCE:?}"),
                ));
            }
            std::thread::yield_now();
        };
        let mut stderr = String::new();
        if let Some(mut pipe) = self.child.stderr.take() {
            pipe.read_to_string(&mut stderr)?;
        }
        Ok((status.code(), stderr))
    }
}

impl Drop for DriverProcess {
    fn drop(&mut self) {
        // It may have ended already; there is nothing more to do about a refusal.
        let _ = self.kill();
    }
}

/// A client of the scenario `stock`; killed when dropped.
#[derive(Debug)]
pub struct ClientProcess(Child);

impl ClientProcess {
    /// Starts a client of the party with that name.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn(party: &str, arguments: &[String]) -> io::Result<Self> {
        let mut command = Command::new(compare()?);
        command.args(["stock-client", "--party", party]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map(Self)
    }

    /// Waits for its end; what it printed.
    ///
    /// # Errors
    /// It failed, as a sentence.
    pub fn output(mut self) -> Result<String, String> {
        let text = |error: io::Error| error.to_string();
        let (mut output, mut faults) = (String::new(), String::new());
        if let Some(mut pipe) = self.0.stdout.take() {
            pipe.read_to_string(&mut output).map_err(text)?;
        }
        // It is a line or two, for which there is room while nobody reads.
        if let Some(mut pipe) = self.0.stderr.take() {
            pipe.read_to_string(&mut faults).map_err(text)?;
        }
        let status = self.0.wait().map_err(text)?;
        if status.success() {
            Ok(output)
        } else {
            Err(format!("a client process failed, {status}: {}", faults.trim()))
        }
    }
}

impl Drop for ClientProcess {
    fn drop(&mut self) {
        // It may have ended already; there is nothing more to do about a refusal.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `aeron.term.buffer.length` becomes `AERON_TERM_BUFFER_LENGTH`.
fn environment_name(property: &str) -> String {
    property.replace('.', "_").to_uppercase()
}

/// The program `compare`, which cargo builds next to the program that asks (tests live one level deeper), if that is
/// not `compare` itself.
fn compare() -> io::Result<PathBuf> {
    let mut dir = std::env::current_exe()?;
    dir.pop();
    if dir.ends_with("deps") {
        dir.pop();
    }
    Ok(dir.join("compare"))
}

/// The program `eponamd`: the one that `EPONAMD` names, or one built now from the main workspace.
///
/// # Errors
/// When it cannot be built.
pub fn eponamd_program() -> io::Result<PathBuf> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PROGRAM.get_or_init(|| program("eponamd", "EPONAMD")).clone().map_err(io::Error::other)
}

/// The program `epona`: the one that `EPONA` names, or one built now from the main workspace.
///
/// # Errors
/// When it cannot be built.
pub fn epona_program() -> io::Result<PathBuf> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PROGRAM.get_or_init(|| program("epona", "EPONA")).clone().map_err(io::Error::other)
}

fn program(name: &str, variable: &str) -> Result<PathBuf, String> {
    if let Some(program) = std::env::var_os(variable) {
        return Ok(program.into());
    }
    eprintln!(
        "Building {name}, if it is not built yet, for a minute or two; {variable}=FILE names one to take instead."
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = root.join("target");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--quiet", "--bin", name, "--manifest-path"])
        .arg(root.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .output()
        .map_err(|error| format!("cargo cannot be started to build {name}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name} does not build:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(target.join("release").join(name))
}
