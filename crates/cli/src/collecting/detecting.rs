//! `[detect]` of `trail.toml`: rules over what is sealed, and where their alerts go.

use crate::failure::{Doing, Failure, OrHint, fail};
use pgattest_sinks::SecretFrom;
use pgattest_sinks::alert::{Webhook, WebhookOptions};
use pgattest_trail::detect::deliver::{File, Lines};
use pgattest_trail::detect::watch::{DetectTask, Prover, Watch, WatchError};
use pgattest_trail::detect::{Place, Rule, shipped};
use pgattest_trail::proof;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// `[detect]`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Detect {
    /// Directories with rules of your own; one with the `id` of a shipped rule takes its place.
    rules: Vec<PathBuf>,
    /// The `id`s of rules that do not look.
    without: Vec<String>,
    /// Where the rules' memory is, and the alerts that are still to be delivered. Without it: beside the journal, `JOURNAL.detect`.
    pub(crate) state: Option<PathBuf>,
    /// Files that get a JSON line for each alert.
    alert_files: Vec<PathBuf>,
    /// A JSON line for each alert on standard output.
    stdout: bool,
    /// Places that get each alert as a POST of JSON.
    webhook: Vec<WebhookOptions>,
    /// How often a test alert is delivered everywhere, in hours; also when the collector starts. Without it: never.
    test_hours: Option<u32>,
}

impl Detect {
    /// Relative paths begin here.
    pub(crate) fn begin_at(&mut self, folder: &Path) {
        let paths = self.rules.iter_mut().chain(&mut self.alert_files);
        for path in paths.chain(self.state.as_mut()) {
            *path = folder.join(&*path);
        }
    }

    /// The rules that look.
    pub(crate) fn rules(&self) -> Result<Vec<Rule>, Failure> {
        let mut rules = rules(&self.rules)?;
        known(&rules, &self.without)?;
        rules.retain(|rule| !self.without.contains(&rule.id));
        Ok(rules)
    }

    /// The places that alerts go to, without secrets.
    pub(crate) fn told_places(&self) -> Vec<String> {
        let files = self
            .alert_files
            .iter()
            .map(|path| format!("file {}", path.display()));
        let stdout = self.stdout.then(|| "standard output".to_owned());
        let webhooks = self
            .webhook
            .iter()
            .map(|options| format!("webhook {}", options.name));
        files.chain(stdout).chain(webhooks).collect()
    }

    /// Where secrets are, with the keys that name them in the file.
    pub(crate) fn secrets(&self) -> Vec<(Vec<String>, &SecretFrom)> {
        let mut secrets = Vec::new();
        for (index, options) in self.webhook.iter().enumerate() {
            for (key, from) in options.secrets() {
                let mut path = vec!["detect".to_owned(), "webhook".to_owned(), index.to_string()];
                path.extend(key);
                secrets.push((path, from));
            }
        }
        secrets
    }

    /// Whether an alert would go nowhere.
    pub(crate) fn has_no_place(&self) -> bool {
        self.alert_files.is_empty() && !self.stdout && self.webhook.is_empty()
    }

    pub(crate) fn places(&self) -> Result<Vec<Box<dyn Place>>, Failure> {
        let mut places: Vec<Box<dyn Place>> = Vec::new();
        for path in &self.alert_files {
            places.push(Box::new(File::new(path)));
        }
        if self.stdout {
            places.push(Box::new(Lines::new("standard output", std::io::stdout())));
        }
        for options in &self.webhook {
            let webhook = Webhook::open(options)
                .doing(|| format!("webhook `{}` in [detect]", options.name))
                .or_hint("what names a secret names a variable or a file that the collector has")?;
            places.push(Box::new(webhook));
        }
        Ok(places)
    }
}

/// The part of the collector that watches by rules. What is wrong with them is said before anything is captured.
pub(crate) fn task(detect: &Detect, journal: &Path) -> Result<DetectTask, Failure> {
    let rules = detect.rules()?;
    detect.places()?;
    let state = detect
        .state
        .clone()
        .unwrap_or_else(|| state_beside(journal));
    let (directory, detect) = (state.clone(), detect.clone());
    let test_every = detect
        .test_hours
        .map(|hours| Duration::from_hours(u64::from(hours.max(1))));
    let open = move || {
        let places = detect.places().map_err(|failure| WatchError::Disk {
            action: "open the places that alerts go to, for the state in",
            path: state.clone(),
            source: std::io::Error::other(format!("{:#}", failure.error)),
        })?;
        let mut watch = Watch::open(&state, rules.clone(), places)?;
        watch.set_prover(prover());
        Ok(watch)
    };
    let mut task = DetectTask::new(&directory, Box::new(open));
    task.test_every = test_every;
    Ok(task)
}

/// The record's proof, as `pgattest trail proof` writes it.
fn prover() -> Prover {
    // Of the same journal each time: what was looked at for one alert is not looked at for the next.
    let rotations = Mutex::new(proof::Rotations::default());
    Box::new(move |reader, record| {
        let mut rotations = rotations.lock().unwrap_or_else(PoisonError::into_inner);
        proof::prove_with(reader, record, &mut rotations)
            .ok()
            .flatten()
            .map(serde_json::Value::String)
    })
}

/// The shipped rules, with those of these directories in place of those of the same name.
pub(crate) fn rules(directories: &[PathBuf]) -> Result<Vec<Rule>, Failure> {
    let mut own = Vec::new();
    for directory in directories {
        own.extend(Rule::of_directory(directory)?);
    }
    let mut rules = shipped::rules()?;
    rules.retain(|rule| own.iter().all(|own| own.id != rule.id));
    rules.extend(own);
    Ok(rules)
}

/// Refuses a name that no rule has.
pub(crate) fn known(rules: &[Rule], named: &[String]) -> Result<(), Failure> {
    let Some(unknown) = named
        .iter()
        .find(|named| rules.iter().all(|rule| rule.id != **named))
    else {
        return Ok(());
    };
    let names: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
    Err(fail(format!("there is no rule `{unknown}`"))
        .hint(format!("there are: {}", names.join(", "))))
}

/// Where the rules keep their state when nothing else is said.
pub(crate) fn state_beside(journal: &Path) -> PathBuf {
    let mut name = journal.file_name().unwrap_or_default().to_owned();
    name.push(".detect");
    journal.with_file_name(name)
}
