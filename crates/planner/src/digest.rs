//! The digest of facts: what a plan is bound to.

use pgattest_model::plan::FactsDigest;
use pgattest_model::{Observation, Outcome};
use sha2::{Digest, Sha256};

/// Groups that change while nobody changes anything: who is connected, what the clock says, what a handshake's bytes are.
const VOLATILE: [&str; 19] = [
    // The guide's own queries show temporary tables of whoever works, too; what they show besides is in other groups.
    "guide-grants",
    "guide-pgaudit",
    "guide-ssl",
    "guide-ssl-min-protocol-version",
    "server",
    "own-session",
    "sessions",
    "slots",
    "hba-files",
    "row-counters",
    "wire-handshakes",
    "wire-certificates",
    "trail",
    "trail-coverage",
    "trail-canaries",
    "trail-defects",
    "trail-sinks",
    "trail-rules",
    "trail-changes",
];

/// Columns that change by themselves, by group.
const VOLATILE_COLUMNS: [(&str, &str); 4] = [
    ("relations", "estimated_rows"),
    // The looking session's own, with its limits; `reset_value` is what counts.
    ("settings", "value"),
    ("settings", "shape"),
    // Whether a password's end has passed.
    ("roles", "expired"),
];

/// Rows that change by themselves: group, column, value. A parameter that any session may set has the value that the connection
/// string or the driver of whoever looks gave it; what the files, the roles and the databases give it is in groups of their own.
const VOLATILE_ROWS: [(&str, &str, &str); 1] = [("settings", "context", "user")];

/// Groups whose rows come in the order in which somebody set them, which means nothing: taking a setting away and back moves it.
const UNORDERED: [&str; 1] = ["role-settings"];

/// Digests what was observed, group by group, leaving out what changes by itself. A group that could not be read counts, too: if it
/// can be read later, the facts are others.
pub fn facts_digest(observations: &[Observation]) -> FactsDigest {
    let mut groups: Vec<_> = observations
        .iter()
        .filter(|observation| !VOLATILE.contains(&observation.id.group()))
        .map(|observation| (observation.id.clone(), digest(observation)))
        .collect();
    groups.sort();
    FactsDigest { groups }
}

fn digest(observation: &Observation) -> String {
    let mut hash = Sha256::new();
    match &observation.outcome {
        Outcome::Failed { sqlstate, .. } => {
            hash.update(b"failed");
            hash.update(sqlstate.as_bytes());
        }
        Outcome::Rows { csv, .. } => {
            let left_out: Vec<&str> = VOLATILE_COLUMNS
                .iter()
                .filter(|(group, _)| *group == observation.id.group())
                .map(|(_, column)| *column)
                .collect();
            if UNORDERED.contains(&observation.id.group()) {
                sorted(csv, &mut hash);
            } else if left_out.is_empty() {
                hash.update(csv);
            } else {
                let rows: Vec<(&str, &str)> = VOLATILE_ROWS
                    .iter()
                    .filter(|(group, ..)| *group == observation.id.group())
                    .map(|(_, column, value)| (*column, *value))
                    .collect();
                without(csv, &left_out, &rows, &mut hash);
            }
        }
    }
    hex::encode(hash.finalize())
}

/// Feeds the records in the order of their fields.
fn sorted(csv: &[u8], hash: &mut Sha256) {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(csv);
    let Ok(mut records) = reader.byte_records().collect::<Result<Vec<_>, _>>() else {
        return hash.update(csv);
    };
    records.sort_by(|a, b| a.iter().cmp(b.iter()));
    for record in &records {
        for field in record {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
    }
}

/// Feeds every field but those of the columns and rows left out. What is no CSV counts as it is.
fn without(csv: &[u8], left_out: &[&str], rows: &[(&str, &str)], hash: &mut Sha256) {
    let mut reader = csv::ReaderBuilder::new().from_reader(csv);
    let Ok(headers) = reader.byte_headers().cloned() else {
        return hash.update(csv);
    };
    let kept: Vec<bool> = headers
        .iter()
        .map(|header| !left_out.iter().any(|column| column.as_bytes() == header))
        .collect();
    let mut feed = |record: &csv::ByteRecord| {
        for (field, _) in record.iter().zip(&kept).filter(|(_, kept)| **kept) {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
    };
    feed(&headers);
    for record in reader.byte_records() {
        match record {
            Ok(record) => {
                let skipped = headers.iter().zip(record.iter()).any(|(header, field)| {
                    rows.iter().any(|(column, value)| {
                        column.as_bytes() == header && value.as_bytes() == field
                    })
                });
                if !skipped {
                    feed(&record);
                }
            }
            Err(_) => return hash.update(csv),
        }
    }
}
