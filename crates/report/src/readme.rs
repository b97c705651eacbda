//! `README.txt` of the evidence package: what an auditor reads first.

use pgattest_model::{Audit, Status};

use crate::package::Package;
use crate::paint::{Lead, PLAIN, Page, Screen};
use crate::view::{self, Counts, words};

/// How to render.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Options<'a> {
    /// Whose database it is.
    pub organization: Option<&'a str>,
    /// How the package is signed.
    pub package: Package<'a>,
    /// Whether it also holds a plan that was applied, and the audit before it.
    pub changed: bool,
}

/// Columns of the text: it is printed and mailed.
const WIDTH: usize = 78;
/// Columns for a file's name.
const FILE: usize = 22;

const FILES: [(&str, &str); 11] = [
    (
        "report.html",
        "the report: the eight points, criteria, findings, populations, what was not visible. Needs no network",
    ),
    ("verdicts.json", "the same as data, schema pgattest.audit/1"),
    (
        "observations/",
        "the raw results as CSV, byte for byte as the server sent them. They open in a spreadsheet; import every column as text, because names in them are not to be trusted as formulas",
    ),
    (
        "observations.jsonl",
        "one line for each result: the exact query, role, database, both clocks, row count, or why it could not be read",
    ),
    (
        "policy.toml",
        "what the organisation declared as its intent, with the risks that it accepts",
    ),
    (
        "manifest.json",
        "SHA-256 of every file above, the server's identity, the period, the tool, and what was not visible",
    ),
    (
        "manifest.dsse.json",
        "the manifest's digest in a signed in-toto statement",
    ),
    (
        "manifest.sshsig",
        "the manifest's signature in OpenSSH's format",
    ),
    (
        "ledger/checkpoint",
        "the signed head of the ledger that records this package",
    ),
    ("ledger/proof.json", "the proof that it does"),
    ("README.txt", "this file"),
];

/// What a package holds besides when a plan was applied between two audits.
const FILES_OF_A_CHANGE: [(&str, &str); 4] = [
    (
        "plan.json",
        "the plan that was applied: every statement, what takes it back, and the findings it claims to close",
    ),
    (
        "apply/journal.jsonl",
        "what was done, step by step, as it was written down before and after each",
    ),
    (
        "apply/verification.json",
        "whether the plan held: its claims against the verdicts before and after",
    ),
    (
        "before/",
        "the audit before the plan: verdicts.json, observations.jsonl and observations/, as above. What stands outside is the audit after it",
    ),
];

/// Renders the text. Ends with a newline.
pub fn render(audit: &Audit, options: &Options<'_>) -> String {
    let mut page = Page::new(Screen {
        width: WIDTH,
        colour: false,
    });
    let whose = options
        .organization
        .map_or_else(String::new, |name| format!(" of {name}"));
    let paragraph = |page: &mut Page, text: &str| page.entry(&Lead::default(), PLAIN, text);
    paragraph(
        &mut page,
        &format!("Evidence package: audit of a PostgreSQL cluster{whose}"),
    );
    page.blank();
    scope(&mut page, audit);
    results(&mut page, audit);

    waivers(&mut page, audit);

    page.heading("WHAT EACH FILE IS", "");
    for (file, about) in files(options.changed) {
        if file != "policy.toml" || audit.run.policy_given {
            page.entry(&Lead::indent(2).cell(PLAIN, file, FILE), PLAIN, about);
        }
    }

    page.heading("HOW TO VERIFY IT WITHOUT US", "");
    verification(&mut page, &options.package);

    page.heading("WHAT WAS NOT VISIBLE", "");
    not_visible(&mut page, audit);

    page.heading("WHAT THIS PACKAGE DOES NOT SAY", "");
    for limit in limits() {
        page.entry(&Lead::indent(2).cell(PLAIN, "-", 2), PLAIN, limit);
    }
    page.finish()
}

/// The files of a package, those of a change before the envelope.
fn files(changed: bool) -> Vec<(&'static str, &'static str)> {
    let mut files = FILES.to_vec();
    if changed {
        let envelope = files
            .iter()
            .position(|(file, _)| file.starts_with("manifest"))
            .unwrap_or(files.len());
        files.splice(envelope..envelope, FILES_OF_A_CHANGE);
    }
    files
}

fn scope(page: &mut Page, audit: &Audit) {
    let target = &audit.target;
    let said = |text: &str| {
        if text.is_empty() {
            "not said by the server".to_owned()
        } else {
            text.to_owned()
        }
    };
    for (label, value) in [
        ("cluster", target.name.clone()),
        ("system identifier", said(&target.system_identifier)),
        ("server", words::server(target)),
        ("databases", words::databases(&target.databases)),
        ("role used", said(&target.role)),
        ("looked at", words::period(&audit.run)),
        ("policy", words::policy(&audit.run).to_owned()),
        ("made by", format!("pgattest {}", audit.run.tool_version)),
    ] {
        page.entry(&Lead::indent(2).cell(PLAIN, label, FILE), PLAIN, &value);
    }
}

fn results(page: &mut Page, audit: &Audit) {
    page.heading("RESULT", "");
    for row in view::control_rows(audit) {
        let lead = Lead::indent(2)
            .cell(PLAIN, &row.result.control.number.to_string(), 3)
            .cell(PLAIN, row.result.status.words(), 17);
        page.entry(&lead, PLAIN, row.result.control.statement);
        let tested = row.tested();
        if row.result.status == Status::Pass && !tested.is_empty() {
            page.entry(&Lead::indent(22), PLAIN, &tested.join(", "));
        }
    }
    let counts = Counts::of(audit);
    let severities = words::severities(counts.by_severity());
    let found = if severities.is_empty() {
        "none".to_owned()
    } else {
        severities
    };
    let waived = match counts.waived_findings {
        0 => String::new(),
        number => format!("; {} accepted by waiver", words::thousands(number)),
    };
    page.blank();
    page.entry(
        &Lead::indent(2).cell(PLAIN, "findings", FILE),
        PLAIN,
        &format!("{found}{waived}"),
    );
}

/// Whatever their state: what was accepted, by whom, until when.
fn waivers(page: &mut Page, audit: &Audit) {
    let rows = view::waiver_rows(audit);
    let Some(day) = audit.assessment.waivers_as_of.filter(|_| !rows.is_empty()) else {
        return;
    };
    page.heading("RISKS THAT WERE ACCEPTED (WAIVERS)", "");
    page.entry(
        &Lead::indent(2),
        PLAIN,
        &format!(
            "Judged on {day} (UTC). What a waiver accepts is waived, not passed; report.html lists every finding that it covers."
        ),
    );
    for row in rows {
        page.blank();
        let state = row.result.state.as_str();
        page.entry(
            &Lead::indent(2)
                .cell(PLAIN, state, 9)
                .cell(PLAIN, &row.check, 8),
            PLAIN,
            &row.covers,
        );
        page.entry(&Lead::indent(11), PLAIN, &row.result.why);
        for (label, value) in &row.facts {
            page.entry(&Lead::indent(11).cell(PLAIN, label, 21), PLAIN, value);
        }
    }
}

fn verification(page: &mut Page, package: &Package<'_>) {
    let (mut number, mut after_commands) = (0, false);
    let mut step = |page: &mut Page, text: &str, commands: &[String]| {
        if std::mem::replace(&mut after_commands, !commands.is_empty()) {
            page.blank();
        }
        number += 1;
        page.entry(
            &Lead::indent(2).cell(PLAIN, &format!("{number}."), 3),
            PLAIN,
            text,
        );
        if !commands.is_empty() {
            page.blank();
        }
        for command in commands {
            page.verbatim(7, PLAIN, command);
        }
    };
    let claimed = package
        .key_fingerprint
        .map_or_else(String::new, |fingerprint| {
            format!(
                " This package says that its key is {fingerprint}; do not take its word for it."
            )
        });
    let key = "Get the organisation's public key, pgattest.pub, by another way than this package (a meeting, a letter, a web page): a key that comes only with what it signs proves nothing.";
    step(page, &format!("{key}{claimed}"), &[]);
    step(
        page,
        "Check the signature with OpenSSH, in the unpacked package:",
        &package.openssh(),
    );
    step(
        page,
        "Compare the SHA-256 of each file (`sha256sum`) with the one in manifest.json. A file that is not listed there, and is not one of manifest.* and ledger/*, is not part of the package.",
        &[],
    );
    step(
        page,
        "The independent verifier, one readable Python file that shares no code with pgattest, does 2 and 3, and checks the DSSE signature and the ledger's proof:",
        &[Package::INDEPENDENT.to_owned()],
    );
    step(
        page,
        "pgattest does all of it, and recomputes every verdict from the observations, with no database and no network:",
        &[Package::VERIFY.to_owned()],
    );
}

fn not_visible(page: &mut Page, audit: &Audit) {
    let gaps = view::gaps(audit);
    if gaps.is_empty() {
        page.entry(
            &Lead::indent(2),
            PLAIN,
            "Nothing that was looked for was hidden from the role used.",
        );
        return;
    }
    page.entry(
        &Lead::indent(2),
        PLAIN,
        "The role used could not see the following. No verdict passes on it.",
    );
    for gap in gaps {
        page.blank();
        for why in &gap.whys {
            page.entry(&Lead::indent(2).cell(PLAIN, "-", 2), PLAIN, why);
        }
        let wanted = if gap.wanted_by.is_empty() {
            "no check yet".to_owned()
        } else {
            gap.wanted_by.join(", ")
        };
        page.entry(
            &Lead::indent(4).cell(PLAIN, "wanted by", 11),
            PLAIN,
            &wanted,
        );
        if let Some(grant) = gap.grant {
            page.entry(&Lead::indent(4).cell(PLAIN, "opened by", 11), PLAIN, grant);
        }
    }
}

const fn limits() -> [&'static str; 5] {
    [
        "Each fact was true when it was read. It says nothing about any time before or after: evidence over a period needs packages over that period, and the gaps between them.",
        "Each database was read in one consistent snapshot of its own. The snapshots of two databases are not one snapshot.",
        "A pass says that the population it states was tested and nothing was found. It is evidence for a control, not the conclusion that the control is effective, and not an auditor's opinion.",
        "Whoever holds the signing key could invent observations that fit together and sign them. If that matters, watch a run, or repeat a query of observations.jsonl and compare.",
        "Whoever controls the server controls what it answers. The package shows what the server said to this role, not that the server is honest.",
    ]
}
