//! The real binary as a child process: started, watched, killed.

mod lines;

#[cfg(test)]
mod tests;

use crate::{lock, wait::wait_until};
use eyre::{Result, WrapErr, bail, eyre};
use lines::Lines;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    task::JoinSet,
};

/// Lines of output that a failure shows.
const TAIL: usize = 40;

/// How long output may trickle in after the exit: a grandchild may hold the pipe open.
const DRAIN: Duration = Duration::from_secs(2);

/// What to run, with which arguments and environment, in a temporary directory of its own.
///
/// Every start of one command runs in the same directory, so a second start is a restart: it finds
/// the store of the first. The directory goes when the command and its processes are dropped.
#[derive(Debug)]
pub struct KeeperCommand {
    program: PathBuf,
    /// Made at the first start.
    dir: Mutex<Option<Arc<TempDir>>>,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
}

impl KeeperCommand {
    /// A binary by its path, such as `env!("CARGO_BIN_EXE_ballast")`.
    pub fn new(program: impl AsRef<Path>) -> Self {
        let program = program.as_ref().to_owned();
        Self { program, dir: Mutex::default(), args: Vec::new(), env: Vec::new() }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable. The child inherits only `PATH` and `HOME`, so that the developer's own
    /// environment cannot decide a test.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(&self) -> Result<KeeperProcess> {
        let dir = self.dir()?;
        let inherited = ["PATH", "HOME"]
            .into_iter()
            .filter_map(|name| std::env::var_os(name).map(|value| (OsString::from(name), value)));
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .envs(inherited)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .wrap_err_with(|| format!("starting {}", self.program.display()))?;
        let lines = Lines::default();
        let mut readers = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            readers.spawn(lines.clone().read("out", stdout));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.spawn(lines.clone().read("err", stderr));
        }
        let pid = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let pid = pid.ok_or_else(|| eyre!("the child has no process id"))?;
        Ok(KeeperProcess { child, pid, lines, readers, dir })
    }

    fn dir(&self) -> Result<Arc<TempDir>> {
        let mut made = lock(&self.dir);
        if let Some(dir) = &*made {
            return Ok(Arc::clone(dir));
        }
        let dir = Arc::new(tempfile::Builder::new().prefix("ballast-run-").tempdir()?);
        *made = Some(Arc::clone(&dir));
        Ok(dir)
    }
}

/// A running child in its own process group. Dropping it kills the group.
#[derive(Debug)]
pub struct KeeperProcess {
    child: Child,
    pid: Pid,
    lines: Lines,
    readers: JoinSet<()>,
    dir: Arc<TempDir>,
}

impl KeeperProcess {
    /// Its working directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// The kept output, both streams, in the order it was read: the newest 10,000 lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.since(0)
    }

    /// The last lines of output, for the message of a failing assertion.
    #[must_use]
    pub fn tail(&self) -> String {
        self.lines.tail(TAIL)
    }

    /// A place in the output, for [`Self::wait_for_line_since`].
    #[must_use]
    pub fn mark(&self) -> u64 {
        self.lines.mark()
    }

    /// The first line of output, from the start, that contains `text`.
    ///
    /// # Errors
    /// When none came before the deadline, or the output ended without it: with the last lines.
    pub async fn wait_for_line(&self, text: &str, deadline: Duration) -> Result<String> {
        self.wait_for_line_since(0, text, deadline).await
    }

    /// The first line of output after a mark that contains `text`.
    ///
    /// # Errors
    /// See [`Self::wait_for_line`].
    pub async fn wait_for_line_since(
        &self,
        mark: u64,
        text: &str,
        deadline: Duration,
    ) -> Result<String> {
        let line = tokio::time::timeout(deadline, self.lines.find(mark, text)).await;
        match line {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err(self.failure(&format!("the output ended without {text:?}"))),
            Err(_) => Err(self.failure(&format!("waited {deadline:?} for a line with {text:?}"))),
        }
    }

    /// Waits for a condition while the process runs; an early exit fails at once.
    ///
    /// # Errors
    /// Those of [`wait_until`], and the exit, with the last lines of output.
    pub async fn wait_until<P: crate::Observed>(
        &mut self,
        what: &str,
        deadline: Duration,
        probe: impl AsyncFnMut() -> P,
    ) -> Result<P::Value> {
        let waited = tokio::select! {
            biased;
            waited = wait_until(what, deadline, probe) => waited,
            status = self.child.wait() => {
                Err(eyre!("the process ended ({}) before {what}", status?))
            }
        };
        waited.map_err(|error| self.failure(&error.to_string()))
    }

    /// SIGKILL, to the process alone, and waits until it is gone. What it had started lives on.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn kill9(&mut self) -> Result<ExitStatus> {
        self.child.start_kill()?;
        Ok(self.child.wait().await?)
    }

    /// SIGTERM; follow it with [`Self::wait_exit`].
    ///
    /// # Errors
    /// When the process has ended.
    pub fn terminate(&mut self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// SIGINT, as Ctrl-C sends it.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn interrupt(&mut self) -> Result<()> {
        self.signal(Signal::INT)
    }

    /// SIGSTOP: it freezes where it is.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn freeze(&mut self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT: it goes on.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn thaw(&mut self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Whether it is still running.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits until it has ended and its output has been read.
    ///
    /// # Errors
    /// When it has not ended by the deadline: with the last lines of output.
    pub async fn wait_exit(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let Ok(status) = tokio::time::timeout(deadline, self.child.wait()).await else {
            return Err(self.failure(&format!("still running after {deadline:?}")));
        };
        let drained = async { while self.readers.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::debug!("a descendant keeps the output open");
        }
        Ok(status?)
    }

    /// An error that carries the last lines of output.
    pub fn failure(&self, what: &str) -> eyre::Report {
        eyre!("{what}\n--- last lines of output ---\n{}", self.tail())
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        // Asking first means that the id is not yet reaped, so it cannot be somebody else's.
        if !self.is_running()? {
            bail!(self.failure("the process has ended"));
        }
        Ok(kill_process(self.pid, signal)?)
    }
}

impl Drop for KeeperProcess {
    fn drop(&mut self) {
        // What it started goes too. An error means that nothing of the group is left.
        if let Err(error) = kill_process_group(self.pid, Signal::KILL) {
            tracing::trace!(%error, "the process group is gone");
        }
    }
}
