//! JSON lines on standard output: for a container's log driver, or a pipe.

use crate::record::{Batch, Record};
use crate::sink::{Answer, Limits, Sink, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::Write;

/// Configuration: there is nothing to say.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

pub(crate) fn open(config: &Config) -> Box<dyn Sink> {
    let Config {} = config;
    Box::new(Stdout)
}

struct Stdout;

impl Sink for Stdout {
    fn limits(&self) -> Limits {
        Limits {
            // A line of any length is a line; what a record may have is bounded by PostgreSQL.
            record_bytes: usize::MAX,
            ..Limits::default()
        }
    }

    fn encode(&self, record: &Record) -> Vec<u8> {
        line(record)
    }

    fn deliver<'a>(&'a mut self, batch: &'a Batch) -> Task<'a, Answer> {
        let lines: Vec<u8> = batch
            .items
            .iter()
            .flat_map(|item| item.encoded.iter().copied())
            .collect();
        Box::pin(async {
            let written = tokio::task::spawn_blocking(move || {
                let mut out = std::io::stdout().lock();
                out.write_all(&lines)?;
                out.flush()
            });
            match written.await {
                Ok(Ok(())) => Answer::Durable,
                Ok(Err(error)) => {
                    Answer::again(format!("cannot write to standard output: {error}"))
                }
                Err(_) => Answer::again("the collector is stopping"),
            }
        })
    }

    fn place(&self) -> String {
        "standard output".into()
    }
}

/// The record as a JSON line.
pub(crate) fn line(record: &Record) -> Vec<u8> {
    let mut line = record.json().to_string().into_bytes();
    line.push(b'\n');
    line
}
