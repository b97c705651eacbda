use pgattest_report::{Package, readme};

use crate::fixture;

const PACKAGE: Package<'_> = Package {
    signer: "pgattest",
    namespace: "pgattest",
    key_fingerprint: Some("SHA256:Zm9yIHRoZSB0ZXN0cyBvZiBwZ2F0dGVzdA"),
};

fn render() -> String {
    readme::render(
        &fixture::audit(),
        &readme::Options {
            organization: Some("Example\u{202e} Ltd"),
            package: PACKAGE,
            changed: false,
        },
    )
}

#[test]
fn for_the_auditor() {
    insta::assert_snapshot!(render());
}

#[test]
fn no_line_is_wider_than_a_letter() {
    for line in render().lines() {
        assert!(line.chars().count() <= 78, "{line}");
    }
}

#[test]
fn the_policy_is_named_only_where_there_is_one() {
    assert!(!render().contains("policy.toml"));
    let mut audit = fixture::audit();
    audit.run.policy_given = true;
    assert!(
        readme::render(
            &audit,
            &readme::Options {
                organization: None,
                package: PACKAGE,
                changed: false,
            }
        )
        .contains("policy.toml")
    );
}

#[test]
fn it_says_what_it_does_not_say() {
    let text = render().split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "The snapshots of two databases are not one snapshot",
        "It says nothing about any time before or after",
        "opened by GRANT SELECT (rolname, rolpassword)",
        "do not take its word for it",
    ] {
        assert!(text.contains(said), "{said}");
    }
}
