//! `pgattest trail archive`.

use super::bar::{Reading, Records};
use super::place::Place;
use super::prune::ask_collector;
use crate::args::TrailArchiveArgs;
use crate::failure::Failure;
use crate::printer::Printer;
use pgattest_archive::compact::compact;
use pgattest_archive::make::{Made, MakeOptions, catch_up, rebuild};
use pgattest_archive::record_list::Register;
use pgattest_archive::verify::{Fault, verify};
use pgattest_archive::{Archive, ArchiveError, Source};
use pgattest_trail::inbox::request::{ArchivedFile, MOST_FILES, Request};
use pgattest_trail::{Journal, JournalReader, Leaf};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

pub(crate) fn run(arguments: &TrailArchiveArgs, printer: &Printer) -> Result<u8, Failure> {
    let place = Place::of(&arguments.place.config)?;
    let archive = place.archive(
        arguments.place.archive.as_deref(),
        arguments.place.instance.as_deref(),
    )?;
    let reader = place.reader(arguments.journal.as_deref())?;
    let leaves = Leaves::read(&reader)?;
    if arguments.check {
        return check(&archive, &reader, &leaves, printer);
    }
    let register = match place.writer(reader.dir(), &arguments.keys)? {
        Some(journal) => leaves.written_to(journal),
        None => leaves.handed_to_the_collector(),
    };
    let options = MakeOptions {
        file_bytes: arguments.file_size << 20,
        ..MakeOptions::default()
    };
    let at = now();
    let only = if arguments.repair {
        let _reading = Reading::start(printer, &archive);
        let verified = verify(&archive, Some(&register), Some(reader.range()?));
        Some(verified.map_err(said)?.damaged())
    } else {
        None
    };
    let mut records = Records::new(printer);
    let mut progress = |done: u64, all: u64| records.show(done, all);
    let made = if arguments.rebuild || arguments.repair {
        let only = only.as_ref();
        rebuild(
            &archive,
            &reader,
            &register,
            options,
            at,
            only,
            &mut progress,
        )
    } else {
        catch_up(&archive, &reader, &register, options, at, &mut progress)
    };
    drop(records);
    let mut made = made.map_err(said)?;
    if arguments.compact {
        let _reading = Reading::start(printer, &archive);
        let merged = compact(&archive, &register, options.file_bytes, at).map_err(said)?;
        made.files.extend(merged.files);
        made.removed.extend(merged.removed);
    }
    register.commit(reader.dir(), printer)?;
    say(&made, &archive, printer)?;
    Ok(crate::CLEAN)
}

/// The error, with what to do about one that passes by itself.
fn said(error: ArchiveError) -> Failure {
    let hint = matches!(error, ArchiveError::Locked { .. }).then(|| {
        "a collector with [archive] in its configuration archives by itself: wait until it, or another `pgattest trail archive`, is done"
            .to_owned()
    });
    Failure::of(error, hint)
}

pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn check(
    archive: &Archive,
    reader: &JournalReader,
    leaves: &Leaves,
    printer: &Printer,
) -> Result<u8, Failure> {
    let mut reading = Reading::start(printer, archive);
    let verified = verify(archive, Some(leaves), Some(reader.range()?))?;
    reading.finish();
    let mut text = String::new();
    for fault in &verified.faults {
        text += &pgattest_model::ident::visible(&match fault {
            Fault::Changed { file, reason, .. } => format!("changed  {file}: {reason}"),
            Fault::Hole { first, last } => {
                format!("missing  records {first} to {last}: `pgattest trail archive` adds them")
            }
            Fault::Layout { file, reason } => format!("layout   {file}: {reason}"),
        });
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "{} records are as they were written: {} files by the journal's tree, {} only by the archive's own list; {} faults",
        verified.records,
        verified.by_tree,
        verified.by_list,
        verified.faults.len()
    );
    printer.result(&text)?;
    Ok(if verified.faults.is_empty() {
        crate::CLEAN
    } else {
        crate::FOUND
    })
}

fn say(made: &Made, archive: &Archive, printer: &Printer) -> Result<(), Failure> {
    for (first, end) in &made.pruned {
        printer.warning(&format!(
            "records {first} to {} were pruned from the journal before they were archived",
            end - 1
        ));
    }
    let text = format!(
        "{} records archived in {} files; {} files removed; the archive of `{}` holds {} records\n",
        made.records,
        made.files.len(),
        made.removed.len(),
        archive.instance(),
        archive.layout()?.records()
    );
    printer.result(&text)?;
    Ok(())
}

/// What the journal's tree says of files, and how more is said.
struct Leaves {
    recorded: RefCell<BTreeMap<String, String>>,
    to: To,
}

/// Who puts files into the tree.
enum To {
    /// Nobody: it is only read.
    Nobody,
    /// This process.
    Journal(Box<RefCell<Journal>>),
    /// The collector that runs: they are handed to it in the end.
    Collector(RefCell<Vec<ArchivedFile>>),
}

impl Leaves {
    fn read(reader: &JournalReader) -> Result<Self, Failure> {
        let mut recorded = BTreeMap::new();
        for leaf in reader.leaves(0) {
            if let (_, Leaf::Archived { file, sha256, .. }) = leaf? {
                recorded.insert(file, sha256);
            }
        }
        Ok(Self {
            recorded: RefCell::new(recorded),
            to: To::Nobody,
        })
    }

    fn written_to(self, journal: Journal) -> Self {
        Self {
            to: To::Journal(Box::new(RefCell::new(journal))),
            ..self
        }
    }

    fn handed_to_the_collector(self) -> Self {
        Self {
            to: To::Collector(RefCell::default()),
            ..self
        }
    }

    /// Has everything recorded, durably. A collector that does not do it is no failure: the archive's list has the files, and the
    /// next run that can records them.
    fn commit(&self, journal: &Path, printer: &Printer) -> Result<(), Failure> {
        let files = match &self.to {
            To::Nobody => return Ok(()),
            To::Journal(journal) => {
                journal.borrow_mut().commit()?;
                return Ok(());
            }
            To::Collector(files) => files.take(),
        };
        for part in files.chunks(MOST_FILES) {
            let request = Request::Archived {
                files: part.to_vec(),
            };
            if let Err(failure) = ask_collector(journal, &request) {
                printer.warning(&format!(
                    "files that were archived are not recorded in the journal's tree yet: {:#}. They are in the archive's list; the \
                     collector's own archive, or the next `pgattest trail archive`, records them",
                    failure.error
                ));
                return Ok(());
            }
        }
        if !files.is_empty() {
            printer.note(&format!(
                "{} files are recorded in the journal's tree, by the collector that runs",
                files.len()
            ));
        }
        Ok(())
    }
}

impl Register for Leaves {
    fn recorded(&self) -> Result<BTreeMap<String, String>, ArchiveError> {
        Ok(self.recorded.borrow().clone())
    }

    fn record(&self, leaf: Leaf) -> Result<(), ArchiveError> {
        match &self.to {
            To::Nobody => return Ok(()),
            To::Journal(journal) => {
                journal.borrow_mut().note(&leaf)?;
            }
            To::Collector(files) => files.borrow_mut().extend(ArchivedFile::of(&leaf)),
        }
        if let Leaf::Archived { file, sha256, .. } = leaf {
            self.recorded.borrow_mut().insert(file, sha256);
        }
        Ok(())
    }
}
