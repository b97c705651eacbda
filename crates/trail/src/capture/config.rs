//! `[capture]` of `trail.toml`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// What is captured, and how hard.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Directories that the server logs into (`log_directory`), or `-` for standard input. Directories below them are not looked into.
    pub logs: Vec<PathBuf>,
    /// `log_line_prefix` as `SHOW` has it: how lines of text logs (`log_destination = stderr`) begin.
    pub log_line_prefix: String,
    /// Capture text logs, too. Whoever may name a role can forge lines in them, so they are never audit-grade; beside a csvlog they
    /// hold what the collector of the server does not get: crashes, `archive_command`, the dynamic linker.
    pub text_logs: bool,
    /// The server's `current_logfiles`: which files are written to now. A hint. Without it, the file of this name beside the directory
    /// of the logs is looked at, if there is one.
    pub current_logfiles: Option<PathBuf>,
    /// How often the files are looked at, in milliseconds. The kernel's notices only make it earlier.
    pub poll_milliseconds: u32,
    /// How long a file that was rotated away must rest before an unfinished record at its end is taken for torn, in seconds.
    pub settle_seconds: u32,
    /// Records longer than this, in MiB, are sealed in several pieces marked as torn, so that they need not fit into memory.
    pub longest_record_mib: u32,
    /// Log read ahead of the journal, in MiB. The process needs some 60 MiB besides.
    pub memory_mib: u32,
    /// Threads that redact, hash and compress. Without it: as many as there are processors, at most four.
    pub workers: Option<u16>,
    /// A heartbeat is sealed when nothing else was for so long, in seconds.
    pub heartbeat_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            logs: Vec::new(),
            log_line_prefix: "%m [%p] ".to_owned(),
            text_logs: true,
            current_logfiles: None,
            poll_milliseconds: 250,
            settle_seconds: 5,
            longest_record_mib: 16,
            memory_mib: 48,
            workers: None,
            heartbeat_seconds: 60,
        }
    }
}

impl Config {
    pub(crate) fn poll(&self) -> Duration {
        Duration::from_millis(u64::from(self.poll_milliseconds.clamp(10, 60_000)))
    }

    pub(crate) fn settle(&self) -> Duration {
        Duration::from_secs(u64::from(self.settle_seconds))
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_secs(u64::from(self.heartbeat_seconds.max(1)))
    }

    /// Bytes of the longest record that is kept in one piece.
    pub(crate) fn longest_record(&self) -> usize {
        usize::try_from(self.longest_record_mib.clamp(1, 1024)).unwrap_or(16) << 20
    }

    /// Bytes of log between reading and sealing.
    pub(crate) fn in_flight(&self) -> usize {
        usize::try_from(self.memory_mib.clamp(4, 1 << 20)).unwrap_or(48) << 20
    }

    pub(crate) fn workers(&self) -> usize {
        match self.workers {
            Some(workers) => usize::from(workers.clamp(1, 64)),
            None => std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4)),
        }
    }
}
