//! The record of all observations as files: one line of JSON for each, and one CSV file for each result.
//!
//! `observations.jsonl` keeps the order of collection; the raw results are beside it, byte for byte as the server sent them.
//! Digests are the business of the evidence package's manifest.

use pgattest_model::{Observation, ObservationId, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The format's name and version: the `schema` of every line.
pub const SCHEMA: &str = "pgattest.observation/1";

/// Why a transcript cannot be read back. Lines count from 1.
#[derive(Debug, thiserror::Error)]
pub enum TranscriptError {
    /// The line is not JSON, or not of this shape.
    #[error("line {line} of the transcript cannot be read: {problem}")]
    Unreadable {
        /// The line.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The line is of another format or version.
    #[error(
        "line {line} of the transcript is of format `{found}`; this version of pgattest reads `{SCHEMA}`"
    )]
    Schema {
        /// The line.
        line: usize,
        /// What it says it is.
        found: String,
    },
    /// The identifier is none that pgattest makes.
    #[error("line {line} of the transcript names observation `{id}`, which is not an identifier")]
    Identifier {
        /// The line.
        line: usize,
        /// What stands there.
        id: String,
    },
    /// Two lines are about the same observation.
    #[error("line {line} of the transcript repeats observation `{id}`")]
    Repeated {
        /// The second of them.
        line: usize,
        /// The observation.
        id: ObservationId,
    },
    /// The line points to another file than its observation's own.
    #[error(
        "line {line} of the transcript keeps the result of `{id}` in `{file}`; it belongs in `{expected}`"
    )]
    WrongFile {
        /// The line.
        line: usize,
        /// The observation.
        id: ObservationId,
        /// Where the line points.
        file: String,
        /// Where the result belongs.
        expected: String,
    },
    /// The result's file is not there.
    #[error("line {line} of the transcript keeps a result in `{file}`, which is not there")]
    NoFile {
        /// The line.
        line: usize,
        /// The file.
        file: String,
    },
}

/// The transcript's text, and the files beside it by relative path, in the order of the observations.
pub fn write(observations: &[Observation]) -> (String, Vec<(String, Vec<u8>)>) {
    let mut text = String::new();
    let mut files = Vec::new();
    for observation in observations {
        let outcome = match &observation.outcome {
            Outcome::Rows { csv, rows } => {
                let file = path_of(&observation.id);
                files.push((file.clone(), csv.clone()));
                OutcomeEntry::Rows { file, rows: *rows }
            }
            Outcome::Failed {
                sqlstate,
                message,
                opens,
            } => OutcomeEntry::Failed {
                sqlstate: sqlstate.clone(),
                message: message.clone(),
                opens: opens.clone(),
            },
        };
        let entry = Entry {
            schema: SCHEMA.to_owned(),
            id: observation.id.to_string(),
            query: observation.query.clone(),
            database: observation.database.clone(),
            role: observation.role.clone(),
            asked_at: observation.asked_at.clone(),
            started_at: observation.started_at.clone(),
            finished_at: observation.finished_at.clone(),
            server_started_at: observation.server_started_at.clone(),
            server_finished_at: observation.server_finished_at.clone(),
            outcome,
        };
        // Strings, numbers and structs with string keys: there is nothing in an entry that JSON cannot hold.
        text.push_str(&serde_json::to_string(&entry).unwrap_or_default());
        text.push('\n');
    }
    (text, files)
}

/// The observations back from a transcript's text; `file` gives the bytes of a file beside it.
pub fn read(
    text: &str,
    mut file: impl FnMut(&str) -> Option<Vec<u8>>,
) -> Result<Vec<Observation>, TranscriptError> {
    let mut seen = BTreeSet::new();
    let mut observations = Vec::new();
    for (index, line_text) in text.split_terminator('\n').enumerate() {
        let line = index + 1;
        let Tag { schema } = parse(line, line_text)?;
        if schema != SCHEMA {
            return Err(TranscriptError::Schema {
                line,
                found: schema,
            });
        }
        let entry: Entry = parse(line, line_text)?;
        let Some(id) = ObservationId::parse(&entry.id) else {
            return Err(TranscriptError::Identifier { line, id: entry.id });
        };
        if !seen.insert(id.clone()) {
            return Err(TranscriptError::Repeated { line, id });
        }
        let outcome = match entry.outcome {
            OutcomeEntry::Rows { file: path, rows } => {
                let expected = path_of(&id);
                if path != expected {
                    return Err(TranscriptError::WrongFile {
                        line,
                        id,
                        file: path,
                        expected,
                    });
                }
                let csv = file(&path).ok_or(TranscriptError::NoFile { line, file: path })?;
                Outcome::Rows { csv, rows }
            }
            OutcomeEntry::Failed {
                sqlstate,
                message,
                opens,
            } => Outcome::Failed {
                sqlstate,
                message,
                opens,
            },
        };
        observations.push(Observation {
            id,
            query: entry.query,
            database: entry.database,
            role: entry.role,
            asked_at: entry.asked_at,
            started_at: entry.started_at,
            finished_at: entry.finished_at,
            server_started_at: entry.server_started_at,
            server_finished_at: entry.server_finished_at,
            outcome,
        });
    }
    Ok(observations)
}

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    schema: String,
    id: String,
    query: String,
    database: String,
    role: String,
    asked_at: String,
    started_at: String,
    finished_at: String,
    server_started_at: String,
    server_finished_at: String,
    outcome: OutcomeEntry,
}

/// What came back, the raw result by the path of its file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum OutcomeEntry {
    Rows {
        file: String,
        rows: u64,
    },
    Failed {
        sqlstate: String,
        message: String,
        opens: Option<String>,
    },
}

/// Read first: a line of another version may have another shape.
#[derive(Deserialize)]
struct Tag {
    schema: String,
}

fn path_of(id: &ObservationId) -> String {
    format!("observations/{id}.csv")
}

fn parse<'a, T: Deserialize<'a>>(line: usize, text: &'a str) -> Result<T, TranscriptError> {
    serde_json::from_str(text).map_err(|error| {
        // The parser saw one line only: its line number is always 1.
        let problem = error.to_string();
        let problem = problem.split(" at line ").next().unwrap_or_default();
        TranscriptError::Unreadable {
            line,
            problem: format!("{problem} at column {}", error.column()),
        }
    })
}

#[cfg(test)]
mod tests;
