//! What is accepted, and where and why the rest is refused.

use super::parse;
use pgattest_model::{Covers, Date, Place, Policy};

#[track_caller]
fn refuses(text: &str, place: &str, message: &str, help: Option<&str>) {
    let error = parse(text).unwrap_err();
    assert_eq!(error.message, message);
    assert_eq!(&text[error.span.clone()], place);
    assert_eq!(error.help.as_deref(), help);
}

#[test]
fn an_empty_file_declares_nothing() {
    assert_eq!(parse("").unwrap(), Policy::default());
}

#[test]
fn a_full_policy() {
    let policy = parse(
        r#"
        organization.name = "Acme"
        [access]
        superusers = ["postgres"]
        bypass_rls = []
        server_files = ["backup"]
        [tenancy]
        setting = "app.current_tenant"
        column = "tenant_id"
        tables = ["public.events"]
        shared = ["public.plans"]
        [logging]
        classes = ["DDL", "role"]
        retention_days = 400
        [transport]
        minimum_tls = "TLSv1.3"
        trusted_networks = ["10.0.0.0/8", "fd00::/8"]
        "#,
    )
    .unwrap();
    assert_eq!(policy.organization.as_deref(), Some("Acme"));
    assert!(policy.access.bypass_rls.unwrap().is_empty());
    assert!(policy.logging.classes.unwrap().contains("ddl"));
    assert_eq!(policy.transport.trusted_networks.len(), 2);
}

#[test]
fn a_typo_is_shown_with_the_nearest_key() {
    refuses(
        "[access]\nsuperuser = [\"postgres\"]\n",
        "superuser",
        "unknown field `superuser`, expected one of `superusers`, `bypass_rls`, `server_files`, `create_role`, \
         `create_database`, `replication`, `administrators`, `all_data`, `monitoring`, `schema_owners`, `break_glass`, \
         `passwords_expire`, `public_schemas`, `public_databases`",
        Some("did you mean `superusers`?"),
    );
}

#[test]
fn one_tenant_and_a_tenant_column_contradict_each_other() {
    assert!(
        parse("tenancy.single_tenant = true")
            .unwrap()
            .tenancy
            .single_tenant
    );
    refuses(
        "[tenancy]\nsingle_tenant = true\ncolumn = \"tenant_id\"\n",
        "true",
        "one tenant only, and yet tenants are told apart",
        Some("remove it, or the keys beside it"),
    );
}

#[test]
fn values_are_judged_where_they_stand() {
    refuses(
        "[logging]\nclasses = [\"ddl\", \"wirte\"]\n",
        "\"wirte\"",
        "`wirte` is not a class of pgaudit",
        Some("one of ddl, function, misc, misc_set, read, role, write, all"),
    );
    refuses(
        "[transport]\ntrusted_networks = [\"10.0.0.0/33\"]",
        "\"10.0.0.0/33\"",
        "a network is written in CIDR form",
        Some("like `10.0.0.0/8`"),
    );
    refuses(
        "transport.minimum_tls = \"1.1\"",
        "\"1.1\"",
        "the lowest protocol version to accept is `TLSv1.2` or `TLSv1.3`",
        Some("like `TLSv1.2`"),
    );
}

/// A waiver with everything that it needs, with lines replaced (`None`: taken out) or added.
fn waiver(changes: &[(&str, Option<&str>)]) -> String {
    let mut lines = vec![
        ("check", "\"ROL-01\""),
        ("subject", "\"app\""),
        ("reason", "\"until the migration\""),
        ("owner", "\"platform\""),
        ("approver", "\"CISO\""),
        ("expires", "2027-03-31"),
    ];
    for (key, value) in changes {
        lines.retain(|(known, _)| known != key);
        lines.extend(value.map(|value| (*key, value)));
    }
    let lines: Vec<String> = lines
        .iter()
        .map(|(key, value)| format!("{key} = {value}\n"))
        .collect();
    format!("[[waiver]]\n{}", lines.concat())
}

#[test]
fn a_waiver_says_who_accepts_what_until_when() {
    let text = format!(
        "# first\n{}{}",
        waiver(&[
            ("database", Some("\"shop\"")),
            ("compensating_control", Some("\"alerts\"")),
            ("issued", Some("2026-03-31")),
        ]),
        waiver(&[
            ("subject", None),
            ("fingerprint", Some("\"0123456789abcdef\""))
        ]),
    );
    let policy = parse(&text).unwrap();
    let [first, second] = policy.waivers.as_slice() else {
        panic!("{:?}", policy.waivers)
    };
    assert_eq!(first.check, "ROL-01");
    assert_eq!(first.covers, Covers::Subject("app".to_owned()));
    assert_eq!(first.database.as_deref(), Some("shop"));
    assert_eq!(first.compensating_control.as_deref(), Some("alerts"));
    assert_eq!(first.expires, Date::new(2027, 3, 31).unwrap());
    assert_eq!(first.issued, Date::new(2026, 3, 31));
    assert_eq!(
        second.covers,
        Covers::Fingerprint("0123456789abcdef".to_owned())
    );
    let written = |place: Place| &text[place.start..place.end];
    assert_eq!(written(first.places.check), "\"ROL-01\"");
    assert_eq!(written(first.places.covers), "\"app\"");
    assert_eq!(written(first.places.database), "\"shop\"");
    assert_eq!(written(first.places.expires), "2027-03-31");
    assert_eq!(first.places.entry.line, 2);
    assert_eq!(written(second.places.covers), "\"0123456789abcdef\"");
    assert_eq!((first.places.check.line, first.places.check.column), (3, 9));
}

#[test]
fn a_waiver_without_an_end_an_owner_or_a_reason_is_refused() {
    let entry = |changes: &[(&str, Option<&str>)]| waiver(changes);
    let refuses = |changes: &[(&str, Option<&str>)], place: &str, message: &str| {
        let text = entry(changes);
        let error = parse(&text).unwrap_err();
        assert_eq!(error.message, message);
        assert_eq!(&text[error.span.clone()], place, "{message}");
        assert!(error.help.is_some(), "{message}");
    };
    let whole = "[[waiver]]";
    refuses(
        &[("expires", None)],
        whole,
        "a waiver without an end is never looked at again: it has to expire",
    );
    for (key, message) in [
        (
            "check",
            "a waiver names the check whose findings it accepts",
        ),
        ("reason", "a waiver says why the risk is accepted"),
        ("owner", "a waiver has an owner, who answers for the risk"),
        (
            "approver",
            "a waiver has an approver, who accepted the risk",
        ),
    ] {
        refuses(&[(key, None)], whole, message);
        refuses(&[(key, Some("\" \\t\""))], "\" \\t\"", message);
    }
    refuses(
        &[("subject", None)],
        whole,
        "a waiver says which findings it covers",
    );
    refuses(
        &[("subject", Some("\"\""))],
        "\"\"",
        "nothing is written here",
    );
    refuses(
        &[("fingerprint", Some("\"0123456789abcdef\""))],
        "\"0123456789abcdef\"",
        "a waiver covers by `subject` or by `fingerprint`, not by both",
    );
    for bad in ["\"0123456789ABCDEF\"", "\"0123\"", "\"\""] {
        refuses(
            &[("subject", None), ("fingerprint", Some(bad))],
            bad,
            "a fingerprint is 16 hex digits, as the report gives it",
        );
    }
    for bad in [
        "\"2027-03-31\"",
        "2027-03-31T00:00:00Z",
        "2027-03-31T10:00:00",
        "10:00:00",
        "20270331",
        "\"never\"",
    ] {
        refuses(
            &[("expires", Some(bad))],
            bad,
            "`expires` is a day, without quotes and without a time",
        );
    }
    refuses(
        &[("issued", Some("2027-04-01"))],
        "2027-04-01",
        "a waiver is issued before it expires",
    );
}

#[test]
fn an_unknown_key_of_a_waiver_is_shown_with_the_nearest() {
    let text = waiver(&[("expiry", Some("2027-03-31"))]);
    let error = parse(&text).unwrap_err();
    assert_eq!(&text[error.span.clone()], "expiry");
    assert_eq!(error.help.as_deref(), Some("did you mean `expires`?"));
}

#[test]
fn two_waivers_of_the_same_findings_are_refused_at_the_second() {
    let text = format!(
        "{}{}",
        waiver(&[]),
        waiver(&[("expires", Some("2028-01-01"))])
    );
    let error = parse(&text).unwrap_err();
    assert_eq!(error.message, "the waiver on line 1 covers the same");
    assert_eq!(text.rfind("\"app\""), Some(error.span.start));
    // Another database is another subject.
    let text = format!("{}{}", waiver(&[]), waiver(&[("database", Some("\"b\""))]));
    assert_eq!(parse(&text).unwrap().waivers.len(), 2);
}

#[test]
fn every_approved_name_is_kept_with_its_place() {
    let text = "[access]\nsuperusers = [\"postgres\",\n  \"naïve\", \"app\"]\n[egress]\npublications = [\"out\"]\n\
                [[classification]]\nclass = \"pii\"\ncolumns = [\"public.a.b\"]\n";
    let policy = parse(text).unwrap();
    let names: Vec<_> = policy
        .names
        .iter()
        .map(|named| {
            let Place {
                start,
                end,
                line,
                column,
            } = named.place;
            (named.key, &text[start..end], line, column)
        })
        .collect();
    assert_eq!(
        names,
        [
            ("access.superusers", "\"postgres\"", 2, 15),
            ("access.superusers", "\"naïve\"", 3, 3),
            ("access.superusers", "\"app\"", 3, 12),
            ("egress.publications", "\"out\"", 5, 17),
            ("classification.columns", "\"public.a.b\"", 8, 12),
        ]
    );
}

mod editors {
    //! The schema for editors accepts and refuses what the program does.

    use super::super::{parse, schema};
    use serde_json::{Map, Value, json};

    const EXAMPLE: &str = include_str!("../../../../docs/pgattest.toml");

    /// The file as a TOML language server hands it to a validator: a date is a text.
    fn as_json(text: &str) -> Value {
        fn convert(value: toml::Value) -> Value {
            match value {
                toml::Value::String(text) => json!(text),
                toml::Value::Integer(number) => json!(number),
                toml::Value::Float(number) => json!(number),
                toml::Value::Boolean(flag) => json!(flag),
                toml::Value::Datetime(moment) => json!(moment.to_string()),
                toml::Value::Array(values) => values.into_iter().map(convert).collect(),
                toml::Value::Table(fields) => Value::Object(
                    fields
                        .into_iter()
                        .map(|(key, value)| (key, convert(value)))
                        .collect::<Map<_, _>>(),
                ),
            }
        }
        convert(toml::Value::Table(toml::from_str(text).unwrap()))
    }

    fn accepts(text: &str) -> bool {
        let checks = [
            ("ROL-01", "superuser-roles"),
            ("RLS-01", "tenant-tables"),
            ("HBA-08", "open-addresses"),
        ];
        let schema: Value = serde_json::from_str(&schema(checks)).unwrap();
        let validator = jsonschema::draft7::new(&schema).unwrap();
        validator.is_valid(&as_json(text))
    }

    #[test]
    fn the_example_in_the_documentation_is_a_policy_and_points_at_the_schema() {
        let policy = parse(EXAMPLE).unwrap();
        assert_eq!(policy.waivers.len(), 3);
        assert!(accepts(EXAMPLE));
        assert_eq!(
            EXAMPLE.lines().next(),
            Some("#:schema schema/pgattest.toml.schema.json")
        );
    }

    #[test]
    fn the_example_shows_every_key_of_the_schema() {
        let schema: Value = serde_json::from_str(&schema([])).unwrap();
        let example = as_json(EXAMPLE);
        let definitions = schema["definitions"].as_object().unwrap();
        let sections = schema["properties"].as_object().unwrap();
        assert_eq!(sections.len(), 10);
        for (section, definition) in sections {
            let reference = definition
                .pointer("/items/$ref")
                .or_else(|| definition.pointer("/allOf/0/$ref"))
                .or_else(|| definition.get("$ref"))
                .and_then(Value::as_str)
                .unwrap_or_else(|| panic!("{section}: {definition}"));
            let name = reference.rsplit('/').next().unwrap();
            for key in definitions[name]["properties"].as_object().unwrap().keys() {
                let shown = match &example[section] {
                    Value::Array(entries) => entries.iter().any(|entry| entry.get(key).is_some()),
                    table => table.get(key).is_some(),
                };
                assert!(shown, "{section}.{key} is not in docs/pgattest.toml");
                let described = definitions[name]["properties"][key]
                    .get("description")
                    .is_some();
                assert!(described, "{section}.{key} has no description");
            }
        }
    }

    #[test]
    fn what_the_program_refuses_is_marked_in_the_editor() {
        let waiver = super::waiver;
        assert!(accepts(&waiver(&[])));
        let bad = [
            "accesss = {}".to_owned(),
            "[access]\nsuperuser = []".to_owned(),
            "[access]\nsuperusers = \"postgres\"".to_owned(),
            "[logging]\nclasses = [\"wirte\"]".to_owned(),
            "[logging]\nretention_days = 0".to_owned(),
            "[transport]\nminimum_tls = \"1.1\"".to_owned(),
            "[transport]\ntrusted_networks = [\"10.0.0.0\"]".to_owned(),
            "[tenancy]\ntables = [\"orders\"]".to_owned(),
            "[tenancy]\nsetting = \"tenant\"".to_owned(),
            "[[classification]]\nclass = \"pii\"\ncolumns = [\"customers.ssn\"]".to_owned(),
            "[[classification]]\nclass = \"pii\"".to_owned(),
            "[[service]]\ndatabases = [\"shop\"]".to_owned(),
            "[[service]]\nrole = \"app\"".to_owned(),
            "[[service]]\nrole = \"app\"\ndatabases = []".to_owned(),
            "[[service]]\nrole = \"app\"\ndatabases = [\"a\"]\nread = [\"orders\"]".to_owned(),
            "[[service]]\nrole = \"app\"\ndatabases = [\"a\"]\nreads = [\"a.b\"]".to_owned(),
            waiver(&[("expires", None)]),
            waiver(&[("expires", Some("\"soon\""))]),
            waiver(&[("expires", Some("2027-03-31T00:00:00Z"))]),
            waiver(&[("owner", None)]),
            waiver(&[("reason", Some("\"\""))]),
            waiver(&[("subject", None)]),
            waiver(&[("fingerprint", Some("\"0123456789abcdef\""))]),
            waiver(&[("subject", None), ("fingerprint", Some("\"xyz\""))]),
            waiver(&[("expiry", Some("2027-03-31"))]),
        ];
        for text in &bad {
            assert!(parse(text).is_err(), "parsed: {text}");
            assert!(!accepts(text), "accepted: {text}");
        }
        // The program answers for this one when it knows the checks.
        assert!(!accepts(&waiver(&[("check", Some("\"ROL-99\""))])));
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }
}
