//! Specs: Markdown files whose code blocks are run.
//!
//! One file is about one check. Prose explains, and six kinds of fenced blocks act, in order, on a cluster of their own:
//! `toml` starts a new cluster, `sql [db=NAME]` runs a script as superuser, `policy` puts a policy in force, `trail` says what the
//! audit trail says of itself, `verdict [as=ROLE]` audits and compares, and `plan` has the check's findings fixed and the fix taken
//! back. See CONTRIBUTING.md for the grammar of a verdict.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// One file.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Path from the folder of specs, without the ending: `roles/superuser-roles`.
    pub name: String,
    /// The majors it runs on.
    pub majors: Vec<u32>,
    /// What happens, in order. The first is always `Cluster`.
    pub steps: Vec<Step>,
}

/// One block.
#[derive(Clone, Debug)]
pub struct Step {
    /// Line of the file where the block begins.
    pub line: usize,
    /// The heading it stands under.
    pub heading: String,
    /// What it does.
    pub action: Action,
}

/// What a block does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Starts a new cluster; the one before is gone.
    Cluster(Box<Config>),
    /// Runs a script as superuser.
    Sql {
        /// The database.
        database: String,
        /// The script.
        script: String,
    },
    /// Puts a policy in force; an empty text means none.
    Policy(String),
    /// What the audit trail says of itself, from here on; an empty text means that no trail is looked at.
    Trail(String),
    /// Audits and compares.
    Verdict {
        /// The login role that audits; the superuser when `None`.
        role: Option<String>,
        /// The lines expected.
        expected: String,
    },
    /// Plans what closes the check's findings, compares, applies it, audits, takes it back, and audits again.
    Plan {
        /// The changes expected, a statement a line.
        expected: String,
    },
}

/// What a `toml` block says of the cluster.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `"13..=18"` or a list. Only in the first block.
    pub postgres: Option<Majors>,
    /// `hardened` is the only one.
    pub preset: Option<String>,
    /// Modules for `shared_preload_libraries`.
    #[serde(default)]
    pub preload: Vec<String>,
    /// Whether the server has a certificate and `ssl = on`.
    #[serde(default)]
    pub tls: bool,
    /// What is wrong with the certificate, with `tls`: `expired`, or `other-name` (it names `db.example.com` only).
    pub certificate: Option<String>,
    /// Lines of `postgresql.conf`.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The whole text of `pg_hba.conf`.
    pub hba: Option<String>,
    /// The whole text of `pg_ident.conf`.
    pub ident: Option<String>,
}

/// Majors as a range in words or as a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Majors {
    /// `"13..=18"`.
    Range(String),
    /// `[13, 15]`.
    List(Vec<u32>),
}

impl Spec {
    /// Reads every `.md` file in the folders below `root`, by name.
    pub fn all(root: &Path) -> Result<Vec<Self>> {
        let mut specs = Vec::new();
        for area in
            std::fs::read_dir(root).with_context(|| format!("no specs in {}", root.display()))?
        {
            let area = area?.path();
            for file in std::fs::read_dir(&area)? {
                let file = file?.path();
                if file.extension().is_some_and(|ending| ending == "md") {
                    let name = file
                        .strip_prefix(root)?
                        .with_extension("")
                        .display()
                        .to_string();
                    let text = std::fs::read_to_string(&file)?;
                    specs.push(
                        Self::parse(name, &text).with_context(|| file.display().to_string())?,
                    );
                }
            }
        }
        specs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(specs)
    }

    /// Reads one file. A block of an unknown kind, or a file without a verdict, is an error: nothing is skipped silently.
    pub fn parse(name: String, text: &str) -> Result<Self> {
        let mut steps: Vec<Step> = Vec::new();
        let mut heading = String::new();
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            if let Some(words) = line.strip_prefix('#') {
                words
                    .trim_start_matches('#')
                    .trim()
                    .clone_into(&mut heading);
            }
            let Some(info) = line.strip_prefix("```") else {
                continue;
            };
            let mut body = String::new();
            loop {
                let Some((_, line)) = lines.next() else {
                    bail!("line {}: the block has no end", index + 1)
                };
                if line == "```" {
                    break;
                }
                body.push_str(line);
                body.push('\n');
            }
            let action =
                Action::parse(info, body).with_context(|| format!("line {}", index + 1))?;
            steps.push(Step {
                line: index + 1,
                heading: heading.clone(),
                action,
            });
        }
        if !matches!(
            steps.first(),
            Some(Step {
                action: Action::Cluster(_),
                ..
            })
        ) {
            let action = Action::Cluster(Box::default());
            steps.insert(
                0,
                Step {
                    line: 1,
                    heading: String::new(),
                    action,
                },
            );
        }
        if !steps
            .iter()
            .any(|step| matches!(step.action, Action::Verdict { .. }))
        {
            bail!("no verdict block: the spec would test nothing");
        }
        let mut configs = steps.iter().filter_map(|step| match &step.action {
            Action::Cluster(config) => Some(config),
            Action::Sql { .. }
            | Action::Policy(_)
            | Action::Trail(_)
            | Action::Verdict { .. }
            | Action::Plan { .. } => None,
        });
        let majors = match configs.next().and_then(|config| config.postgres.as_ref()) {
            None => (13..=18).collect(),
            Some(majors) => majors.list()?,
        };
        if configs.any(|config| config.postgres.is_some()) {
            bail!("`postgres` belongs into the first block only");
        }
        Ok(Self {
            name,
            majors,
            steps,
        })
    }
}

impl Action {
    fn parse(info: &str, body: String) -> Result<Self> {
        let mut words = info.split_whitespace();
        let kind = words.next().unwrap_or_default();
        let options: Vec<&str> = words.collect();
        let option = |key: &str| -> Result<Option<String>> {
            match options.as_slice() {
                [] => Ok(None),
                [one] => match one.split_once('=') {
                    Some((name, value)) if name == key => Ok(Some(value.to_owned())),
                    _ => bail!("`{one}` is not an option of a `{kind}` block"),
                },
                _ => bail!("a `{kind}` block has one option at most"),
            }
        };
        Ok(match kind {
            "toml" => Self::Cluster(Box::new(toml::from_str(&body)?)),
            "sql" => Self::Sql {
                database: option("db")?.unwrap_or_else(|| "postgres".to_owned()),
                script: body,
            },
            "policy" => Self::Policy(body),
            "trail" => Self::Trail(body),
            "verdict" => Self::Verdict {
                role: option("as")?,
                expected: body,
            },
            "plan" => Self::Plan { expected: body },
            other => {
                bail!("`{other}` is not a kind of block: toml, sql, policy, trail, verdict or plan")
            }
        })
    }
}

impl Majors {
    fn list(&self) -> Result<Vec<u32>> {
        match self {
            Self::List(majors) => Ok(majors.clone()),
            Self::Range(text) => {
                let (from, to) = text
                    .split_once("..=")
                    .with_context(|| format!("`{text}` is not a range like 13..=18"))?;
                Ok((from.parse()?..=to.parse()?).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Spec};

    #[test]
    fn blocks_become_steps_in_order() {
        let text = "# t\n```toml\npostgres = [15]\n```\nprose\n## two\n```sql db=shop\nselect 1;\n```\n```verdict as=app\npass  x\n```\n";
        let spec = Spec::parse("a/b".to_owned(), text).unwrap();
        assert_eq!(spec.majors, [15]);
        assert!(
            matches!(&spec.steps[1].action, Action::Sql { database, .. } if database == "shop")
        );
        assert!(
            matches!(&spec.steps[2].action, Action::Verdict { role: Some(role), .. } if role == "app")
        );
        assert_eq!(
            (spec.steps[2].line, spec.steps[2].heading.as_str()),
            (10, "two")
        );
    }

    #[test]
    fn a_spec_that_would_test_nothing_is_refused() {
        for text in [
            "# t\n",
            "```sql\nselect 1\n```\n",
            "```verdict\npass\n",
            "```shell\nls\n```\n```verdict\npass\n```\n",
        ] {
            assert!(Spec::parse("a/b".to_owned(), text).is_err(), "{text}");
        }
    }
}
