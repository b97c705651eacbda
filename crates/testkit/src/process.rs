//! Child processes that cannot outlive the test process.

use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{LazyLock, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to start or to stop on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A running child that is killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// What the program understands as "stop at once".
    quit: Signal,
}

impl Process {
    /// A command that runs `server` and is sent `quit` when the thread that
    /// started it ends: setpriv asks the kernel for that.
    pub(crate) fn command(server: &Path, quit: Signal) -> Command {
        let name = if quit == Signal::QUIT { "QUIT" } else { "KILL" };
        let mut command = program(Path::new("/usr/bin/setpriv"));
        command.args(["--pdeathsig", name, "--"]).arg(server);
        command
    }

    /// Starts what [`Process::command`] made.
    pub(crate) fn start(command: Command, quit: Signal) -> Result<Self> {
        let what = command.get_program().display().to_string();
        let child = keeper_spawn(command)
            .with_context(|| format!("cannot start {what} (util-linux brings setpriv)"))?;
        Ok(Self { child, quit })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, if the process has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot wait for a child")
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("cannot signal process {}", self.pid()))
    }

    /// Sends `signal` and waits until the process is gone.
    pub(crate) fn stop(&mut self, signal: Signal) -> Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        self.signal(signal)?;
        let gone = poll(PATIENCE, || Ok(self.ended()?.is_some()))?;
        if !gone {
            bail!("process {} does not stop", self.pid());
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.stop(self.quit).is_err() {
            // A test is over in any case; what is left is to leave no process.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A command without arguments yet; all programs of this crate start here.
#[expect(
    clippy::disallowed_methods,
    reason = "servers, initdb and psql are what this crate runs; no shell reads their arguments"
)]
pub(crate) fn program(path: &Path) -> Command {
    Command::new(path)
}

/// Asks again and again, ever less often, until `done` or `patience` is over.
/// Says whether it was done.
pub(crate) fn poll(patience: Duration, mut done: impl FnMut() -> Result<bool>) -> Result<bool> {
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(1);
    loop {
        if done()? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a pause between questions, with a deadline; a server starting has no event to wait for"
        )]
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(20));
    }
}

/// Spawns from a thread that lives as long as this process. The kernel's "when
/// my parent dies" means the parent *thread*, and a test's own thread ends long
/// before a server that several tests share.
fn keeper_spawn(command: Command) -> std::io::Result<Child> {
    struct Request {
        command: Command,
        answer: mpsc::Sender<std::io::Result<Child>>,
    }
    static KEEPER: LazyLock<Mutex<mpsc::Sender<Request>>> = LazyLock::new(|| {
        let (sender, requests) = mpsc::channel::<Request>();
        std::thread::spawn(move || {
            for mut request in requests {
                let child = request.command.spawn();
                // Nobody waiting means the asking thread is gone; it took its test along.
                let _ = request.answer.send(child);
            }
        });
        Mutex::new(sender)
    });

    let (answer, child) = mpsc::channel();
    let request = Request { command, answer };
    KEEPER
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send(request)
        .map_err(std::io::Error::other)?;
    child.recv().map_err(std::io::Error::other)?
}
