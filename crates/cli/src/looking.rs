//! Connecting and collecting, for every command that looks at a live cluster.

use crate::auditing;
use crate::failure::{Doing, Failure, fail};
use crate::policy_file::PolicyFile;
use crate::printer::Printer;
use crate::progress::Progress;
use pgattest_collect::{CollectError, Collection, Limits, collect_until};
use pgattest_model::{Audit, Observation, Policy, Run};
use pgattest_wire::{ConnectOptions, ProcessEnv};

/// What to connect to, from a connection string and what it leaves out. Warns of what is doubtful.
pub(crate) fn resolve(
    connection: Option<&str>,
    printer: &Printer,
) -> Result<ConnectOptions, Failure> {
    let options = ConnectOptions::resolve(connection, &ProcessEnv).map_err(|error| {
        let hint = error.hint();
        Failure::of(error, hint)
    })?;
    for warning in options.warnings() {
        printer.warning(&warning.to_string());
    }
    Ok(options)
}

/// One collection, with when it was made: what an audit is made of.
pub(crate) struct Look {
    pub(crate) run: Run,
    pub(crate) observations: Vec<Observation>,
}

impl Look {
    /// Judges it.
    pub(crate) fn audit(self, policy: &Policy) -> Audit {
        auditing::audit(self.run, self.observations, policy)
    }
}

/// Collects and dates it. The times are as a package writes them down, so that whoever reads them back gets the same text.
pub(crate) fn look(
    options: &ConnectOptions,
    limits: Limits,
    policy: &PolicyFile,
    printer: &Printer,
) -> Result<Look, Failure> {
    let collection = collect(options, limits, printer)?;
    let canonical = |time: &str| -> Result<String, Failure> {
        let time: jiff::Timestamp = time.parse().doing(|| format!("`{time}` is not a time"))?;
        Ok(time.to_string())
    };
    Ok(Look {
        run: Run {
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: canonical(&collection.started_at)?,
            finished_at: canonical(&collection.finished_at)?,
            clock_skew_ms: collection.clock_skew_ms,
            policy_given: policy.text.is_some(),
        },
        observations: collection.observations,
    })
}

/// Collects, with progress on a terminal, until done or until the user or the system asks the program to stop.
pub(crate) fn collect(
    options: &ConnectOptions,
    limits: Limits,
    printer: &Printer,
) -> Result<Collection, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .doing(|| "the runtime could not be started".to_owned())?;
    let progress = Progress::new(printer);
    let collected = runtime.block_on(collect_until(options, limits, interrupted(), |event| {
        progress.show(&event);
    }));
    progress.finish();
    collected.map_err(explained)
}

/// Why nothing was collected, with what to do next.
pub(crate) fn explained(error: CollectError) -> Failure {
    match error {
        CollectError::Connect(error) => {
            let hint = error.hint();
            Failure::of(error, hint)
        }
        CollectError::Stopped => {
            fail("interrupted: nothing was written, and nothing is left running on the server")
        }
        other => Failure::from(other),
    }
}

/// Ready when the user or the system asks the program to stop.
pub(crate) async fn interrupted() {
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    let Ok(mut terminate) = terminate else {
        return std::future::pending().await;
    };
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => if pressed.is_err() { std::future::pending().await },
        _ = terminate.recv() => {}
    }
}
