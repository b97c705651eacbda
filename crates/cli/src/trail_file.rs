//! Reading `trail.toml`, the collector's configuration, and showing what is wrong with it in its own lines.

mod sink;

pub(crate) use sink::ConfiguredSink;

use crate::collecting::detecting::Detect;
use crate::failure::{Doing, Failure, OrHint, fail};
use crate::policy_file::show;
use annotate_snippets::Level;
use pgattest_anchor::SealConfig;
use pgattest_sinks::config::Name;
use pgattest_trail::capture::Config as Capture;
use pgattest_trail::leaf::{Told, ToldArchive, ToldSink};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// What a collector captures, where its journal is, and where it ships to. Relative paths begin at the file's directory.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrailFile {
    /// The instance's name: in the trail's leaves, and in every record that is shipped.
    pub(crate) instance: String,
    /// The journal's directory. One journal has one writer.
    pub(crate) journal: PathBuf,
    /// The directory with the signing key and the key of redacted originals: outside of the journal, readable by the collector alone.
    pub(crate) keys: PathBuf,
    /// What is captured.
    #[serde(default)]
    pub(crate) capture: Capture,
    /// Where it is shipped to, by name.
    #[serde(default)]
    pub(crate) sink: BTreeMap<Name, ConfiguredSink>,
    /// The rules that it is watched by, and where their alerts go. Without it, no rule looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detect: Option<Detect>,
    /// The archive that is made from the journal. Without it none is.
    pub(crate) archive: Option<pgattest_archive::task::Config>,
    /// Who else signs the journal's checkpoints. Without it, nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seal: Option<SealConfig>,
    /// How it is watched.
    #[serde(default)]
    pub(crate) operate: Operate,
    /// What it was read from.
    #[serde(skip)]
    source: Source,
}

/// A file's text, to show what is wrong with it in its lines.
#[derive(Clone, Debug, Default)]
struct Source {
    path: String,
    text: String,
}

/// `[operate]`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Operate {
    /// Where `/metrics`, `/healthz` and `/readyz` are served: a loopback address and a port. They tell no content of the trail, and
    /// ask nobody who they are.
    #[schemars(with = "Option<String>")]
    pub(crate) listen: Option<SocketAddr>,
}

impl TrailFile {
    /// A configuration that was given on the command line.
    pub(crate) fn of(instance: &str, logs: &[PathBuf], journal: &Path, keys: PathBuf) -> Self {
        Self {
            instance: instance.to_owned(),
            journal: journal.to_owned(),
            keys,
            capture: Capture {
                logs: logs.to_vec(),
                ..Capture::default()
            },
            sink: BTreeMap::new(),
            detect: None,
            archive: None,
            seal: None,
            operate: Operate::default(),
            source: Source::default(),
        }
    }

    /// What of it is told in the journal.
    pub(crate) fn told(&self) -> Result<Told, Failure> {
        let sinks = self.sink.iter().map(|(name, sink)| {
            let told = ToldSink {
                kind: sink.config.kind().to_owned(),
                place: sink.config.place(),
                deadline_seconds: sink.deadline_seconds,
            };
            (name.to_string(), told)
        });
        let rules = self.detect.as_ref().map(Detect::rules).transpose()?;
        let mut rules: Vec<String> = rules.into_iter().flatten().map(|rule| rule.id).collect();
        rules.sort();
        Ok(Told {
            sinks: sinks.collect(),
            rules,
            alerts: self
                .detect
                .as_ref()
                .map(Detect::told_places)
                .unwrap_or_default(),
            archive: self.archive.as_ref().map(|archive| ToldArchive {
                place: archive.location.to_string(),
                retention_days: archive.retention_days,
                maximum_days: archive.maximum_days,
            }),
            anchors: self
                .seal
                .as_ref()
                .map(SealConfig::names)
                .unwrap_or_default(),
        })
    }

    /// SHA-256 of what it says, hexadecimal. Comments and order do not count.
    pub(crate) fn digest(&self) -> String {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        hex::encode(Sha256::digest(bytes))
    }
}

/// Reads the file.
pub(crate) fn load(path: &Path) -> Result<TrailFile, Failure> {
    let text = std::fs::read_to_string(path)
        .doing(|| format!("the configuration {} could not be read", path.display()))
        .or_hint("name the file that `pgattest trail run` is given; docs/trail/trail.toml is one to begin with")?;
    let source = Source {
        path: path.display().to_string(),
        text,
    };
    let mut file: TrailFile = toml::from_str(&source.text)
        .map_err(|error| source.wrong(error.span().unwrap_or(0..0), error.message(), KNOWN))?;
    file.source = source;
    file.begin_at(path.parent().unwrap_or(Path::new("")));
    check(&file)?;
    Ok(file)
}

/// What to do about a key or a value that is not known.
const KNOWN: &str = "docs/trail/run.md says what a trail.toml may have, docs/trail/sinks.md what each sink; `pgattest trail run --schema` \
                     prints it for an editor";

/// What the types do not say.
fn check(file: &TrailFile) -> Result<(), Failure> {
    let wrong = |keys: &[&str], message: &str, help: &str| {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let source = &file.source;
        Err(source.wrong(source.span(&keys), message, help))
    };
    if file.capture.logs.is_empty() {
        return wrong(
            &["capture", "logs"],
            "the configuration names no directory of logs",
            "write [capture] and logs = [\"/var/lib/postgresql/15/main/log\"]",
        );
    }
    if file.keys.starts_with(&file.journal) {
        return wrong(
            &["keys"],
            "the keys lie inside the journal: whoever copies it could sign it anew",
            "give `keys` a directory of its own",
        );
    }
    if file.detect.as_ref().is_some_and(Detect::has_no_place) {
        return wrong(
            &["detect"],
            "[detect] names no place that alerts go to",
            "write alert_files = [\"/var/log/pgattest/alerts.jsonl\"], or a [[detect.webhook]]",
        );
    }
    if let Some(fault) = file
        .archive
        .as_ref()
        .and_then(pgattest_archive::task::Config::fault)
    {
        return wrong(
            &["archive"],
            &format!("[archive] is not right: {fault}"),
            "docs/trail/archive.md says what each number is for",
        );
    }
    for (name, sink) in &file.sink {
        if sink
            .deadline_seconds
            .is_some_and(|seconds| !(1..=86_400).contains(&seconds))
        {
            return wrong(
                &["sink", name.as_str(), "deadline_seconds"],
                "a deadline is 1 to 86400 seconds",
                "leave it out to have the sink measured by `pgattest prove logging --deadline`",
            );
        }
    }
    if let Some(seal) = &file.seal
        && let Err(problem) = seal.check()
    {
        return wrong(
            &["seal"],
            &format!("[seal] is not right: {problem}"),
            "docs/trail/run.md has an example",
        );
    }
    if let Some(address) = file.operate.listen
        && !address.ip().is_loopback()
    {
        return wrong(
            &["operate", "listen"],
            &format!("{address} is no loopback address: metrics are served to anybody who asks"),
            "listen on 127.0.0.1, and let a proxy that knows its clients stand in front",
        );
    }
    Ok(())
}

impl TrailFile {
    /// Refuses secrets that this process will never have, of one sink or of all and of the places of alerts.
    pub(crate) fn refuse_missing_secrets(&self, only: Option<&Name>) -> Result<(), Failure> {
        let sinks = self.sink.iter().flat_map(|(name, sink)| {
            sink.config.secrets().into_iter().map(move |(keys, from)| {
                let mut path = vec!["sink".to_owned(), name.to_string()];
                path.extend(keys);
                (Some(name), path, from)
            })
        });
        let alerts = self.detect.iter().flat_map(Detect::secrets);
        let all = sinks.chain(alerts.map(|(path, from)| (None, path, from)));
        for (name, path, from) in all {
            if (only.is_none() || name == only) && from.is_missing() {
                return Err(self.source.wrong(
                    self.source.span(&path),
                    &format!("{from} is not set, and a secret is to be in it"),
                    "set it where the collector is started (systemd: LoadCredential= with { file = .. }, or EnvironmentFile=)",
                ));
            }
        }
        Ok(())
    }

    /// Relative paths begin at the file's directory.
    fn begin_at(&mut self, folder: &Path) {
        self.journal = folder.join(&self.journal);
        self.keys = folder.join(&self.keys);
        for dir in &mut self.capture.logs {
            if dir.as_path() != Path::new("-") {
                *dir = folder.join(&dir);
            }
        }
        for sink in self.sink.values_mut() {
            sink.config.begin_at(folder);
        }
        if let Some(archive) = &mut self.archive {
            archive.location.begin_at(folder);
        }
        if let Some(detect) = &mut self.detect {
            detect.begin_at(folder);
        }
        if let Some(seal) = &mut self.seal {
            seal.begin_at(folder);
        }
    }
}

impl Source {
    /// What is wrong, in the file's own lines, and what to do.
    fn wrong(&self, span: Range<usize>, message: &str, help: &str) -> Failure {
        let shown = show(
            Level::ERROR,
            message,
            Some(help),
            span,
            &self.text,
            &self.path,
        );
        Failure {
            rendered: Some(shown),
            ..fail(format!(
                "the configuration {} is not right: {message}",
                self.path
            ))
        }
    }

    /// Where the value behind these keys is; of the longest beginning of them that the file has.
    fn span(&self, keys: &[String]) -> Range<usize> {
        let Ok(table) = DeTable::parse(&self.text) else {
            return 0..0;
        };
        let mut found = 0..0;
        let mut at = table
            .get_ref()
            .iter()
            .find(|(name, _)| keys.first().is_some_and(|key| name.get_ref() == key));
        let mut rest = keys.iter().skip(1);
        while let Some((name, value)) = at {
            found = if value.get_ref().is_table() || value.get_ref().is_array() {
                name.span()
            } else {
                value.span()
            };
            let Some(key) = rest.next() else {
                return value.span();
            };
            let mut value = value.get_ref();
            let mut key = key;
            // A list of tables: the number of the one, and then what is in it.
            if let (DeValue::Array(list), Ok(index)) = (value, key.parse::<usize>()) {
                let Some(one) = list.get(index) else {
                    return found;
                };
                found = one.span();
                value = one.get_ref();
                match rest.next() {
                    Some(next) => key = next,
                    None => return found,
                }
            }
            at = value
                .as_table()
                .and_then(|table| table.iter().find(|(name, _)| name.get_ref() == key));
        }
        found
    }
}

/// The JSON schema, for editors.
pub(crate) fn schema() -> Result<String, Failure> {
    let schema = schemars::schema_for!(TrailFile);
    Ok(serde_json::to_string_pretty(&schema)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::load;
    use std::path::PathBuf;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trail.toml");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    const GOOD: &str = "instance = \"shop\"\njournal = \"journal\"\nkeys = \"keys\"\n[capture]\nlogs = [\"log\"]\n";

    #[test]
    fn paths_begin_at_the_file_and_the_digest_is_that_of_its_content() {
        let (dir, path) = file(GOOD);
        let read = load(&path).unwrap();
        assert_eq!(read.journal, dir.path().join("journal"));
        assert_eq!(read.capture.logs, [dir.path().join("log")]);
        assert_eq!(read.capture.poll_milliseconds, 250);
        std::fs::write(&path, format!("# a comment\n{GOOD}")).unwrap();
        assert_eq!(load(&path).unwrap().digest(), read.digest());
    }

    #[test]
    fn an_unknown_key_is_shown_in_its_line() {
        let (_dir, path) = file(&format!("{GOOD}pol_milliseconds = 3\n"));
        let failure = load(&path).unwrap_err();
        let shown = failure.rendered.unwrap();
        assert!(
            shown.contains("pol_milliseconds = 3") && shown.contains("unknown field"),
            "{shown}"
        );
    }

    #[test]
    fn a_sink_has_a_deadline_beside_its_own_keys_and_no_others() {
        let sink = "[sink.siem]\nkind = \"file\"\npath = \"siem.jsonl\"\n";
        let (dir, path) = file(&format!("{GOOD}{sink}deadline_seconds = 90\n"));
        let read = load(&path).unwrap();
        let told = read.told().unwrap().sinks.remove("siem").unwrap();
        assert_eq!(told.deadline_seconds, Some(90));
        assert_eq!(
            told.place,
            dir.path().join("siem.jsonl").display().to_string()
        );
        std::fs::write(&path, format!("{GOOD}{sink}")).unwrap();
        let without = load(&path).unwrap();
        assert_ne!(without.digest(), read.digest());
        let told = serde_json::to_string(&without.told().unwrap()).unwrap();
        assert!(!told.contains("deadline"), "{told}");
        for (line, says) in [
            ("deadline_second = 90", "unknown field `deadline_second`"),
            ("deadline_seconds = 0", "1 to 86400"),
            ("deadline_seconds = -1", "invalid value"),
        ] {
            std::fs::write(&path, format!("{GOOD}{sink}{line}\n")).unwrap();
            let shown = load(&path).unwrap_err().rendered.unwrap();
            assert!(
                shown.contains(says) && shown.contains("trail.toml:"),
                "{shown}"
            );
        }
    }

    #[test]
    fn an_editor_knows_the_deadline_of_every_sink_and_no_key_that_is_none() {
        let schema = serde_json::from_str(&super::schema().unwrap()).unwrap();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let accepts = |text: &str| {
            let value: toml::Value = toml::from_str(text).unwrap();
            validator.is_valid(&serde_json::to_value(value).unwrap())
        };
        let sink = format!("{GOOD}[sink.siem]\nkind = \"file\"\npath = \"siem.jsonl\"\n");
        assert!(accepts(&sink));
        assert!(accepts(&format!("{sink}deadline_seconds = 90\n")));
        assert!(!accepts(&format!("{sink}deadline_seconds = 0\n")));
        assert!(!accepts(&format!("{sink}deadline_second = 90\n")));
        assert!(accepts(include_str!("../../../docs/trail/trail.toml")));
    }

    #[test]
    fn keys_inside_the_journal_and_metrics_for_everybody_are_refused() {
        let (_dir, path) = file(&GOOD.replace("\"keys\"", "\"journal/keys\""));
        assert!(
            load(&path)
                .unwrap_err()
                .error
                .to_string()
                .contains("inside the journal")
        );
        let (_dir, path) = file(&format!("{GOOD}[operate]\nlisten = \"0.0.0.0:9187\"\n"));
        assert!(
            load(&path)
                .unwrap_err()
                .error
                .to_string()
                .contains("no loopback")
        );
    }
}
