//! Adding what was inferred to a policy file, keeping everything that stands there.

use pgattest_model::ident::visible;
use pgattest_planner::inference::{Inferred, InferredService};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, TableLike, TomlError, Value};

const HEADER: &str = "\
# What the organisation intends, so that an audit can tell a decision from an accident.
#
# Drafted by `pgattest init` from a live cluster. What is marked `inferred` is what the cluster looks like now, and nobody's
# decision yet: read each, narrow it, and take the mark away. Running init again adds what is new and changes nothing of yours.
";

/// The longest list that one line holds.
const LINE: usize = 100;

/// The text with every key and entry that was inferred and is not there yet.
pub(super) fn merge(existing: &str, inferred: &Inferred) -> Result<String, TomlError> {
    let mut document: DocumentMut = existing.parse()?;
    let is_new = existing.trim().is_empty();
    access(
        section(&mut document, "access", "Who may hold what."),
        inferred,
    );
    tenancy(
        section(&mut document, "tenancy", "How tenants are told apart."),
        inferred,
    );
    logging(section(
        &mut document,
        "logging",
        "What must be logged, and how long it is kept. Where the log is shipped to cannot be seen from the cluster.",
    ));
    transport(
        section(
            &mut document,
            "transport",
            "How connections must be protected.",
        ),
        inferred,
    );
    services(&mut document, inferred);
    classification(&mut document, inferred);
    let text = document.to_string();
    Ok(if is_new {
        format!("{HEADER}{text}")
    } else {
        text
    })
}

/// A section that may not be there yet. `None` when the key holds something that is no table: the file is then not a policy, and
/// whoever reads it says so.
fn section<'d>(
    document: &'d mut DocumentMut,
    name: &str,
    about: &str,
) -> Option<&'d mut dyn TableLike> {
    let item = document.entry(name).or_insert_with(|| {
        let mut table = Table::new();
        table.decor_mut().set_prefix(format!("\n# {about}\n"));
        Item::Table(table)
    });
    item.as_table_like_mut()
}

/// Adds a key with the remark above it, unless it is there.
fn put(table: &mut dyn TableLike, key: &str, value: impl Into<Value>, remark: &str) {
    if table.contains_key(key) {
        return;
    }
    table.insert(key, Item::Value(value.into()));
    if let Some(mut key) = table.key_mut(key) {
        let mut comment = String::new();
        for line in remark.lines() {
            let _ = writeln!(comment, "# {}", visible(line));
        }
        key.leaf_decor_mut().set_prefix(comment);
    }
}

/// A list, an element a line when it is long.
fn list<'s>(elements: impl IntoIterator<Item = &'s str>) -> Array {
    let mut array = Array::new();
    for element in elements {
        array.push(element);
    }
    if array.to_string().len() > LINE {
        for value in array.iter_mut() {
            value.decor_mut().set_prefix("\n    ");
        }
        array.set_trailing("\n");
        array.set_trailing_comma(true);
    }
    array
}

fn strings<'s>(elements: impl IntoIterator<Item = &'s String>) -> Array {
    list(elements.into_iter().map(String::as_str))
}

fn access(table: Option<&mut dyn TableLike>, inferred: &Inferred) {
    let Some(table) = table else { return };
    let mut remark = "inferred: the superuser that initdb made".to_owned();
    for (role, what) in &inferred.undecided_superusers {
        let role = visible(role);
        let _ = write!(
            remark,
            "\nalso superuser now, approved by nobody: {role} ({what})"
        );
    }
    put(table, "superusers", strings(&inferred.superusers), &remark);
    if !inferred.undecided_bypass_rls.is_empty() {
        let mut remark = "inferred: nobody".to_owned();
        for (role, what) in &inferred.undecided_bypass_rls {
            let role = visible(role);
            let _ = write!(
                remark,
                "\nhas BYPASSRLS now, approved by nobody: {role} ({what})"
            );
        }
        put(table, "bypass_rls", Array::new(), &remark);
    }
    if !inferred.replication.is_empty() {
        put(
            table,
            "replication",
            strings(&inferred.replication),
            "inferred: seen replicating",
        );
    }
}

fn tenancy(table: Option<&mut dyn TableLike>, inferred: &Inferred) {
    let Some(table) = table else { return };
    // Whoever says that there is one tenant has said everything.
    if table
        .get("single_tenant")
        .and_then(Item::as_bool)
        .unwrap_or(false)
    {
        return;
    }
    if let Some(setting) = &inferred.tenant_setting {
        put(
            table,
            "setting",
            setting,
            "inferred: what the policies that exist ask",
        );
    }
    if let Some(column) = &inferred.tenant_column {
        let mut remark = format!(
            "inferred: {} carry it, as {}",
            inferred.tenant_tables.len(),
            inferred.tenant_types.join(", ")
        );
        for name in &inferred.tenant_tables {
            remark.push_str("\n  ");
            remark.push_str(&visible(name));
        }
        put(table, "column", column, &remark);
    }
    if !inferred.tenant_tables.is_empty() {
        put(
            table,
            "shared",
            Array::new(),
            "tables shared by every tenant on purpose although they carry the column: nothing tells, so none",
        );
    }
}

fn logging(table: Option<&mut dyn TableLike>) {
    let Some(table) = table else { return };
    put(
        table,
        "classes",
        list(["ddl", "write", "role"]),
        "what pgaudit must record: the least that the checklist asks for",
    );
    put(
        table,
        "retention_days",
        365_i64,
        "the checklist's twelve months",
    );
}

fn transport(table: Option<&mut dyn TableLike>, inferred: &Inferred) {
    let Some(table) = table else { return };
    let (value, remark) = match &inferred.minimum_tls {
        Some(version) => (
            version.as_str(),
            "inferred: the server refuses less already",
        ),
        None => ("TLSv1.2", "the checklist's floor"),
    };
    put(table, "minimum_tls", value, remark);
}

fn services(document: &mut DocumentMut, inferred: &Inferred) {
    let Some(entries) = entries(document, "service") else {
        return;
    };
    let declared: BTreeSet<String> = entries
        .iter()
        .filter_map(|entry| entry.get("role")?.as_str().map(str::to_owned))
        .collect();
    let mut first = entries.is_empty();
    for service in &inferred.services {
        if declared.contains(&service.role) {
            continue;
        }
        let mut table = Table::new();
        let about = if first {
            "\n# Programs that log in, and what they may do: what is not named they may not.\n"
        } else {
            "\n"
        };
        first = false;
        table
            .decor_mut()
            .set_prefix(format!("{about}# inferred: {}\n", origin(service)));
        put(&mut table, "role", service.role.as_str(), "");
        put(&mut table, "databases", strings(&service.databases), "");
        for (key, names) in [
            ("read", &service.read),
            ("write", &service.write),
            ("execute", &service.execute),
        ] {
            if !names.is_empty() {
                put(&mut table, key, strings(names), "");
            }
        }
        entries.push(table);
    }
    drop_when_empty(document, "service");
}

/// Where the knowledge comes from.
fn origin(service: &InferredService) -> &'static str {
    match (service.superuser, service.seen) {
        (true, true) => {
            "connected as a superuser, who may do everything where it was seen; narrow it to what the program needs"
        }
        (true, false) => "a superuser; narrow it to what the program needs",
        (false, true) => "connected; what it may do now",
        (false, false) => "not connected now; what it may do",
    }
}

fn classification(document: &mut DocumentMut, inferred: &Inferred) {
    let Some(entries) = entries(document, "classification") else {
        return;
    };
    let known: BTreeSet<String> = entries
        .iter()
        .filter_map(|entry| entry.get("columns")?.as_array())
        .flatten()
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect();
    let mut first = entries.is_empty();
    for (class, columns) in &inferred.classification {
        let new: Vec<&String> = columns
            .iter()
            .filter(|column| !is_known(column, &known))
            .collect();
        if new.is_empty() {
            continue;
        }
        let about = if first {
            "\n# Columns that hold data to be protected beyond the rest. The words are the organisation's own.\n"
        } else {
            "\n"
        };
        first = false;
        let mut table = Table::new();
        table.decor_mut().set_prefix(format!(
            "{about}# inferred: from names and types; no row was read\n"
        ));
        put(&mut table, "class", *class, "");
        put(&mut table, "columns", strings(new), "");
        entries.push(table);
    }
    drop_when_empty(document, "classification");
}

/// Whether a column, `database.schema.table.column`, is listed: as it is, without its database, or with its table as a whole.
fn is_known(column: &str, known: &BTreeSet<String>) -> bool {
    let whole = column
        .rsplit_once('.')
        .map(|(table, _)| format!("{table}.*"))
        .unwrap_or_default();
    [column, whole.as_str()].into_iter().any(|name| {
        known.contains(name)
            || name
                .split_once('.')
                .is_some_and(|(_, rest)| known.contains(rest))
    })
}

fn entries<'d>(document: &'d mut DocumentMut, name: &str) -> Option<&'d mut ArrayOfTables> {
    document
        .entry(name)
        .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()))
        .as_array_of_tables_mut()
}

fn drop_when_empty(document: &mut DocumentMut, name: &str) {
    let is_empty = document
        .get(name)
        .and_then(Item::as_array_of_tables)
        .is_some_and(ArrayOfTables::is_empty);
    if is_empty {
        document.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::merge;
    use pgattest_planner::inference::{Inferred, InferredService};
    use std::collections::BTreeMap;

    fn inferred() -> Inferred {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Inferred {
            superusers: vec!["postgres".to_owned()],
            undecided_superusers: vec![(
                "evil\"\n[access]\nsuperusers = [\"evil\"]".to_owned(),
                "can log in".to_owned(),
            )],
            services: vec![InferredService {
                role: "app\n[[waiver]]".to_owned(),
                databases: set(&["shop"]),
                seen: true,
                write: set(&["shop.public.*"]),
                ..InferredService::default()
            }],
            tenant_setting: Some("app.tenant".to_owned()),
            tenant_column: Some("tenant_id".to_owned()),
            tenant_types: vec!["uuid".to_owned()],
            tenant_tables: vec!["shop.public.a".to_owned()],
            classification: BTreeMap::from([("pii", vec!["shop.public.a.email".to_owned()])]),
            ..Inferred::default()
        }
    }

    #[test]
    fn a_draft_is_a_policy_and_hostile_names_stay_names() {
        let text = merge("", &inferred()).unwrap();
        let policy = pgattest_parse::policy::parse(&text).unwrap();
        assert_eq!(
            policy.access.superusers,
            Some(["postgres".to_owned()].into())
        );
        assert!(policy.waivers.is_empty());
        assert_eq!(policy.services[0].role, "app\n[[waiver]]");
        assert_eq!(policy.tenancy.column.as_deref(), Some("tenant_id"));
        // A second run has nothing to add.
        assert_eq!(merge(&text, &inferred()).unwrap(), text);
    }

    #[test]
    fn what_somebody_wrote_stays_to_the_byte() {
        let mine = "# mine\n[tenancy]   # here\ncolumn='org'\n\n[[classification]]\nclass = \"private\"\ncolumns = [\"public.a.*\"]\n\
                    [[service]]\nrole = \"app\\n[[waiver]]\"\ndatabases = [\"shop\"]\n";
        let text = merge(mine, &inferred()).unwrap();
        for line in mine.lines() {
            assert!(text.lines().any(|kept| kept == line), "{line}: {text}");
        }
        let policy = pgattest_parse::policy::parse(&text).unwrap();
        assert_eq!(policy.tenancy.column.as_deref(), Some("org"));
        assert_eq!(policy.tenancy.setting.as_deref(), Some("app.tenant"));
        assert_eq!(policy.services.len(), 1);
        assert_eq!(policy.classification.len(), 1);
    }
}
