//! A plan's changes as steps: what is done together, in one transaction or under one reload.

use pgattest_model::plan::{Action, Change, Plan, Risk, SettingValue, Undo, taking_back};
use sha2::{Digest, Sha256};

/// What is done together.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Identifiers of the changes.
    pub(crate) changes: Vec<String>,
    /// Their titles.
    pub(crate) titles: Vec<String>,
    pub(crate) work: Work,
    /// Only changes of one block are done together.
    block: u8,
}

#[derive(Clone, Debug)]
pub(crate) enum Work {
    Transaction {
        database: Option<String>,
        /// The change, and a statement of it.
        statements: Vec<(String, String)>,
    },
    Alone {
        database: String,
        before: Option<String>,
        statement: String,
    },
    Settings(Vec<Assignment>),
    Files(Vec<Edit>),
    /// Made, or what stood there put back.
    Certificate(Action),
    Restart,
}

/// A parameter and its new value.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    pub(crate) change: String,
    pub(crate) name: String,
    pub(crate) value: Option<SettingValue>,
    pub(crate) back: Back,
}

/// What a parameter is taken back to, when it turns out not to be in force.
#[derive(Clone, Debug)]
pub(crate) enum Back {
    /// To this value, or out of `postgresql.auto.conf`.
    To(Option<SettingValue>),
    /// To what `postgresql.auto.conf` said.
    AsItWas,
}

/// A file and its new text.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) change: String,
    pub(crate) path: String,
    pub(crate) before_sha256: String,
    pub(crate) text: Text,
}

/// The text of a file.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    /// This.
    Is(String),
    /// What the journal's folder keeps of this change.
    Kept,
}

/// What can be taken back, and what cannot.
pub(crate) struct Reversal {
    pub(crate) steps: Vec<Step>,
    /// Changes that cannot be, with the reason.
    pub(crate) left: Vec<(String, String, String)>,
}

/// The changes that pgattest makes, in the plan's order, without those that are done already.
pub(crate) fn forward(plan: &Plan, done: &[String]) -> Vec<Step> {
    let mut steps = Vec::new();
    for change in ours(plan).filter(|change| !done.contains(&change.id)) {
        if let Some(work) = work(change, &change.action) {
            add(&mut steps, change, work);
        }
    }
    steps
}

/// What takes these changes back, the last one first; a restart after the settings that it puts in force.
pub(crate) fn backward(plan: &Plan, done: &[String]) -> Reversal {
    let mut reversal = Reversal {
        steps: Vec::new(),
        left: Vec::new(),
    };
    let made: Vec<&Change> = ours(plan)
        .filter(|change| done.contains(&change.id))
        .collect();
    for change in taking_back(&made) {
        let work = match (&change.undo, &change.action) {
            (Undo::None(why), _) => Err(why.clone()),
            (Undo::Restore, Action::File { path, text, .. }) => Ok(Work::Files(vec![Edit {
                change: change.id.clone(),
                path: path.clone(),
                before_sha256: sha256(text.as_bytes()),
                text: Text::Kept,
            }])),
            (Undo::Restore, Action::Certificate { .. }) => {
                Ok(Work::Certificate(change.action.clone()))
            }
            (Undo::Restore, _) => Err("no file was replaced that could be restored".to_owned()),
            (Undo::By(action), _) => reverse(change, action)
                .ok_or_else(|| "the plan leaves taking it back to a person".to_owned()),
        };
        match work {
            Ok(work) => add(&mut reversal.steps, change, work),
            Err(why) => reversal
                .left
                .push((change.id.clone(), change.title.clone(), why)),
        }
    }
    reversal
}

/// The changes that are pgattest's.
pub(crate) fn ours(plan: &Plan) -> impl Iterator<Item = &Change> {
    plan.changes
        .iter()
        .filter(|change| change.risk != Risk::ByHand)
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn reverse(change: &Change, action: &Action) -> Option<Work> {
    let mut work = work(change, action)?;
    // What is in force after taking back is what the action says; there is no way further back.
    if let Work::Settings(assignments) = &mut work {
        for assignment in assignments {
            assignment.back = Back::AsItWas;
        }
    }
    Some(work)
}

fn work(change: &Change, action: &Action) -> Option<Work> {
    let id = || change.id.clone();
    Some(match action {
        Action::Sql {
            database,
            statements,
        } => Work::Transaction {
            database: database.clone(),
            statements: statements
                .iter()
                .map(|statement| (id(), statement.clone()))
                .collect(),
        },
        Action::SqlAlone {
            database,
            before,
            statement,
        } => Work::Alone {
            database: database.clone(),
            before: before.clone(),
            statement: statement.clone(),
        },
        Action::Setting { name, value } => Work::Settings(vec![Assignment {
            change: id(),
            name: name.clone(),
            value: value.clone(),
            back: match &change.undo {
                Undo::By(Action::Setting { name: same, value }) if same == name => {
                    Back::To(value.clone())
                }
                _ => Back::AsItWas,
            },
        }]),
        Action::File {
            path,
            before_sha256,
            text,
            ..
        } => Work::Files(vec![Edit {
            change: id(),
            path: path.clone(),
            before_sha256: before_sha256.clone(),
            text: Text::Is(text.clone()),
        }]),
        Action::Certificate { .. } => Work::Certificate(action.clone()),
        Action::Restart => Work::Restart,
        Action::ByHand(_) => return None,
    })
}

/// Adds work to the step before, where both are done together, or as a step of its own.
fn add(steps: &mut Vec<Step>, change: &Change, work: Work) {
    let block = change.stage.block();
    if let Some(last) = steps.last_mut()
        && last.block == block
        && join(&mut last.work, &work)
    {
        last.changes.push(change.id.clone());
        last.titles.push(change.title.clone());
        return;
    }
    steps.push(Step {
        changes: vec![change.id.clone()],
        titles: vec![change.title.clone()],
        work,
        block,
    });
}

fn join(last: &mut Work, next: &Work) -> bool {
    match (last, next) {
        (
            Work::Transaction {
                database: a,
                statements: all,
            },
            Work::Transaction {
                database: b,
                statements: more,
            },
        ) if a == b => {
            all.extend(more.iter().cloned());
            true
        }
        (Work::Settings(all), Work::Settings(more)) => {
            all.extend(more.iter().cloned());
            true
        }
        // One file twice is two steps.
        (Work::Files(all), Work::Files(more))
            if !all
                .iter()
                .any(|edit| more.iter().any(|other| other.path == edit.path)) =>
        {
            all.extend(more.iter().cloned());
            true
        }
        _ => false,
    }
}
