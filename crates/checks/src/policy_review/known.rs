//! What exists in the cluster, by name, and where that is not wholly known.

use pgattest_model::facts::{DatabaseFacts, Function, HbaRule, Relation};
use pgattest_model::ident::{qualified, quote_ident};
use pgattest_model::policy::NamedKind;
use pgattest_model::{Collected, Facts};
use std::collections::{BTreeSet, HashMap};

/// Names of everything that was collected. Whether a name is absent can be said only where the list is complete.
pub(super) struct Known<'a> {
    facts: &'a Facts,
}

/// The names of one kind.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Every form in which one may be written.
    pub(super) all: BTreeSet<String>,
    /// Whether nothing of the kind was hidden.
    pub(super) is_complete: bool,
}

/// What the subject of a waiver is the name of, told by its form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// `app`: a role, a database, a schema, a setting ..
    Single,
    /// `public.orders`: a relation, or a setting of an extension.
    Qualified,
    /// `public.total(integer)`.
    Function,
    /// `pg_hba.conf:12`.
    Line,
    /// `tenant_isolation ON public.orders`: no list of names could hold it.
    Other,
}

impl<'a> Known<'a> {
    pub(super) const fn of(facts: &'a Facts) -> Self {
        Self { facts }
    }

    /// Names that a waiver's subject of this form may have, in the whole cluster or in one database; as reports give them.
    pub(super) fn subjects(&self, form: Form, database: Option<&str>) -> Names {
        let facts = self.facts;
        let mut names = Names::complete();
        let inside = facts
            .inside
            .iter()
            .filter(|inside| database.is_none_or(|wanted| inside.name == wanted));
        if form == Form::Other {
            names.is_complete = false;
            return names;
        }
        names.add(&facts.databases, |databases| {
            let all = databases.iter().map(|one| quote_ident(&one.name));
            all.filter(|_| form == Form::Single).collect()
        });
        for inside in inside {
            names.add_inside(inside, form);
        }
        if database.is_some() {
            return names;
        }
        match form {
            Form::Single => {
                names.add(&facts.roles, |roles| {
                    roles.iter().map(|role| quote_ident(&role.name)).collect()
                });
                names.add(&facts.tablespaces, |spaces| {
                    spaces
                        .iter()
                        .map(|space| quote_ident(&space.name))
                        .collect()
                });
                names.add(&facts.subscriptions, |all| {
                    all.iter().map(|one| quote_ident(&one.name)).collect()
                });
                names.add(&facts.slots, |slots| {
                    slots.iter().map(|slot| quote_ident(&slot.name)).collect()
                });
                names.add_settings(facts);
            }
            Form::Qualified => names.add_settings(facts),
            Form::Line => names.add(&facts.hba_rules, |rules| {
                rules.iter().map(HbaRule::place).collect()
            }),
            Form::Function | Form::Other => {}
        }
        names
    }

    /// Names that the policy file may use for a kind of thing.
    pub(super) fn named(&self, kind: NamedKind) -> Names {
        let facts = self.facts;
        let mut names = Names::complete();
        match kind {
            NamedKind::Role => names.add(&facts.roles, |roles| {
                roles.iter().map(|role| role.name.clone()).collect()
            }),
            NamedKind::Database => names.add(&facts.databases, |databases| {
                databases.iter().map(|one| one.name.clone()).collect()
            }),
            NamedKind::Schema
            | NamedKind::Relation
            | NamedKind::Column
            | NamedKind::ColumnName
            | NamedKind::Function
            | NamedKind::Extension
            | NamedKind::Publication => {
                // Without the list of databases, nobody knows what else there is.
                names.is_complete = facts.databases.is_here();
                for database in &facts.inside {
                    names.add_named(database, kind);
                }
            }
        }
        names
    }

    /// Whether there is such a database; `None` when the databases were not seen.
    pub(super) fn has_database(&self, name: &str) -> Option<bool> {
        let databases = self.facts.databases.here().ok()?;
        Some(databases.iter().any(|one| one.name == name))
    }

    /// The databases by name.
    pub(super) fn databases(&self) -> BTreeSet<String> {
        self.named(NamedKind::Database).all
    }
}

impl Names {
    const fn complete() -> Self {
        Self {
            all: BTreeSet::new(),
            is_complete: true,
        }
    }

    fn add<T>(&mut self, group: &Collected<T>, names: impl FnOnce(&T) -> Vec<String>) {
        match group.here() {
            Ok(seen) => self.all.extend(names(seen.value)),
            Err(_) => self.is_complete = false,
        }
    }

    fn add_settings(&mut self, facts: &Facts) {
        self.add(&facts.settings, |settings| {
            settings.iter().map(|one| one.name.clone()).collect()
        });
        let all_visible = facts
            .settings
            .here()
            .is_ok_and(|settings| settings.all_visible());
        self.is_complete &= all_visible;
    }

    /// What is inside a database and has a name of this form.
    fn add_inside(&mut self, inside: &DatabaseFacts, form: Form) {
        match form {
            Form::Single => {
                self.add(&inside.schemas, |all| {
                    all.iter().map(|one| quote_ident(&one.name)).collect()
                });
                self.add(&inside.extensions, |all| {
                    all.iter().map(|one| quote_ident(&one.name)).collect()
                });
                self.add(&inside.event_triggers, |all| {
                    all.iter().map(|one| quote_ident(&one.name)).collect()
                });
                self.add(&inside.languages, |all| {
                    all.iter().map(|one| quote_ident(&one.name)).collect()
                });
                self.add(&inside.foreign_servers, |all| {
                    all.iter().map(|one| quote_ident(&one.name)).collect()
                });
                self.add(&inside.foreign_data_wrappers, |all| {
                    all.iter().map(|one| quote_ident(&one.name)).collect()
                });
                self.add(&inside.publications, |all| {
                    all.iter().map(|one| quote_ident(&one.name)).collect()
                });
            }
            Form::Qualified => self.add(&inside.relations, |all| {
                all.iter().map(Relation::sql_name).collect()
            }),
            Form::Function => self.add(&inside.functions, |all| {
                all.iter().map(Function::sql_name).collect()
            }),
            Form::Line | Form::Other => {}
        }
    }

    /// What is inside a database and is of this kind: by itself and behind the database's name, quoted and bare.
    fn add_named(&mut self, inside: &DatabaseFacts, kind: NamedKind) {
        let mut names = Self::complete();
        match kind {
            NamedKind::Schema => names.add(&inside.schemas, |all| {
                all.iter()
                    .flat_map(|one| [quote_ident(&one.name), one.name.clone()])
                    .collect()
            }),
            NamedKind::Publication => names.add(&inside.publications, |all| {
                all.iter()
                    .flat_map(|one| [quote_ident(&one.name), one.name.clone()])
                    .collect()
            }),
            NamedKind::Relation => names.add(&inside.relations, |all| {
                all.iter()
                    .flat_map(|one| [one.sql_name(), format!("{}.{}", one.schema_name, one.name)])
                    .collect()
            }),
            NamedKind::Function => names.add(&inside.functions, |all| {
                all.iter()
                    .flat_map(|one| {
                        [
                            qualified(&one.schema_name, &one.name),
                            format!("{}.{}", one.schema_name, one.name),
                        ]
                    })
                    .collect()
            }),
            NamedKind::Extension => self.add(&inside.extensions, |all| {
                all.iter().map(|one| one.name.clone()).collect()
            }),
            NamedKind::ColumnName => self.add(&inside.columns, |all| {
                all.iter().map(|one| one.name.clone()).collect()
            }),
            NamedKind::Column => names.add_columns(inside),
            NamedKind::Role | NamedKind::Database => {}
        }
        self.is_complete &= names.is_complete;
        let database = [quote_ident(&inside.name), inside.name.clone()];
        for name in names.all {
            for database in &database {
                self.all.insert(format!("{database}.{name}"));
            }
            self.all.insert(name);
        }
    }

    fn add_columns(&mut self, inside: &DatabaseFacts) {
        let (Ok(relations), Ok(columns)) = (inside.relations.here(), inside.columns.here()) else {
            self.is_complete = false;
            return;
        };
        let mut tables: HashMap<u32, [String; 2]> = HashMap::new();
        for relation in relations.value {
            let forms = [
                qualified(&relation.schema_name, &relation.name),
                format!("{}.{}", relation.schema_name, relation.name),
            ];
            self.all
                .extend(forms.iter().map(|table| format!("{table}.*")));
            tables.insert(relation.oid, forms);
        }
        for column in columns.value {
            let Some([quoted, bare]) = tables.get(&column.relation) else {
                continue;
            };
            self.all
                .insert(format!("{quoted}.{}", quote_ident(&column.name)));
            self.all.insert(format!("{bare}.{}", column.name));
        }
    }
}

impl Form {
    /// The form of a name or pattern.
    pub(super) fn of(subject: &str) -> Self {
        let (mut dots, mut has_space, mut has_paren, mut quoted) = (0, false, false, false);
        let mut after_colon = None;
        for (at, c) in subject.char_indices() {
            match c {
                '"' => quoted = !quoted,
                _ if quoted => {}
                '.' => dots += 1,
                '(' => has_paren = true,
                ':' => after_colon = subject.get(at + 1..),
                c if c.is_whitespace() => has_space = true,
                _ => {}
            }
        }
        let is_line = after_colon.is_some_and(|line| {
            !line.is_empty()
                && line
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'*')
        });
        match (is_line, has_paren, has_space, dots) {
            _ if quoted => Self::Other,
            (true, ..) => Self::Line,
            (_, true, ..) => Self::Function,
            (_, _, true, _) => Self::Other,
            (.., 0) => Self::Single,
            (.., 1) => Self::Qualified,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn a_name_tells_what_it_may_be_the_name_of() {
        for (subject, form) in [
            ("app", Form::Single),
            ("\"we\"\"ird. name\"", Form::Single),
            ("public.orders", Form::Qualified),
            ("public.\"a.b c\"", Form::Qualified),
            ("*", Form::Single),
            ("public.*", Form::Qualified),
            ("public.total(integer, text)", Form::Function),
            ("pg_hba.conf:12", Form::Line),
            ("pg_hba.conf:*", Form::Line),
            ("p ON public.orders", Form::Other),
            ("\"open", Form::Other),
        ] {
            assert_eq!(Form::of(subject), form, "{subject}");
        }
    }
}
