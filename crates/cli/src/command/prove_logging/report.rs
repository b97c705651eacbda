//! What was found, for people and for programs.

use super::line::{Found, Line, Place};
use super::perform::Done;
use pgattest_model::ident::visible;
use pgattest_trail::canary::Class;
use pgattest_trail::canary::proof::{NotTried, Proof, ProofLine, ProofOutcome, SCHEMA};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

/// What no run of this program tries.
const NEVER_TRIED: &str = "Not tried by any run: rows that logical replication applies, background workers of extensions, autovacuum.";

pub(super) struct Report {
    target: String,
    lines: Vec<Line>,
    not_tried: Vec<(Class, String)>,
    notes: Vec<String>,
    required: BTreeSet<Class>,
}

impl Report {
    pub(super) fn new(
        target: String,
        done: Done,
        mut lines: Vec<Line>,
        notes: Vec<String>,
        required: &BTreeSet<Class>,
    ) -> Self {
        lines.sort_by_key(|line| line.class);
        let mut not_tried = done.not_tried;
        not_tried.sort();
        Self {
            target,
            lines,
            not_tried,
            notes,
            required: required.clone(),
        }
    }

    pub(super) fn found(&self) -> &[Line] {
        &self.lines
    }

    fn is_required(&self, class: Class) -> bool {
        self.required.contains(&class)
    }

    pub(super) fn exit_code(&self) -> u8 {
        let required = || {
            self.lines
                .iter()
                .filter(|line| self.is_required(line.class))
        };
        let broken = required().any(|line| matches!(line.found, Found::Missing | Found::Wrong(_)))
            || self.lines.iter().any(Line::leaks);
        let unknown = required().any(|line| matches!(line.found, Found::Unknown(_)))
            || self
                .not_tried
                .iter()
                .any(|(class, _)| self.is_required(*class) && *class != Class::Pooled)
            || self.lines.is_empty();
        if broken {
            1
        } else if unknown {
            2
        } else {
            0
        }
    }

    /// For a terminal that is so many columns wide.
    pub(super) fn text(&self, verbose: bool, width: usize) -> String {
        let mut text = String::new();
        wrapped(&mut text, 0, width, &format!("Canaries at {}", self.target));
        text.push('\n');
        let places = self
            .lines
            .iter()
            .map(|line| visible(line.place.name()).chars().count());
        let column = places.max().unwrap_or(0);
        for of_class in self.lines.chunk_by(|one, other| one.class == other.class) {
            for (number, line) in of_class.iter().enumerate() {
                let class = if number == 0 { line.class.name() } else { "" };
                let place = visible(line.place.name());
                let _ = write!(
                    text,
                    "  {class:<19}  {place:<column$}  {}",
                    self.state(line)
                );
                if let (Some(record), true) = (line.record, verbose) {
                    let _ = write!(text, ", record {record}");
                }
                text.push('\n');
                explain(&mut text, line, width);
            }
            if let Some(why) = of_class.iter().find_map(|line| self.bypass(line)) {
                wrapped(&mut text, 23, width, &format!("a known bypass: {why}"));
            }
        }
        if !self.not_tried.is_empty() {
            text.push_str("\nNot tried this time\n");
        }
        for (class, why) in &self.not_tried {
            let _ = writeln!(text, "  {}", class.name());
            wrapped(&mut text, 6, width, why);
        }
        text.push('\n');
        for note in self.notes.iter().map(String::as_str).chain([NEVER_TRIED]) {
            wrapped(&mut text, 0, width, note);
        }
        let verdict = match self.exit_code() {
            0 => "Every line that is required arrived in time, with the right fields.",
            1 => "Lines that are required did not arrive as they should.",
            _ => "It could not be told whether every line arrives.",
        };
        wrapped(&mut text, 0, width, verdict);
        text
    }

    fn state(&self, line: &Line) -> String {
        let after = line.after.map(seconds).unwrap_or_default();
        match (&line.found, &line.place) {
            (Found::Right, Place::Sink(_)) => format!("confirmed after {after}"),
            (Found::Right, _) => format!("found after {after}"),
            (Found::Wrong(_), _) => format!("WRONG, after {after}"),
            (Found::Missing, _) if !self.is_required(line.class) => {
                if line.class.known_bypass().is_some() {
                    "not there".to_owned()
                } else {
                    "not there, and not required".to_owned()
                }
            }
            (Found::Missing, Place::Sink(_)) if line.record.is_some() => {
                format!("MISSING, not confirmed within {} s", line.deadline)
            }
            (Found::Missing, _) => format!("MISSING, not there within {} s", line.deadline),
            (Found::Unknown(_), _) => "not known".to_owned(),
        }
    }

    /// Why it is known not to be there.
    fn bypass(&self, line: &Line) -> Option<&'static str> {
        line.class
            .known_bypass()
            .filter(|_| line.found == Found::Missing && !self.is_required(line.class))
    }

    pub(super) fn json(&self) -> Result<String, serde_json::Error> {
        let lines = self.lines.iter().map(|line| {
            let (outcome, why) = match &line.found {
                Found::Right => (ProofOutcome::Found, Vec::new()),
                Found::Wrong(fields) => (ProofOutcome::Wrong, fields.clone()),
                Found::Missing => (
                    ProofOutcome::Missing,
                    self.bypass(line).map(str::to_owned).into_iter().collect(),
                ),
                Found::Unknown(why) => (ProofOutcome::Unknown, vec![why.clone()]),
            };
            ProofLine {
                class: line.class,
                mark: line.mark.clone(),
                place: line.place.name().to_owned(),
                kind: line.place.kind(),
                required: self.is_required(line.class),
                outcome,
                why,
                record: line.record,
                after_ms: line.after.map(milliseconds),
                deadline_seconds: line.deadline,
                secret_readable: line.readable,
            }
        });
        let not_tried = self.not_tried.iter().map(|(class, why)| NotTried {
            class: *class,
            required: self.is_required(*class),
            why: why.clone(),
        });
        let proof = Proof {
            schema: SCHEMA.to_owned(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            target: self.target.clone(),
            exit_code: self.exit_code(),
            lines: lines.collect(),
            not_tried: not_tried.collect(),
            notes: self.notes.clone(),
        };
        Ok(serde_json::to_string_pretty(&proof)? + "\n")
    }
}

/// What is wrong with a line, or why it cannot be told.
fn explain(text: &mut String, line: &Line, width: usize) {
    match &line.found {
        Found::Wrong(fields) => {
            for field in fields {
                wrapped(text, 23, width, field);
            }
        }
        Found::Unknown(why) => wrapped(text, 23, width, why),
        Found::Right | Found::Missing => {}
    }
    if line.readable {
        let told = if line.leaks() {
            "THE SECRET CAN BE READ HERE"
        } else {
            "the server's own log has the secret in clear; what is captured from it must not"
        };
        wrapped(text, 23, width, told);
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// A sentence on lines of its own.
fn wrapped(text: &mut String, indent: usize, width: usize, sentence: &str) {
    let margin = " ".repeat(indent);
    let options = textwrap::Options::new(width)
        .initial_indent(&margin)
        .subsequent_indent(&margin);
    for line in textwrap::wrap(&visible(sentence), options) {
        text.push_str(&line);
        text.push('\n');
    }
}
