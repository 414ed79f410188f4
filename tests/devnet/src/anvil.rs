//! A node as a child process.
//!
//! The process is in a group of its own, so that Ctrl-C in a terminal reaches the program that
//! owns it, which then ends it; should that program die without doing so, a guard process sees its
//! pipe closed and ends the node. Its port is chosen by the operating system, which is the only
//! choice that lets tests run beside each other.

use std::{
    collections::VecDeque,
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use eyre::{Context as _, OptionExt as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinSet,
    time::{interval, timeout},
};
use url::Url;

use crate::{Node, Tooling};

/// Longest time from start to the first answer; with a large state on a busy machine.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time for writing the state when stopped.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a starting node is asked.
const POLL: Duration = Duration::from_millis(10);
/// Lines of output kept for an error message.
const KEPT_LINES: usize = 20;
/// What anvil prints before its address.
const LISTENING: &str = "Listening on ";

/// When the node makes blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mining {
    /// One block per transaction.
    #[default]
    Auto,
    /// One block per period, with or without transactions.
    Every(Duration),
    /// Only by [`Node::mine`] and its kin.
    Manual,
}

/// How a node is started. The default is a bare chain 1 on a free port, a block per transaction.
#[derive(Debug, Clone)]
pub struct AnvilOptions {
    /// The chain id.
    pub chain_id: u64,
    /// When it makes blocks.
    pub mining: Mining,
    /// The port; `None` lets the operating system choose a free one.
    pub port: Option<u16>,
    /// A dumped state to begin with.
    pub load_state: Option<PathBuf>,
    /// The timestamp of the genesis block, in seconds since 1970; `None` is now.
    pub genesis_timestamp: Option<u64>,
    /// Keep the states of past blocks over [`Anvil::stop`] and [`Anvil::start`]. Costs time and
    /// space with every block.
    pub keep_history: bool,
    /// Further command-line arguments.
    pub extra: Vec<String>,
}

impl Default for AnvilOptions {
    fn default() -> Self {
        Self {
            chain_id: 1,
            mining: Mining::default(),
            port: None,
            load_state: None,
            genesis_timestamp: None,
            keep_history: false,
            extra: Vec::new(),
        }
    }
}

/// A running anvil, killed when dropped.
#[derive(Debug)]
pub struct Anvil {
    program: PathBuf,
    options: AnvilOptions,
    node: Node,
    port: u16,
    running: Option<Running>,
    /// Where [`stop`](Self::stop) leaves the state for [`start`](Self::start).
    scratch: TempDir,
}

#[derive(Debug)]
struct Running {
    child: Child,
    pid: Pid,
    guard: Child,
    _readers: JoinSet<()>,
}

impl Anvil {
    /// Starts a node and waits until it answers with the right chain id.
    ///
    /// # Errors
    ///
    /// If it is not installed, ends early (the message has its last lines) or does not answer.
    pub async fn spawn(tooling: &Tooling, options: AnvilOptions) -> Result<Self> {
        let scratch = tempfile::tempdir().wrap_err("making a folder for the node's state")?;
        let program = tooling.anvil()?;
        let command = command(&program, &options, &scratch, options.port.unwrap_or(0))?;
        let (running, port) = launch(command).await?;
        let node = Node::new(local_url(port)?)?;
        let anvil = Self { program, options, node, port, running: Some(running), scratch };
        anvil.ready().await?;
        Ok(anvil)
    }

    /// The handle for talking to it. Stays valid over a restart.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The address for HTTP requests.
    #[must_use]
    pub fn http_url(&self) -> &Url {
        self.node.http_url()
    }

    /// The address for WebSocket connections.
    #[must_use]
    pub fn ws_url(&self) -> Url {
        self.node.ws_url()
    }

    /// The port it listens on, the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().and_then(|running| running.child.id())
    }

    /// Ends it as a crash would: connections break, nothing is saved.
    ///
    /// # Errors
    ///
    /// If the process cannot be ended.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut running) = self.running.take() {
            running.guard.kill().await.wrap_err("ending the guard")?;
            running.child.kill().await.wrap_err("killing anvil")?;
        }
        Ok(())
    }

    /// Ends it in order, keeping the chain for [`start`](Self::start). Waiting transactions are
    /// lost, as on a real node that keeps no pool on disk.
    ///
    /// # Errors
    ///
    /// If it is not running, or has not written its state in 30 seconds.
    pub async fn stop(&mut self) -> Result<()> {
        let mut running = self.running.take().ok_or_eyre("anvil is not running")?;
        // Once the node is gone its id may be another process's: the guard goes first.
        running.guard.kill().await.wrap_err("ending the guard")?;
        kill_process(running.pid, Signal::CONT).wrap_err("thawing anvil")?;
        kill_process(running.pid, Signal::INT).wrap_err("stopping anvil")?;
        timeout(STOP_TIMEOUT, running.child.wait()).await.wrap_err("anvil does not stop")??;
        ensure!(self.state_file().is_file(), "anvil stopped without saving its state");
        Ok(())
    }

    /// Starts it again on the same port with the state of the last [`stop`](Self::stop); after a
    /// [`kill`](Self::kill) with the state before that, or the one it was spawned with. The chain's
    /// clock is the wall clock again, or goes on from the newest block where that is ahead.
    ///
    /// # Errors
    ///
    /// If it is running already, or like [`spawn`](Self::spawn).
    pub async fn start(&mut self) -> Result<()> {
        ensure!(self.running.is_none(), "anvil is running already");
        let mut options = self.options.clone();
        let saved = self.state_file();
        if saved.is_file() {
            options.load_state = Some(saved);
        }
        let command = command(&self.program, &options, &self.scratch, self.port)?;
        let (running, _) = launch(command).await?;
        self.running = Some(running);
        self.ready().await?;
        self.node.keep_ahead().await
    }

    /// Stops it and starts it again, on the same port with the same chain.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop) and [`start`](Self::start).
    pub async fn restart_on_same_port(&mut self) -> Result<()> {
        self.stop().await?;
        self.start().await
    }

    /// Stops the process: connections stay open and nothing is answered. When this returns, it
    /// has stopped.
    ///
    /// # Errors
    ///
    /// If it is not running.
    pub fn freeze(&self) -> Result<()> {
        let pid = self.signal(Signal::STOP)?;
        // The signal stops one thread at first; on a busy machine others go on answering for a
        // while. NOWAIT leaves the state for tokio, which is the one to reap the process.
        let states = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let state = waitid(WaitId::Pid(pid), states).wrap_err("waiting for anvil to stop")?;
        ensure!(state.is_some_and(|state| state.stopped()), "anvil has ended");
        Ok(())
    }

    /// Ends a [`freeze`](Self::freeze).
    ///
    /// # Errors
    ///
    /// If it is not running.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)?;
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<Pid> {
        let running = self.running.as_ref().ok_or_eyre("anvil is not running")?;
        kill_process(running.pid, signal).wrap_err("signalling anvil")?;
        Ok(running.pid)
    }

    pub(crate) fn state_file(&self) -> PathBuf {
        self.scratch.path().join(STATE_FILE)
    }

    /// Waits for the first answer. Asks in short turns, since a socket that is accepted before
    /// the server is up may never be answered.
    async fn ready(&self) -> Result<()> {
        let wait = async {
            let mut poll = interval(POLL);
            loop {
                poll.tick().await;
                if let Ok(Ok(id)) = timeout(Duration::from_secs(1), self.node.chain_id()).await {
                    return id;
                }
            }
        };
        let id = timeout(READY_TIMEOUT, wait).await.wrap_err("anvil does not answer")?;
        ensure!(id == self.options.chain_id, "another node with chain id {id} has the port");
        Ok(())
    }
}

const STATE_FILE: &str = "state.json";

fn local_url(port: u16) -> Result<Url> {
    Ok(Url::parse(&format!("http://127.0.0.1:{port}"))?)
}

fn command(
    program: &PathBuf,
    options: &AnvilOptions,
    scratch: &TempDir,
    port: u16,
) -> Result<Command> {
    let mut command = Command::new(program);
    command.args(["--host", "127.0.0.1", "--port"]).arg(port.to_string());
    command.arg("--chain-id").arg(options.chain_id.to_string());
    command.arg("--dump-state").arg(scratch.path().join(STATE_FILE));
    // Old states go to disk, and stay there when the process is killed: to the home directory, unless told.
    command.arg("--cache-path").arg(scratch.path().join("states"));
    match options.mining {
        Mining::Auto => {}
        Mining::Every(period) => {
            ensure!(!period.is_zero(), "the block time must not be zero");
            command.arg("--block-time").arg(period.as_secs_f64().to_string());
        }
        Mining::Manual => {
            command.arg("--no-mining");
        }
    }
    if let Some(state) = &options.load_state {
        ensure!(state.is_file(), "no state file {}", state.display());
        command.arg("--load-state").arg(state);
    }
    if let Some(timestamp) = options.genesis_timestamp {
        command.arg("--timestamp").arg(timestamp.to_string());
    }
    if options.keep_history {
        command.arg("--preserve-historical-states");
    }
    command.args(&options.extra);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true).process_group(0);
    Ok(command)
}

/// Starts the process and waits until it says where it listens.
async fn launch(mut command: Command) -> Result<(Running, u16)> {
    let mut child = command.spawn().wrap_err("starting anvil")?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let pid = pid.ok_or_eyre("anvil has no process id")?;
    let guard = guard(pid)?;
    let stdout = child.stdout.take().ok_or_eyre("anvil has no output")?;
    let stderr = child.stderr.take().ok_or_eyre("anvil has no error output")?;

    let lines = Arc::new(Mutex::new(VecDeque::new()));
    let (found, mut port) = watch::channel(None);
    let mut readers = JoinSet::new();
    readers.spawn(drain(stdout, Arc::clone(&lines), found.clone()));
    readers.spawn(drain(stderr, Arc::clone(&lines), found));

    let listening = async {
        match port.wait_for(Option::is_some).await {
            Ok(port) => *port,
            Err(_both_outputs_closed) => None,
        }
    };
    let Some(port) = timeout(READY_TIMEOUT, listening).await.unwrap_or(None) else {
        let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let said = lines.iter().cloned().collect::<Vec<String>>().join("\n");
        bail!("anvil did not start listening; it said:\n{said}");
    };
    Ok((Running { child, pid, guard, _readers: readers }, port))
}

/// Waits for the end of its input, that is of this program, and kills the process.
fn guard(pid: Pid) -> Result<Child> {
    let script = "read -r _; kill -9 \"$0\"";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(pid.as_raw_nonzero().to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.process_group(0).kill_on_drop(true).spawn().wrap_err("starting the node's guard")
}

/// Reads to the end, because a full pipe would stop the node; keeps the last lines.
async fn drain(
    output: impl AsyncRead + Unpin,
    lines: Arc<Mutex<VecDeque<String>>>,
    port: watch::Sender<Option<u16>>,
) {
    let mut reader = BufReader::new(output).lines();
    while let Ok(Some(line)) = reader.next_line().await {
        if let Some(address) = line.strip_prefix(LISTENING) {
            let parsed = address.rsplit(':').next().and_then(|port| port.trim().parse().ok());
            port.send_replace(parsed);
        }
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}
