//! A process of the game: started, heard, signalled and looked into.

use crate::{host::Host, roles::Report};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    io::{self, BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How long a process may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    log: PathBuf,
    report: Arc<Mutex<Report>>,
}

impl Process {
    /// Starts a role on a host. What it writes to standard error goes to `log`.
    pub(crate) fn spawn(name: &str, host: &Host, log: PathBuf, arguments: &[String]) -> io::Result<Self> {
        let mut command = host.command()?;
        command.args(arguments).env_remove("AERON_DIR");
        // Ctrl-C is for the game, which ends its processes itself.
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(fs::OpenOptions::new().create(true).append(true).open(&log)?);
        let mut child = command.spawn()?;
        let report = Arc::<Mutex<Report>>::default();
        if let Some(stdout) = child.stdout.take() {
            let latest = Arc::clone(&report);
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if let Ok(report) = serde_json::from_str(&line) {
                        *latest.lock().unwrap_or_else(PoisonError::into_inner) = report;
                    }
                }
            });
        }
        let stdin = child.stdin.take();
        Ok(Self { name: name.to_owned(), child, stdin, log, report })
    }

    /// What it told last.
    pub(crate) fn report(&self) -> Report {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.map_or(Ok(()), |pid| kill_process(pid, signal).map_err(Into::into))
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// What is wrong if it has ended, which nobody asked it to.
    pub(crate) fn unexpected_end(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        Some(self.obituary(status))
    }

    /// Asks it to end and waits; what is wrong if it does not end well.
    pub(crate) fn finish(mut self) -> Result<Report, String> {
        self.stdin = None;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => break,
                Ok(Some(status)) => return Err(self.obituary(status)),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
                Ok(None) => return Err(format!("{} did not end within {PATIENCE:?}", self.name)),
                Err(error) => return Err(format!("{}: {error}", self.name)),
            }
        }
        Ok(self.report())
    }

    fn obituary(&self, status: ExitStatus) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(5)..].join("; ");
        format!("{} ended: {status}: {last}", self.name)
    }

    /// What it holds.
    pub(crate) fn holdings(&self) -> Holdings {
        let proc = Path::new("/proc").join(self.child.id().to_string());
        let maps = fs::read_to_string(proc.join("maps")).unwrap_or_default();
        let status = fs::read_to_string(proc.join("status")).unwrap_or_default();
        let is_ours = |line: &&str| line.contains(".logbuffer") || line.contains("cnc.dat");
        let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = anonymous.and_then(|text| text.split_whitespace().next()?.parse().ok());
        Holdings {
            descriptors: fs::read_dir(proc.join("fd")).map_or(0, Iterator::count),
            mappings: maps.lines().filter(is_ours).count(),
            deleted_mappings: maps.lines().filter(is_ours).filter(|line| line.ends_with("(deleted)")).count(),
            anonymous_kib: kib.unwrap_or(0),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; there is nothing more to do about a refusal.
        let _ = self.kill();
    }
}

/// What a process holds of the system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Holdings {
    /// Open files and sockets.
    pub(crate) descriptors: usize,
    /// Mapped logs and CnC files.
    pub(crate) mappings: usize,
    /// Those of them that are no longer in a directory.
    pub(crate) deleted_mappings: usize,
    /// Memory of its own, KiB.
    pub(crate) anonymous_kib: u64,
}
