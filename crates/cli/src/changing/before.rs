//! The audit before a plan, kept beside the journal: who goes on after a crash compares with it, too.

use crate::failure::{Doing, Failure, OrHint, fail};
use crate::looking::Look;
use crate::output_file::write_atomically;
use pgattest_catalog::transcript;
use pgattest_model::Run;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

impl Look {
    /// Keeps it in the plan's folder. The line that says it is whole is written last.
    pub(crate) fn keep(&self, folder: &Path) -> Result<(), Failure> {
        let place = place(folder);
        let (lines, results) = transcript::write(&self.observations);
        let _ = fs::remove_file(place.join("run.json"));
        for (path, bytes) in results {
            let path = place.join(path);
            make_folder(&path)?;
            write_atomically(&path, &bytes)?;
        }
        make_folder(&place.join("observations.jsonl"))?;
        write_atomically(&place.join("observations.jsonl"), lines.as_bytes())?;
        let run = json!({
            "tool_version": self.run.tool_version,
            "started_at": self.run.started_at,
            "finished_at": self.run.finished_at,
            "clock_skew_ms": self.run.clock_skew_ms,
            "policy_given": self.run.policy_given,
        });
        write_atomically(&place.join("run.json"), run.to_string().as_bytes())
    }

    /// Reads what was kept.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let place = place(folder);
        let text = |name: &str| {
            fs::read_to_string(place.join(name))
                .doing(|| format!("{} could not be read", place.join(name).display()))
                .or_hint("without the audit before, nothing can be compared; `pgattest undo` works without it")
        };
        let run: Value = serde_json::from_str(&text("run.json")?)?;
        let string = |key: &str| {
            run.get(key)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .ok_or_else(|| fail(format!("the audit before has no {key}")))
        };
        let observations = transcript::read(&text("observations.jsonl")?, |path| {
            fs::read(place.join(path)).ok()
        })
        .doing(|| "the audit before cannot be read".to_owned())?;
        Ok(Self {
            run: Run {
                tool_version: string("tool_version")?,
                started_at: string("started_at")?,
                finished_at: string("finished_at")?,
                clock_skew_ms: run.get("clock_skew_ms").and_then(Value::as_i64),
                policy_given: run
                    .get("policy_given")
                    .and_then(Value::as_bool)
                    .unwrap_or_default(),
            },
            observations,
        })
    }
}

fn place(folder: &Path) -> PathBuf {
    folder.join("before")
}

fn make_folder(file: &Path) -> Result<(), Failure> {
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder).doing(|| format!("{} could not be made", folder.display()))
}
