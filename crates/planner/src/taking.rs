//! What drafts take from roles, done to facts: attributes, and memberships as a whole.
//!
//! A statement is told by the text that names of the facts would give it, so no name is ever taken apart.

use crate::draft::Draft;
use pgattest_model::facts::{Membership, Oid, Role};
use pgattest_model::ident::quote_ident;
use pgattest_model::plan::{Action, Risk};
use pgattest_model::{Collected, Facts};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One thing that is taken.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Taking {
    /// An attribute, by its place in [`ATTRIBUTES`], of a role.
    Attribute(Oid, usize),
    /// A membership.
    Membership {
        role: Oid,
        member: Oid,
        grantor: Oid,
    },
}

/// Everything that some drafts take.
pub(crate) type Taken = BTreeSet<Taking>;

/// A word of `ALTER ROLE`, and what it does to a role.
type Attribute = (&'static str, fn(&mut Role));

/// Those that take something.
const ATTRIBUTES: [Attribute; 6] = [
    ("NOSUPERUSER", |role| role.superuser = false),
    ("NOBYPASSRLS", |role| role.bypass_rls = false),
    ("NOCREATEROLE", |role| role.create_role = false),
    ("NOCREATEDB", |role| role.create_db = false),
    ("NOREPLICATION", |role| role.replication = false),
    ("NOLOGIN", |role| role.can_login = false),
];

/// The statements that facts can lose something by.
pub(crate) struct Takings {
    /// By `ALTER ROLE name`.
    alter: HashMap<String, Oid>,
    /// By `REVOKE role FROM member`, with and without the grantor.
    revoke: HashMap<String, Taking>,
    names: BTreeMap<Oid, String>,
}

impl Takings {
    pub(crate) fn of(facts: &Facts) -> Self {
        let roles: &[Role] = rows(&facts.roles);
        let memberships: &[Membership] = rows(&facts.memberships);
        let names: BTreeMap<Oid, String> = roles
            .iter()
            .map(|role| (role.oid, role.name.clone()))
            .collect();
        let alter = roles
            .iter()
            .map(|role| (format!("ALTER ROLE {}", quote_ident(&role.name)), role.oid))
            .collect();
        let name = |oid: Oid| names.get(&oid).map(|name| quote_ident(name));
        let mut revoke = HashMap::new();
        for row in memberships {
            let (Some(role), Some(member)) = (name(row.role), name(row.member)) else {
                continue;
            };
            let taking = Taking::Membership {
                role: row.role,
                member: row.member,
                grantor: row.grantor,
            };
            let bare = format!("REVOKE {role} FROM {member}");
            if let Some(grantor) = name(row.grantor) {
                revoke.insert(format!("{bare} GRANTED BY {grantor}"), taking);
            }
            // Without a grantor it is the bootstrap superuser's that goes; where there is no other, the one there is.
            if row.grantor == Role::BOOTSTRAP {
                revoke.insert(bare, taking);
            } else {
                revoke.entry(bare).or_insert(taking);
            }
        }
        Self {
            alter,
            revoke,
            names,
        }
    }

    /// What drafts take that somebody else than a person does.
    pub(crate) fn of_drafts(&self, drafts: &[(&'static str, Draft)]) -> Taken {
        let drafts = drafts.iter();
        drafts.flat_map(|(_, draft)| self.of_draft(draft)).collect()
    }

    /// What one draft takes.
    pub(crate) fn of_draft(&self, draft: &Draft) -> Taken {
        let Action::Sql {
            database: None,
            statements,
        } = &draft.action
        else {
            return Taken::new();
        };
        if draft.risk == Risk::ByHand {
            return Taken::new();
        }
        // Memberships that change hands are not gone.
        let regrants = statements.iter().any(|text| text.starts_with("GRANT "));
        let mut taken = Taken::new();
        for statement in statements {
            let statement = statement.trim_end_matches(';');
            if statement.starts_with("ALTER ROLE ") {
                taken.extend(self.attributes(statement));
            } else if let Some(membership) = self.revoke.get(statement)
                && !regrants
            {
                taken.insert(*membership);
            }
        }
        taken
    }

    /// The role that loses something.
    pub(crate) fn role(&self, taking: Taking) -> Option<&str> {
        let oid = match taking {
            Taking::Attribute(role, _) => role,
            Taking::Membership { member, .. } => member,
        };
        self.names.get(&oid).map(String::as_str)
    }

    /// Words are taken off the end as long as they are attributes; what is left must be a role's name. A quoted name ends in a
    /// quote, and so never in one of the words.
    fn attributes(&self, statement: &str) -> Vec<Taking> {
        let mut rest = statement;
        let mut found = Vec::new();
        while let Some((before, word)) = rest.rsplit_once(' ') {
            let Some(at) = ATTRIBUTES.iter().position(|(known, _)| *known == word) else {
                break;
            };
            found.push(at);
            rest = before;
        }
        let Some(role) = self.alter.get(rest) else {
            return Vec::new();
        };
        found
            .into_iter()
            .map(|at| Taking::Attribute(*role, at))
            .collect()
    }
}

/// A copy of the facts without what is taken.
pub(crate) fn without(facts: &Facts, taken: &Taken) -> Facts {
    let mut facts = facts.clone();
    let mut attributes: HashMap<Oid, Vec<usize>> = HashMap::new();
    for taking in taken {
        if let Taking::Attribute(role, at) = taking {
            attributes.entry(*role).or_default().push(*at);
        }
    }
    if let Collected::Here { value, .. } = &mut facts.roles {
        for role in value {
            let lost = attributes.get(&role.oid).into_iter().flatten();
            for (_, take) in lost.filter_map(|at| ATTRIBUTES.get(*at)) {
                take(role);
            }
        }
    }
    if let Collected::Here { value, .. } = &mut facts.memberships {
        value.retain(|row| {
            !taken.contains(&Taking::Membership {
                role: row.role,
                member: row.member,
                grantor: row.grantor,
            })
        });
    }
    facts
}

/// The rows of a group; none of one that is missing.
fn rows<T>(group: &Collected<Vec<T>>) -> &[T] {
    match group {
        Collected::Here { value, .. } => value,
        Collected::Missing(_) => &[],
    }
}
