//! Which form a file has: by its content, and by its name only where the content does not say.

use super::Config;
use pgattest_parse::audit_log::Format;
use pgattest_parse::audit_log::format::{DETECTION, Detected, detect};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What is known of a file's form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// This one.
    Is(Format),
    /// Not to be said before more bytes are there.
    Undecided,
    /// None that is known, or one that is not wanted.
    Foreign,
}

/// The form of the file that begins with these bytes. `waited`: no more will come soon, decide.
pub(crate) fn form(path: &Path, bytes: &[u8], waited: bool, config: &Config) -> Form {
    let text = || {
        if !config.text_logs {
            return Form::Foreign;
        }
        Form::Is(Format::Stderr {
            prefix: config.log_line_prefix.clone(),
        })
    };
    let ending = path.extension().map(OsStr::to_ascii_lowercase);
    let ending = ending.as_deref().and_then(|ending| ending.to_str());
    match detect(bytes, Some(&config.log_line_prefix)) {
        // The server ends the names of these with .csv and .json. What a client has put into a text log, to look like one, is no
        // record of the server's.
        Detected::Form(Format::Csvlog { .. } | Format::Jsonlog) if ending == Some("log") => text(),
        Detected::Form(Format::Stderr { .. } | Format::RdsStderr) if !config.text_logs => {
            Form::Foreign
        }
        Detected::Form(format) => Form::Is(format),
        _ if !waited && bytes.len() < DETECTION => Form::Undecided,
        _ => match ending {
            Some("csv") => Form::Is(Format::Csvlog { columns: 26 }),
            Some("json") => Form::Is(Format::Jsonlog),
            Some("log") => text(),
            _ => Form::Foreign,
        },
    }
}

/// The directories in which csvlog or jsonlog was seen, and which.
#[derive(Debug, Default)]
pub(crate) struct Forms(BTreeMap<PathBuf, (bool, bool)>);

impl Forms {
    /// Takes the form of a file. Its directory, when it now has both for the first time.
    pub(crate) fn twice(&mut self, path: &Path, format: &Format) -> Option<PathBuf> {
        let dir = path.parent()?.to_owned();
        let (csv, json) = self.0.entry(dir.clone()).or_default();
        let before = *csv && *json;
        match format {
            Format::Csvlog { .. } => *csv = true,
            Format::Jsonlog => *json = true,
            _ => {}
        }
        (*csv && *json && !before).then_some(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::{Form, form};
    use pgattest_parse::audit_log::Format;
    use std::path::Path;

    const CSV: &[u8] = b"2026-11-23 06:43:33.792 UTC,,,9309,,6b03e095.245d,1,,2026-11-23 06:43:33 UTC,,0,LOG,00000,\"starting\",,,,,,,,,\"\",\"postmaster\",,0\n";

    #[test]
    fn the_content_says_the_form_but_a_text_log_never_holds_records_of_a_csvlog() {
        let config = Config::default();
        let csvlog = Form::Is(Format::Csvlog { columns: 26 });
        let text = Form::Is(Format::Stderr {
            prefix: "%m [%p] ".to_owned(),
        });
        assert_eq!(
            form(Path::new("a.csv"), &CSV.repeat(2), false, &config),
            csvlog
        );
        assert_eq!(
            form(Path::new("a.csv.1"), &CSV.repeat(2), false, &config),
            csvlog
        );
        assert_eq!(
            form(Path::new("a.log"), &CSV.repeat(2), false, &config),
            text
        );
        let line = b"2026-11-23 06:43:33.792 UTC [9309] LOG:  starting\n\
                     2026-11-23 06:43:33.793 UTC [9309] LOG:  started\n";
        assert_eq!(form(Path::new("a.log"), line, false, &config), text);
        assert_eq!(
            form(Path::new("a.csv"), &CSV[..40], false, &config),
            Form::Undecided
        );
        assert_eq!(form(Path::new("a.csv"), &CSV[..40], true, &config), csvlog);
        assert_eq!(
            form(Path::new("core"), b"\x7fELF\n", true, &config),
            Form::Foreign
        );
        let without = Config {
            text_logs: false,
            ..Config::default()
        };
        assert_eq!(
            form(Path::new("a.log"), line, true, &without),
            Form::Foreign
        );
    }
}
