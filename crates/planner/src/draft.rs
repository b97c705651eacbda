//! A change before it has a name and a place.

use pgattest_model::plan::{Action, Closes, Impact, Need, Risk, Stage, Undo};

/// What a kind proposes. The fields are those of [`pgattest_model::plan::Change`].
#[derive(Clone, Debug)]
pub struct Draft {
    /// One line for a person, without a period.
    pub title: String,
    /// When, relative to the others.
    pub stage: Stage,
    /// The findings it closes.
    pub closes: Vec<Closes>,
    /// What is done.
    pub action: Action,
    /// What takes it back.
    pub undo: Undo,
    /// Who decides.
    pub risk: Risk,
    /// What it needs.
    pub needs: Vec<Need>,
    /// Whom it affects.
    pub impact: Vec<Impact>,
    /// What somebody has to do besides.
    pub notes: Vec<String>,
}

impl Draft {
    /// Statements, and the statements that take them back.
    pub fn sql(
        title: impl Into<String>,
        stage: Stage,
        database: Option<&str>,
        statements: Vec<String>,
        undo: Vec<String>,
    ) -> Self {
        let sql = |statements| Action::Sql {
            database: database.map(str::to_owned),
            statements,
        };
        Self::new(title, stage, sql(statements), Undo::By(sql(undo)))
    }

    /// Something that a person has to do; one sentence without a period.
    pub fn by_hand(
        title: impl Into<String>,
        stage: Stage,
        what: impl Into<String>,
        closes: Vec<Closes>,
    ) -> Self {
        let undo = Undo::None("pgattest does not do it".to_owned());
        Self {
            risk: Risk::ByHand,
            closes,
            ..Self::new(title, stage, Action::ByHand(what.into()), undo)
        }
    }

    /// A change that is `safe` until [`Draft::approval`] says otherwise.
    pub fn new(title: impl Into<String>, stage: Stage, action: Action, undo: Undo) -> Self {
        Self {
            title: title.into(),
            stage,
            closes: Vec::new(),
            action,
            undo,
            risk: Risk::Safe,
            needs: Vec::new(),
            impact: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The findings it closes.
    #[must_use]
    pub fn closing(mut self, closes: impl IntoIterator<Item = Closes>) -> Self {
        self.closes.extend(closes);
        self
    }

    /// A person approves it. What is done by hand stays that.
    #[must_use]
    pub fn approval(mut self) -> Self {
        self.risk = self.risk.max(Risk::Approval);
        self
    }

    /// What it needs.
    #[must_use]
    pub fn needing(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }

    /// Whom it affects.
    #[must_use]
    pub fn affecting(mut self, impact: impl IntoIterator<Item = Impact>) -> Self {
        self.impact.extend(impact);
        self
    }

    /// What somebody has to do besides.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}
