//! What `apply` and `undo` share: the plan, its folder, the request, and what is told meanwhile.

mod before;
mod teller;

pub(crate) use teller::Teller;

use crate::args::ChangeArgs;
use crate::failure::{Doing, Failure, OrHint, fail};
use crate::home::Home;
use crate::printer::Printer;
use pgattest_collect::Limits;
use pgattest_model::Plan;
use pgattest_model::ident::visible;
use pgattest_remedy::{ApplyError, Request, Restart, ServerFiles};
use pgattest_report::plan;
use pgattest_wire::ConnectOptions;
use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A plan file, read.
pub(crate) struct PlanFile {
    pub(crate) plan: Plan,
    pub(crate) text: String,
    pub(crate) digest: String,
}

impl PlanFile {
    /// Reads it, and refuses one that was edited.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .doing(|| format!("the plan {} could not be read", path.display()))
            .or_hint("`pgattest plan --out FILE` makes one")?;
        let (plan, digest) = plan::read(&text)
            .doing(|| format!("{} cannot be used", path.display()))
            .or_hint("a plan is used as it was made; make another: pgattest plan --out FILE")?;
        Ok(Self { plan, text, digest })
    }

    /// Where the journal and the backups of this plan are kept.
    pub(crate) fn folder(&self, home: &Home) -> PathBuf {
        home.plans()
            .join(self.digest.get(..16).unwrap_or(&self.digest))
    }
}

/// The request to the executor.
pub(crate) fn request<'a>(
    file: &'a PlanFile,
    options: &'a ConnectOptions,
    folder: &'a Path,
    arguments: &ChangeArgs,
    accept: &[String],
) -> Request<'a> {
    Request {
        plan: &file.plan,
        plan_digest: &file.digest,
        options,
        folder,
        files: if arguments.host {
            ServerFiles::Local
        } else {
            ServerFiles::ThroughServer
        },
        restart: restart(arguments),
        accept: accept.iter().cloned().collect::<BTreeSet<_>>(),
        lock_timeout: Duration::from_millis(u64::from(arguments.lock_timeout)),
        attempts: arguments.attempts,
        prove_within: Duration::from_secs(u64::from(arguments.prove_within)),
        limits: Limits::default(),
        faults: None,
    }
}

fn restart(arguments: &ChangeArgs) -> Restart {
    match (&arguments.restart_command, arguments.allow_restart) {
        (Some(command), _) => Restart::Command(command.clone()),
        (None, true) => Restart::Wait {
            limit: Duration::from_secs(u64::from(arguments.restart_timeout)),
        },
        (None, false) => Restart::No,
    }
}

/// Asks whoever sits at the terminal. Without a terminal nobody can be asked, and nothing is begun.
pub(crate) fn confirm(question: &str, yes: bool, printer: &Printer) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(fail("nothing was changed: there is no terminal to ask at")
            .hint("read the plan, then say so with --yes"));
    }
    printer.rendered(&format!("{question} [y/N] "));
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .doing(|| "the answer could not be read".to_owned())?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(fail("nothing was changed")),
    }
}

/// Runs a future to its end, or until the user or the system asks the program to stop.
pub(crate) fn run<T>(
    work: impl Future<Output = Result<T, ApplyError>>,
    plan_file: &Path,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .doing(|| "the runtime could not be started".to_owned())?;
    let plan = visible(&plan_file.display().to_string());
    runtime.block_on(async {
        tokio::select! {
            done = work => done.map_err(|error| {
                let hint = error.hint();
                Failure::of(error, hint)
            }),
            () = crate::looking::interrupted() => Err(fail(
                "interrupted; the journal knows what is done, and nothing is half done",
            )
            .hint(format!(
                "go on with `pgattest apply --resume {plan}`, or take it back with `pgattest undo {plan}`"
            ))),
        }
    })
}
