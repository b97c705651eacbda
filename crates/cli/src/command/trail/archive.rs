//! `pgattest trail archive`.

use super::place::Place;
use crate::args::TrailArchiveArgs;
use crate::failure::Failure;
use crate::printer::Printer;
use pgattest_archive::compact::compact;
use pgattest_archive::make::{Made, MakeOptions, catch_up, rebuild};
use pgattest_archive::record_list::Register;
use pgattest_archive::verify::{Fault, verify};
use pgattest_archive::{Archive, ArchiveError, Source};
use pgattest_trail::{Journal, JournalReader, Leaf};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;

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
    let register = if let Some(journal) = place.writer(reader.dir(), &arguments.keys)? {
        leaves.written_to(journal)
    } else {
        printer.note(
                "The collector writes to the journal: what is archived now is recorded in the tree by the next run that finds it \
                 stopped",
            );
        leaves
    };
    let options = MakeOptions {
        file_bytes: arguments.file_size << 20,
        ..MakeOptions::default()
    };
    let at = now();
    let mut told = 0;
    let mut progress = |done: u64, all: u64| {
        if done.saturating_sub(told) >= 1_000_000 {
            told = done;
            printer.note(&format!("{done} of {all} records are archived"));
        }
    };
    let mut made = if arguments.rebuild {
        rebuild(
            &archive,
            &reader,
            &register,
            options,
            at,
            None,
            &mut progress,
        )?
    } else if arguments.repair {
        let damaged = verify(&archive, Some(&register), Some(reader.range()?))?.damaged();
        rebuild(
            &archive,
            &reader,
            &register,
            options,
            at,
            Some(&damaged),
            &mut progress,
        )?
    } else {
        catch_up(&archive, &reader, &register, options, at, &mut progress)?
    };
    if arguments.compact {
        let merged = compact(&archive, &register, options.file_bytes, at)?;
        made.files.extend(merged.files);
        made.removed.extend(merged.removed);
    }
    register.commit()?;
    say(&made, &archive, printer)?;
    Ok(crate::CLEAN)
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
    let verified = verify(archive, Some(leaves), Some(reader.range()?))?;
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

/// What the journal's tree says of files; with a writer also where it is said.
struct Leaves {
    recorded: RefCell<BTreeMap<String, String>>,
    journal: Option<RefCell<Journal>>,
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
            journal: None,
        })
    }

    fn written_to(self, journal: Journal) -> Self {
        Self {
            journal: Some(RefCell::new(journal)),
            ..self
        }
    }

    fn commit(&self) -> Result<(), Failure> {
        if let Some(journal) = &self.journal {
            journal.borrow_mut().commit()?;
        }
        Ok(())
    }
}

impl Register for Leaves {
    fn recorded(&self) -> Result<BTreeMap<String, String>, ArchiveError> {
        Ok(self.recorded.borrow().clone())
    }

    fn record(&self, leaf: Leaf) -> Result<(), ArchiveError> {
        let Some(journal) = &self.journal else {
            return Ok(());
        };
        journal.borrow_mut().note(&leaf)?;
        if let Leaf::Archived { file, sha256, .. } = leaf {
            self.recorded.borrow_mut().insert(file, sha256);
        }
        Ok(())
    }
}
