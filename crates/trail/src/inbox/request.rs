//! What an operator asks of a collector that runs: `NAME.request` in the inbox, answered in `NAME.answer`.
//!
//! The journal has one writer, and while the collector runs that is the collector. Who asks waits until what was asked for is durable,
//! or refused. The collector renames a request before it does anything (`NAME.taken`), so that who gives up waiting knows whether
//! anything can still happen. A crash in between does it once more: a hold that is set twice is set, what was pruned stays pruned.

use super::{LOOK, disk, open, put, read_bytes};
use crate::journal::{JournalError, Pruning};
use crate::leaf::Leaf;
use crate::operate::{Phase, Stop};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The longest name of a hold, and the longest reason, in bytes.
const LONGEST_NAME: usize = 200;
const LONGEST_REASON: usize = 4096;

/// The longest path of a file of the archive, in bytes: an instance's name, a day, numbers.
const LONGEST_FILE: usize = 250;

/// Files of one request, at most, so that it is shorter than a file of the inbox may be.
pub const MOST_FILES: usize = 100;

/// What is asked for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// A legal hold is to be set or lifted.
    Hold {
        /// Its name.
        name: String,
        /// Set or lifted.
        active: bool,
        /// Why, and by whose word.
        reason: String,
    },
    /// Files of the archive that were made beside the collector are to be recorded in the tree.
    Archived {
        /// At most [`MOST_FILES`].
        files: Vec<ArchivedFile>,
    },
    /// Payload that was sealed more than so many days ago is to be removed.
    Prune {
        /// Days.
        days: u32,
    },
}

/// A file of the archive, as [`Leaf::Archived`] has it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ArchivedFile {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// The file, relative to the archive.
    pub file: String,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// The first record's number.
    pub first: u64,
    /// How many records the batch has.
    pub count: u64,
}

impl ArchivedFile {
    /// What a leaf says, if it is of this kind.
    pub fn of(leaf: &Leaf) -> Option<Self> {
        match leaf {
            Leaf::Archived {
                at,
                file,
                sha256,
                first,
                count,
            } => Some(Self {
                at: *at,
                file: file.clone(),
                sha256: sha256.clone(),
                first: *first,
                count: *count,
            }),
            _ => None,
        }
    }

    /// The leaf that says so.
    pub fn leaf(&self) -> Leaf {
        Leaf::Archived {
            at: self.at,
            file: self.file.clone(),
            sha256: self.sha256.clone(),
            first: self.first,
            count: self.count,
        }
    }

    fn fault(&self) -> Option<String> {
        let is_hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_digest = self.sha256.len() == 64 && self.sha256.bytes().all(is_hexadecimal);
        let is_name = !self.file.is_empty()
            && self.file.len() <= LONGEST_FILE
            && self.file.bytes().all(|byte| byte.is_ascii_graphic());
        let is_range = self.count > 0 && self.first.checked_add(self.count).is_some();
        (!is_digest || !is_name || !is_range).then(|| {
            format!(
                "`{}` is no file of an archive: a path of at most {LONGEST_FILE} bytes, a SHA-256 and a run of records",
                self.file.escape_debug()
            )
        })
    }
}

impl Request {
    /// What is wrong with it by itself, if anything.
    pub fn fault(&self) -> Option<String> {
        let (name, reason) = match self {
            Self::Hold { name, reason, .. } => (name, reason),
            Self::Archived { files } if files.is_empty() || files.len() > MOST_FILES => {
                return Some(format!("it names 1 to {MOST_FILES} files of the archive"));
            }
            Self::Archived { files } => return files.iter().find_map(ArchivedFile::fault),
            Self::Prune { .. } => return None,
        };
        if name.trim().is_empty() || reason.trim().is_empty() {
            return Some("a hold has a name and a reason".to_owned());
        }
        if name.chars().any(char::is_control) || name.len() > LONGEST_NAME {
            return Some(format!(
                "the name of a hold is one line of at most {LONGEST_NAME} bytes, without control characters"
            ));
        }
        (reason.len() > LONGEST_REASON)
            .then(|| format!("the reason of a hold has at most {LONGEST_REASON} bytes"))
    }
}

/// What came of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// It is done, and durable.
    Done {
        /// What was removed, for a pruning that removed something.
        pruned: Option<Pruning>,
    },
    /// It is not done.
    Refused {
        /// Why not.
        reason: String,
    },
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// A file of the inbox.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Nobody took it.
    #[error("no collector took the request within {0} s; it was withdrawn, and nothing was done")]
    Withdrawn(u64),
    /// It was taken, and no answer came.
    #[error(
        "the collector took the request and has not answered within {0} s: it may still be done"
    )]
    Unanswered(u64),
    /// What came is no answer.
    #[error("`{}` is no answer of a collector: {reason}", .path.display())]
    Answer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Asks the collector of this journal, and waits for its answer.
pub fn ask(journal: &Path, request: &Request, longest: Duration) -> Result<Answer, AskError> {
    let dir = open(journal)?;
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|error| disk("name a file in", &dir, std::io::Error::other(error)))?;
    let name = format!(
        "{:013}-{}",
        jiff::Timestamp::now().as_millisecond(),
        hex::encode(random)
    );
    let bytes = serde_json::to_vec(request)
        .map_err(|error| disk("write", &dir, std::io::Error::other(error)))?;
    let path = put(&dir, &format!("{name}.request"), &bytes)?;
    let answer = dir.join(format!("{name}.answer"));
    let began = Instant::now();
    let clock = Stop::default();
    loop {
        if answer.exists() {
            return take_answer(&answer);
        }
        if began.elapsed() >= longest {
            let seconds = longest.as_secs();
            return Err(match fs::remove_file(&path) {
                Ok(()) => AskError::Withdrawn(seconds),
                Err(_) if answer.exists() => return take_answer(&answer),
                Err(_) => AskError::Unanswered(seconds),
            });
        }
        clock.wait(Phase::Running, LOOK);
    }
}

fn take_answer(path: &Path) -> Result<Answer, AskError> {
    let wrong = |reason| AskError::Answer {
        path: path.to_owned(),
        reason,
    };
    let (bytes, _) = read_bytes(path).map_err(wrong)?;
    let answer = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    // It was read: that it stays is untidy, no more.
    let _ = fs::remove_file(path);
    Ok(answer)
}

/// A request that the collector has taken.
#[derive(Debug)]
pub struct Taken {
    /// What is asked for; the error says why it is refused.
    pub request: Result<Request, String>,
    path: PathBuf,
}

impl Taken {
    /// Answers it. To be called when what was done is durable.
    pub fn answer(self, answer: &Answer) -> Result<(), JournalError> {
        let bytes = serde_json::to_vec(answer)
            .map_err(|error| disk("write", &self.path, std::io::Error::other(error)))?;
        let name = self.path.with_extension("answer");
        if let (Some(dir), Some(name)) = (self.path.parent(), name.file_name()) {
            put(dir, &name.to_string_lossy(), &bytes)?;
        }
        // A folder of that name is no file, and must not be looked at again and again.
        fs::remove_file(&self.path)
            .or_else(|_| fs::rename(&self.path, self.path.with_extension("refused")))
            .map_err(|error| disk("remove", &self.path, error))
    }

    /// The request's file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Takes what is asked of the collector of this journal, in the order of the names, which is that of the times.
pub fn take(journal: &Path) -> Result<Vec<Taken>, JournalError> {
    let dir = journal.join("inbox");
    let entries = match fs::read_dir(&dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|error| disk("read", &dir, error))?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| disk("read", &dir, error))?.path();
        if path
            .extension()
            .is_some_and(|ending| ending == "request" || ending == "taken")
        {
            paths.push(path);
        }
    }
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let taken = path.with_extension("taken");
        match fs::rename(&path, &taken) {
            // Withdrawn in this instant.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            other => other.map_err(|error| disk("rename", &path, error))?,
        }
        all.push(Taken {
            request: read(&taken),
            path: taken,
        });
    }
    Ok(all)
}

fn read(path: &Path) -> Result<Request, String> {
    let (bytes, owner) = read_bytes(path)?;
    let own = rustix::process::geteuid().as_raw();
    if owner != own && owner != 0 {
        return Err(format!(
            "it belongs to the account with number {owner}: only the collector's own, {own}, and root may ask"
        ));
    }
    let request: Request =
        serde_json::from_slice(&bytes).map_err(|error| format!("it is no request: {error}"))?;
    match request.fault() {
        Some(fault) => Err(fault),
        None => Ok(request),
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, AskError, Request, ask, take};
    use std::time::Duration;

    fn hold(name: &str) -> Request {
        Request::Hold {
            name: name.to_owned(),
            active: true,
            reason: "counsel".to_owned(),
        }
    }

    #[test]
    fn what_is_asked_is_answered() {
        let journal = tempfile::tempdir().unwrap();
        let place = journal.path().to_owned();
        let asker =
            std::thread::spawn(move || ask(&place, &hold("matter 7"), Duration::from_mins(1)));
        let taken = loop {
            if let Some(taken) = take(journal.path()).unwrap().pop() {
                break taken;
            }
            std::thread::yield_now();
        };
        assert_eq!(taken.request, Ok(hold("matter 7")));
        assert_eq!(
            take(journal.path()).unwrap().len(),
            1,
            "a crash before the answer loses nothing"
        );
        let answer = Answer::Done { pruned: None };
        taken.answer(&answer).unwrap();
        assert_eq!(asker.join().unwrap().unwrap(), answer);
        assert_eq!(
            std::fs::read_dir(journal.path().join("inbox"))
                .unwrap()
                .count(),
            0,
            "nothing is left behind"
        );
    }

    #[test]
    fn a_request_that_nobody_takes_is_withdrawn() {
        let journal = tempfile::tempdir().unwrap();
        let error = ask(journal.path(), &hold("a"), Duration::ZERO).unwrap_err();
        assert!(matches!(error, AskError::Withdrawn(0)), "{error}");
        assert!(take(journal.path()).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_request_is_refused_with_the_reason() {
        let journal = tempfile::tempdir().unwrap();
        let inbox = super::open(journal.path()).unwrap();
        let long = format!(
            r#"{{"request":"hold","name":"{}","active":true,"reason":"r"}}"#,
            "n".repeat(201)
        );
        for (name, text, why) in [
            ("1", "{", "it is no request"),
            ("2", r#"{"request":"drop","table":"x"}"#, "unknown variant"),
            (
                "3",
                r#"{"request":"prune","days":1,"force":true}"#,
                "unknown field",
            ),
            (
                "4",
                r#"{"request":"hold","name":" ","active":true,"reason":"r"}"#,
                "a name and a reason",
            ),
            (
                "5",
                r#"{"request":"hold","name":"a\nb","active":true,"reason":"r"}"#,
                "one line",
            ),
            ("6", &long, "at most 200 bytes"),
            ("7", &" ".repeat(70_000), "longer than"),
            (
                "8",
                r#"{"request":"archived","files":[]}"#,
                "1 to 100 files",
            ),
            (
                "9",
                r#"{"request":"archived","files":[{"at":1,"file":"a\nb","sha256":"00","first":0,"count":1}]}"#,
                "no file of an archive",
            ),
        ] {
            std::fs::write(inbox.join(format!("{name}.request")), text).unwrap();
            let taken = take(journal.path()).unwrap().pop().unwrap();
            let reason = taken.request.clone().unwrap_err();
            assert!(reason.contains(why), "{name}: {reason}");
            taken.answer(&Answer::Refused { reason }).unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", inbox.join("8.request")).unwrap();
        let taken = take(journal.path()).unwrap().pop().unwrap();
        assert_eq!(taken.request, Err("it is no regular file".to_owned()));
        let reason = "r".to_owned();
        taken.answer(&Answer::Refused { reason }).unwrap();
        std::fs::create_dir(inbox.join("8.request")).unwrap();
        let taken = take(journal.path()).unwrap().pop().unwrap();
        assert_eq!(taken.request, Err("it is no regular file".to_owned()));
        let reason = "r".to_owned();
        taken.answer(&Answer::Refused { reason }).unwrap();
        assert!(take(journal.path()).unwrap().is_empty());
        rustix::fs::mknodat(
            rustix::fs::CWD,
            inbox.join("9.request"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        let taken = take(journal.path()).unwrap().pop().unwrap();
        assert_eq!(
            taken.request,
            Err("it is no regular file".to_owned()),
            "a pipe stops nobody"
        );
    }
}
