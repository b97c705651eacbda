//! Database and user lists of a rule.
//!
//! The server's view gives names and keywords without their quotes: a database really called "all" looks like the keyword.
//! Where nobody knows what was quoted, everything that looks like a keyword is taken for one, which makes a rule match more,
//! never less. (A rule that rejects would then hide more than it does: name no database or role like a keyword.)

use super::attempt::Destination;
use super::matching::{Matching, any};
use super::pattern::Pattern;
use crate::RoleGraph;
use pgattest_model::ServerVersion;
use pgattest_model::facts::Role;

/// The first version that reads `/..` in a database or user list as a regular expression.
const PATTERNS_SINCE: u32 = 16;

/// One entry of a database list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum DatabaseName {
    All,
    /// The database called as the role is.
    SameUser,
    /// A database called as a role is that the role is a member of.
    SameRole,
    /// Physical replication, which nothing else matches.
    Replication,
    Named(String),
    Pattern(Pattern),
}

/// How a role's and a database's names are related, as `sameuser` and `samerole` need it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kinship {
    None,
    /// The role is a member of the role called as the database is.
    Member,
    /// The names are equal. A role counts as a member of itself.
    Same,
    /// The names are equal, and there is no such role, so it is a member of nothing.
    Namesake,
    /// Nobody knows the roles: it may be a member of anything.
    Unknown,
}

impl DatabaseName {
    pub(super) fn new(text: &str, quoted: bool, version: ServerVersion) -> Self {
        match text {
            // A regular expression is one in quotes too.
            name if quoted => {
                pattern(name, version).map_or_else(|| Self::Named(name.to_owned()), Self::Pattern)
            }
            "all" => Self::All,
            "sameuser" => Self::SameUser,
            "samerole" | "samegroup" => Self::SameRole,
            "replication" => Self::Replication,
            name => {
                pattern(name, version).map_or_else(|| Self::Named(name.to_owned()), Self::Pattern)
            }
        }
    }

    pub(super) fn matches(&self, destination: &Destination, kinship: Kinship) -> Matching {
        let Destination::Database(database) = destination else {
            return (*self == Self::Replication).into();
        };
        match self {
            Self::All => Matching::Yes,
            Self::SameUser => matches!(kinship, Kinship::Same | Kinship::Namesake).into(),
            Self::SameRole => match kinship {
                Kinship::Member | Kinship::Same => Matching::Yes,
                Kinship::None | Kinship::Namesake => Matching::No,
                Kinship::Unknown => Matching::Maybe,
            },
            Self::Replication => Matching::No,
            Self::Named(name) => (name == database).into(),
            Self::Pattern(pattern) => pattern.matches(database),
        }
    }

    /// Whether it looks at the role's name.
    pub(super) const fn needs_kinship(&self) -> bool {
        matches!(self, Self::SameUser | Self::SameRole)
    }
}

/// One entry of a user list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum UserName {
    All,
    /// Members of a role, whatever the options. A superuser is no member of anything by being one.
    MembersOf(String),
    Named(String),
    Pattern(Pattern),
}

impl UserName {
    pub(super) fn new(text: &str, quoted: bool, version: ServerVersion) -> Self {
        if text == "all" && !quoted {
            Self::All
        } else if let Some(group) = text.strip_prefix('+').filter(|_| !quoted) {
            Self::MembersOf(group.to_owned())
        } else {
            pattern(text, version).map_or_else(|| Self::Named(text.to_owned()), Self::Pattern)
        }
    }

    /// Without a graph nobody knows who is a member of what.
    pub(super) fn matches(&self, role: &str, graph: Option<&RoleGraph>) -> Matching {
        match self {
            Self::All => Matching::Yes,
            Self::MembersOf(group) => graph.map_or(Matching::Maybe, |graph| {
                is_member(role, group, graph).into()
            }),
            Self::Named(name) => (name == role).into(),
            Self::Pattern(pattern) => pattern.matches(role),
        }
    }

    /// Raises what is known about each of these roles, all at once.
    pub(super) fn raise(&self, logins: &[&Role], graph: &RoleGraph, matching: &mut [Matching]) {
        let members = match self {
            Self::MembersOf(group) => graph.named(group).map(|group| graph.all_members(group.oid)),
            Self::All | Self::Named(_) | Self::Pattern(_) => None,
        };
        for (role, known) in logins.iter().zip(matching) {
            let this = match (self, &members) {
                (Self::MembersOf(_), members) => members
                    .as_ref()
                    .is_some_and(|members| members.contains(role.oid))
                    .into(),
                _ => self.matches(&role.name, Some(graph)),
            };
            *known = any([*known, this]);
        }
    }
}

/// How the two names are related.
pub(super) fn kinship(role: &str, destination: &Destination, graph: Option<&RoleGraph>) -> Kinship {
    let Destination::Database(database) = destination else {
        return Kinship::None;
    };
    match graph {
        Some(graph) if database == role => {
            if graph.named(role).is_some() {
                Kinship::Same
            } else {
                Kinship::Namesake
            }
        }
        Some(graph) if is_member(role, database, graph) => Kinship::Member,
        Some(_) => Kinship::None,
        // That the role exists is what its owner hopes.
        None if database == role => Kinship::Same,
        None => Kinship::Unknown,
    }
}

fn is_member(role: &str, group: &str, graph: &RoleGraph) -> bool {
    let ends = (graph.named(role), graph.named(group));
    matches!(ends, (Some(role), Some(group)) if graph.member_of(role.oid).contains(group.oid))
}

fn pattern(text: &str, version: ServerVersion) -> Option<Pattern> {
    text.strip_prefix('/')
        .filter(|_| version.major() >= PATTERNS_SINCE)
        .map(Pattern::new)
}
