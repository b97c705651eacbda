//! Who may read the log files.

use super::destinations::Destinations;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::ident::visible;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};

declare_check! {
    /// ## What it checks
    /// Where the server writes log files of its own: `log_file_mode` gives other users of the machine nothing and the group no
    /// right to write (`0600` and `0640` are right; the bits for executing mean nothing), and `log_directory` is not inside the
    /// data directory.
    ///
    /// Not seen: the owner and mode of the directory and of files that exist already, and access lists of the file system. SQL
    /// cannot show them. `log_file_mode` counts for files that the server makes from then on, and not on Windows.
    ///
    /// ## Why it matters
    /// The log holds statements with the values in them. Inside the data directory it is copied into every base backup, and a
    /// flood of log lines fills the volume the data is on, which stops the server.
    ///
    /// ## How to fix it
    /// `ALTER SYSTEM SET log_file_mode = '0640';`, `ALTER SYSTEM SET log_directory = '/var/log/postgresql';`, and reload; then
    /// correct the files that are there.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 20.8.1, Where to Log: `log_file_mode`, `log_directory` (numbers of version 15)
    pub LogFileAccess {
        id: "LOG-14",
        name: "log-file-access",
        title: "Log files are for the server's own account, outside the data directory",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc7_2, Criterion::Cc6_1],
        area: Area::AuditLogging,
        responsibility: Responsibility::Provider,
        since: "0.1.0",
    }
}

impl Check for LogFileAccess {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let destinations = Destinations::of(context)?;
        if !destinations.writes_files() {
            return Ok(Verdict::NotApplicable(
                "the server writes no log files of its own".to_owned(),
            ));
        }
        let (mode, from) = context.setting("log_file_mode")?;
        let mut findings = Vec::new();
        let bits = u32::from_str_radix(&mode.value, 8).map_err(|_| {
            Missing::because(format!(
                "log_file_mode is `{}`, which is no file mode",
                visible(&mode.value)
            ))
            .seen_in(from.clone())
        })?;
        if let Some((cause, who, severity)) = too_open(bits) {
            findings.push(Finding {
                subject: Subject::cluster(SubjectKind::Setting, "log_file_mode"),
                cause: cause.to_owned(),
                detail: format!("log_file_mode is {bits:04o}: {who}"),
                severity,
                observations: vec![from.clone()],
                remediation: "ALTER SYSTEM SET log_file_mode = '0600';".to_owned(),
            });
        }
        let (directory, _) = context.setting("log_directory")?;
        let (data, _) = context.setting("data_directory")?;
        if is_inside(&directory.value, &data.value) {
            findings.push(Finding {
                subject: Subject::cluster(SubjectKind::Setting, "log_directory"),
                cause: "log files inside the data directory".to_owned(),
                detail: format!(
                    "log_directory is '{}', inside the data directory: base backups copy the log, and the log can fill the data's volume",
                    directory.value
                ),
                severity: Severity::Low,
                observations: vec![from.clone()],
                remediation: "ALTER SYSTEM SET log_directory = '/var/log/postgresql'; -- a directory the server may write, on another volume".to_owned(),
            });
        }
        Ok(Verdict::assessed(2, "settings of log files", findings))
    }
}

/// What the bits give away, the worst first.
const fn too_open(bits: u32) -> Option<(&'static str, &'static str, Severity)> {
    if bits & 0o002 != 0 {
        Some((
            "everybody on the server's machine may change the log",
            "every user of the machine may change log files",
            Severity::High,
        ))
    } else if bits & 0o004 != 0 {
        Some((
            "everybody on the server's machine may read the log",
            "every user of the machine may read log files",
            Severity::Medium,
        ))
    } else if bits & 0o020 != 0 {
        Some((
            "a group may change the log",
            "the group may change log files",
            Severity::Low,
        ))
    } else {
        None
    }
}

/// Whether a path, relative to the data directory unless it is absolute, is inside that directory. Links are not followed.
fn is_inside(path: &str, data: &str) -> bool {
    let parts = |text: &str| -> Vec<String> {
        let mut parts: Vec<String> = Vec::new();
        for part in text.split(['/', '\\']) {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part.to_owned()),
            }
        }
        parts
    };
    let is_absolute =
        path.starts_with('/') || path.starts_with('\\') || path.get(1..2) == Some(":");
    let whole = if is_absolute {
        parts(path)
    } else {
        parts(&format!("{data}/{path}"))
    };
    whole.starts_with(&parts(data))
}

#[cfg(test)]
mod tests {
    use super::{is_inside, too_open};
    use pgattest_model::Severity;

    #[test]
    fn paths_are_compared_by_their_parts() {
        let data = "/var/lib/postgresql/15/main";
        for inside in [
            "log",
            "./log/x",
            ".",
            "/var/lib/postgresql/15/main/log",
            "/var/lib/postgresql/15/main/",
            "/var/lib/postgresql/15/../15/main/pg_log",
        ] {
            assert!(is_inside(inside, data), "{inside}");
        }
        for outside in [
            "/var/log/postgresql",
            "../log",
            "/var/lib/postgresql/15/main2/log",
            "/",
            "log/../../log",
        ] {
            assert!(!is_inside(outside, data), "{outside}");
        }
        assert!(is_inside("D:\\pg\\data\\log", "D:/pg/data"));
        assert!(!is_inside("E:\\log", "D:/pg/data"));
    }

    #[test]
    fn the_group_may_read_and_nobody_else_anything() {
        let severity = |bits| too_open(bits).map(|(_, _, severity)| severity);
        for right in [0o600, 0o640, 0o400, 0o750] {
            assert_eq!(severity(right), None, "{right:o}");
        }
        assert_eq!(severity(0o660), Some(Severity::Low));
        assert_eq!(severity(0o644), Some(Severity::Medium));
        assert_eq!(severity(0o666), Some(Severity::High));
        assert_eq!(severity(0o604), Some(Severity::Medium));
    }
}
