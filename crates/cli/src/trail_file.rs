//! Reading `trail.toml`, the collector's configuration, and showing what is wrong with it in its own lines.

use crate::collecting::detecting::Detect;
use crate::failure::{Doing, Failure, OrHint, fail};
use crate::policy_file::show;
use annotate_snippets::Level;
use pgattest_anchor::SealConfig;
use pgattest_sinks::config::{Config as Sink, Name};
use pgattest_trail::capture::Config as Capture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

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
    pub(crate) sink: BTreeMap<Name, Sink>,
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
        }
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
        .or_hint("name it with --config FILE, or do without one: --logs DIR --journal DIR")?;
    let shown = path.display().to_string();
    let mut file: TrailFile = toml::from_str(&text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        Failure {
            rendered: Some(show(
                Level::ERROR,
                error.message(),
                None,
                span,
                &text,
                &shown,
            )),
            ..fail(format!(
                "the configuration {shown} is not right: {}",
                error.message()
            ))
        }
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    file.journal = folder.join(&file.journal);
    file.keys = folder.join(&file.keys);
    for dir in &mut file.capture.logs {
        if dir.as_path() != Path::new("-") {
            *dir = folder.join(&dir);
        }
    }
    if let Some(archive) = &mut file.archive {
        archive.dir = folder.join(&archive.dir);
    }
    if let Some(detect) = &mut file.detect {
        detect.begin_at(folder);
    }
    check(&file)?;
    Ok(file)
}

/// What the types do not say.
fn check(file: &TrailFile) -> Result<(), Failure> {
    if file.capture.logs.is_empty() {
        return Err(fail("the configuration names no directory of logs")
            .hint("write [capture] and logs = [\"/var/lib/postgresql/15/main/log\"]"));
    }
    if file.keys.starts_with(&file.journal) {
        return Err(
            fail("the keys lie inside the journal: whoever copies it could sign it anew")
                .hint("give `keys` a directory of its own"),
        );
    }
    if file.detect.as_ref().is_some_and(Detect::has_no_place) {
        return Err(fail("[detect] names no place that alerts go to").hint(
            "write alert_files = [\"/var/log/pgattest/alerts.jsonl\"], or a [[detect.webhook]]",
        ));
    }
    if let Some(fault) = file
        .archive
        .as_ref()
        .and_then(pgattest_archive::task::Config::fault)
    {
        return Err(fail(format!("[archive] is not right: {fault}")));
    }
    if let Some(seal) = &file.seal {
        seal.check()
            .map_err(|problem| fail(format!("[seal] is not right: {problem}")))?;
    }
    if let Some(address) = file.operate.listen
        && !address.ip().is_loopback()
    {
        return Err(fail(format!(
            "{address} is no loopback address: metrics are served to anybody who asks"
        ))
        .hint("listen on 127.0.0.1, and let a proxy that knows its clients stand in front"));
    }
    Ok(())
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
