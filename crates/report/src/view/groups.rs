//! Findings by cause: a fault repeated over a thousand tables is one entry with a list of a thousand subjects.

use std::collections::BTreeMap;

use pgattest_model::{Audit, CheckResult, Finding, Meta, Severity};

/// Every finding of one check with one cause and one severity.
#[derive(Debug)]
pub struct Group<'a> {
    /// The check that failed.
    pub meta: &'static Meta,
    /// How bad each of them is.
    pub severity: Severity,
    /// What they have in common.
    pub cause: &'a str,
    /// The findings by database, kind and name; never empty.
    pub members: Vec<Member<'a>>,
}

/// One finding with its name across runs.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The finding.
    pub finding: &'a Finding,
    /// Its fingerprint; empty when the assessment gave none.
    pub fingerprint: &'a str,
    /// The waiver that accepts it, by its place in the assessment; `None`: it is open.
    pub waiver: Option<usize>,
}

/// All open findings of an audit by severity (the worst first), then in the registry's order of checks, then by cause.
pub fn groups(audit: &Audit) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = audit.assessment.checks.iter().flat_map(groups_of).collect();
    // Stable: within one severity the checks keep the registry's order and the causes theirs.
    groups.sort_by_key(|group| std::cmp::Reverse(group.severity));
    groups
}

fn groups_of(result: &CheckResult) -> Vec<Group<'_>> {
    let mut by_cause: BTreeMap<(&str, Severity), Vec<Member<'_>>> = BTreeMap::new();
    for member in members(result).filter(|member| member.waiver.is_none()) {
        by_cause
            .entry((&member.finding.cause, member.finding.severity))
            .or_default()
            .push(member);
    }
    by_cause
        .into_iter()
        .map(|((cause, severity), mut members)| {
            members.sort_by(|a, b| order(*a).cmp(&order(*b)));
            Group {
                meta: result.meta,
                severity,
                cause,
                members,
            }
        })
        .collect()
}

/// The findings of one check with their fingerprints, open and accepted, in the verdict's order.
pub(crate) fn members(result: &CheckResult) -> impl Iterator<Item = Member<'_>> {
    let fingerprints = result
        .fingerprints
        .iter()
        .map(|fingerprint| fingerprint.0.as_str());
    let waivers = result.waived.iter().copied().chain(std::iter::repeat(None));
    let findings = result.verdict.findings().iter();
    findings
        .zip(fingerprints.chain(std::iter::repeat("")))
        .zip(waivers)
        .map(|((finding, fingerprint), waiver)| Member {
            finding,
            fingerprint,
            waiver,
        })
}

/// What orders the members of a group: where the subject is first, so that one database's subjects stand together.
pub(crate) fn order(member: Member<'_>) -> impl Ord + use<'_> {
    let Finding {
        subject,
        detail,
        remediation,
        ..
    } = member.finding;
    (
        &subject.database,
        subject.kind,
        &subject.name,
        member.fingerprint,
        detail,
        remediation,
    )
}

impl<'a> Group<'a> {
    /// The value that every member shares, or `None` when they differ.
    pub fn shared<T: PartialEq + ?Sized>(
        &self,
        of: impl Fn(&'a Finding) -> &'a T,
    ) -> Option<&'a T> {
        let mut values = self.members.iter().map(|member| of(member.finding));
        let first = values.next()?;
        values.all(|value| value == first).then_some(first)
    }

    /// What every member says when its own name is left out: `‹name› carries the tenant column`. `None` when they differ in
    /// more than the name. Putting a name back gives that member's text exactly, so nothing is lost by saying it once.
    pub fn pattern(&self, of: impl Fn(&'a Finding) -> &'a str) -> Option<String> {
        let mut texts = self
            .members
            .iter()
            .map(|member| (of(member.finding), member.finding.subject.name.as_str()));
        let (first, name) = texts.next()?;
        let pattern = without(first, name)?;
        texts
            .all(|(text, name)| without(text, name).as_ref() == Some(&pattern))
            .then_some(pattern)
    }
}

/// What stands for a subject's name in a pattern.
pub(crate) const NAME: &str = "‹name›";

fn without(text: &str, name: &str) -> Option<String> {
    // A text that holds the placeholder, or a nameless subject, could not be put back together.
    let ambiguous = text.contains(NAME) || name.contains(NAME) || name.is_empty();
    (!ambiguous).then(|| text.replace(name, NAME))
}

#[cfg(test)]
mod tests {
    use pgattest_model::{Finding, ObservationId, Severity, Subject, SubjectKind};

    use super::{Group, Member};

    fn finding(name: &str, detail: &str) -> Finding {
        Finding {
            subject: Subject::in_database(SubjectKind::Relation, "shop", name),
            cause: "no row-level security".to_owned(),
            detail: detail.to_owned(),
            severity: Severity::High,
            observations: vec![ObservationId::database(5, "relations")],
            remediation: "review".to_owned(),
        }
    }

    fn pattern(findings: &[Finding]) -> Option<String> {
        static META: pgattest_model::Meta = pgattest_model::Meta {
            id: "RLS-01",
            name: "tenant-tables",
            title: "Tenant tables have row-level security",
            severity: Severity::High,
            criteria: &[],
            area: pgattest_model::Area::TenantIsolation,
            responsibility: pgattest_model::Responsibility::Yours,
            since: "0.1.0",
            docs: "",
        };
        let members = findings
            .iter()
            .map(|finding| Member {
                finding,
                fingerprint: "",
                waiver: None,
            })
            .collect();
        Group {
            meta: &META,
            severity: Severity::High,
            cause: "",
            members,
        }
        .pattern(|finding| &finding.detail)
    }

    #[test]
    fn texts_that_differ_in_the_name_only_share_a_pattern() {
        let same = [
            finding("public.a", "public.a is open"),
            finding("public.b", "public.b is open"),
        ];
        assert_eq!(pattern(&same).as_deref(), Some("‹name› is open"));
        let shared = [
            finding("public.a", "it is open"),
            finding("public.b", "it is open"),
        ];
        assert_eq!(pattern(&shared).as_deref(), Some("it is open"));
    }

    #[test]
    fn texts_that_differ_in_more_share_none() {
        assert_eq!(
            pattern(&[finding("a", "a is open"), finding("b", "b is shut")]),
            None
        );
        assert_eq!(
            pattern(&[finding("", "is open"), finding("b", "is open")]),
            None
        );
        assert_eq!(
            pattern(&[finding("a", "‹name› a"), finding("b", "‹name› b")]),
            None
        );
    }
}
