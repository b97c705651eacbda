//! One line of `pg_hba.conf` changed in the file's own text: comments, blank lines, columns, quotes and line endings stay.
//!
//! Every edit is read again as the server would read it, and refused unless it does what was asked and nothing else.

use super::{Files, HbaFile, HbaLine, Place, Unreadable, parse};
use pgattest_model::ServerVersion;
use pgattest_model::facts::HbaRule;
use std::ops::Range;

/// What is done to one line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Edit {
    /// Another connection type: `hostssl` in the place of `host`.
    ConnectionType(String),
    /// Another method. The options stay, and must be ones that it has.
    Method(String),
    /// Another address, in CIDR form or a keyword; a mask in a field of its own goes.
    Address(String),
    /// The line becomes a comment that begins with these words.
    CommentOut(String),
    /// Lines (comments and rules) before it.
    Before(Vec<String>),
    /// Lines (comments and rules) after it.
    After(Vec<String>),
}

/// Why a line was not edited. Completes "the line cannot be edited: ..".
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NotEdited {
    /// There is no such line, or the server cannot read it.
    NoSuchRule,
    /// The word comes out of another file (`@file`), or is continued over the end of a line.
    Scattered,
    /// Read again, the file would say something else than was asked, or the server would not read it.
    OtherThanAsked,
}

impl std::fmt::Display for NotEdited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoSuchRule => "it is no rule that the server can read",
            Self::Scattered => {
                "what would change stands in another file or is broken over two lines"
            }
            Self::OtherThanAsked => "the changed file would not say exactly what was asked",
        })
    }
}

/// Edits one line, named by its position in `file.lines`. Gives the whole new text of the source that the line stands in
/// (`file.lines[line].place.source`).
///
/// `version` and `files` are what `file` was parsed with.
pub fn edit(
    file: &HbaFile,
    line: usize,
    edit: &Edit,
    version: ServerVersion,
    files: &dyn Files,
) -> Result<String, NotEdited> {
    let (before, at) = (file, line);
    let line = before.lines.get(at).ok_or(NotEdited::NoSuchRule)?;
    let source = before
        .sources
        .get(line.place.source)
        .ok_or(NotEdited::NoSuchRule)?;
    if line.problem.is_some() {
        return Err(NotEdited::NoSuchRule);
    }
    let change = change(&source.text, line, edit)?;
    let mut text = source.text.clone();
    let end = text.len();
    if change.range.start > change.range.end
        || change.range.end > end
        || !text.is_char_boundary(change.range.start)
        || !text.is_char_boundary(change.range.end)
    {
        return Err(NotEdited::Scattered);
    }
    text.replace_range(change.range, &change.text);

    let root = before.sources.first().ok_or(NotEdited::NoSuchRule)?;
    let with = With {
        path: &source.path,
        text: &text,
        files,
    };
    let root_text = if line.place.source == 0 {
        &text
    } else {
        &root.text
    };
    let after = parse(&root.path, root_text, version, &with);
    if says(before, at, edit, version) == after.lines.iter().map(Said::of).collect::<Vec<_>>() {
        Ok(text)
    } else {
        Err(NotEdited::OtherThanAsked)
    }
}

/// One replacement in the text of a source.
struct Change {
    range: Range<usize>,
    text: String,
}

fn change(text: &str, line: &HbaLine, edit: &Edit) -> Result<Change, NotEdited> {
    let field = |at: usize| -> Result<&Place, NotEdited> {
        match line.fields.get(at).map(Vec::as_slice) {
            Some([place]) if place.source == line.place.source => Ok(place),
            Some(_) => Err(NotEdited::Scattered),
            None => Err(NotEdited::NoSuchRule),
        }
    };
    let local = line.row.connection_type == "local";
    match edit {
        Edit::ConnectionType(kind) => word(text, field(0)?.span.clone(), kind),
        Edit::Method(method) => {
            let at = match (local, has_mask_field(text, line)) {
                (true, _) => 3,
                (false, false) => 4,
                (false, true) => 5,
            };
            word(text, field(at)?.span.clone(), method)
        }
        Edit::Address(_) if local => Err(NotEdited::NoSuchRule),
        Edit::Address(address) => {
            let first = field(3)?;
            let last = if has_mask_field(text, line) {
                field(4)?
            } else {
                first
            };
            word(text, first.span.start..last.span.end, address)
        }
        Edit::CommentOut(why) => comment_out(text, &line.place.span, why),
        Edit::Before(lines) => {
            let ending = ending(text, &line.place.span);
            Ok(Change {
                range: line.place.span.start..line.place.span.start,
                text: ended(lines, ending),
            })
        }
        Edit::After(lines) => {
            let span = &line.place.span;
            let own = text.get(span.clone()).ok_or(NotEdited::Scattered)?;
            let ending = ending(text, span);
            let mut new = ended(lines, ending);
            if !own.ends_with('\n') {
                new.insert_str(0, ending);
            }
            Ok(Change {
                range: span.end..span.end,
                text: new,
            })
        }
    }
}

/// Whether the mask stands in a field of its own.
fn has_mask_field(text: &str, line: &HbaLine) -> bool {
    let Some([address]) = line.fields.get(3).map(Vec::as_slice) else {
        return false;
    };
    !line.row.netmask.is_empty()
        && address.source == line.place.source
        && !text
            .get(address.span.clone())
            .is_some_and(|address| address.contains('/'))
}

/// A word in the place of another. Where blanks after it make columns, they take up the difference.
fn word(text: &str, span: Range<usize>, new: &str) -> Result<Change, NotEdited> {
    let old = text.get(span.clone()).ok_or(NotEdited::Scattered)?;
    if old.contains('\n') {
        return Err(NotEdited::Scattered);
    }
    let rest = text.get(span.end..).unwrap_or_default();
    let blanks = rest.len() - rest.trim_start_matches(' ').len();
    let last = rest
        .get(blanks..)
        .is_none_or(|rest| rest.is_empty() || rest.starts_with(['\r', '\n', '\\']));
    let (old_width, new_width) = (old.chars().count(), new.chars().count());
    let wanted = if last || blanks == 0 || (blanks == 1 && new_width < old_width) {
        blanks
    } else {
        (old_width + blanks).saturating_sub(new_width).max(1)
    };
    Ok(Change {
        range: span.start..span.end + blanks,
        text: format!("{new}{}", " ".repeat(wanted)),
    })
}

/// Every line of the text that the rule is made of becomes a comment; a backslash at its end does no harm then.
fn comment_out(text: &str, span: &Range<usize>, why: &str) -> Result<Change, NotEdited> {
    let own = text.get(span.clone()).ok_or(NotEdited::Scattered)?;
    let mut new = String::with_capacity(own.len() + why.len() + 8);
    for (at, physical) in own.split_inclusive('\n').enumerate() {
        new.push_str("# ");
        if at == 0 && !why.is_empty() {
            new.push_str(why);
            new.push_str(": ");
        }
        new.push_str(physical);
    }
    Ok(Change {
        range: span.clone(),
        text: new,
    })
}

/// Lines, each with its end.
fn ended(lines: &[String], ending: &str) -> String {
    let ended = lines.iter().flat_map(|line| [line.as_str(), ending]);
    ended.collect()
}

fn ending(text: &str, span: &Range<usize>) -> &'static str {
    let own = text.get(span.clone()).unwrap_or_default();
    // A last line without an end takes that of the one before it.
    let own = if own.ends_with('\n') {
        own
    } else {
        text.get(..span.start).unwrap_or_default()
    };
    if own.ends_with("\r\n") { "\r\n" } else { "\n" }
}

/// What one line says, wherever it stands in its file.
#[derive(Eq, PartialEq)]
struct Said {
    file: String,
    connection_type: String,
    databases: Vec<(String, bool)>,
    users: Vec<(String, bool)>,
    address: (String, String),
    method: String,
    options: Vec<(String, String, bool)>,
    error: String,
}

impl Said {
    fn of(line: &HbaLine) -> Self {
        Self::of_row(&line.row)
    }

    fn of_row(row: &HbaRule) -> Self {
        let quoted = row.quoted.clone().unwrap_or_default();
        let names = |names: &[String], quoted: Vec<bool>| {
            names
                .iter()
                .cloned()
                .zip(quoted.into_iter().chain(std::iter::repeat(false)))
                .collect()
        };
        Self {
            file: row.file.clone(),
            connection_type: row.connection_type.clone(),
            databases: names(&row.databases, quoted.databases),
            users: names(&row.users, quoted.users),
            address: (row.address.clone(), row.netmask.clone()),
            method: row.method.clone(),
            options: row
                .options
                .iter()
                .map(|option| (option.name.clone(), option.value.clone(), option.withheld))
                .collect(),
            error: row.error.clone(),
        }
    }
}

/// What the file is to say afterwards.
fn says(before: &HbaFile, at: usize, edit: &Edit, version: ServerVersion) -> Vec<Said> {
    let mut says: Vec<Said> = before.lines.iter().map(Said::of).collect();
    let file = says
        .get(at)
        .map(|line| line.file.clone())
        .unwrap_or_default();
    let insert = |says: &mut Vec<Said>, at: usize, lines: &[String]| {
        let new = parse("", &lines.join("\n"), version, &super::NoFiles);
        let new = new.lines.iter().map(|line| Said {
            file: file.clone(),
            ..Said::of(line)
        });
        let at = at.min(says.len());
        says.splice(at..at, new);
    };
    match edit {
        Edit::CommentOut(_) => {
            says.remove(at);
        }
        Edit::Before(lines) => insert(&mut says, at, lines),
        Edit::After(lines) => insert(&mut says, at + 1, lines),
        Edit::ConnectionType(kind) => {
            if let Some(line) = says.get_mut(at) {
                line.connection_type.clone_from(kind);
            }
        }
        Edit::Method(method) => {
            if let Some(line) = says.get_mut(at) {
                line.method.clone_from(method);
            }
        }
        Edit::Address(address) => {
            let one = parse(
                "",
                &format!("host all all {address} trust"),
                version,
                &super::NoFiles,
            );
            if let (Some(line), Some(read)) = (says.get_mut(at), one.lines.first()) {
                line.address = (read.row.address.clone(), read.row.netmask.clone());
            }
        }
    }
    says
}

/// The files, one of them with another text.
struct With<'a> {
    path: &'a str,
    text: &'a str,
    files: &'a dyn Files,
}

impl Files for With<'_> {
    fn text(&self, path: &str) -> Result<String, Unreadable> {
        if path == self.path {
            Ok(self.text.to_owned())
        } else {
            self.files.text(path)
        }
    }

    fn names(&self, directory: &str) -> Result<Vec<String>, Unreadable> {
        self.files.names(directory)
    }
}

#[cfg(test)]
mod tests;
