//! What drafts give other owners, done to facts: `ALTER .. OWNER TO`, told by the text that names of the facts would give it.

use crate::draft::Draft;
use pgattest_model::facts::{
    Acl, AclClass, DatabaseFacts, Function, Oid, Relation, RelationKind, Role, Schema, SequenceUse,
};
use pgattest_model::ident::quote_ident;
use pgattest_model::plan::{Action, Risk};
use pgattest_model::{Collected, Facts};
use std::collections::{BTreeMap, HashMap};

const BETWEEN: &str = " OWNER TO ";

/// Gives what the drafts alter to its new owner. A role that the drafts make is there afterwards, and can do nothing else.
///
/// What former owners are granted in return is left out: a declared service's, or what an owner does without changing anything.
pub(crate) fn hand_over(facts: &mut Facts, drafts: &[(&'static str, Draft)]) {
    let statements: Vec<(Option<&str>, &str)> = drafts
        .iter()
        .filter(|(_, draft)| draft.risk != Risk::ByHand)
        .filter_map(|(_, draft)| match &draft.action {
            Action::Sql {
                database,
                statements,
            } => Some((database.as_deref(), statements)),
            _ => None,
        })
        .flat_map(|(database, statements)| {
            let texts = statements.iter().map(|text| text.trim_end_matches(';'));
            texts.map(move |text| (database, text))
        })
        .collect();
    if !statements.iter().any(|(_, text)| text.contains(BETWEEN)) {
        return;
    }
    let roles = with_new(facts, &statements);
    let mut moves: BTreeMap<Option<&str>, HashMap<&str, Oid>> = BTreeMap::new();
    for (database, text) in &statements {
        let Some(what) = text.strip_prefix("ALTER ") else {
            continue;
        };
        // A name may hold the words between: whatever stands after the right ones is a role.
        let found = what.match_indices(BETWEEN).find_map(|(at, _)| {
            Some((
                what.get(..at)?,
                *roles.get(what.get(at + BETWEEN.len()..)?)?,
            ))
        });
        if let Some((thing, owner)) = found {
            // A database is altered from wherever one is connected.
            let place = if thing.starts_with("DATABASE ") {
                None
            } else {
                *database
            };
            moves.entry(place).or_default().insert(thing, owner);
        }
    }
    if let Some(moved) = moves.get(&None) {
        databases(facts, moved);
    }
    for database in &mut facts.inside {
        let name = database.name.clone();
        if let Some(moved) = moves.get(&Some(name.as_str())) {
            inside(database, moved);
        }
    }
}

/// Roles by their names as SQL, with those that are made.
fn with_new(facts: &mut Facts, statements: &[(Option<&str>, &str)]) -> HashMap<String, Oid> {
    let Collected::Here { value: roles, .. } = &mut facts.roles else {
        return HashMap::new();
    };
    let mut oids: HashMap<String, Oid> = roles
        .iter()
        .map(|role| (quote_ident(&role.name), role.oid))
        .collect();
    let mut oid = Oid::MAX;
    for (_, text) in statements {
        let name = text
            .strip_prefix("CREATE ROLE ")
            .and_then(|rest| rest.strip_suffix(" NOLOGIN"));
        let Some(name) = name.filter(|name| !oids.contains_key(*name)) else {
            continue;
        };
        oids.insert(name.to_owned(), oid);
        roles.push(Role {
            oid,
            name: unquoted(name),
            superuser: false,
            inherit: true,
            create_role: false,
            create_db: false,
            can_login: false,
            replication: false,
            bypass_rls: false,
            connection_limit: -1,
            valid_until: String::new(),
            expired: false,
        });
        oid -= 1;
    }
    oids
}

fn databases(facts: &mut Facts, moved: &HashMap<&str, Oid>) {
    let mut owners: HashMap<(AclClass, Oid), Oid> = HashMap::new();
    for database in rows(&mut facts.databases) {
        let name = format!("DATABASE {}", quote_ident(&database.name));
        if let Some(owner) = moved.get(name.as_str()) {
            database.owner = *owner;
            owners.insert((AclClass::Database, database.oid), *owner);
        }
    }
    regrant(rows(&mut facts.shared_acls), &owners);
}

fn inside(database: &mut DatabaseFacts, moved: &HashMap<&str, Oid>) {
    let mut owners: HashMap<(AclClass, Oid), Oid> = HashMap::new();
    for schema in rows::<Schema>(&mut database.schemas) {
        let name = format!("SCHEMA {}", quote_ident(&schema.name));
        if let Some(owner) = moved.get(name.as_str()) {
            schema.owner = *owner;
            owners.insert((AclClass::Schema, schema.oid), *owner);
        }
    }
    for function in rows::<Function>(&mut database.functions) {
        let name = format!("{} {}", function.sql_kind(), function.sql_name());
        if let Some(owner) = moved.get(name.as_str()) {
            function.owner = *owner;
            owners.insert((AclClass::Function, function.oid), *owner);
        }
    }
    let following: HashMap<Oid, Oid> = rows(&mut database.column_sequences)
        .iter()
        .filter(|row| row.relationship != SequenceUse::Default)
        .map(|row| (row.sequence, row.relation))
        .collect();
    let relations: &mut [Relation] = rows(&mut database.relations);
    for relation in relations.iter() {
        let keyword = match relation.kind {
            RelationKind::Table | RelationKind::Partitioned => "TABLE",
            RelationKind::Foreign => "FOREIGN TABLE",
            RelationKind::View => "VIEW",
            RelationKind::MaterializedView => "MATERIALIZED VIEW",
            RelationKind::Sequence => "SEQUENCE",
        };
        let name = format!("{keyword} {}", relation.sql_name());
        if let Some(owner) = moved.get(name.as_str()) {
            owners.insert((AclClass::Relation, relation.oid), *owner);
        }
    }
    for relation in relations {
        // A sequence goes with the table whose column it numbers.
        let leads = following
            .get(&relation.oid)
            .copied()
            .unwrap_or(relation.oid);
        if let Some(owner) = owners.get(&(AclClass::Relation, leads)).copied() {
            relation.owner = owner;
            owners.insert((AclClass::Relation, relation.oid), owner);
        }
    }
    let acls: &mut [Acl] = rows(&mut database.acls);
    for acl in acls.iter().filter(|acl| acl.class == AclClass::Type) {
        let name = format!("TYPE {}", acl.name);
        if let Some(owner) = moved.get(name.as_str()) {
            owners.insert((AclClass::Type, acl.object), *owner);
        }
    }
    regrant(acls, &owners);
}

/// As the server does it: what the former owner gave, and what it had, is the new owner's.
fn regrant(acls: &mut [Acl], owners: &HashMap<(AclClass, Oid), Oid>) {
    for acl in acls {
        // Columns go with their relation.
        let class = if acl.class == AclClass::Column {
            AclClass::Relation
        } else {
            acl.class
        };
        let Some(owner) = owners.get(&(class, acl.object)) else {
            continue;
        };
        let old = std::mem::replace(&mut acl.owner, *owner);
        for role in [&mut acl.grantor, &mut acl.grantee] {
            if *role == old {
                *role = *owner;
            }
        }
    }
}

/// What `quote_ident` made the name of.
fn unquoted(name: &str) -> String {
    let inner = name
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.map_or_else(|| name.to_owned(), |inner| inner.replace("\"\"", "\""))
}

/// The rows of a group; none of one that is missing.
fn rows<T>(group: &mut Collected<Vec<T>>) -> &mut [T] {
    match group {
        Collected::Here { value, .. } => value,
        Collected::Missing(_) => &mut [],
    }
}
