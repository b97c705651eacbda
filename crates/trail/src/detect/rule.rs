//! Rules as data: TOML, read and checked.

use super::alert::Severity;
use super::condition::{Condition, Written, field};
use super::example::Example;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// A rule, ready to be run.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name: lower-case letters, digits and hyphens.
    pub id: String,
    /// What it looks for.
    pub title: String,
    /// How bad that is.
    pub severity: Severity,
    /// What it is for, how to tune it, and what it cannot see.
    pub description: String,
    /// Which records it is about.
    pub when: Condition,
    /// What has to come together.
    pub how: How,
    /// Records for which it has to fire, or not.
    pub examples: Vec<Example>,
    /// SHA-256 of its text: what it remembers belongs to this text.
    pub digest: String,
}

/// What has to come together.
#[derive(Clone, Debug, PartialEq)]
pub enum How {
    /// One record is enough.
    Each,
    /// So many records within a time that have these fields in common.
    Threshold {
        /// How many.
        count: u64,
        /// Milliseconds.
        within: i64,
        /// Fields.
        by: Vec<&'static str>,
    },
    /// Fields with values that were never seen together.
    FirstSeen {
        /// The fields.
        of: Vec<&'static str>,
        /// These have to have been seen before: of the first use of a role every address is new.
        known: Vec<&'static str>,
        /// So long nothing is told, in milliseconds from the rule's first record.
        learn: i64,
    },
    /// Much more within a window than usual.
    Baseline {
        /// The field to sum up; nothing: records are counted.
        measure: Option<&'static str>,
        /// Fields.
        by: Vec<&'static str>,
        /// Milliseconds.
        window: i64,
        /// So many times the median of the windows before.
        factor: u64,
        /// And at least this much.
        at_least: u64,
        /// At least this much where there is no baseline yet.
        without: u64,
        /// How many windows with something in them make a baseline.
        needs: usize,
    },
}

/// Why a text is no rule.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// The file could not be read.
    #[error("cannot read `{}`", .path.display())]
    Disk {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what a rule is.
    #[error("`{name}` is no rule: {reason}")]
    Text {
        /// The file.
        name: String,
        /// What is wrong, with its place.
        reason: String,
    },
    /// Two rules have one name.
    #[error("there are two rules `{0}`")]
    Twice(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    id: String,
    title: String,
    severity: Severity,
    description: String,
    when: Written,
    threshold: Option<Threshold>,
    first_seen: Option<FirstSeen>,
    baseline: Option<Baseline>,
    #[serde(default)]
    example: Vec<Example>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Threshold {
    count: u64,
    within: String,
    by: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstSeen {
    of: Vec<String>,
    #[serde(default)]
    known: Vec<String>,
    learn: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Baseline {
    measure: Option<String>,
    by: Vec<String>,
    window: String,
    factor: u64,
    at_least: u64,
    without: u64,
    needs: usize,
}

impl Rule {
    /// Reads a rule. `name` is the file's, for errors.
    pub fn parse(name: &str, text: &str) -> Result<Self, RuleError> {
        let fail = |reason: String| RuleError::Text {
            name: name.to_owned(),
            reason,
        };
        let written: Text = toml::from_str(text).map_err(|error| fail(error.to_string()))?;
        let is_plain = !written.id.is_empty()
            && written
                .id
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !is_plain {
            return Err(fail(format!(
                "the `id` `{}` is not of lower-case letters, digits and hyphens",
                written.id
            )));
        }
        let how = written.how().map_err(fail)?;
        Ok(Self {
            when: written
                .when
                .compile()
                .map_err(|reason| fail(format!("`when`: {reason}")))?,
            how,
            id: written.id,
            title: written.title,
            severity: written.severity,
            description: written.description,
            examples: written.example,
            digest: hex::encode(Sha256::digest(text.as_bytes())),
        })
    }

    /// The rules of a directory, one a `.toml` file, by file name.
    pub fn of_directory(directory: &Path) -> Result<Vec<Self>, RuleError> {
        let fail = |path: &Path, source| RuleError::Disk {
            path: path.to_owned(),
            source,
        };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(|source| fail(directory, source))? {
            let path = entry.map_err(|source| fail(directory, source))?.path();
            if path.extension().is_some_and(|ending| ending == "toml") {
                paths.push(path);
            }
        }
        paths.sort();
        paths
            .iter()
            .map(|path| {
                let text = std::fs::read_to_string(path).map_err(|source| fail(path, source))?;
                Self::parse(&path.display().to_string(), &text)
            })
            .collect()
    }
}

impl Text {
    fn how(&self) -> Result<How, String> {
        match (&self.threshold, &self.first_seen, &self.baseline) {
            (None, None, None) => Ok(How::Each),
            (Some(threshold), None, None) => Ok(How::Threshold {
                count: threshold.count.max(1),
                within: duration(&threshold.within)?,
                by: fields(&threshold.by)?,
            }),
            (None, Some(first), None) => Ok(How::FirstSeen {
                of: fields(&first.of)?,
                known: fields(&first.known)?,
                learn: duration(&first.learn)?,
            }),
            (None, None, Some(baseline)) => Ok(How::Baseline {
                measure: baseline.measure.as_deref().map(field).transpose()?,
                by: fields(&baseline.by)?,
                window: duration(&baseline.window)?.max(1),
                factor: baseline.factor,
                at_least: baseline.at_least,
                without: baseline.without,
                needs: baseline.needs,
            }),
            _ => Err("a rule has at most one of `threshold`, `first_seen`, `baseline`".to_owned()),
        }
    }
}

fn fields(names: &[String]) -> Result<Vec<&'static str>, String> {
    names.iter().map(|name| field(name)).collect()
}

/// `90s`, `5m`, `1h`, `7d`, in milliseconds.
fn duration(text: &str) -> Result<i64, String> {
    let fail = || format!("`{text}` is no duration: write `90s`, `5m`, `1h` or `7d`");
    let unit = text.chars().next_back().ok_or_else(fail)?;
    let number: i64 = text
        .get(..text.len() - unit.len_utf8())
        .and_then(|number| number.parse().ok())
        .filter(|number| *number >= 0)
        .ok_or_else(fail)?;
    let milliseconds = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return Err(fail()),
    };
    number.checked_mul(milliseconds).ok_or_else(fail)
}
