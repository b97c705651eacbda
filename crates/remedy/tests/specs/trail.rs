//! A `trail` block as the observations that an audit with `--trail` records.
//!
//! What it leaves out is as in a healthy trail of this cluster. A text like `"-3d"` in a column of times is that long before the trail
//! was read: days, hours, minutes or seconds.

use anyhow::{Context as _, Result, bail};
use pgattest_catalog::trail::{self, Account};
use pgattest_model::{Facts, Observation};
use toml::{Table, Value};

/// When the trail was read: 2026-11-28 12:00:00 UTC.
const SEEN_AT: i64 = 1_795_867_200_000;

/// A trail without a fault.
const HEALTHY: &str = r#"
origin = "pgattest-trail-shop"
instance = "shop"
leaves = 1000
root = "ab"
key = "cd"
intact = true
seen_at = "-0s"
oldest_record = "-400d"
newest_record = "-1s"
began = "-400d"
newest_leaf = "-1s"
running = true
records = 100000
audit_grade = true
anchored = "-1h"
anchored_by = "witness.example"
retention_days = 400
configured = "-1d"
"#;

pub(super) fn observations(text: &str, facts: &Facts) -> Result<Vec<Observation>> {
    let mut block: Table = toml::from_str(text)?;
    let mut state: Table = toml::from_str(HEALTHY)?;
    let server = facts
        .server
        .here()
        .map_err(|missing| anyhow::anyhow!(missing.why))?;
    state.insert(
        "system_identifier".to_owned(),
        Value::String(server.system_identifier.clone()),
    );
    if let Some(told) = block.remove("trail") {
        state.extend(told.as_table().context("`trail` is a table")?.clone());
    }
    let account = Account {
        place: "/var/lib/pgattest/trail".to_owned(),
        started_at: "2026-11-28T12:00:00.000Z".to_owned(),
        finished_at: "2026-11-28T12:00:01.000Z".to_owned(),
    };
    // An earlier audit was named: by `since = true`, or by what changed since.
    let since = block.remove("since").is_some() || block.contains_key("change");
    let mut group = |key: &str| -> Result<Vec<Table>> {
        match block.remove(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(rows)) => rows
                .into_iter()
                .map(|row| row.as_table().cloned().context("a row is a table"))
                .collect(),
            Some(_) => bail!("`[[{key}]]` is a list of tables"),
        }
    };
    let (coverage, canaries) = (group("coverage")?, group("canary")?);
    let (defects, sinks, rules) = (group("defect")?, group("sink")?, group("rule")?);
    let changes = group("change")?;
    if let Some(key) = block.keys().next() {
        bail!("`{key}` is not a part of a trail");
    }
    let mut observations = vec![
        account.observation(
            trail::STATE,
            trail::STATE_COLUMNS,
            &rows(trail::STATE_COLUMNS, vec![state])?,
        ),
        account.observation(
            trail::COVERAGE,
            trail::COVERAGE_COLUMNS,
            &rows(trail::COVERAGE_COLUMNS, coverage)?,
        ),
        account.observation(
            trail::CANARIES,
            trail::CANARY_COLUMNS,
            &rows(trail::CANARY_COLUMNS, canaries)?,
        ),
        account.observation(
            trail::DEFECTS,
            trail::DEFECT_COLUMNS,
            &rows(trail::DEFECT_COLUMNS, defects)?,
        ),
        account.observation(
            trail::SINKS,
            trail::SINK_COLUMNS,
            &rows(trail::SINK_COLUMNS, sinks)?,
        ),
        account.observation(
            trail::RULES,
            trail::RULE_COLUMNS,
            &rows(trail::RULE_COLUMNS, rules)?,
        ),
    ];
    if since {
        let rows = rows(trail::CHANGE_COLUMNS, changes)?;
        observations.push(account.observation(trail::CHANGES, trail::CHANGE_COLUMNS, &rows));
    }
    Ok(observations)
}

fn rows<const N: usize>(columns: [&str; N], tables: Vec<Table>) -> Result<Vec<[String; N]>> {
    tables
        .into_iter()
        .map(|mut table| {
            let row = columns.map(|column| match table.remove(column) {
                None => Ok(default(column).to_owned()),
                Some(Value::Boolean(value)) => Ok(if value { "t" } else { "f" }.to_owned()),
                Some(Value::Integer(value)) => Ok(value.to_string()),
                Some(Value::String(text)) => Ok(ago(&text).unwrap_or(text)),
                Some(other) => bail!("`{column} = {other}` is no field"),
            });
            if let Some(key) = table.keys().next() {
                bail!("`{key}` is not a column: {}", columns.join(", "));
            }
            let mut filled = columns.map(|_| String::new());
            for (to, from) in filled.iter_mut().zip(row) {
                *to = from?;
            }
            Ok(filled)
        })
        .collect()
}

/// Nothing, in the column's kind.
fn default(column: &str) -> &'static str {
    match column {
        "live" | "intact" | "running" | "audit_grade" | "outside" | "locked" | "looks" => "f",
        "origin" | "instance" | "system_identifier" | "root" | "key" | "intact_why" | "why"
        | "anchored_by" | "class" | "place" | "mark" | "kind" | "subject" | "detail" | "record"
        | "name" | "error" | "rule" | "database" | "table" => "",
        "result" => "covered",
        _ => "0",
    }
}

fn ago(text: &str) -> Option<String> {
    let (number, unit) = text
        .strip_prefix('-')?
        .split_at_checked(text.len().checked_sub(2)?)?;
    let unit = match unit {
        "d" => 86_400_000,
        "h" => 3_600_000,
        "m" => 60_000,
        "s" => 1_000,
        _ => return None,
    };
    let number: i64 = number.parse().ok()?;
    Some((SEEN_AT - number * unit).to_string())
}
