//! The statements that revoke memberships, and those that grant them again as they were.

use pgattest_checks::Context;
use pgattest_model::Missing;
use pgattest_model::facts::{Membership, Oid, Role};
use pgattest_model::ident::quote_ident;

/// The first version in which a role is granted by several grantors, each with options, and in which what a member granted on
/// hangs on its own membership.
const PER_GRANTOR: u32 = 16;

/// One grant of membership that goes, or loses its right to be granted on.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Step {
    pub(super) role: Oid,
    pub(super) member: Oid,
    grantor: Oid,
    /// Whether the whole membership goes.
    pub(super) whole: bool,
}

impl Step {
    pub(super) const fn new(row: &Membership, whole: bool) -> Self {
        Self {
            role: row.role,
            member: row.member,
            grantor: row.grantor,
            whole,
        }
    }
}

/// Statements over the memberships as they are after each of them.
pub(super) struct Script<'c, 'a> {
    context: &'c Context<'a>,
    per_grantor: bool,
    now: Vec<Membership>,
    statements: Vec<String>,
    /// In the order of the statements: what takes back the first stands first.
    undo: Vec<String>,
}

impl<'c, 'a> Script<'c, 'a> {
    pub(super) fn new(
        context: &'c Context<'a>,
        memberships: &[Membership],
    ) -> Result<Self, Missing> {
        Ok(Self {
            context,
            per_grantor: context.version()?.major() >= PER_GRANTOR,
            now: memberships.to_vec(),
            statements: Vec::new(),
            undo: Vec::new(),
        })
    }

    /// The statements, and those that take them back.
    pub(super) fn done(mut self) -> (Vec<String>, Vec<String>) {
        self.undo.reverse();
        (self.statements, self.undo)
    }

    pub(super) fn add(&mut self, step: Step) {
        // Somebody else may have become its grantor meanwhile: see `keep_granted`.
        let is_it = |row: &Membership| row.role == step.role && row.member == step.member;
        let found = self
            .now
            .iter()
            .find(|row| is_it(row) && row.grantor == step.grantor)
            .or_else(|| {
                self.now
                    .iter()
                    .find(|row| is_it(row) && row.grantor == Role::BOOTSTRAP)
            });
        let Some(row) = found.cloned() else { return };
        if !step.whole && !row.admin_option {
            return;
        }
        if row.admin_option {
            self.keep_granted(&row);
        }
        let option = if step.whole { "" } else { "ADMIN OPTION FOR " };
        self.run(self.revoke(option, &row), self.grant(&row));
        self.now.retain(|other| !is_same(other, &row));
        if !step.whole {
            self.now.push(Membership {
                admin_option: false,
                ..row
            });
        }
    }

    /// What the member granted on goes with its right to grant: the bootstrap superuser grants it first, with the same options.
    fn keep_granted(&mut self, row: &Membership) {
        let others = self.now.iter().any(|other| {
            other.role == row.role
                && other.member == row.member
                && other.admin_option
                && !is_same(other, row)
        });
        if !self.per_grantor || others {
            return;
        }
        let granted: Vec<Membership> = self
            .now
            .iter()
            .filter(|other| other.role == row.role && other.grantor == row.member)
            .cloned()
            .collect();
        for old in granted {
            let existing = self.now.iter().find(|other| {
                other.role == old.role
                    && other.member == old.member
                    && other.grantor == Role::BOOTSTRAP
            });
            let existing = existing.cloned();
            let new = Membership {
                grantor: Role::BOOTSTRAP,
                admin_option: old.admin_option || existing.as_ref().is_some_and(|e| e.admin_option),
                inherit_option: old.inherit_option
                    || existing.as_ref().is_some_and(|e| e.inherit_option),
                set_option: old.set_option || existing.as_ref().is_some_and(|e| e.set_option),
                ..old.clone()
            };
            let back = match &existing {
                Some(existing) => self.grant(existing),
                None => self.revoke("", &new),
            };
            self.run(self.grant(&new), back);
            self.run(self.revoke("", &old), self.grant(&old));
            self.now
                .retain(|other| !is_same(other, &old) && !is_same(other, &new));
            self.now.push(new);
        }
    }

    fn run(&mut self, statement: String, undo: String) {
        self.statements.push(statement);
        self.undo.push(undo);
    }

    fn revoke(&self, option: &str, row: &Membership) -> String {
        let by = if self.per_grantor {
            self.granted_by(row)
        } else {
            String::new()
        };
        format!(
            "REVOKE {option}{} FROM {}{by};",
            self.context.role_name(row.role),
            self.context.role_name(row.member)
        )
    }

    fn grant(&self, row: &Membership) -> String {
        let options = if self.per_grantor {
            format!(
                " WITH ADMIN {}, INHERIT {}, SET {}",
                truth(row.admin_option),
                truth(row.inherit_option),
                truth(row.set_option)
            )
        } else if row.admin_option {
            " WITH ADMIN OPTION".to_owned()
        } else {
            String::new()
        };
        format!(
            "GRANT {} TO {}{options}{};",
            self.context.role_name(row.role),
            self.context.role_name(row.member),
            self.granted_by(row)
        )
    }

    /// Nothing where the grantor is what a superuser's statement takes it to be, or is not known any more.
    fn granted_by(&self, row: &Membership) -> String {
        if self.per_grantor && row.grantor == Role::BOOTSTRAP {
            return String::new();
        }
        self.context
            .role(row.grantor)
            .map(|grantor| format!(" GRANTED BY {}", quote_ident(&grantor.name)))
            .unwrap_or_default()
    }
}

fn is_same(a: &Membership, b: &Membership) -> bool {
    (a.role, a.member, a.grantor) == (b.role, b.member, b.grantor)
}

const fn truth(value: bool) -> &'static str {
    if value { "TRUE" } else { "FALSE" }
}
