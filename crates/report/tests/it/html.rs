use std::collections::BTreeSet;

use pgattest_report::{Package, html};

use crate::fixture;

fn render() -> String {
    let package = Some(Package {
        signer: "pgattest",
        namespace: "pgattest",
        key_fingerprint: Some("SHA256:Zm9yIHRoZSB0ZXN0cw"),
    });
    let options = html::Options {
        organization: Some("Example & Sons"),
        package,
    };
    let report = html::render(&fixture::audit(), &fixture::crosswalk(), &options);
    // For looking at in a browser.
    if let Some(path) = std::env::var_os("PGATTEST_HTML") {
        std::fs::write(path, &report).expect("the file can be written");
    }
    report
}

#[test]
fn nothing_in_it_runs_or_loads() {
    let report = render();
    let lower = report.to_lowercase();
    for forbidden in [
        "<script",
        "<img",
        "<iframe",
        "<link",
        "<object",
        "<svg",
        "onerror=",
        "onload=",
        "url(",
        "@import",
        "src=",
        "href=\"javascript",
    ] {
        assert!(!lower.contains(forbidden), "{forbidden}");
    }
    assert!(report.contains(
        r#"<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"#
    ));
}

#[test]
fn hostile_names_are_shown_and_harmless() {
    let report = render();
    assert!(report.contains("&#60;/bdi&#62;&#60;script&#62;alert(1)&#60;/script&#62;\\u{1b}[31m\\u{202e}\\u{a}PASS \\u{200b}表"));
    assert!(report.contains("Example &#38; Sons"));
    let harmless = |c: char| {
        c == '\n'
            || pgattest_model::ident::visible(&c.to_string())
                .chars()
                .eq([c])
    };
    assert!(report.chars().all(harmless));
}

#[test]
fn nothing_is_dropped() {
    let (report, audit) = (render(), fixture::audit());
    for check in &audit.assessment.checks {
        assert!(
            report.contains(&format!("id=\"check-{}\"", check.meta.id)),
            "{}",
            check.meta.id
        );
        for fingerprint in &check.fingerprints {
            assert_eq!(
                report.matches(&fingerprint.0).count(),
                1,
                "{}",
                fingerprint.0
            );
        }
    }
    for number in 1..fixture::TABLES {
        assert!(
            report.contains(&format!("<bdi class=\"name\">public.t{number:04}</bdi>")),
            "{number}"
        );
    }
    for observation in &audit.observations {
        assert!(
            report.contains(&format!("<h3 class=\"id\">{}</h3>", observation.id)),
            "{}",
            observation.id
        );
    }
    for gap in &audit.not_visible {
        assert!(
            report.contains(&pgattest_model::ident::visible(&gap.missing.why)),
            "{}",
            gap.missing.why
        );
    }
}

#[test]
fn every_section_is_there_in_order() {
    let report = render();
    let sections = [
        "checklist",
        "summary",
        "criteria",
        "findings",
        "passes",
        "open",
        "populations",
        "not-visible",
        "observations",
        "checks",
        "verify",
    ];
    let places: Vec<usize> = sections
        .iter()
        .map(|id| {
            report
                .find(&format!("<section id=\"{id}\""))
                .unwrap_or_else(|| panic!("{id}"))
        })
        .collect();
    assert!(places.is_sorted());
}

#[test]
fn identifiers_are_unique_and_every_link_lands() {
    let report = render();
    let values = |attribute: &str| -> Vec<String> {
        let opening = format!(" {attribute}=\"");
        let parts = report.split(opening.as_str()).skip(1);
        parts
            .map(|part| part.split('"').next().unwrap_or_default().to_owned())
            .collect()
    };
    let ids = values("id");
    let unique: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len());
    let links: Vec<String> = values("href")
        .into_iter()
        .filter_map(|href| href.strip_prefix('#').map(str::to_owned))
        .collect();
    assert!(links.len() > 20, "{links:?}");
    for link in values("aria-labelledby").iter().chain(&links) {
        assert!(unique.contains(link), "{link}");
    }
}

#[test]
fn a_table_tells_a_screen_reader_what_heads_what() {
    let report = render();
    let headers = report.matches("<th ").count();
    assert_eq!(headers, report.matches("<th scope=").count());
    assert!(!report.contains("<th>"));
    assert!(report.contains("<html lang=\"en\">"));
}

#[test]
fn a_status_is_a_word_beside_its_colour() {
    let report = render();
    for (class, mark, word) in [
        ("fail", "✗", "fail"),
        ("unknown", "?", "not assessed"),
        ("pass", "✓", "pass"),
        ("none", "–", "not applicable"),
    ] {
        assert!(report.contains(&format!("<span class=\"badge {class}\"><span aria-hidden=\"true\">{mark}</span> {word}</span>")), "{word}");
    }
}

#[test]
fn what_cannot_be_seen_in_the_report_is_not_linked() {
    // ROL-01 names an observation that the audit does not hold.
    let report = render();
    assert!(report.contains("<span class=\"id\">cluster/sessions</span>"));
    assert!(!report.contains("#obs-cluster-sessions"));
}

#[test]
fn a_report_on_its_own_does_not_promise_a_package() {
    let report = html::render(
        &fixture::audit(),
        &fixture::crosswalk(),
        &html::Options::default(),
    );
    assert!(report.contains("This report stands alone"));
    assert!(!report.contains("ssh-keygen"));
    assert!(!report.contains("observations/cluster"));
}
