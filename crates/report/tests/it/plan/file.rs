use super::fixture;
use pgattest_report::plan::{PlanError, digest, read, schema, write};
use serde_json::{Value, json};
use std::fs;

const SCHEMA_FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/schema/plan-1.schema.json"
);

#[test]
fn the_schema_in_the_documentation_is_the_generated_one() {
    if std::env::var_os("PGATTEST_UPDATE").is_some_and(|value| value == "1") {
        fs::write(SCHEMA_FILE, schema()).expect("the schema can be written");
    }
    let written = fs::read_to_string(SCHEMA_FILE).unwrap_or_default();
    assert!(
        written == schema(),
        "docs/schema/plan-1.schema.json is out of date: run this test with PGATTEST_UPDATE=1"
    );
}

#[test]
fn a_plan_comes_back_as_it_was_written() {
    for plan in [fixture::plan(), fixture::empty()] {
        let text = write(&plan);
        super::assert_visible(&text);
        assert_eq!(read(&text).expect("a plan"), (plan.clone(), digest(&plan)));
        assert_eq!(write(&plan), text, "the same plan, the same bytes");
    }
}

#[test]
fn a_plan_is_valid_by_its_schema_and_the_schema_refuses_what_is_none() {
    let schema: Value = serde_json::from_str(&schema()).expect("valid JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("a valid schema");
    let plan: Value = serde_json::from_str(&write(&fixture::plan())).expect("valid JSON");
    let problems: Vec<String> = validator
        .iter_errors(&plan)
        .map(|problem| format!("{}: {problem}", problem.instance_path()))
        .collect();
    assert_eq!(problems, Vec::<String>::new());
    for (path, value) in [
        ("/schema", json!("pgattest.plan/2")),
        ("/digest", json!("short")),
        ("/changes/0/risk", json!("none")),
        ("/changes/0/stage", json!("RestartSettings")),
        ("/changes/1/action/do", json!("sql")),
        ("/changes/1/undo", json!({ "by": "magic" })),
        ("/left/0/finding", Value::Null),
    ] {
        let mut broken = plan.clone();
        *broken.pointer_mut(path).expect("a path of the plan") = value;
        assert!(!validator.is_valid(&broken), "{path}");
    }
}

#[test]
fn layout_does_not_count_and_every_value_does() {
    let text = write(&fixture::plan());
    let value: Value = serde_json::from_str(&text).expect("valid JSON");
    let compact = value.to_string();
    assert!(compact.len() < text.len());
    assert!(read(&compact).is_ok(), "written in one line");

    let mut paths = Vec::new();
    leaves(&value, String::new(), &mut paths);
    assert!(paths.len() > 100);
    for path in paths.iter().filter(|path| *path != "/schema") {
        let mut edited = value.clone();
        let leaf = edited.pointer_mut(path).expect("a path of the plan");
        *leaf = match leaf.take() {
            Value::String(text) => json!(format!("{text} ")),
            Value::Number(number) => json!(number.as_u64().unwrap_or_default() + 1),
            Value::Null => json!("x"),
            other => json!([other]),
        };
        let error = read(&edited.to_string()).expect_err(path);
        assert!(matches!(error, PlanError::Edited), "{path}: {error}");
        assert!(error.hint().contains("pgattest plan"), "{}", error.hint());
    }
}

fn leaves(value: &Value, path: String, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(key, value)| leaves(value, format!("{path}/{key}"), into)),
        Value::Array(values) => values
            .iter()
            .enumerate()
            .for_each(|(at, value)| leaves(value, format!("{path}/{at}"), into)),
        _ => into.push(path),
    }
}

/// As somebody would who knows how the digest is made: it is no signature, and what is not a plan is still refused.
fn resealed(edit: impl FnOnce(&mut Value)) -> String {
    use sha2::Digest as _;
    let mut value: Value = serde_json::from_str(&write(&fixture::plan())).expect("valid JSON");
    edit(&mut value);
    let members = value.as_object_mut().expect("an object");
    members.shift_remove("digest");
    let canonical = serde_json_canonicalizer::to_vec(&value).expect("canonical JSON");
    value["digest"] = json!(hex::encode(sha2::Sha256::digest(canonical)));
    value.to_string()
}

#[test]
fn what_is_not_a_plan_is_refused_with_a_reason() {
    let good = write(&fixture::plan());
    let said = |text: &str| read(text).expect_err(text).to_string();
    assert_eq!(
        said("{\n  \"schema\": x"),
        "the plan is not JSON: expected value at line 2 column 13"
    );
    assert_eq!(said("[]"), "this is not a plan: it has no `schema`");
    assert_eq!(
        said(&good.replace("pgattest.plan/1", "pgattest.plan/2")),
        "the plan is written as `pgattest.plan/2`, and this version of pgattest reads `pgattest.plan/1`"
    );
    assert!(said("{\"schema\": \"pgattest.audit/1\"}").starts_with("this is not a plan"));
    assert!(said("{\"schema\": \"pgattest.plan/1\"}").contains("no `digest`"));
    // A second key hides the first from whoever takes the last.
    let twice = good.replacen("\"changes\": [", "\"changes\": [], \"changes\": [", 1);
    assert!(
        said(&twice).contains("duplicate field `changes`"),
        "{}",
        said(&twice)
    );
    assert!(said(&"[".repeat(100_000)).contains("recursion limit"));
}

#[test]
fn a_right_digest_does_not_make_a_plan() {
    let refused = |edit: fn(&mut Value)| read(&resealed(edit)).expect_err("refused");
    assert!(read(&resealed(|_| ())).is_ok());
    let error = refused(|plan| plan["changes"][0]["force"] = json!(true));
    assert!(
        matches!(&error, PlanError::NotUnderstood(path) if path == "/changes/0/force"),
        "{error}"
    );
    let error = refused(|plan| plan["changes"][9]["action"]["more"] = json!(1));
    assert!(matches!(error, PlanError::NotUnderstood(_)), "{error}");
    let error = refused(|plan| plan["changes"][0]["risk"] = json!("none"));
    assert!(matches!(error, PlanError::Shape(_)), "{error}");
    let error = refused(|plan| plan["facts"][0]["observation"] = json!("../../etc"));
    assert!(matches!(error, PlanError::Value { .. }), "{error}");
}
