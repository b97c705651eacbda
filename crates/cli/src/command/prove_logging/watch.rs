//! Looking for every canary in every place, until all are there or their time is over.

use super::journal::Journal;
use super::line::{Found, Line, Place};
use super::log::Log;
use super::perform::{Done, Performed};
use super::sinks::Sink;
use pgattest_parse::audit_log::Format;
use pgattest_parse::audit_log::record::Decoder;
use pgattest_trail::canary::{Class, Outcome, compare};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::Client;

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(200);

/// A piece of a log, and its number where pieces have one.
pub(super) struct Piece {
    pub(super) number: Option<u64>,
    pub(super) format: Format,
    pub(super) bytes: Vec<u8>,
}

/// Where it is looked.
pub(super) struct Places {
    pub(super) log: Log,
    pub(super) journal: Option<Journal>,
    pub(super) sinks: Vec<Sink>,
    /// Seconds that each line has, where a sink says nothing else.
    pub(super) deadline: u32,
}

/// Looks for all canaries in all places. A line for each pair; each line's time begins when its canary was sent.
pub(super) async fn watch(
    done: &Done,
    places: &mut Places,
    client: &Client,
    required: &BTreeSet<Class>,
) -> Vec<Line> {
    let mut lines = expected(done, places);
    loop {
        let now = Instant::now();
        look_at_log(done, places, client, &mut lines).await;
        if let Some(journal) = &mut places.journal {
            look_at_journal(done, journal, &mut lines);
        }
        // A look that began when the time was over was the last one for that line.
        for line in &mut lines {
            line.over |= now >= line.due;
        }
        let waiting = lines
            .iter()
            .any(|line| !line.over && line.found != Found::Right && awaited(line, required));
        if !waiting {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    if let Some(why) = places.log.blind() {
        for line in lines.iter_mut().filter(|line| line.place == Place::Log) {
            line.fail(&why);
        }
    }
    lines
}

/// What nobody requires is not waited for, unless the server says that it logs it, or the journal has it and a sink does not yet.
fn awaited(line: &Line, required: &BTreeSet<Class>) -> bool {
    required.contains(&line.class)
        || line.expected
        || (matches!(line.place, Place::Sink(_)) && line.record.is_some())
}

fn expected(done: &Done, places: &Places) -> Vec<Line> {
    let mut at = vec![(Place::Log, places.deadline)];
    if places.journal.is_some() {
        at.push((Place::Journal, places.deadline));
    }
    for sink in &places.sinks {
        let seconds = sink.deadline.unwrap_or(places.deadline);
        at.push((Place::Sink(sink.name.clone()), seconds));
    }
    at.iter()
        .flat_map(|(place, seconds)| {
            let lines = done.canaries.iter();
            lines.map(|performed| Line::new(performed, place.clone(), *seconds))
        })
        .collect()
}

async fn look_at_log(done: &Done, places: &mut Places, client: &Client, lines: &mut [Line]) {
    match places.log.arrived(client).await {
        Ok(pieces) => {
            for piece in pieces {
                compare_all(done, &piece, &Place::Log, lines);
            }
        }
        Err(why) => fail(lines, |line| line.place == Place::Log, &why),
    }
}

fn look_at_journal(done: &Done, journal: &mut Journal, lines: &mut [Line]) {
    match journal.arrived() {
        Ok(pieces) => {
            for piece in pieces {
                compare_all(done, &piece, &Place::Journal, lines);
            }
            confirm(journal, lines);
        }
        Err(why) => fail(lines, |line| line.place != Place::Log, &why),
    }
}

fn fail(lines: &mut [Line], which: impl Fn(&Line) -> bool, why: &str) {
    for line in lines.iter_mut().filter(|line| which(line)) {
        line.fail(why);
    }
}

fn compare_all(done: &Done, piece: &Piece, place: &Place, lines: &mut [Line]) {
    let leaks = memchr::memmem::find(&piece.bytes, done.secret.as_bytes()).is_some();
    for line in lines.iter_mut().filter(|line| line.place == *place) {
        line.readable |= leaks && line.class == Class::Secret;
    }
    let decoder = Decoder::new(piece.format.clone());
    let Some(record) = decoder.decode(&piece.bytes) else {
        return;
    };
    for Performed { canary, .. } in &done.canaries {
        let line = lines.iter_mut().find(|line| {
            line.place == *place
                && line.class == canary.class
                && line.found != Found::Right
                && !line.over
        });
        let Some(line) = line else { continue };
        match compare(canary, &record) {
            Outcome::Other => {}
            Outcome::Right => line.seen(Found::Right, piece.number),
            Outcome::Wrong(fields) => line.seen(Found::Wrong(fields), piece.number),
        }
    }
}

/// A sink has of a record what the journal has of it, once its watermark is beyond it.
fn confirm(journal: &Journal, lines: &mut [Line]) {
    let sealed: Vec<Line> = lines
        .iter()
        .filter(|line| line.place == Place::Journal && line.record.is_some())
        .cloned()
        .collect();
    for line in lines.iter_mut() {
        let Place::Sink(sink) = &line.place else {
            continue;
        };
        let Some(source) = sealed.iter().find(|one| one.class == line.class) else {
            continue;
        };
        line.record = source.record;
        let confirmed = source
            .record
            .is_some_and(|record| journal.is_confirmed(sink, record));
        if confirmed {
            line.readable |= source.readable;
            if !line.over && line.found != source.found {
                line.seen(source.found.clone(), source.record);
            }
        }
    }
}
