//! What was found, for people and for programs.

use super::perform::Done;
use pgattest_model::ident::visible;
use pgattest_trail::canary::{Canary, Class};
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The format's name and version.
const SCHEMA: &str = "pgattest.prove-logging/1";

/// How a canary was found in a place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// With every field right.
    Right,
    /// With fields that are wrong.
    Wrong(Vec<String>),
    /// Not before the deadline.
    Missing,
    /// It cannot be told.
    Unknown(String),
}

/// One canary in one place.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) class: Class,
    pub(super) mark: String,
    pub(super) place: String,
    pub(super) found: Found,
    /// The record's number in the journal.
    pub(super) record: Option<u64>,
    /// Whether the secret can be read there.
    pub(super) readable: bool,
}

impl Line {
    pub(super) fn new(canary: &Canary, place: &str) -> Self {
        Self {
            class: canary.class,
            mark: canary.mark.clone(),
            place: place.to_owned(),
            found: Found::Missing,
            record: None,
            readable: false,
        }
    }

    /// What was not found cannot be told; what was found was found.
    pub(super) fn fail(&mut self, why: &str) {
        if self.found == Found::Missing {
            self.found = Found::Unknown(why.to_owned());
        }
    }
}

pub(super) struct Report {
    target: String,
    lines: Vec<Line>,
    not_tried: Vec<(Class, String)>,
    required: BTreeSet<Class>,
}

impl Report {
    pub(super) fn new(
        target: String,
        done: Done,
        mut lines: Vec<Line>,
        required: &BTreeSet<Class>,
    ) -> Self {
        lines.sort_by_key(|line| line.class);
        Self {
            target,
            lines,
            not_tried: done.not_tried,
            required: required.clone(),
        }
    }

    pub(super) fn found(&self) -> &[Line] {
        &self.lines
    }

    fn is_required(&self, class: Class) -> bool {
        self.required.contains(&class)
    }

    /// The server's own log may have the secret: what must not have it is what comes after.
    fn leaks(line: &Line) -> bool {
        line.readable && line.place != "log"
    }

    pub(super) fn exit_code(&self) -> u8 {
        let required = || {
            self.lines
                .iter()
                .filter(|line| self.is_required(line.class))
        };
        let broken = required().any(|line| matches!(line.found, Found::Missing | Found::Wrong(_)))
            || self.lines.iter().any(Self::leaks);
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

    pub(super) fn text(&self, verbose: bool) -> String {
        let mut text = format!("Canaries at {}\n\n", visible(&self.target));
        for line in &self.lines {
            let state = match &line.found {
                Found::Right => "found",
                Found::Wrong(_) => "WRONG",
                Found::Missing if self.is_required(line.class) => "MISSING",
                Found::Missing => "not there, and not required",
                Found::Unknown(_) => "not known",
            };
            let _ = write!(
                text,
                "  {:<15} {:<10} {state}",
                line.class.name(),
                visible(&line.place)
            );
            if let (Some(record), true) = (line.record, verbose) {
                let _ = write!(text, ", record {record}");
            }
            text.push('\n');
            match &line.found {
                Found::Wrong(fields) => {
                    for field in fields {
                        let _ = writeln!(text, "      {}", visible(field));
                    }
                }
                Found::Unknown(why) => {
                    let _ = writeln!(text, "      {}", visible(why));
                }
                Found::Right | Found::Missing => {}
            }
            if line.readable {
                let told = if Self::leaks(line) {
                    "THE SECRET CAN BE READ HERE"
                } else {
                    "the server's own log has the secret in clear; what is captured from it must not"
                };
                let _ = writeln!(text, "      {told}");
            }
        }
        for (class, why) in &self.not_tried {
            let _ = writeln!(text, "  {:<15} not tried: {}", class.name(), visible(why));
        }
        let _ = writeln!(
            text,
            "\nNot tried by any run: function calls by the fast path of the protocol, and what background workers do."
        );
        let verdict = match self.exit_code() {
            0 => "Every line that is required arrived, with the right fields.",
            1 => "Lines that are required did not arrive as they should.",
            _ => "It could not be told whether every line arrives.",
        };
        let _ = writeln!(text, "{verdict}");
        text
    }

    pub(super) fn json(&self) -> String {
        let lines: Vec<_> = self
            .lines
            .iter()
            .map(|line| {
                let (found, why) = match &line.found {
                    Found::Right => ("found", Vec::new()),
                    Found::Wrong(fields) => ("wrong", fields.clone()),
                    Found::Missing => ("missing", Vec::new()),
                    Found::Unknown(why) => ("unknown", vec![why.clone()]),
                };
                json!({
                    "class": line.class.name(),
                    "mark": line.mark,
                    "place": line.place,
                    "required": self.is_required(line.class),
                    "outcome": found,
                    "why": why,
                    "record": line.record,
                    "secret_readable": line.readable,
                })
            })
            .collect();
        let document = json!({
            "schema": SCHEMA,
            "tool_version": env!("CARGO_PKG_VERSION"),
            "target": self.target,
            "lines": lines,
            "not_tried": self.not_tried.iter().map(|(class, why)| json!({
                "class": class.name(),
                "required": self.is_required(*class),
                "why": why,
            })).collect::<Vec<_>>(),
            "exit_code": self.exit_code(),
        });
        format!("{document:#}\n")
    }
}
