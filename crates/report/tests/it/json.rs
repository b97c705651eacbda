use std::collections::BTreeSet;
use std::fs;

use pgattest_report::json::{self, Difference, ParseError};
use serde_json::{Value, json};

use crate::fixture;

const SCHEMA_FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/schema/audit-1.schema.json"
);

fn document() -> Value {
    serde_json::from_str(&json::render(&fixture::audit())).expect("valid JSON")
}

fn is_valid(document: &Value) -> Result<(), String> {
    let schema: Value = serde_json::from_str(&json::schema()).expect("valid JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("a valid schema");
    validator
        .validate(document)
        .map_err(|error| format!("{}: {error}", error.instance_path()))
}

#[test]
fn the_schema_in_the_documentation_is_the_generated_one() {
    if std::env::var_os("PGATTEST_UPDATE").is_some_and(|value| value == "1") {
        fs::write(SCHEMA_FILE, json::schema()).expect("the schema can be written");
    }
    let written = fs::read_to_string(SCHEMA_FILE).unwrap_or_default();
    assert!(
        written == json::schema(),
        "docs/schema/audit-1.schema.json is out of date: run this test with PGATTEST_UPDATE=1"
    );
}

#[test]
fn an_audit_is_valid_against_the_schema() {
    assert_eq!(is_valid(&document()), Ok(()));
}

#[test]
fn the_schema_refuses_a_broken_document() {
    let broken: [(&str, Value); 10] = [
        ("/schema", json!("pgattest.audit/2")),
        ("/checks/0/verdict", json!("ok")),
        ("/checks/1/population", Value::Null),
        (
            "/checks/1/not_seen",
            json!([{ "why": "hidden", "grant": null, "observation": null }]),
        ),
        ("/checks/0/findings", json!([])),
        ("/checks/0/findings/0/observations", json!([])),
        ("/checks/0/findings/0/severity", json!("catastrophic")),
        ("/checks/5/reason", Value::Null),
        ("/checklist", json!([])),
        ("/target", Value::Null),
    ];
    for (path, value) in broken {
        let mut document = document();
        *document
            .pointer_mut(path)
            .unwrap_or_else(|| panic!("{path}")) = value;
        assert!(is_valid(&document).is_err(), "{path}");
    }
    let mut document = document();
    document
        .as_object_mut()
        .expect("an object")
        .remove("observations");
    assert!(is_valid(&document).is_err());
}

#[test]
fn what_is_waived_has_a_waiver_for_every_finding() {
    let mut document: Value =
        serde_json::from_str(&json::render(&fixture::waived())).expect("valid JSON");
    assert_eq!(is_valid(&document), Ok(()));
    assert_eq!(document["checks"][0]["verdict"], "waived");
    assert_eq!(document["summary"]["checks"]["waived"], 1);
    assert_eq!(document["summary"]["findings"]["waived"], 2);
    assert_eq!(document["summary"]["findings"]["critical"], 1);
    assert_eq!(
        document["waivers"][1]["covers"],
        json!([document["checks"][0]["findings"][0]["fingerprint"]])
    );
    set(&mut document, "/checks/0/findings/1/waiver", Value::Null);
    assert!(is_valid(&document).is_err());
    set(&mut document, "/checks/0/verdict", json!("fail"));
    assert_eq!(is_valid(&document), Ok(()));
    set(&mut document, "/checks/0/findings/1/waiver", json!(1));
    assert!(
        is_valid(&document).is_err(),
        "a failure has an open finding"
    );
}

#[test]
fn the_same_audit_gives_the_same_bytes() {
    let text = json::render(&fixture::audit());
    assert_eq!(text, json::render(&fixture::audit()));
    assert!(text.ends_with("}\n"));
    assert!(text.starts_with("{\n  \"schema\": \"pgattest.audit/1\",\n"));
}

#[test]
fn nothing_is_dropped_and_names_survive_unchanged() {
    let (document, audit) = (document(), fixture::audit());
    let fingerprints: BTreeSet<&str> = document
        .pointer("/checks")
        .and_then(Value::as_array)
        .expect("a list")
        .iter()
        .flat_map(|check| {
            check
                .get("findings")
                .and_then(Value::as_array)
                .expect("a list")
        })
        .filter_map(|finding| finding.get("fingerprint")?.as_str())
        .collect();
    let expected: BTreeSet<&str> = audit
        .assessment
        .checks
        .iter()
        .flat_map(|check| &check.fingerprints)
        .map(|fingerprint| fingerprint.0.as_str())
        .collect();
    assert_eq!(fingerprints, expected);
    assert_eq!(expected.len(), fixture::TABLES + 6);
    let text = document.to_string();
    for name in [fixture::HOSTILE, fixture::FORMULA] {
        assert!(text.contains(&json!(name).to_string()), "{name:?}");
    }
}

#[test]
fn a_terminal_that_shows_the_document_is_not_attacked_by_it() {
    let text = json::render(&fixture::audit());
    let harmless = |c: char| {
        c == '\n'
            || pgattest_model::ident::visible(&c.to_string())
                .chars()
                .eq([c])
    };
    assert!(text.chars().all(harmless));
}

#[test]
fn raw_rows_are_not_in_the_document() {
    let text = json::render(&fixture::audit());
    assert!(!text.contains("1,public,t0001"));
    let document = document();
    let relations = document
        .pointer("/observations")
        .and_then(Value::as_array)
        .expect("a list")
        .iter()
        .find(|observation| observation["id"] == "db-16384/relations")
        .expect("in the fixture");
    assert_eq!(relations["rows"], json!(2));
}

fn differences(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut stored = document();
    change(&mut stored);
    let found =
        json::diff(&stored.to_string(), &document().to_string()).expect("both are documents");
    found.iter().map(Difference::to_string).collect()
}

fn set(document: &mut Value, path: &str, value: Value) {
    *document
        .pointer_mut(path)
        .unwrap_or_else(|| panic!("{path}")) = value;
}

#[test]
fn equal_documents_do_not_differ() {
    let text = json::render(&fixture::audit());
    assert_eq!(json::diff(&text, &text).expect("documents"), []);
}

#[test]
fn a_changed_verdict_is_said_in_words() {
    assert_eq!(
        differences(|stored| set(stored, "/checks/0/verdict", json!("pass"))),
        ["ROL-01: stored pass, recomputed fail"]
    );
    assert_eq!(
        differences(|stored| set(stored, "/checklist/3/verdict", json!("pass"))),
        ["point `log-retention` of the checklist: stored pass, recomputed not assessed"]
    );
    assert_eq!(
        differences(|stored| set(stored, "/controls/5/verdict", json!("fail"))),
        ["control `tls-floor`: stored fail, recomputed pass"]
    );
}

#[test]
fn a_changed_population_is_a_difference() {
    assert_eq!(
        differences(|stored| set(stored, "/checks/1/population/count", json!(99))),
        ["ROL-02, `population.count`: stored 99, recomputed 9"]
    );
}

#[test]
fn a_finding_that_was_taken_out_is_one_difference() {
    let mut gone = String::new();
    let found = differences(|stored| {
        let findings = stored
            .pointer_mut("/checks/2/findings")
            .and_then(Value::as_array_mut)
            .expect("a list");
        gone = findings
            .remove(500)
            .get("fingerprint")
            .and_then(Value::as_str)
            .expect("a fingerprint")
            .to_owned();
    });
    assert_eq!(
        found,
        [format!("RLS-01, finding {gone}: recomputed, not stored")]
    );
}

#[test]
fn a_finding_or_check_that_was_put_in_is_a_difference() {
    let found = differences(|stored| {
        let checks = stored
            .pointer_mut("/checks")
            .and_then(Value::as_array_mut)
            .expect("a list");
        checks.push(json!({ "id": "XXX-01", "verdict": "pass" }));
    });
    assert_eq!(found, ["XXX-01: stored, not recomputed"]);
}

#[test]
fn a_field_nobody_knows_another_order_and_a_field_given_twice_are_differences() {
    assert_eq!(
        differences(|stored| stored["note"] = json!("trust me")),
        ["`note`: stored \"trust me\", not recomputed"]
    );
    let reversed = differences(|stored| {
        stored
            .pointer_mut("/checks")
            .and_then(Value::as_array_mut)
            .expect("a list")
            .reverse();
    });
    assert_eq!(reversed, ["`checks`: the same entries in another order"]);
    let text = json::render(&fixture::audit());
    let twice = text.replacen("  \"schema\":", "  \"schema\": \"x\",\n  \"schema\":", 1);
    let found = json::diff(&twice, &text).expect("documents");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].words.contains("a field given twice"), "{found:?}");
}

#[test]
fn a_hostile_name_in_a_difference_is_harmless() {
    let found = differences(|stored| {
        set(
            stored,
            "/checks/0/findings/0/subject/name",
            json!("x\u{1b}[2J\u{202e}"),
        );
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        !found[0].contains('\u{1b}') && !found[0].contains('\u{202e}'),
        "{found:?}"
    );
}

#[test]
fn another_version_of_the_tool_is_no_difference() {
    assert_eq!(
        differences(|stored| set(stored, "/tool/version", json!("0.2.0"))),
        [""; 0]
    );
}

#[test]
fn what_is_no_document_is_refused() {
    let good = json::render(&fixture::audit());
    assert!(matches!(
        json::diff("{", &good),
        Err(ParseError::Json {
            which: "stored",
            ..
        })
    ));
    assert!(matches!(
        json::diff(&good, "[]"),
        Err(ParseError::Schema {
            which: "recomputed",
            ..
        })
    ));
    let error =
        json::diff("{\"schema\": \"pgattest.audit/9\"}", &good).expect_err("another contract");
    assert_eq!(
        error.to_string(),
        "the stored document has `\"schema\": \"pgattest.audit/9\"`, expected `\"pgattest.audit/1\"`: use the version of pgattest that made it"
    );
}

#[test]
fn any_changed_value_anywhere_is_found() {
    // A thousand findings are alike: a few of them are enough here.
    let mut recomputed = document();
    recomputed
        .pointer_mut("/checks/2/findings")
        .and_then(Value::as_array_mut)
        .expect("a list")
        .truncate(3);
    let text = recomputed.to_string();
    let mut paths = Vec::new();
    leaves(&recomputed, String::new(), &mut paths);
    assert!(paths.len() > 400);
    for path in paths
        .into_iter()
        .filter(|path| path != "/tool/version" && path != "/schema")
    {
        let mut stored = recomputed.clone();
        set(&mut stored, &path, json!("changed"));
        let found = json::diff(&stored.to_string(), &text).expect("documents");
        assert!(!found.is_empty(), "{path}");
    }
}

fn leaves(value: &Value, path: String, paths: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, value)| leaves(value, format!("{path}/{key}"), paths)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, value)| leaves(value, format!("{path}/{index}"), paths)),
        _ => paths.push(path),
    }
}
