//! What the tests share: a desk to run the program at, and a way to read what it answers.

use pgattest_evidence::{Package, open};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Somebody's desk: a home of its own, and nothing of this machine's environment.
pub(crate) struct Desk {
    dir: TempDir,
    environment: Vec<(String, String)>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
        }
    }

    /// The same desk with one more variable in the program's environment.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file or folder on the desk, which is also the program's working directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts a file on the desk.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The program with these arguments, to be started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        // `PGATTEST_BINARY`: another build of the same code, such as one with optimisation for a long test.
        let program = std::env::var_os("PGATTEST_BINARY").map_or_else(
            || PathBuf::from(env!("CARGO_BIN_EXE_pgattest")),
            PathBuf::from,
        );
        let mut command = start(&program);
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .env("PGATTEST_HOME", self.path("home"))
            .env("LC_ALL", "C.UTF-8")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "120")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        let output = self.command(arguments).output().unwrap();
        let answer = Answer {
            command: arguments.join(" "),
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("standard error is text"),
        };
        assert!(
            !answer.stderr.contains("panicked at") && !answer.stderr.contains("RUST_BACKTRACE"),
            "it panicked\n{answer}"
        );
        answer
    }

    /// Audits and reads the JSON report.
    #[track_caller]
    pub(crate) fn audit(&self, connection: &str) -> Report {
        self.audit_with(connection, &[])
    }

    /// Audits with more arguments and reads the JSON report.
    #[track_caller]
    pub(crate) fn audit_with(&self, connection: &str, more: &[&str]) -> Report {
        let mut arguments = vec!["audit", connection, "--format", "json", "--fail-on", "none"];
        arguments.extend(more);
        let answer = self.run(&arguments);
        answer.assert_code(0);
        Report::read(&answer.stdout)
    }

    /// Audits into a sealed package, which is the only one in the folder `out`.
    #[track_caller]
    pub(crate) fn seal(&self, connection: &str) -> PathBuf {
        let out = self.path("out");
        let answer = self.run(&[
            "audit",
            connection,
            "--format",
            "json=audit.json",
            "--fail-on",
            "none",
            "--out",
            "out",
        ]);
        answer.assert_code(0);
        let packages = packages(&out);
        assert_eq!(packages.len(), 1, "{answer}");
        packages[0].clone()
    }

    /// The public key of this desk in one of the forms of `pgattest key`, in a file.
    #[track_caller]
    pub(crate) fn key_file(&self, form: &str) -> PathBuf {
        let answer = self.run(&["key", "--form", form]);
        answer.assert_code(0);
        self.write(&format!("key.{form}"), &answer.stdout)
    }
}

/// What the program answered.
pub(crate) struct Answer {
    command: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("standard output is text")
    }

    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{self}");
    }

    /// Standard output has these words.
    #[track_caller]
    pub(crate) fn assert_says(&self, words: &str) {
        assert!(self.text().contains(words), "no {words:?} in:\n{self}");
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pgattest {}\nended with {:?}\n--- standard output\n{}\n--- standard error\n{}",
            self.command,
            self.code,
            String::from_utf8_lossy(&self.stdout),
            self.stderr
        )
    }
}

/// A JSON report, read as a user's program would.
pub(crate) struct Report(pub(crate) Value);

impl Report {
    #[track_caller]
    pub(crate) fn read(bytes: &[u8]) -> Self {
        Self(serde_json::from_slice(bytes).expect("the report is JSON"))
    }

    pub(crate) fn checks(&self) -> &[Value] {
        self.0["checks"].as_array().unwrap()
    }

    #[track_caller]
    pub(crate) fn check(&self, id: &str) -> &Value {
        self.checks()
            .iter()
            .find(|check| check["id"] == id)
            .unwrap_or_else(|| panic!("no check {id}"))
    }

    /// A check's verdict in a word.
    #[track_caller]
    pub(crate) fn verdict(&self, id: &str) -> &str {
        text(&self.check(id)["verdict"])
    }

    /// Every finding as `CHECK  severity  subject`, the subject as `database:name` when it has a database; in the order of
    /// the report.
    pub(crate) fn findings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for check in self.checks() {
            for finding in check["findings"].as_array().unwrap() {
                lines.push(format!(
                    "{}  {}  {}",
                    text(&check["id"]),
                    text(&finding["severity"]),
                    subject(finding)
                ));
            }
        }
        lines
    }

    /// Findings of one check with this subject (as in [`Report::findings`]).
    pub(crate) fn find(&self, id: &str, wanted: &str) -> Option<&Value> {
        self.check(id)["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|finding| subject(finding) == wanted)
    }

    /// Every check that neither passed nor failed, with the verdict and the reason.
    pub(crate) fn undecided(&self) -> Vec<String> {
        self.checks()
            .iter()
            .filter(|check| !matches!(text(&check["verdict"]), "pass" | "fail"))
            .map(|check| {
                format!(
                    "{}  {}  {}",
                    text(&check["id"]),
                    text(&check["verdict"]),
                    text(&check["reason"])
                )
            })
            .collect()
    }

    /// The eight points: number and verdict.
    pub(crate) fn checklist(&self) -> Vec<String> {
        self.0["checklist"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| format!("{} {}", point["number"], text(&point["verdict"])))
            .collect()
    }
}

pub(crate) fn subject(finding: &Value) -> String {
    let subject = &finding["subject"];
    match subject["database"].as_str() {
        Some(database) => format!("{database}:{}", text(&subject["name"])),
        None => text(&subject["name"]).to_owned(),
    }
}

#[track_caller]
pub(crate) fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not text: {value}"))
}

/// Packages in a folder, by name.
pub(crate) fn packages(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The files of a package.
pub(crate) fn members(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let package: Package = open(path).unwrap();
    package
        .files()
        .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
        .collect()
}

/// A folder or file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// The Python that `script/bootstrap` prepares.
pub(crate) fn python() -> Command {
    let mut command = tool("python/bin/python");
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The Python with `DuckDB` in it that `script/bootstrap` prepares.
pub(crate) fn archive_python() -> Command {
    let mut command = tool("python-archive/bin/python");
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The validator of SARIF logs that `script/bootstrap` prepares.
pub(crate) fn sarif_multitool() -> Command {
    let mut command = tool("sarif-multitool/Sarif.Multitool");
    // It speaks no language but English, and then needs no library for others.
    command.env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1");
    command
}

#[track_caller]
fn tool(name: &str) -> Command {
    let tools = std::env::var_os("PGATTEST_TOOLS").map_or_else(default_tools, PathBuf::from);
    let program = tools.join(name);
    assert!(
        program.exists(),
        "{} is missing: run script/bootstrap (or set PGATTEST_TOOLS)",
        program.display()
    );
    start(&program)
}

/// A program that the test starts.
#[allow(
    clippy::disallowed_methods,
    reason = "the test is the user who starts programs; the ban is for pgattest itself"
)]
pub(crate) fn start(program: &Path) -> Command {
    Command::new(program)
}

fn default_tools() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/cache/pgattest-tools");
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"),
        PathBuf::from,
    );
    cache.join("pgattest-tools")
}
