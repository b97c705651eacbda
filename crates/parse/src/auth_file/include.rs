//! Other files: words out of `@file`, lines out of `include` and its kin.

use super::logical::{Logical, lines};
use super::scan::Scanner;
use super::{Line, Place, Problem, Source, Token};
use pgattest_model::ServerVersion;
use std::collections::BTreeMap;
use std::fmt;

/// The first major with `include`, `include_if_exists` and `include_dir`.
const RECORDS_SINCE: u32 = 16;
/// Bytes of the longest word that a server before 16 takes.
const LONGEST_WORD_BEFORE_16: usize = 10_239;
/// How deep files may include files. The server before 16 has no limit, and breaks.
const DEEPEST: u32 = 10;
/// How many files are opened at most, one as often as it is asked for: ten files that include each other ten times would never
/// come to an end.
const MOST_OPENED: usize = 2000;

/// Where included files come from.
pub trait Files {
    /// The text of a file.
    fn text(&self, path: &str) -> Result<String, Unreadable>;
    /// Names of the regular files in a directory, in any order.
    fn names(&self, directory: &str) -> Result<Vec<String>, Unreadable>;
}

/// Why a file or directory was not read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Unreadable {
    /// It is not there.
    Absent,
    /// In the operating system's words.
    Because(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("No such file or directory"),
            Self::Because(why) => f.write_str(why),
        }
    }
}

/// No other file is to be had.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl Files for NoFiles {
    fn text(&self, _: &str) -> Result<String, Unreadable> {
        Err(Unreadable::Absent)
    }

    fn names(&self, _: &str) -> Result<Vec<String>, Unreadable> {
        Err(Unreadable::Absent)
    }
}

/// Files by path.
impl Files for BTreeMap<String, String> {
    fn text(&self, path: &str) -> Result<String, Unreadable> {
        self.get(path).cloned().ok_or(Unreadable::Absent)
    }

    fn names(&self, directory: &str) -> Result<Vec<String>, Unreadable> {
        let directory = format!("{}/", directory.trim_end_matches('/'));
        let names: Vec<_> = self
            .keys()
            .filter_map(|path| path.strip_prefix(&directory))
            .filter(|name| !name.contains('/'))
            .map(str::to_owned)
            .collect();
        if names.is_empty() {
            Err(Unreadable::Absent)
        } else {
            Ok(names)
        }
    }
}

/// Reads a file and what it includes.
pub(super) struct Reader<'a> {
    version: ServerVersion,
    files: &'a dyn Files,
    pub(super) sources: Vec<Source>,
    opened: usize,
}

/// A file that is not there, where that is allowed.
enum Opened {
    Source(usize),
    Skipped,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(version: ServerVersion, files: &'a dyn Files) -> Self {
        Self {
            version,
            files,
            sources: Vec::new(),
            opened: 0,
        }
    }

    pub(super) fn add(&mut self, path: &str, text: String) -> usize {
        self.sources.push(Source {
            path: path.to_owned(),
            text,
        });
        self.sources.len() - 1
    }

    /// Reads the lines of one source.
    pub(super) fn file(&mut self, source: usize, depth: u32, into: &mut Vec<Line>) {
        let Some(text) = self.sources.get(source).map(|source| source.text.clone()) else {
            return;
        };
        for logical in lines(&text, self.version) {
            let mut line = Line {
                place: place(source, &logical, &(0..logical.text.len())),
                fields: Vec::new(),
                problem: None,
            };
            line.place.span = logical.span.clone();
            if logical.too_long {
                line.problem = Some(Problem {
                    message: "authentication file line too long".to_owned(),
                    place: line.place.clone(),
                });
            } else {
                (line.fields, line.problem) = self.fields(source, &logical, depth);
            }
            if line.fields.is_empty() && line.problem.is_none() {
                continue;
            }
            if line.problem.is_none() && self.version.major() >= RECORDS_SINCE {
                match self.record(source, &line, depth, into) {
                    None => {}
                    Some(Ok(())) => continue,
                    Some(Err(problem)) => line.problem = Some(problem),
                }
            }
            into.push(line);
        }
    }

    fn fields(
        &mut self,
        source: usize,
        logical: &Logical,
        depth: u32,
    ) -> (Vec<Vec<Token>>, Option<Problem>) {
        let (mut fields, mut problem) = (Vec::new(), None);
        let mut scanner = Scanner::new(&logical.text);
        while !scanner.at_end() && problem.is_none() {
            let mut field = Vec::new();
            while let Some(word) = scanner.next() {
                let token = Token {
                    place: place(source, logical, &word.range),
                    text: word.text,
                    quoted: word.quoted,
                };
                if self.version.major() < 16 && token.text.len() > LONGEST_WORD_BEFORE_16 {
                    problem = Some(Problem {
                        message: "authentication file token too long".to_owned(),
                        place: token.place,
                    });
                    break;
                }
                match token.text.strip_prefix('@').filter(|name| !name.is_empty()) {
                    Some(name) if !token.quoted => {
                        let name = name.to_owned();
                        problem = self.words(&token, &name, depth + 1, &mut field);
                    }
                    _ => field.push(token),
                }
                if !word.goes_on || problem.is_some() {
                    break;
                }
            }
            // A list out of an empty file is no field at all.
            if !field.is_empty() {
                fields.push(field);
            }
        }
        (fields, problem)
    }

    /// Adds the words of `@file` to a field.
    fn words(
        &mut self,
        token: &Token,
        name: &str,
        depth: u32,
        field: &mut Vec<Token>,
    ) -> Option<Problem> {
        let path = self.resolve(token, name);
        let opened = self.open(token, &path, depth, false).map_err(|problem| {
            if self.version.major() >= RECORDS_SINCE {
                return problem;
            }
            let why = problem.message.rsplit(": ").next().unwrap_or_default();
            Problem {
                message: format!(
                    "could not open secondary authentication file \"@{name}\" as \"{path}\": {why}"
                ),
                place: problem.place,
            }
        });
        let source = match opened {
            Ok(Opened::Source(source)) => source,
            Ok(Opened::Skipped) => return None,
            Err(problem) => return Some(problem),
        };
        let mut lines = Vec::new();
        self.file(source, depth, &mut lines);
        for line in lines {
            if let Some(problem) = line.problem {
                return Some(problem);
            }
            field.extend(line.fields.into_iter().flatten());
        }
        None
    }

    /// What an `include` line includes; `None` when the line is none.
    fn record(
        &mut self,
        source: usize,
        line: &Line,
        depth: u32,
        into: &mut Vec<Line>,
    ) -> Option<Result<(), Problem>> {
        let [first, second] = line.fields.as_slice() else {
            return None;
        };
        let (first, second) = (first.first()?, second.first()?);
        // File names are relative to the file that the line stands in, also when the word came out of another.
        let mut second = second.clone();
        second.place.source = source;
        if second.place.line != line.place.line {
            second.place = line.place.clone();
        }
        match first.text.as_str() {
            "include" | "include_if_exists" => {
                let path = self.resolve(&second, &second.text);
                let may_be_absent = first.text != "include";
                Some(self.include(&second, &path, depth + 1, may_be_absent, into))
            }
            "include_dir" => Some(self.include_all(&second, depth + 1, into)),
            _ => None,
        }
    }

    fn include(
        &mut self,
        token: &Token,
        path: &str,
        depth: u32,
        may_be_absent: bool,
        into: &mut Vec<Line>,
    ) -> Result<(), Problem> {
        if let Opened::Source(source) = self.open(token, path, depth, may_be_absent)? {
            self.file(source, depth, into);
        }
        Ok(())
    }

    fn include_all(
        &mut self,
        token: &Token,
        depth: u32,
        into: &mut Vec<Line>,
    ) -> Result<(), Problem> {
        let problem = |message| Problem {
            message,
            place: token.place.clone(),
        };
        if token.text.trim_matches([' ', '\t', '\r', '\n']).is_empty() {
            return Err(problem(format!(
                "empty configuration directory name: \"{}\"",
                token.text
            )));
        }
        let directory = self.resolve(token, &token.text);
        let mut names = self
            .files
            .names(&directory)
            .map_err(|_| problem(format!("could not open directory \"{directory}\"")))?;
        names.retain(|name| is_configuration(name));
        names.sort_unstable();
        let mut failures = Vec::new();
        for name in names {
            let path = format!("{}/{name}", directory.trim_end_matches('/'));
            if let Err(problem) = self.include(token, &path, depth, false, into) {
                failures.push(problem.message);
            }
        }
        if failures.is_empty() {
            Ok(())
        } else {
            Err(problem(failures.join("\n")))
        }
    }

    fn open(
        &mut self,
        token: &Token,
        path: &str,
        depth: u32,
        may_be_absent: bool,
    ) -> Result<Opened, Problem> {
        let problem = |why: &str| Problem {
            message: format!("could not open file \"{path}\": {why}"),
            place: token.place.clone(),
        };
        if depth > DEEPEST {
            return Err(problem("maximum nesting depth exceeded"));
        }
        if self.opened >= MOST_OPENED {
            return Err(problem("too many files are included"));
        }
        match self.files.text(path) {
            Ok(text) => {
                self.opened += 1;
                let known = self.sources.iter().position(|source| source.path == path);
                Ok(Opened::Source(match known {
                    Some(source) => source,
                    None => self.add(path, text),
                }))
            }
            Err(Unreadable::Absent) if may_be_absent => Ok(Opened::Skipped),
            Err(why) => Err(problem(&why.to_string())),
        }
    }

    /// A file name as the server understands it: relative to the file that names it.
    fn resolve(&self, token: &Token, name: &str) -> String {
        let outer = self
            .sources
            .get(token.place.source)
            .map_or("", |source| source.path.as_str());
        beside(outer, name)
    }
}

/// Whether a file of an included directory is read: the server looks at the ending as it is written.
pub(crate) fn is_configuration(name: &str) -> bool {
    !name.starts_with('.')
        && name
            .strip_suffix(".conf")
            .is_some_and(|stem| !stem.is_empty())
}

/// A file name that stands in another file, without needless dots and slashes.
pub(crate) fn beside(outer: &str, name: &str) -> String {
    let joined = match outer.rsplit_once('/') {
        Some((directory, _)) if !name.starts_with('/') => format!("{directory}/{name}"),
        _ => name.to_owned(),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match (part, parts.last()) {
            ("" | ".", _) => {}
            ("..", Some(&last)) if last != ".." => {
                parts.pop();
            }
            // Nothing is above the root.
            ("..", None) if joined.starts_with('/') => {}
            (part, _) => parts.push(part),
        }
    }
    let root = if joined.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

fn place(source: usize, logical: &Logical, range: &std::ops::Range<usize>) -> Place {
    Place {
        source,
        line: logical.number,
        span: logical.source_span(range),
    }
}
