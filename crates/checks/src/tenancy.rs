//! How tenants are told apart: declared in the policy file, or inferred from the policies and the column names that exist.
//!
//! Inference is for each database on its own, from the strongest sign to the weakest:
//!
//! 1. the policy file names the column: nothing is inferred;
//! 2. row-level security policies compare a column of their own table with something that is not a constant;
//! 3. several tables carry a column whose name says tenant (`tenant_id`), or, when neither 2 nor that is there, whose name is
//!    one that tenants go by (`org_id`, `workspace_id`, `account_id` ..).
//!
//! Spellings of one name (`tenant_id`, `tenantId`) are one column. A schema none of whose tables carries what was found is looked
//! at by itself: teams name their tenants differently.
//!
//! A wrong guess costs a finding that says "inferred", never a pass.

mod names;
mod usage;

pub(crate) use names::plain as plain_name;

use crate::context::Context;
use names::Tier;
use pgattest_model::facts::{Column, DatabaseFacts, Oid, Relation};
use pgattest_model::ident::quote_ident;
use pgattest_model::{Collected, Facts, Policy};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The columns that hold a row's tenant, and where the knowledge comes from.
#[derive(Debug)]
pub struct Tenancy {
    /// By database. A database whose relations and columns are not here is not among them.
    columns: BTreeMap<Oid, Columns>,
}

/// Names of tenant columns.
type Names = BTreeMap<String, Source>;

/// The tenant columns of one database.
#[derive(Debug, Default)]
struct Columns {
    everywhere: Names,
    /// For schemas none of whose tables carries one of those.
    in_schemas: BTreeMap<Oid, Names>,
}

impl Columns {
    fn is_empty(&self) -> bool {
        self.everywhere.is_empty() && self.in_schemas.is_empty()
    }

    /// How it is known that a column of this name, of a table of this schema, holds the tenant.
    fn source(&self, schema: Oid, name: &str) -> Option<Source> {
        let here = self.in_schemas.get(&schema);
        self.everywhere
            .get(name)
            .or_else(|| here?.get(name))
            .copied()
    }
}

/// How it is known that a table holds rows of several tenants. The surest first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// The policy file says so.
    Declared,
    /// Policies on tables of the same database tell tenants apart by that column.
    Policies,
    /// Nothing but the column's name.
    Name,
}

/// A table that holds rows of several tenants.
#[derive(Clone, Copy, Debug)]
pub struct TenantTable<'a> {
    /// The table or partitioned table.
    pub relation: &'a Relation,
    /// The column that holds the tenant; `None` for a table that is declared without having one.
    pub column: Option<&'a Column>,
    /// How it is known.
    pub source: Source,
}

impl Tenancy {
    /// What can be said about tenants from these facts under this policy.
    pub fn infer(facts: &Facts, policy: &Policy) -> Self {
        let columns = facts
            .inside
            .iter()
            .filter_map(|database| {
                let tables = Tables::of(database)?;
                let columns = match &policy.tenancy.column {
                    Some(column) => Columns {
                        everywhere: BTreeMap::from([(column.clone(), Source::Declared)]),
                        in_schemas: BTreeMap::new(),
                    },
                    None => tables.infer(database),
                };
                Some((database.oid, columns))
            })
            .collect();
        Self { columns }
    }

    /// Whether it is known which tables of this database hold rows of several tenants: a column is declared, or one is inferred
    /// for it, or tables of it are declared. Where it is not, nothing can be said about its tables.
    pub fn is_known(&self, database: &DatabaseFacts, policy: &Policy) -> bool {
        let inferred = self
            .columns
            .get(&database.oid)
            .is_some_and(|columns| !columns.is_empty());
        inferred
            || Tables::of(database).is_some_and(|tables| {
                tables
                    .relations
                    .iter()
                    .any(|relation| is_listed(&policy.tenancy.tables, database, relation))
            })
    }

    /// Tables of this database that hold rows of several tenants: they carry a tenant column or are declared, and are not
    /// declared as shared. In the order of the facts. `None` when the database's relations or columns are not here.
    pub fn tables<'a>(
        &self,
        database: &'a DatabaseFacts,
        policy: &Policy,
    ) -> Option<Vec<TenantTable<'a>>> {
        let mut tables = self.candidates(database, policy)?;
        tables.retain(|table| !is_listed(&policy.tenancy.shared, database, table.relation));
        Some(tables)
    }

    /// Whether a table of this database would be multi-tenant, were it not declared as shared.
    pub fn shares_any(&self, database: &DatabaseFacts, policy: &Policy) -> bool {
        self.candidates(database, policy).is_some_and(|tables| {
            tables
                .iter()
                .any(|table| is_listed(&policy.tenancy.shared, database, table.relation))
        })
    }

    /// Tables that carry a tenant column or are declared, shared or not.
    fn candidates<'a>(
        &self,
        database: &'a DatabaseFacts,
        policy: &Policy,
    ) -> Option<Vec<TenantTable<'a>>> {
        let Tables { relations, carried } = Tables::of(database)?;
        let known = self.columns.get(&database.oid)?;
        let schemas: HashMap<Oid, Oid> = relations
            .iter()
            .map(|relation| (relation.oid, relation.schema))
            .collect();
        let mut columns: BTreeMap<Oid, (Source, &Column)> = BTreeMap::new();
        for column in carried {
            let schema = schemas.get(&column.relation).copied().unwrap_or_default();
            if let Some(source) = known.source(schema, &column.name) {
                let best = columns.entry(column.relation).or_insert((source, column));
                if source < best.0 {
                    *best = (source, column);
                }
            }
        }
        let tables = relations.into_iter().filter_map(|relation| {
            let column = columns.get(&relation.oid);
            let declared =
                is_listed(&policy.tenancy.tables, database, relation).then_some(Source::Declared);
            Some(TenantTable {
                relation,
                column: column.map(|(_, column)| *column),
                source: declared.or(column.map(|(source, _)| *source))?,
            })
        });
        Some(tables.collect())
    }
}

impl Source {
    /// In words, to follow "which is".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Declared => "declared in the policy file",
            Self::Policies => "inferred from existing policies",
            Self::Name => "inferred from the column's name",
        }
    }
}

/// Whether a list of the policy file names the relation, as `schema.name` or `database.schema.name`, quoted as SQL would.
pub fn is_listed(list: &BTreeSet<String>, database: &DatabaseFacts, relation: &Relation) -> bool {
    if list.is_empty() {
        return false;
    }
    let name = relation.sql_name();
    list.contains(&name) || list.contains(&format!("{}.{name}", quote_ident(&database.name)))
}

/// Names in `tenancy.tables` that no table of any database has: a misspelt name must not pass for a table that was tested.
pub fn unknown_tables<'a>(context: &Context<'a>) -> Vec<&'a str> {
    let wanted = &context.policy.tenancy.tables;
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut unknown: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
    for database in &context.facts.inside {
        let Collected::Here {
            value: relations, ..
        } = &database.relations
        else {
            continue;
        };
        for relation in relations
            .iter()
            .filter(|relation| relation.can_have_policies())
        {
            let name = relation.sql_name();
            unknown.remove(name.as_str());
            unknown.remove(format!("{}.{name}", quote_ident(&database.name)).as_str());
        }
    }
    unknown.into_iter().collect()
}

/// The tables of one database, or of a schema of it, that could hold tenants' rows: neither an extension's nor temporary.
#[derive(Default)]
struct Tables<'a> {
    relations: Vec<&'a Relation>,
    /// Their columns.
    carried: Vec<&'a Column>,
}

impl<'a> Tables<'a> {
    fn of(database: &'a DatabaseFacts) -> Option<Self> {
        let Collected::Here {
            value: relations, ..
        } = &database.relations
        else {
            return None;
        };
        let Collected::Here { value: columns, .. } = &database.columns else {
            return None;
        };
        let relations: Vec<&Relation> = relations
            .iter()
            .filter(|relation| {
                relation.can_have_policies()
                    && relation.extension == 0
                    && relation.persistence != "t"
            })
            .collect();
        let oids: BTreeSet<Oid> = relations.iter().map(|relation| relation.oid).collect();
        let carried = columns
            .iter()
            .filter(|column| oids.contains(&column.relation))
            .collect();
        Some(Self { relations, carried })
    }

    fn infer(&self, database: &DatabaseFacts) -> Columns {
        let everywhere = self.names(database);
        let mut schemas: BTreeMap<Oid, Self> = BTreeMap::new();
        let mut schema_of: HashMap<Oid, Oid> = HashMap::new();
        for relation in &self.relations {
            schema_of.insert(relation.oid, relation.schema);
            let schema = schemas.entry(relation.schema).or_default();
            schema.relations.push(relation);
        }
        for column in &self.carried {
            let schema = schema_of.get(&column.relation);
            if let Some(tables) = schema.and_then(|schema| schemas.get_mut(schema)) {
                tables.carried.push(column);
            }
        }
        let mut in_schemas = BTreeMap::new();
        for (schema, tables) in schemas {
            let is_covered = |column: &&Column| everywhere.contains_key(&column.name);
            if everywhere.is_empty() || tables.carried.iter().any(is_covered) {
                continue;
            }
            // Beside tenants that are known, a column that merely some policy looks at (`user_id`) is not enough.
            let mut names = tables.names(database);
            names.retain(|name, _| names::tier(name).is_some());
            if !names.is_empty() {
                in_schemas.insert(schema, names);
            }
        }
        Columns {
            everywhere,
            in_schemas,
        }
    }

    /// Tenant columns of these tables, by the signs in their order.
    fn names(&self, database: &DatabaseFacts) -> Names {
        let by_policies = usage::tenant_columns(database, &self.carried);
        let mut by_name = self.telling(Tier::Tenant);
        for tier in [Tier::Organization, Tier::Account] {
            if by_policies.is_empty() && by_name.is_empty() {
                by_name = self.telling(tier);
            }
        }
        let spelt: BTreeSet<String> = by_policies.iter().map(|name| names::plain(name)).collect();
        let variants = self
            .carried
            .iter()
            .filter(|column| spelt.contains(&names::plain(&column.name)))
            .map(|column| column.name.clone());
        let mut columns: Names = by_name
            .into_iter()
            .chain(variants)
            .map(|name| (name, Source::Name))
            .collect();
        columns.extend(by_policies.into_iter().map(|name| (name, Source::Policies)));
        columns
    }

    /// Column names of this tier that several tables carry, however they spell it. Partitions of one table are one table: twelve
    /// months of one log are no sign of a multi-tenant schema.
    fn telling(&self, tier: Tier) -> BTreeSet<String> {
        let partitions: BTreeSet<Oid> = self
            .relations
            .iter()
            .filter(|relation| relation.is_partition)
            .map(|relation| relation.oid)
            .collect();
        let mut tables: BTreeMap<String, (BTreeSet<Oid>, BTreeSet<&str>)> = BTreeMap::new();
        for column in self
            .carried
            .iter()
            .filter(|column| !partitions.contains(&column.relation))
        {
            if names::tier(&column.name) == Some(tier) {
                let (carriers, spellings) = tables.entry(names::plain(&column.name)).or_default();
                carriers.insert(column.relation);
                spellings.insert(&column.name);
            }
        }
        tables
            .into_values()
            .filter(|(carriers, _)| carriers.len() >= 2)
            .flat_map(|(_, spellings)| spellings)
            .map(str::to_owned)
            .collect()
    }
}

#[cfg(test)]
mod tests;
