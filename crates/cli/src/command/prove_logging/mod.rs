//! `pgattest prove logging`: canaries, and where they arrive.

mod journal;
mod line;
mod log;
mod perform;
mod report;
mod sinks;
mod watch;

use crate::args::{ProofFormat, ProveLoggingArgs};
use crate::failure::{Doing, Failure, fail};
use crate::looking::{interrupted, resolve};
use crate::policy_file;
use crate::printer::Printer;
use crate::trail_file;
use line::Found;
use perform::Others;
use pgattest_trail::canary::Class;
use pgattest_trail::{Leaf, inbox};
use pgattest_wire::connect;
use report::Report;
use sinks::Sink;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use watch::Places;

/// How long the collector is given to take what was found.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) fn run(arguments: &ProveLoggingArgs, printer: &Printer) -> Result<u8, Failure> {
    let policy = policy_file::load(arguments.policy.as_deref())?;
    let options = resolve(arguments.connection.as_deref(), printer)?;
    let other = |text: &Option<String>| {
        let text = text.as_deref();
        text.map(|text| resolve(Some(text), printer)).transpose()
    };
    let others = Others {
        pooler: other(&arguments.pooler)?,
        guarded: other(&arguments.login_at)?,
    };
    printer.note(&announcement(others.pooler.is_some()));
    if !arguments.yes {
        return Err(fail("nothing was done: this writes to the server's log")
            .hint("say that you want it: pgattest prove logging .. --yes"));
    }
    let required = required(policy.policy.logging.classes.as_ref());
    let trail = trail(arguments)?;
    let journal = trail.as_ref().map(|trail| trail.dir.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .doing(|| "the runtime could not be started".to_owned())?;
    let (report, cluster) = runtime.block_on(async {
        tokio::select! {
            report = prove(arguments, &options, &others, trail, &required) => report,
            () = interrupted() => Err(fail(
                "interrupted: what was done was in a transaction that nobody committed; nothing is left but lines in the log",
            )),
        }
    })?;
    if let Some(journal) = &journal {
        tell(journal, &report, cluster.as_deref(), printer);
    }
    printer.result(&match arguments.format {
        ProofFormat::Text => report.text(printer.verbose, Printer::width()),
        ProofFormat::Json => report.json()?,
    })?;
    Ok(report.exit_code())
}

fn announcement(pooled: bool) -> String {
    let through = if pooled {
        ", one of them through the pooler"
    } else {
        ""
    };
    format!(
        "In one transaction that is rolled back: a temporary table, rows in it, a GRANT on it, a DO block, a LISTEN, COPY in and out, a \
         prepared and a parallel query, a statement that is refused, and one with a made-up secret{through}. Besides: a login, a \
         replication connection where the role may have one, a call of a temporary function by the fast path, a login with a wrong \
         password, and a login as a role that does not exist. Nothing is left behind but lines in the log."
    )
}

/// The trail that is looked into.
struct Trail {
    dir: PathBuf,
    journal: journal::Journal,
    sinks: Vec<Sink>,
    notes: Vec<String>,
}

/// The trail, as the command line or the collector's configuration names it, with the sinks that have to confirm.
fn trail(arguments: &ProveLoggingArgs) -> Result<Option<Trail>, Failure> {
    let path = arguments.config.config.as_deref();
    let file = path.map(trail_file::load).transpose()?;
    let configured = file.as_ref().map(|file| file.journal.as_path());
    let Some(dir) = arguments.trail.as_deref().or(configured) else {
        if arguments.sinks.is_empty() {
            return Ok(None);
        }
        return Err(fail("a sink confirms records of a journal, and none is named").hint(
            "name the collector's configuration, --config trail.toml, or the journal's directory, --trail DIR",
        ));
    };
    let journal = journal::Journal::open(dir);
    let known = sinks::known(file.as_ref(), journal.reader())?;
    let mut notes = Vec::new();
    if known.is_none() && arguments.sinks.is_empty() {
        notes.push(format!(
            "No sink was looked at: there was no journal at {} to say which there are; --config trail.toml does.",
            dir.display()
        ));
    } else if known.as_ref().is_some_and(Vec::is_empty) {
        notes.push(
            "No sink was looked at: the collector is told of none, so that nothing leaves this journal.".to_owned(),
        );
    }
    Ok(Some(Trail {
        dir: dir.to_owned(),
        sinks: sinks::choose(known, &arguments.sinks)?,
        journal,
        notes,
    }))
}

/// The report, and the system identifier of the cluster that it is about.
async fn prove(
    arguments: &ProveLoggingArgs,
    options: &pgattest_wire::ConnectOptions,
    others: &Others,
    trail: Option<Trail>,
    required: &BTreeSet<Class>,
) -> Result<(Report, Option<String>), Failure> {
    let explain = |error: pgattest_wire::ConnectError| {
        let hint = error.hint();
        Failure::of(error, hint)
    };
    let watcher = connect(options).await.map_err(explain)?;
    let cluster = system_identifier(watcher.client()).await;
    // The places are opened before anything is done: what arrives from here on is looked at, and nothing older.
    let log = log::Log::open(arguments.logs.as_deref(), watcher.client()).await;
    let (journal, sinks, notes) = match trail {
        Some(trail) => (Some(trail.journal), trail.sinks, trail.notes),
        None => (None, Vec::new(), Vec::new()),
    };
    let mut places = Places {
        log,
        journal,
        sinks,
        deadline: arguments.deadline,
    };
    let done = perform::everything(options, others).await?;
    let found = watch::watch(&done, &mut places, watcher.client(), required).await;
    let _ = watcher.close().await;
    let report = Report::new(options.describe(), done, found, notes, required);
    Ok((report, cluster))
}

/// What ties the trail to this cluster. None when the role may not read it: the canaries count all the same, and an audit says that
/// nothing ties them to a cluster.
async fn system_identifier(client: &tokio_postgres::Client) -> Option<String> {
    // Asked for the right first: a refusal would be an error in the log that is being looked at.
    let may = "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')::pg_catalog.text";
    if value(client, may).await.as_deref() != Some("true") {
        return None;
    }
    let read = "SELECT control.system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system() AS control";
    let answer = value(client, read).await?;
    // A number of 64 bits; whatever else a server may answer is not put into the tree.
    answer.parse::<u64>().ok().map(|number| number.to_string())
}

async fn value(client: &tokio_postgres::Client, sql: &str) -> Option<String> {
    let messages = client.simple_query(sql).await.ok()?;
    messages.into_iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => {
            row.try_get(0).ok().flatten().map(str::to_owned)
        }
        _ => None,
    })
}

/// The classes whose lines must be there: those of the policy, and what PostgreSQL logs by itself.
fn required(classes: Option<&BTreeSet<String>>) -> BTreeSet<Class> {
    let has = |name: &str| {
        classes.map_or(matches!(name, "ddl" | "write" | "role"), |all| {
            all.contains(name) || all.contains("all")
        })
    };
    let mut required = BTreeSet::from([
        Class::Refused,
        Class::Login,
        Class::Logout,
        Class::WrongPassword,
        Class::UnknownRole,
        Class::Secret,
    ]);
    let by_name: [(&str, &[Class]); 6] = [
        ("read", &[Class::Read, Class::Parallel, Class::CopyTo]),
        (
            "write",
            &[Class::Write, Class::InDo, Class::Copy, Class::Prepared],
        ),
        ("ddl", &[Class::Ddl, Class::Pooled]),
        ("role", &[Class::Role]),
        ("function", &[Class::Function]),
        ("misc", &[Class::Misc]),
    ];
    for (name, classes) in by_name {
        if has(name) {
            required.extend(classes);
        }
    }
    required
}

/// Hands what was found to the collector, which puts it into the tree.
fn tell(journal: &Path, report: &Report, cluster: Option<&str>, printer: &Printer) {
    if cluster.is_none() {
        printer.warning(
            "the role may not call pg_control_system(): nothing ties these canaries to this cluster, and an audit will not count them; \
             GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO the role",
        );
    }
    let at = jiff::Timestamp::now().as_millisecond();
    let mut handed_in = Vec::new();
    for (number, one) in report.found().iter().enumerate() {
        let found = match &one.found {
            // A secret that can be read where it must not be is not what was to be found.
            Found::Right => !one.leaks(),
            Found::Wrong(_) | Found::Missing => false,
            Found::Unknown(_) => continue,
        };
        let leaf = Leaf::Canary {
            at,
            mark: one.mark.clone(),
            class: one.class.name().to_owned(),
            place: one.place.name().to_owned(),
            found,
            system_identifier: cluster.map(str::to_owned),
        };
        let name = format!("{at}-{number:04}");
        match inbox::hand_in(journal, &name, &leaf) {
            Ok(path) => handed_in.push(path),
            Err(error) => {
                printer.warning(&format!("the trail was not told: {error}"));
                return;
            }
        }
    }
    if !inbox::wait_until_taken(&handed_in, PATIENCE) {
        printer.warning(&format!(
            "the collector of {} has not taken the canaries yet: an audit counts them from when it has; `pgattest trail status` says \
             whether it runs",
            journal.display()
        ));
    }
}
