//! `pg_hba.conf` from its text, without a server: the rows that `pg_hba_file_rules` would show, each with its place.

mod address;
mod edit;
mod line;
mod options;

pub use edit::{Edit, NotEdited, edit};

pub use crate::auth_file::{Files, NoFiles, Place, Problem, Source, Token, Unreadable};

use crate::auth_file::{Line, tokenize, without_pieces};
use pgattest_model::ServerVersion;
use pgattest_model::facts::HbaRule;

/// A file with everything it includes, understood.
#[derive(Clone, Debug)]
pub struct HbaFile {
    /// Every file that was read; the first is the file itself.
    pub sources: Vec<Source>,
    /// Its lines in the order the server tries them, those with a problem among them.
    pub lines: Vec<HbaLine>,
}

/// One line that is not empty.
#[derive(Clone, Debug)]
pub struct HbaLine {
    /// As the facts of a live audit have it: option values that may be secret are withheld, the error repeats nothing of the
    /// line.
    pub row: HbaRule,
    /// The whole line.
    pub place: Place,
    /// What is wrong with it. While a line has a problem the server does not load the file.
    pub problem: Option<Problem>,
    /// Where the first option begins whose value is a password.
    secret_from: Option<usize>,
    /// Where the words of each field stand.
    fields: Vec<Vec<Place>>,
}

impl HbaFile {
    /// The rows, for an engine.
    pub fn rows(&self) -> Vec<HbaRule> {
        self.lines.iter().map(|line| line.row.clone()).collect()
    }

    /// Lines with a problem.
    pub fn problems(&self) -> impl Iterator<Item = (&HbaLine, &Problem)> {
        self.lines
            .iter()
            .filter_map(|line| Some((line, line.problem.as_ref()?)))
    }

    /// The fields of a line as they are written, quotes and lists included. `None` for a line with a problem, and where a field is
    /// broken over two lines or comes out of another file.
    pub fn written(&self, line: usize) -> Option<Vec<&str>> {
        let line = self.lines.get(line).filter(|line| line.problem.is_none())?;
        let text = &self.sources.get(line.place.source)?.text;
        line.fields
            .iter()
            .map(|words| {
                let (first, last) = (words.first()?, words.last()?);
                let own = words.iter().all(|word| word.source == line.place.source);
                let field = text.get(first.span.start..last.span.end)?;
                (own && !field.contains('\n')).then_some(field)
            })
            .collect()
    }

    /// The text of a source with everything that may be a secret replaced by stars, byte for byte, so that places still hold.
    ///
    /// From the name of an option that holds a secret to the end of its line nothing is left readable: where a value ends is not
    /// certain when the line is wrong.
    pub fn harmless_text(&self, source: usize) -> String {
        let Some(text) = self.sources.get(source).map(|source| source.text.as_str()) else {
            return String::new();
        };
        let mut secrets = options::secrets_in(text);
        let own = self.lines.iter().filter(|line| line.place.source == source);
        secrets.extend(own.filter_map(|line| Some(line.secret_from?..line.place.span.end)));
        secrets.sort_unstable_by_key(|secret| (secret.start, secret.end));
        let mut harmless = String::with_capacity(text.len());
        for secret in secrets {
            let from = secret.start.max(harmless.len());
            if from < secret.end {
                harmless.push_str(text.get(harmless.len()..from).unwrap_or_default());
                let hidden = text.get(from..secret.end).unwrap_or_default();
                harmless.extend(hidden.chars().flat_map(starred));
            }
        }
        harmless.push_str(text.get(harmless.len()..).unwrap_or_default());
        harmless
    }
}

/// As many stars as the character has bytes; white space stays.
fn starred(c: char) -> impl Iterator<Item = char> {
    let (shown, times) = if c.is_whitespace() {
        (c, 1)
    } else {
        ('*', c.len_utf8())
    };
    std::iter::repeat_n(shown, times)
}

/// Understands a file as a server of this version would.
///
/// `path` is where it stands, for file names relative to it; `files` gives what it includes. What only a running server can know
/// is taken to be fine: whether it was built with LDAP, PAM or GSSAPI, whether `ssl` is on, whether a RADIUS server's name
/// resolves, whether a validator for OAuth is loaded, whether a regular expression compiles that is not certainly broken.
pub fn parse(path: &str, text: &str, version: ServerVersion, files: &dyn Files) -> HbaFile {
    let file = tokenize(path, text, version, files);
    let mut number = 0;
    let mut lines = Vec::with_capacity(file.lines.len());
    for line in file.lines {
        let place = line.place.clone();
        let secret_from = line
            .fields
            .iter()
            .flatten()
            .find(|token| options::is_secret(&token.text) && token.place.source == place.source)
            .map(|token| token.place.span.start);
        let path = if version.major() >= 16 {
            file.sources
                .get(place.source)
                .map(|source| source.path.clone())
        } else {
            None
        };
        let fields = line
            .fields
            .iter()
            .map(|field| field.iter().map(|token| token.place.clone()).collect())
            .collect();
        let understood = understand(line, version);
        let (mut row, problem) = match understood {
            Ok(row) => (row, None),
            Err(problem) => (blank(), Some(problem)),
        };
        row.file = path.unwrap_or_default();
        row.line = place.line;
        match &problem {
            None => {
                number += 1;
                row.number = number;
            }
            Some(problem) => row.error = without_pieces(&problem.message),
        }
        lines.push(HbaLine {
            row,
            place,
            problem,
            secret_from,
            fields,
        });
    }
    HbaFile {
        sources: file.sources,
        lines,
    }
}

fn understand(line: Line, version: ServerVersion) -> Result<HbaRule, Problem> {
    match line.problem {
        Some(problem) => Err(problem),
        None => line::understand(&line, version),
    }
}

fn blank() -> HbaRule {
    HbaRule {
        number: 0,
        file: String::new(),
        line: 0,
        connection_type: String::new(),
        databases: Vec::new(),
        users: Vec::new(),
        address: String::new(),
        netmask: String::new(),
        method: String::new(),
        options: Vec::new(),
        error: String::new(),
        quoted: None,
    }
}

#[cfg(test)]
mod tests;
