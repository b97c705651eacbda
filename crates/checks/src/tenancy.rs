//! How tenants are told apart: declared in the policy or inferred from the policies that already exist.

use pgattest_model::facts::{Column, DatabaseFacts, Oid, Relation};
use pgattest_model::{Collected, Facts, Policy};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The columns that hold a row's tenant, by name, and where the knowledge comes from.
#[derive(Debug)]
pub(crate) struct Tenancy {
    /// Column names. Empty: nobody said, and nothing could be inferred.
    pub(crate) columns: BTreeSet<String>,
    /// Whether the policy file declared them.
    pub(crate) declared: bool,
}

impl Tenancy {
    /// The declared column, or each column that the expression of some policy compares on its own table and that several
    /// policies share by name.
    ///
    /// One policy on `owner_id` does not make every `owner_id` a tenant column: a name counts when more than half of the
    /// tables with policies use it in one, and a table's own key (`id`) never counts.
    pub(crate) fn infer(facts: &Facts, policy: &Policy) -> Self {
        if let Some(column) = &policy.tenancy.column {
            return Self { columns: BTreeSet::from([column.clone()]), declared: true };
        }
        let mut tables_by_column: BTreeMap<String, usize> = BTreeMap::new();
        let mut tables_with_policies = 0;
        for database in &facts.inside {
            count_policy_columns(database, &mut tables_by_column, &mut tables_with_policies);
        }
        let columns = tables_by_column
            .into_iter()
            .filter(|(name, tables)| name != "id" && tables * 2 > tables_with_policies)
            .map(|(name, _)| name)
            .collect();
        Self { columns, declared: false }
    }

    /// Tables of this database that hold rows of several tenants: they carry a tenant column or are declared, and are not
    /// declared as shared. `None` when the database's relations or columns are not here.
    pub(crate) fn tables<'a>(&self, database: &'a DatabaseFacts, policy: &Policy) -> Option<Vec<&'a Relation>> {
        let Collected::Here { value: relations, .. } = &database.relations else { return None };
        let Collected::Here { value: columns, .. } = &database.columns else { return None };
        let carrying: BTreeSet<Oid> =
            columns.iter().filter(|column| self.columns.contains(&column.name)).map(|column| column.relation).collect();
        Some(
            relations
                .iter()
                .filter(|relation| relation.can_have_policies() && relation.extension == 0 && relation.persistence != "t")
                .filter(|relation| {
                    let declared = is_listed(&policy.tenancy.tables, database, relation);
                    let shared = is_listed(&policy.tenancy.shared, database, relation);
                    (carrying.contains(&relation.oid) || declared) && !shared
                })
                .collect(),
        )
    }

    /// The columns in words: `tenant_id` or `tenant_id or org_id`.
    pub(crate) fn columns_in_words(&self) -> String {
        self.columns.iter().cloned().collect::<Vec<_>>().join(" or ")
    }
}

fn is_listed(list: &BTreeSet<String>, database: &DatabaseFacts, relation: &Relation) -> bool {
    let name = relation.sql_name();
    list.contains(&name) || list.contains(&format!("{}.{name}", pgattest_model::ident::quote_ident(&database.name)))
}

fn count_policy_columns(database: &DatabaseFacts, tables_by_column: &mut BTreeMap<String, usize>, tables: &mut usize) {
    let (
        Collected::Here { value: policies, .. },
        Collected::Here { value: used, .. },
        Collected::Here { value: columns, .. },
    ) = (&database.policies, &database.policy_columns, &database.columns)
    else {
        return;
    };
    let names: HashMap<(Oid, i16), &Column> = columns.iter().map(|column| ((column.relation, column.number), column)).collect();
    let table_of: HashMap<Oid, Oid> = policies.iter().map(|policy| (policy.oid, policy.relation)).collect();
    let mut seen: BTreeSet<(Oid, &str)> = BTreeSet::new();
    for usage in used {
        let own_table = table_of.get(&usage.policy) == Some(&usage.relation);
        if let (true, Some(column)) = (own_table, names.get(&(usage.relation, usage.column))) {
            seen.insert((usage.relation, column.name.as_str()));
        }
    }
    *tables += policies.iter().map(|policy| policy.relation).collect::<BTreeSet<_>>().len();
    for (_, name) in seen {
        *tables_by_column.entry(name.to_owned()).or_default() += 1;
    }
}
