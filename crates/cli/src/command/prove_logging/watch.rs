//! Looking for every canary in every place, until all are there or the time is over.

use super::journal::Journal;
use super::log::Log;
use super::perform::Done;
use super::report::{Found, Line};
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

/// Where lines arrive.
pub(super) enum Place {
    Log(Log),
    Journal(Journal),
}

impl Place {
    fn name(&self) -> &'static str {
        match self {
            Self::Log(_) => "log",
            Self::Journal(_) => "journal",
        }
    }

    async fn arrived(&mut self, client: &Client) -> Result<Vec<Piece>, String> {
        match self {
            Self::Log(log) => log.arrived(client).await,
            Self::Journal(journal) => journal.arrived(),
        }
    }

    /// Why nothing can be concluded from what is not there; `None`: it would be there.
    fn blind(&self) -> Option<String> {
        match self {
            Self::Log(log) => log.blind(),
            Self::Journal(_) => None,
        }
    }
}

/// Looks for all canaries in all places. A line for each pair.
pub(super) async fn watch(
    done: &Done,
    places: &mut [Place],
    client: &Client,
    patience: Duration,
    required: &BTreeSet<Class>,
) -> Vec<Line> {
    let mut lines: Vec<Line> = places
        .iter()
        .flat_map(|place| {
            done.canaries
                .iter()
                .map(|canary| Line::new(canary, place.name()))
        })
        .collect();
    let deadline = Instant::now() + patience;
    loop {
        for place in places.iter_mut() {
            let name = place.name();
            match place.arrived(client).await {
                Err(why) => {
                    for line in lines.iter_mut().filter(|line| line.place == name) {
                        line.fail(&why);
                    }
                }
                Ok(pieces) => {
                    for piece in pieces {
                        look(done, &piece, name, &mut lines);
                    }
                }
            }
        }
        // What is not required is not waited for: it may well not be logged.
        let waiting = lines
            .iter()
            .any(|line| line.found != Found::Right && required.contains(&line.class));
        if !waiting || Instant::now() >= deadline {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    for place in places.iter() {
        let Some(why) = place.blind() else { continue };
        for line in lines.iter_mut().filter(|line| line.place == place.name()) {
            line.fail(&why);
        }
    }
    lines
}

fn look(done: &Done, piece: &Piece, place: &str, lines: &mut [Line]) {
    let leaks = memchr::memmem::find(&piece.bytes, done.secret.as_bytes()).is_some();
    for line in lines.iter_mut().filter(|line| line.place == place) {
        line.readable |= leaks && line.class == Class::Secret;
    }
    let decoder = Decoder::new(piece.format.clone());
    let Some(record) = decoder.decode(&piece.bytes) else {
        return;
    };
    for canary in &done.canaries {
        let line = lines.iter_mut().find(|line| {
            line.place == place && line.class == canary.class && line.found != Found::Right
        });
        let Some(line) = line else { continue };
        match compare(canary, &record) {
            Outcome::Other => {}
            Outcome::Right => {
                line.found = Found::Right;
                line.record = piece.number;
            }
            Outcome::Wrong(fields) => {
                line.found = Found::Wrong(fields);
                line.record = piece.number;
            }
        }
    }
}
