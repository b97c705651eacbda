//! `pg_ident.conf` from its text: which name outside PostgreSQL may be which role.

use crate::are::Are;
use crate::auth_file::{Files, Line, Place, Problem, Source, Token, tokenize, without_pieces};
use pgattest_model::ServerVersion;
use pgattest_model::facts::IdentMap;

/// The first major in which the role may be a regular expression.
const ROLE_PATTERNS_SINCE: u32 = 16;

/// A file with everything it includes, understood.
#[derive(Clone, Debug)]
pub struct IdentFile {
    /// Every file that was read; the first is the file itself.
    pub sources: Vec<Source>,
    /// Its lines in the order the server tries them, those with a problem among them.
    pub lines: Vec<IdentLine>,
}

/// One line that is not empty.
#[derive(Clone, Debug)]
pub struct IdentLine {
    /// As the facts of a live audit have it; the error repeats nothing of the line.
    pub row: IdentMap,
    /// The whole line.
    pub place: Place,
    /// What is wrong with it. While a line has a problem the server does not load the file.
    pub problem: Option<Problem>,
}

impl IdentFile {
    /// The rows, for an engine.
    pub fn rows(&self) -> Vec<IdentMap> {
        self.lines.iter().map(|line| line.row.clone()).collect()
    }

    /// Lines with a problem.
    pub fn problems(&self) -> impl Iterator<Item = (&IdentLine, &Problem)> {
        self.lines
            .iter()
            .filter_map(|line| Some((line, line.problem.as_ref()?)))
    }
}

/// Understands a file as a server of this version would; the arguments are those of [`crate::hba::parse`].
pub fn parse(path: &str, text: &str, version: ServerVersion, files: &dyn Files) -> IdentFile {
    let file = tokenize(path, text, version, files);
    let lines = file.lines.into_iter().map(|line| {
        let place = line.place.clone();
        let understood = match line.problem.clone() {
            Some(problem) => Err(problem),
            None => understand(&line, version),
        };
        let (mut row, problem) = match understood {
            Ok(row) => (row, None),
            Err(problem) => (blank(without_pieces(&problem.message)), Some(problem)),
        };
        row.line = place.line;
        IdentLine {
            row,
            place,
            problem,
        }
    });
    IdentFile {
        lines: lines.collect(),
        sources: file.sources,
    }
}

fn understand(line: &Line, version: ServerVersion) -> Result<IdentMap, Problem> {
    let field = |at: usize| match line.fields.get(at).map(Vec::as_slice) {
        Some([token]) => Ok(token),
        Some([_, second, ..]) => Err(Problem {
            message: "multiple values in ident field".to_owned(),
            place: second.place.clone(),
        }),
        Some([]) | None => Err(Problem {
            message: "missing entry at end of line".to_owned(),
            place: line.place.clone(),
        }),
    };
    let (map, system_user, role) = (field(0)?, field(1)?, field(2)?);
    check_pattern(system_user)?;
    if version.major() >= ROLE_PATTERNS_SINCE {
        check_pattern(role)?;
    }
    Ok(IdentMap {
        map: map.text.clone(),
        is_regex: system_user.text.starts_with('/'),
        system_user: system_user.text.clone(),
        role: role.text.clone(),
        role_quoted: Some(role.quoted),
        ..blank(String::new())
    })
}

fn check_pattern(token: &Token) -> Result<(), Problem> {
    let Some(pattern) = token.text.strip_prefix('/') else {
        return Ok(());
    };
    Are::new(pattern).map(|_| ()).map_err(|error| Problem {
        message: format!("invalid regular expression \"{pattern}\": {error}"),
        place: token.place.clone(),
    })
}

fn blank(error: String) -> IdentMap {
    IdentMap {
        line: 0,
        map: String::new(),
        system_user: String::new(),
        role: String::new(),
        error,
        is_regex: false,
        role_quoted: None,
    }
}
