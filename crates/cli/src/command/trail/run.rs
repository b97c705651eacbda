//! `pgattest trail run`.

use crate::args::TrailRunArgs;
use crate::collecting::{detecting, keys, serve, watch};
use crate::failure::{Failure, fail};
use crate::home::Home;
use crate::printer::Printer;
use crate::trail_file::{self, TrailFile};
use pgattest_anchor::AnchorTask;
use pgattest_archive::task::ArchiveTask;
use pgattest_model::ident::visible;
use pgattest_sinks::engine::Cursor;
use pgattest_sinks::{Delivery, Options};
use pgattest_trail::capture::Capture;
use pgattest_trail::operate::{Importance, InboxTask, Metrics, Stop, Task, Teller};
use pgattest_trail::{Journal, JournalOptions, JournalReader, Leaf};
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn run(arguments: &TrailRunArgs, printer: &Printer) -> Result<u8, Failure> {
    if arguments.schema {
        printer.result(&trail_file::schema()?)?;
        return Ok(crate::CLEAN);
    }
    let file = configuration(arguments)?;
    file.refuse_missing_secrets(None)?;
    let keys = keys::load(&file.keys, &file.journal, printer)?;
    let stop = Stop::default();
    let metrics = Metrics::default();
    let seed = keys.signing;
    let journal = file.journal.clone();
    let mut tasks: Vec<Box<dyn Task>> = vec![Box::new(InboxTask {
        floor_days: file
            .archive
            .as_ref()
            .map(pgattest_archive::task::Config::retention)
            .unwrap_or_default()
            .retention_days,
    })];
    for (name, sink) in &file.sink {
        let options = Options {
            last_wait: Duration::from_secs(arguments.sink_wait.into()),
            ..Options::new(file.instance.as_str())
        };
        tasks.push(Box::new(Delivery::new(
            name.clone(),
            Arc::new(sink.config.clone()),
            options,
        )));
    }
    if let Some(detect) = &file.detect {
        tasks.push(Box::new(detecting::task(detect, &file.journal)?));
    }
    if let Some(archive) = &file.archive {
        tasks.push(Box::new(ArchiveTask::new(archive, &file.instance)));
    }
    if let Some(seal) = &file.seal {
        tasks.push(Box::new(AnchorTask::new(seal.clone())));
    }
    let capture = Capture {
        instance: file.instance.clone(),
        journal: file.journal.clone(),
        open: Box::new(move || Journal::open(&journal, seed.clone(), JournalOptions::default())),
        original_key: keys.original,
        configuration: file.digest(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        once: arguments.once,
        stop: stop.clone(),
        metrics: metrics.clone(),
        teller: teller(printer),
        tasks,
        first_leaves: first_leaves(keys.leaves, &file)?,
        config: file.capture.clone(),
    };
    let server = serve::start(file.operate.listen, stop, metrics.clone())?;
    let progress = watch::Progress::start(printer, &metrics);
    let ended = capture.run();
    progress.finish();
    server.finish();
    ended
        .map_err(|error| fail(pgattest_trail::operate::with_causes(&error)))
        .map_err(|failure| {
            failure.hint("what the logs have is not lost: start it again once the reason is gone")
        })?;
    if arguments.once && is_any_left_behind(&file, printer)? {
        return Ok(crate::FOUND);
    }
    Ok(crate::CLEAN)
}

/// Whether a sink has not confirmed everything that is sealed. Each is named.
fn is_any_left_behind(file: &TrailFile, printer: &Printer) -> Result<bool, Failure> {
    let end = JournalReader::open(&file.journal)?.next_record()?;
    let mut any = false;
    for name in file.sink.keys() {
        let next = Cursor::load(&file.journal, name)?.next;
        if next < end {
            any = true;
            printer.warning(&format!(
                "sink {name} has not confirmed the last {} of {end} records: the next run goes on there; `pgattest trail sinks` says why",
                end - next
            ));
        }
    }
    Ok(any)
}

/// What is sealed right after the start: keys that were made, and what the collector is told.
fn first_leaves(mut leaves: Vec<Leaf>, file: &TrailFile) -> Result<Vec<Leaf>, Failure> {
    leaves.push(Leaf::Configuration {
        at: jiff::Timestamp::now().as_millisecond(),
        configuration: file.digest(),
        told: Some(file.told()?),
    });
    Ok(leaves)
}

fn configuration(arguments: &TrailRunArgs) -> Result<TrailFile, Failure> {
    if let Some(path) = &arguments.config {
        return trail_file::load(path);
    }
    let Some(journal) = &arguments.journal else {
        return Err(fail("no journal was named").hint("name one: --journal DIR"));
    };
    let home = Home::at(&arguments.home)?;
    Ok(TrailFile::of(
        &arguments.instance,
        &arguments.logs,
        journal,
        home.keys().dir,
    ))
}

/// A line a message on standard error, with its importance, as a service manager's log wants it.
fn teller(printer: &Printer) -> Teller {
    let quiet = printer.is_quiet();
    Teller::new(move |importance, text| {
        if quiet && importance == Importance::Info {
            return;
        }
        Printer::line(&format!("{importance}: {}", visible(text)));
    })
}
