//! From what is to be taken to a draft.

use super::losers::Losers;
use super::place::Place;
use super::taking::{Give, Take, script};
use crate::draft::Draft;
use crate::planning::Planning;
use pgattest_model::plan::{Closes, Impact, Need, Stage};

/// What one change takes and gives.
pub(crate) struct Proposal<'a> {
    /// One line, without a period.
    pub(crate) title: String,
    /// When.
    pub(crate) stage: Stage,
    /// The findings that are gone afterwards.
    pub(crate) closes: Vec<Closes>,
    /// What is taken.
    pub(crate) takes: Vec<Take<'a>>,
    /// What is given instead, before it.
    pub(crate) gives: Vec<Give>,
    /// No application is expected to notice.
    pub(crate) safe: bool,
    /// Whom it affects besides those who lose a privilege.
    pub(crate) impact: Vec<Impact>,
    /// What somebody has to do besides.
    pub(crate) notes: Vec<String>,
    /// What it needs.
    pub(crate) needs: Vec<Need>,
}

impl<'a> Proposal<'a> {
    /// A change that is safe, until something says otherwise.
    pub(crate) fn new(title: String, stage: Stage, takes: Vec<Take<'a>>) -> Self {
        Self {
            title,
            stage,
            closes: Vec::new(),
            takes,
            gives: Vec::new(),
            safe: true,
            impact: Vec::new(),
            notes: Vec::new(),
            needs: Vec::new(),
        }
    }

    /// The findings that are gone afterwards.
    #[must_use]
    pub(crate) fn closing(mut self, closes: impl IntoIterator<Item = Closes>) -> Self {
        self.closes.extend(closes);
        self
    }

    /// A person approves it.
    #[must_use]
    pub(crate) fn approval(mut self) -> Self {
        self.safe = false;
        self
    }

    /// The draft; by hand where the statements would not do it.
    pub(crate) fn draft(
        self,
        planning: &Planning<'_>,
        place: &Place<'_>,
        losers: &Losers<'_>,
    ) -> Draft {
        let script = match script(place, &self.takes, &self.gives) {
            Ok(script) => script,
            Err(why) => return Draft::by_hand(self.title, self.stage, why, self.closes),
        };
        let impact = losers.impact(planning, place, &self.takes);
        let mut draft = Draft::sql(
            self.title,
            self.stage,
            place.name(),
            script.statements,
            script.undo,
        )
        .closing(self.closes)
        .affecting(impact)
        .affecting(self.impact);
        draft.notes = self.notes;
        draft.needs = self.needs;
        if self.safe { draft } else { draft.approval() }
    }
}

/// The drafts of all the proposals for one place, each weighed as if all were done.
pub(crate) fn drafts<'a>(
    planning: &Planning<'_>,
    place: &Place<'a>,
    proposals: Vec<Proposal<'a>>,
) -> Vec<Draft> {
    let rows = super::losers::Rows::new(
        place,
        proposals.iter().flat_map(|proposal| &proposal.takes),
        proposals.iter().flat_map(|proposal| &proposal.gives),
    );
    let losers = rows.weigh(place);
    proposals
        .into_iter()
        .map(|proposal| proposal.draft(planning, place, &losers))
        .collect()
}
