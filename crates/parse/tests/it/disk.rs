//! Files of a cluster's data directory, for the server and for us.

use anyhow::Result;
use pgattest_parse::auth_file::{Files, Unreadable};
use pgattest_testkit::Cluster;
use std::io::ErrorKind;

/// What is there.
pub(crate) struct Disk;

impl Files for Disk {
    fn text(&self, path: &str) -> Result<String, Unreadable> {
        std::fs::read_to_string(path).map_err(|error| unreadable(&error))
    }

    fn names(&self, directory: &str) -> Result<Vec<String>, Unreadable> {
        let entries = std::fs::read_dir(directory).map_err(|error| unreadable(&error))?;
        Ok(entries
            .flatten()
            .filter(|entry| entry.path().is_file())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect())
    }
}

fn unreadable(error: &std::io::Error) -> Unreadable {
    match error.kind() {
        ErrorKind::NotFound => Unreadable::Absent,
        _ => Unreadable::Because(error.to_string()),
    }
}

/// Puts files into the data directory, folders as needed.
pub(crate) fn put(cluster: &Cluster, files: &[(&str, &str)]) -> Result<()> {
    for (name, text) in files {
        let path = cluster.data_dir().join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}
