//! A policy on the tenant's column reads it for every statement: an index leads with it.

use super::targets::targets;
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::Planning;
use pgattest_model::Missing;
use pgattest_model::facts::{Column, DatabaseFacts, Index, Oid, Relation, RelationKind};
use pgattest_model::ident::{qualified, quote_ident, quote_literal, visible};
use pgattest_model::plan::{Action, Impact, ImpactKind, Need, Stage, Undo};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// `CREATE INDEX CONCURRENTLY` on the tenant column of tables that get a policy.
#[derive(Clone, Copy, Debug)]
pub struct TenantIndexes;

/// The longest name that the server keeps, in bytes.
const LONGEST: usize = 63;

impl Kind for TenantIndexes {
    fn name(&self) -> &'static str {
        "tenant-index"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["RLS-01"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let targets = targets(planning);
        let mut drafts = Vec::new();
        for database in &planning.context.facts.inside {
            let mut here = targets
                .iter()
                .filter(|target| target.database.oid == database.oid)
                .filter(|target| matches!(&target.steps, Ok(steps) if steps.policy.is_some()))
                .filter_map(|target| Some((target.relation, target.tenant?.column?)))
                .peekable();
            if here.peek().is_none() {
                continue;
            }
            let mut inside = Inside::join(database)?;
            let here: Vec<_> = here.collect();
            // Partitioned tables first: they decide for their partitions.
            for partitioned in [true, false] {
                for (relation, column) in &here {
                    if (relation.kind == RelationKind::Partitioned) != partitioned {
                        continue;
                    }
                    if partitioned {
                        drafts.extend(inside.partitioned(relation, column));
                    } else {
                        drafts.extend(inside.table(relation, column).map(|(_, draft)| draft));
                    }
                }
            }
        }
        Ok(drafts)
    }
}

/// One database, joined.
struct Inside<'a> {
    database: &'a DatabaseFacts,
    relations: HashMap<Oid, &'a Relation>,
    columns: HashMap<(Oid, &'a str), &'a Column>,
    indexes: HashMap<Oid, Vec<&'a Index>>,
    children: BTreeMap<Oid, Vec<Oid>>,
    /// Names in use, by schema.
    taken: HashMap<Oid, BTreeSet<String>>,
    /// Tables that have such an index or are to get one.
    done: BTreeSet<Oid>,
}

impl<'a> Inside<'a> {
    fn join(database: &'a DatabaseFacts) -> Result<Self, Missing> {
        let relations = database.relations.here()?.value;
        let by_oid: HashMap<Oid, &Relation> = relations.iter().map(|row| (row.oid, row)).collect();
        let mut taken: HashMap<Oid, BTreeSet<String>> = HashMap::new();
        for relation in relations {
            taken
                .entry(relation.schema)
                .or_default()
                .insert(relation.name.clone());
        }
        let mut indexes: HashMap<Oid, Vec<&Index>> = HashMap::new();
        for index in database.indexes.here()?.value {
            indexes.entry(index.relation).or_default().push(index);
            if let Some(relation) = by_oid.get(&index.relation) {
                taken
                    .entry(relation.schema)
                    .or_default()
                    .insert(index.name.clone());
            }
        }
        let mut children: BTreeMap<Oid, Vec<Oid>> = BTreeMap::new();
        for row in database.inheritance.here()?.value {
            children.entry(row.parent).or_default().push(row.child);
        }
        Ok(Self {
            database,
            relations: by_oid,
            columns: database
                .columns
                .here()?
                .value
                .iter()
                .map(|column| ((column.relation, column.name.as_str()), column))
                .collect(),
            indexes,
            children,
            taken,
            done: BTreeSet::new(),
        })
    }

    /// An index on a table with rows of its own, with its name; `None` when it has one.
    fn table(&mut self, relation: &Relation, column: &Column) -> Option<(String, Draft)> {
        if self.done.contains(&relation.oid) || self.is_led(relation, &column.name) {
            return None;
        }
        self.done.insert(relation.oid);
        let index = self.free_name(relation, &column.name);
        let (table, quoted) = (
            relation.sql_name(),
            qualified(&relation.schema_name, &index),
        );
        let action = Action::SqlAlone {
            database: self.database.name.clone(),
            before: Some(clear(&quoted, &table)),
            statement: format!(
                "CREATE INDEX CONCURRENTLY {} ON {table} ({});",
                quote_ident(&index),
                quote_ident(&column.name)
            ),
        };
        let undo = Undo::By(Action::SqlAlone {
            database: self.database.name.clone(),
            before: None,
            statement: format!("DROP INDEX CONCURRENTLY IF EXISTS {quoted};"),
        });
        let draft = Draft::new(title(&table, &column.name), Stage::Indexes, action, undo)
            .needing(Need::Lock {
                mode: "SHARE UPDATE EXCLUSIVE".to_owned(),
                on: table.clone(),
            })
            .affecting([Impact {
                kind: ImpactKind::Slowed,
                subject: table.clone(),
                detail: format!(
                    "{table} is read twice while its index is built{}, and can be read and written meanwhile",
                    if relation.estimated_rows >= 0.0 {
                        format!(" (about {:.0} rows)", relation.estimated_rows)
                    } else {
                        String::new()
                    }
                ),
                observations: self.observations(),
            }]);
        Some((index, draft))
    }

    /// Indexes on the partitions, one after the other, and then one on the partitioned table that takes them in, so that partitions
    /// made later have it too. The server cannot build the latter while the table is written.
    fn partitioned(&mut self, root: &Relation, column: &Column) -> Vec<Draft> {
        if self.done.contains(&root.oid) || self.is_led(root, &column.name) {
            return Vec::new();
        }
        let tree = self.tree(root.oid);
        let leaves: Vec<&Relation> = tree
            .iter()
            .copied()
            .filter(|relation| relation.kind == RelationKind::Table)
            .collect();
        // An index above takes in only equal ones, one of every partition; a foreign table has none.
        let is_whole = tree.iter().all(|relation| {
            relation.kind != RelationKind::Foreign && !self.is_led(relation, &column.name)
        });
        let mut drafts = Vec::new();
        let mut names: BTreeMap<Oid, (&Relation, String)> = BTreeMap::new();
        for leaf in leaves {
            let leaf_column = self.columns.get(&(leaf.oid, column.name.as_str())).copied();
            if let Some((index, draft)) = leaf_column.and_then(|column| self.table(leaf, column)) {
                names.insert(leaf.oid, (leaf, index));
                drafts.push(draft);
            }
        }
        if is_whole {
            drafts.push(self.above(root, column, &tree, &mut names));
        }
        drafts
    }

    /// The index on the partitioned table, and on those under it, that takes in those of the partitions.
    fn above(
        &mut self,
        root: &Relation,
        column: &Column,
        tree: &[&'a Relation],
        names: &mut BTreeMap<Oid, (&'a Relation, String)>,
    ) -> Draft {
        let mut create = Vec::new();
        let mut needs = Vec::new();
        let inner: Vec<&Relation> = tree
            .iter()
            .copied()
            .filter(|relation| relation.kind == RelationKind::Partitioned)
            .collect();
        for relation in &inner {
            self.done.insert(relation.oid);
            let index = self.free_name(relation, &column.name);
            create.push(format!(
                "CREATE INDEX {} ON ONLY {} ({});",
                quote_ident(&index),
                relation.sql_name(),
                quote_ident(&column.name)
            ));
            needs.push(Need::Lock {
                mode: "SHARE".to_owned(),
                on: relation.sql_name(),
            });
            names.insert(relation.oid, (relation, index));
        }
        let index_of = |oid: &Oid| {
            names
                .get(oid)
                .map(|(relation, index)| qualified(&relation.schema_name, index))
        };
        for relation in &inner {
            for child in self.children.get(&relation.oid).into_iter().flatten() {
                if let (Some(above), Some(below)) = (index_of(&relation.oid), index_of(child)) {
                    create.push(format!("ALTER INDEX {above} ATTACH PARTITION {below};"));
                }
            }
        }
        let undo = index_of(&root.oid).map(|index| format!("DROP INDEX {index};"));
        let mut draft = Draft::sql(
            title(&root.sql_name(), &column.name),
            Stage::Indexes,
            Some(&self.database.name),
            create,
            undo.into_iter().collect(),
        );
        for need in needs {
            draft = draft.needing(need);
        }
        draft.note("taken back, it takes the partitions' indexes with it")
    }

    /// A partitioned table and everything under it, each before what is under it.
    fn tree(&self, root: Oid) -> Vec<&'a Relation> {
        let mut seen = BTreeSet::from([root]);
        let mut order = vec![root];
        let mut at = 0;
        while let Some(parent) = order.get(at).copied() {
            at += 1;
            for child in self.children.get(&parent).into_iter().flatten() {
                if seen.insert(*child) {
                    order.push(*child);
                }
            }
        }
        order
            .into_iter()
            .filter_map(|oid| self.relations.get(&oid).copied())
            .collect()
    }

    /// Whether an index finds a tenant's rows.
    fn is_led(&self, relation: &Relation, column: &str) -> bool {
        let Some(column) = self.columns.get(&(relation.oid, column)) else {
            return false;
        };
        self.indexes
            .get(&relation.oid)
            .into_iter()
            .flatten()
            .any(|index| {
                index.valid
                    && !index.partial
                    && index.leading_column == column.number
                    && matches!(index.method.as_str(), "btree" | "hash")
            })
    }

    /// A name for the index that nothing in the schema has, but for what an earlier try left of this very index.
    fn free_name(&mut self, relation: &Relation, column: &str) -> String {
        let taken = self.taken.entry(relation.schema).or_default();
        let remains = |name: &str| {
            self.indexes
                .get(&relation.oid)
                .into_iter()
                .flatten()
                .any(|index| !index.valid && index.name == name)
                && relation.kind == RelationKind::Table
        };
        let stem = format!("{}_{column}", relation.name);
        let mut number = 0_u32;
        loop {
            let end = match number {
                0 => "_idx".to_owned(),
                more => format!("_idx{more}"),
            };
            let mut cut = LONGEST - end.len();
            while !stem.is_char_boundary(cut.min(stem.len())) {
                cut -= 1;
            }
            let name = format!("{}{end}", stem.get(..cut).unwrap_or(&stem));
            if !taken.contains(&name) || remains(&name) {
                taken.insert(name.clone());
                return name;
            }
            number += 1;
        }
    }

    fn observations(&self) -> Vec<pgattest_model::ObservationId> {
        [
            self.database.indexes.here().map(|seen| seen.from),
            self.database.relations.here().map(|seen| seen.from),
        ]
        .into_iter()
        .flatten()
        .cloned()
        .collect()
    }
}

fn title(table: &str, column: &str) -> String {
    format!(
        "give {} an index on {}",
        visible(table),
        visible(&quote_ident(column))
    )
}

/// Drops what a build that failed left behind, and nothing else. `DROP INDEX CONCURRENTLY` cannot ask first.
fn clear(index: &str, table: &str) -> String {
    let body = format!(
        "BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_index AS i \
         WHERE i.indexrelid = pg_catalog.to_regclass({}) AND i.indrelid = pg_catalog.to_regclass({}) AND NOT i.indisvalid) \
         THEN DROP INDEX {index}; END IF; END",
        quote_literal(index),
        quote_literal(table)
    );
    format!("DO {};", quote_literal(&body))
}
