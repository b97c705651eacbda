//! The text of `pg_hba.conf` and of what it includes, while it is being edited.

use pgattest_access::hba::{Ruleset, Terms};
use pgattest_model::ServerVersion;
use pgattest_model::facts::HbaRule;
use pgattest_parse::hba::{self, Edit, HbaFile, NotEdited};
use std::collections::BTreeMap;

/// The files as they would be.
#[derive(Clone, Debug)]
pub(super) struct Files {
    root: String,
    texts: BTreeMap<String, String>,
    version: ServerVersion,
    /// What they say.
    pub(super) read: HbaFile,
}

impl Files {
    /// Understands the files; the error says why they cannot be edited, without a period.
    pub(super) fn open(
        files: &[(String, String)],
        version: ServerVersion,
        in_force: &[HbaRule],
    ) -> Result<Self, String> {
        let Some((root, _)) = files.first() else {
            return Err("the text of pg_hba.conf was not read".to_owned());
        };
        let opened = Self::read(root.clone(), files.iter().cloned().collect(), version);
        if let Some((line, _)) = opened.read.problems().next() {
            return Err(format!(
                "{} cannot be read by the server, and has to be mended first",
                pgattest_model::ident::visible(&line.row.place())
            ));
        }
        let text = opened.read.lines.iter().map(|line| shown(&line.row));
        if text.ne(in_force.iter().map(shown)) {
            return Err(
                "the text of pg_hba.conf is not what the server shows of its rules".to_owned(),
            );
        }
        Ok(opened)
    }

    /// With one line edited.
    pub(super) fn edited(&self, line: usize, edit: &Edit) -> Result<Self, NotEdited> {
        let text = hba::edit(&self.read, line, edit, self.version, &self.texts)?;
        let source = self
            .read
            .lines
            .get(line)
            .and_then(|line| self.read.sources.get(line.place.source))
            .ok_or(NotEdited::NoSuchRule)?;
        let mut texts = self.texts.clone();
        texts.insert(source.path.clone(), text);
        Ok(Self::read(self.root.clone(), texts, self.version))
    }

    /// With the text of one file from another state.
    pub(super) fn with(&self, path: &str, text: &str) -> Self {
        let mut texts = self.texts.clone();
        texts.insert(path.to_owned(), text.to_owned());
        Self::read(self.root.clone(), texts, self.version)
    }

    /// Each file that is not what it was: its path, what it held, what it will hold.
    pub(super) fn changed<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
        let texts = self.texts.iter();
        texts.filter_map(|(path, text)| {
            let was = before.texts.get(path)?;
            (was != text).then_some((path.as_str(), was.as_str(), text.as_str()))
        })
    }

    /// The rules, with what was quoted.
    pub(super) fn rules(&self, terms: Terms) -> Ruleset {
        Ruleset::new(&self.read.rows(), terms)
    }

    /// The rows as an audit will see them: the server's view does not tell what was quoted.
    pub(super) fn rows(&self) -> Vec<HbaRule> {
        let mut rows = self.read.rows();
        for row in &mut rows {
            row.quoted = None;
        }
        rows
    }

    fn read(root: String, texts: BTreeMap<String, String>, version: ServerVersion) -> Self {
        let text = texts.get(&root).map_or("", String::as_str);
        Self {
            read: hba::parse(&root, text, version, &texts),
            root,
            texts,
            version,
        }
    }
}

type Shown<'a> = (
    (u32, &'a str),
    &'a [String],
    &'a [String],
    (&'a str, &'a str),
    &'a str,
);

/// What of a rule both the text and the server show. The file's path may be written in two ways.
fn shown(row: &HbaRule) -> Shown<'_> {
    (
        (row.line, &row.connection_type),
        &row.databases,
        &row.users,
        (&row.address, &row.netmask),
        &row.method,
    )
}
