//! Where alerts go. What needs the network is in the crate `sinks`.

use super::alert::Alert;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// A place that takes alerts. It may get one twice, after a crash: `id` tells.
pub trait Place: Send {
    /// What it is called: `webhook soc`.
    fn name(&self) -> String;

    /// Delivers an alert; what the place said, in a few words. The error, too, is in a few words, without secrets.
    fn deliver(&mut self, alert: &Alert) -> Result<String, String>;
}

/// One JSON object a line, on the disk before the delivery is called done.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
}

impl File {
    /// Appends to this file, making it when it is not there. Its directory has to exist.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// The last line of a crash may be half: the next one must not be glued to it.
    fn append(&self, alert: &Alert) -> std::io::Result<&'static str> {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(&self.path)?;
        let mut ends_in_line = true;
        let marker = format!("\"id\":\"{}\"", alert.id);
        for line in BufReader::new(&file).split(b'\n') {
            let line = line?;
            if memchr::memmem::find(&line, marker.as_bytes()).is_some()
                && serde_json::from_slice::<Alert>(&line).is_ok_and(|known| known.id == alert.id)
            {
                return Ok("already there");
            }
        }
        let length = file.metadata()?.len();
        if length > 0 {
            use std::os::unix::fs::FileExt;
            let mut last = [0];
            file.read_exact_at(&mut last, length - 1)?;
            ends_in_line = last == *b"\n";
        }
        let mut bytes = if ends_in_line {
            Vec::new()
        } else {
            vec![b'\n']
        };
        bytes.extend(alert.to_line());
        file.write_all(&bytes)?;
        file.sync_all()?;
        Ok("written")
    }
}

impl Place for File {
    fn name(&self) -> String {
        format!("file {}", self.path.display())
    }

    fn deliver(&mut self, alert: &Alert) -> Result<String, String> {
        self.append(alert)
            .map(str::to_owned)
            .map_err(|error| error.to_string())
    }
}

/// One JSON object a line, for whatever reads the program's standard output.
pub struct Lines<W> {
    name: String,
    out: W,
}

impl<W: Write + Send> Lines<W> {
    /// Writes to this stream.
    pub fn new(name: &str, out: W) -> Self {
        Self {
            name: name.to_owned(),
            out,
        }
    }
}

impl<W: Write + Send> Place for Lines<W> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn deliver(&mut self, alert: &Alert) -> Result<String, String> {
        self.out
            .write_all(&alert.to_line())
            .and_then(|()| self.out.flush())
            .map(|()| "written".to_owned())
            .map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::{File, Place};
    use crate::detect::alert::{Alert, Severity};
    use std::collections::BTreeMap;

    fn alert(id: &str) -> Alert {
        Alert {
            schema: "pgattest.alert/1".to_owned(),
            id: id.to_owned(),
            rule: "r".to_owned(),
            title: "t\n\"id\":\"two\"".to_owned(),
            severity: Severity::Low,
            at: None,
            time: String::new(),
            instance: None,
            detail: String::new(),
            key: BTreeMap::new(),
            record: BTreeMap::new(),
            records: vec![1],
            count: 1,
            proof: None,
        }
    }

    #[test]
    fn an_alert_is_a_line_once_and_never_glued_to_half_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.jsonl");
        std::fs::write(&path, "{\"half").unwrap();
        let mut file = File::new(&path);
        assert_eq!(file.deliver(&alert("one")), Ok("written".to_owned()));
        assert_eq!(file.deliver(&alert("one")), Ok("already there".to_owned()));
        assert_eq!(file.deliver(&alert("two")), Ok("written".to_owned()));
        let text = std::fs::read_to_string(&path).unwrap();
        let ids: Vec<String> = text
            .lines()
            .skip(1)
            .map(|line| serde_json::from_str::<Alert>(line).unwrap().id)
            .collect();
        assert_eq!(ids, ["one", "two"]);
    }

    #[test]
    fn a_place_that_is_not_there_says_so() {
        let mut file = File::new(std::path::Path::new("/nonexistent/alerts.jsonl"));
        assert!(file.deliver(&alert("one")).is_err());
    }
}
