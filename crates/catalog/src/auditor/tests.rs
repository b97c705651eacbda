use super::{DEFAULT_ROLE, Plan, grant, revoke};
use pgattest_model::ServerVersion;

fn plan<'a>(role: &'a str, home: Option<&'a str>, others: Vec<&'a str>) -> Plan<'a> {
    Plan {
        role,
        version: ServerVersion(150_018),
        home,
        others,
        unnameable: vec!["b\u{fffd}d\nDROP TABLE x;"],
    }
}

#[test]
fn cluster_wide_functions_are_made_once_and_the_others_in_each_database() {
    let script = grant(&plan(DEFAULT_ROLE, Some("shop"), vec!["a", "b"]));
    let made = |function: &str| {
        script
            .matches(&format!("CREATE OR REPLACE FUNCTION pgattest.{function}()"))
            .count()
    };
    assert_eq!((made("hba_rules"), made("user_mappings")), (1, 3));
    assert_eq!(script.matches("CREATE ROLE").count(), 1);
    assert_eq!(
        (
            script.matches("\nBEGIN;").count(),
            script.matches("\nCOMMIT;").count()
        ),
        (3, 3)
    );
}

#[test]
fn what_a_server_does_not_have_is_not_made() {
    let mut plan = plan(DEFAULT_ROLE, None, Vec::new());
    assert!(grant(&plan).contains("pgattest.ident_maps()"));
    plan.version = ServerVersion(140_023);
    assert!(!grant(&plan).contains("FUNCTION pgattest.ident_maps()"));
    assert!(!grant(&plan).contains("\\connect"));
}

#[test]
fn no_name_leaves_its_comment() {
    let script = grant(&plan("a\nb", Some("c\nd"), vec!["e\nf"]));
    for script in [script, revoke(&plan("a\nb", Some("c\nd"), vec!["e\nf"]))] {
        for line in script.lines() {
            assert!(
                !line.starts_with("DROP TABLE x") && line != "f" && line != "d'",
                "{line}"
            );
        }
        assert!(script.contains("b\u{fffd}d\\u{a}DROP TABLE x;"));
    }
}
