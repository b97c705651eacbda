//! `postgresql.conf` from its text.

mod scan;

use crate::auth_file::{Files, Place, Problem, Source, Unreadable, beside, is_configuration};
use scan::{Kind, Scanner, Token};

/// How deep files may include files.
const DEEPEST: u32 = 10;
/// After so many mistakes the server gives up on a file.
const MOST_PROBLEMS: usize = 100;
/// How many files are opened at most, one as often as it is asked for.
const MOST_OPENED: usize = 2000;

/// A file with everything it includes.
#[derive(Clone, Debug)]
pub struct ConfFile {
    /// Every file that was read; the first is the file itself.
    pub sources: Vec<Source>,
    /// The lines that set something, in the order the server reads them.
    pub entries: Vec<Entry>,
    /// What is wrong. While there is anything the server does not load the file.
    pub problems: Vec<Problem>,
}

/// One line that sets something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The name as written; the server compares without regard to case.
    pub name: String,
    /// The value without its quotes.
    pub value: String,
    /// The name and value.
    pub place: Place,
}

impl ConfFile {
    /// What is in force for a setting as far as the files decide: the last line that sets it.
    pub fn last(&self, name: &str) -> Option<&Entry> {
        self.entries
            .iter()
            .rev()
            .find(|entry| entry.name.eq_ignore_ascii_case(name))
    }
}

/// A number with the unit written after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    /// The number.
    pub number: f64,
    /// `kB`, `ms` ..; empty for the setting's own unit.
    pub unit: String,
}

/// Reads `128MB`, `1.5 h`, `0x10`; `None` for what is no number.
pub fn quantity(value: &str) -> Option<Quantity> {
    let value = value.trim();
    let split = value
        .rfind(|c: char| !c.is_ascii_alphabetic())
        .map_or(0, |last| last + 1);
    let hex = value
        .strip_prefix("0x")
        .or_else(|| value.strip_prefix("0X"));
    if let Some(hex) = hex {
        let end = hex
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(hex.len());
        let (digits, unit) = hex.split_at_checked(end)?;
        return Some(Quantity {
            number: f64::from(u32::from_str_radix(digits, 16).ok()?),
            unit: unit.trim_start().to_owned(),
        });
    }
    let (number, unit) = value.split_at_checked(split)?;
    let number = number.trim_end();
    let plain = number
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-' | b'e' | b'E'));
    Some(Quantity {
        number: number.parse().ok().filter(|_| plain)?,
        unit: unit.to_owned(),
    })
}

/// Reads a file. `path` is where it stands, for file names relative to it; `files` gives what it includes.
pub fn parse(path: &str, text: &str, files: &dyn Files) -> ConfFile {
    let mut reader = Reader {
        files,
        opened: 0,
        read: ConfFile {
            sources: Vec::new(),
            entries: Vec::new(),
            problems: Vec::new(),
        },
    };
    reader.file(path, text, 0);
    reader.read
}

struct Reader<'a> {
    files: &'a dyn Files,
    opened: usize,
    read: ConfFile,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, text: &str, depth: u32) {
        let known = self
            .read
            .sources
            .iter()
            .position(|known| known.path == path);
        let source = known.unwrap_or(self.read.sources.len());
        if known.is_none() {
            self.read.sources.push(Source {
                path: path.to_owned(),
                text: text.to_owned(),
            });
        }
        let mut wrong = 0;
        let mut scanner = Scanner::new(text);
        while let Some(line) = scanner.line() {
            match assignment(text, &line) {
                Ok(None) => {}
                Ok(Some((name, value, span))) => {
                    let place = Place {
                        source,
                        line: line.number,
                        span,
                    };
                    let entry = Entry { name, value, place };
                    self.entry(path, entry, depth);
                }
                Err(near) => {
                    let message = match near {
                        Some(token) => format!(
                            "syntax error in file \"{path}\" line {}, near token \"{}\"",
                            line.number,
                            text.get(token.span.clone()).unwrap_or_default()
                        ),
                        None => format!(
                            "syntax error in file \"{path}\" line {}, near end of line",
                            line.number
                        ),
                    };
                    let span = near.map_or(line.span.clone(), |token| token.span.clone());
                    self.read.problems.push(Problem {
                        message,
                        place: Place {
                            source,
                            line: line.number,
                            span,
                        },
                    });
                    wrong += 1;
                    if wrong >= MOST_PROBLEMS {
                        return;
                    }
                }
            }
        }
    }

    fn entry(&mut self, path: &str, entry: Entry, depth: u32) {
        let name = entry.name.to_ascii_lowercase();
        match name.as_str() {
            "include" | "include_if_exists" => {
                let included = beside(path, &entry.value);
                self.include(&included, &entry, depth + 1, name == "include_if_exists");
            }
            "include_dir" => self.include_all(path, &entry, depth + 1),
            _ => self.read.entries.push(entry),
        }
    }

    fn include(&mut self, path: &str, entry: &Entry, depth: u32, may_be_absent: bool) {
        let why = if entry.value.trim().is_empty() {
            format!("empty configuration file name: \"{}\"", entry.value)
        } else if depth > DEEPEST {
            format!("could not open configuration file \"{path}\": maximum nesting depth exceeded")
        } else if self.opened >= MOST_OPENED {
            format!("could not open configuration file \"{path}\": too many files are included")
        } else {
            match self.files.text(path) {
                Ok(text) => {
                    self.opened += 1;
                    return self.file(path, &text, depth);
                }
                Err(Unreadable::Absent) if may_be_absent => return,
                Err(why) => format!("could not open configuration file \"{path}\": {why}"),
            }
        };
        self.read.problems.push(Problem {
            message: why,
            place: entry.place.clone(),
        });
    }

    fn include_all(&mut self, path: &str, entry: &Entry, depth: u32) {
        let directory = beside(path, &entry.value);
        let names = if entry.value.trim().is_empty() {
            Err(format!(
                "empty configuration directory name: \"{}\"",
                entry.value
            ))
        } else {
            self.files.names(&directory).map_err(|why| {
                format!("could not open configuration directory \"{directory}\": {why}")
            })
        };
        match names {
            Ok(mut names) => {
                names.retain(|name| is_configuration(name));
                names.sort_unstable();
                for name in names {
                    let path = format!("{}/{name}", directory.trim_end_matches('/'));
                    self.include(&path, entry, depth, false);
                }
            }
            Err(message) => self.read.problems.push(Problem {
                message,
                place: entry.place.clone(),
            }),
        }
    }
}

type Assignment = (String, String, std::ops::Range<usize>);

/// `name [=] value`; `None` for an empty line, an error with the token that does not fit (none at the end of the line).
fn assignment<'t>(
    text: &str,
    line: &'t scan::Line,
) -> Result<Option<Assignment>, Option<&'t Token>> {
    let mut tokens = line.tokens.iter();
    let Some(name) = tokens.next() else {
        return Ok(None);
    };
    if !matches!(name.kind, Kind::Name | Kind::DottedName) {
        return Err(Some(name));
    }
    let mut value = tokens.next().ok_or(None)?;
    if value.kind == Kind::Equals {
        value = tokens.next().ok_or(None)?;
    }
    let written = text.get(value.span.clone()).unwrap_or_default();
    let read = match value.kind {
        Kind::Name | Kind::Word | Kind::Number => written.to_owned(),
        Kind::Quoted => scan::unquoted(written),
        Kind::DottedName | Kind::Equals | Kind::Other => return Err(Some(value)),
    };
    if let Some(more) = tokens.next() {
        return Err(Some(more));
    }
    Ok(Some((
        text.get(name.span.clone()).unwrap_or_default().to_owned(),
        read,
        name.span.start..value.span.end,
    )))
}

#[cfg(test)]
mod tests;
