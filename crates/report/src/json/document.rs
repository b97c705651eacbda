//! The types of the contract. They are not the model's: the model may change its mind, a published document may not.

use schemars::JsonSchema;
use serde::Serialize;

/// One audit of one PostgreSQL cluster.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(title = "pgattest audit")]
pub struct Document<'a> {
    /// The version of this contract.
    #[schemars(extend("const" = super::SCHEMA))]
    pub schema: &'static str,
    /// What made the document.
    pub tool: Tool<'a>,
    /// What was audited.
    pub target: Target<'a>,
    /// The collector's clock when the audit began, RFC 3339 in UTC.
    pub started_at: &'a str,
    /// The collector's clock when the last observation was complete, RFC 3339 in UTC.
    pub finished_at: &'a str,
    /// Collector's clock minus the server's, in milliseconds; null when not measured.
    pub clock_skew_ms: Option<i64>,
    /// Whether intent was declared by a policy file or inferred.
    pub policy: PolicySource,
    /// The audit in numbers.
    pub summary: Summary,
    /// The eight points in short, in the checklist's order.
    #[schemars(length(min = 8, max = 8))]
    pub checklist: Vec<Checklist<'a>>,
    /// The eight points in full: what each requires and what it does not say.
    pub controls: Vec<Control<'a>>,
    /// The SOC 2 criteria, each with the checks that give evidence for it.
    pub criteria: Vec<Criterion<'a>>,
    /// One entry a check, in the registry's order.
    pub checks: Vec<Check<'a>>,
    /// Accepted risks, in the order of the policy file.
    pub waivers: Vec<Waiver<'a>>,
    /// The day, in UTC, on which the waivers were judged: that of the audit by the collector's clock or the server's, whichever
    /// is later. Null when none was considered.
    #[schemars(extend("format" = "date"))]
    pub waivers_as_of: Option<String>,
    /// What is to be said about the policy file now that the cluster is known, by place.
    pub policy_diagnostics: Vec<PolicyDiagnostic<'a>>,
    /// What could not be looked at. Nothing of it passes.
    pub not_visible: Vec<NotVisible<'a>>,
    /// Every act of looking, without the rows it returned.
    pub observations: Vec<Observation<'a>>,
}

/// The program that made the document.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Tool<'a> {
    /// Always `pgattest`.
    pub name: &'static str,
    /// Its version.
    pub version: &'a str,
}

/// The audited cluster. A string is empty where the server did not say.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Target<'a> {
    /// Host and port, or socket.
    pub name: &'a str,
    /// Unique to the cluster since its `initdb`; kept by physical copies.
    pub system_identifier: &'a str,
    /// `15.18`; null when the server could not be asked.
    pub version: Option<String>,
    /// The server's own description of itself.
    pub version_text: &'a str,
    /// Whether it was a standby.
    pub in_recovery: bool,
    /// The role that looked.
    pub role: &'a str,
    /// The databases that were looked into.
    pub databases: &'a [String],
    /// What kind of service runs it.
    pub flavour: &'a str,
}

/// Where intent came from.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicySource {
    /// A policy file.
    Given,
    /// Inferred from the cluster.
    Inferred,
}

/// The audit in numbers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Summary {
    /// Controls by verdict.
    pub controls: VerdictCounts,
    /// Checks by verdict.
    pub checks: VerdictCounts,
    /// Findings by severity.
    pub findings: FindingCounts,
    /// Waivers by state.
    pub waivers: WaiverCounts,
    /// Entries of `not_visible`.
    pub not_visible: usize,
    /// Entries of `observations`.
    pub observations: usize,
}

/// How many ended with each verdict.
#[derive(Debug, JsonSchema, Serialize)]
#[expect(missing_docs, reason = "the fields are the verdicts")]
pub struct VerdictCounts {
    pub pass: usize,
    pub fail: usize,
    pub not_assessed: usize,
    pub not_applicable: usize,
    pub waived: usize,
}

/// How many open findings of each severity.
#[derive(Debug, JsonSchema, Serialize)]
#[expect(missing_docs, reason = "the fields are the severities")]
pub struct FindingCounts {
    pub critical: usize,
    pub high: usize,
    pub medium: usize,
    pub low: usize,
    /// All of the above.
    pub total: usize,
    /// Those that waivers accept; in none of the numbers above.
    pub waived: usize,
}

/// How many waivers are in each state.
#[derive(Debug, Default, JsonSchema, Serialize)]
#[expect(missing_docs, reason = "the fields are the states")]
pub struct WaiverCounts {
    pub used: usize,
    pub unused: usize,
    pub unknown: usize,
    pub expired: usize,
}

/// A conclusion in one word.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictWord {
    /// The whole population was seen and tested, and nothing was found.
    Pass,
    /// At least one subject breaks the rule.
    Fail,
    /// Something that was needed could not be seen. Never a pass.
    NotAssessed,
    /// The rule has no subject here.
    NotApplicable,
    /// At least one subject breaks the rule, and waivers accept the risk of every one. Not a pass.
    Waived,
}

/// How bad it is to leave a finding open.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SeverityWord {
    /// Hygiene.
    Low,
    /// Weakens a control.
    Medium,
    /// Defeats a control.
    High,
    /// Data is exposed now.
    Critical,
}

/// One of the eight points.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Checklist<'a> {
    /// 1 to 8.
    #[schemars(range(min = 1, max = 8))]
    pub number: u8,
    /// Kebab-case name.
    pub name: &'a str,
    /// The statement that has to be true.
    pub statement: &'a str,
    /// Whether it is.
    pub verdict: VerdictWord,
    /// Why, in one sentence.
    pub reason: &'a str,
}

/// One of the eight points in full.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Control<'a> {
    /// 1 to 8.
    #[schemars(range(min = 1, max = 8))]
    pub number: u8,
    /// Kebab-case name.
    pub name: &'a str,
    /// The statement that has to be true.
    pub statement: &'a str,
    /// Criteria it serves.
    pub criteria: Vec<&'a str>,
    /// Whether the statement is true.
    pub verdict: VerdictWord,
    /// Why, in one sentence.
    pub reason: &'a str,
    /// Checks that must all pass.
    pub requires: &'a [&'a str],
    /// What would assess it, where nothing here can yet.
    pub assessed_by: Option<&'a str>,
    /// What a pass does not say.
    pub limits: &'a str,
}

/// A SOC 2 criterion with the evidence for it. The audit gives evidence; the conclusion on a criterion is the auditor's.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Criterion<'a> {
    /// The identifier as the framework writes it.
    pub id: &'a str,
    /// What it asks for, in our words.
    pub paraphrase: &'a str,
    /// The checks; empty when none gives evidence for it yet.
    pub checks: Vec<CriterionCheck<'a>>,
}

/// A check's verdict as evidence for a criterion.
#[derive(Debug, JsonSchema, Serialize)]
pub struct CriterionCheck<'a> {
    /// The check's identifier.
    pub id: &'a str,
    /// Its verdict.
    pub verdict: VerdictWord,
}

/// One check's verdict with its findings. A pass states its population; a failure has a finding that no waiver accepts; every
/// finding of what is waived has its waiver; what is not assessed or does not apply says why.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(extend("allOf" = [
    {
        "if": { "properties": { "verdict": { "const": "pass" } } },
        "then": { "properties": {
            "population": { "type": "object" },
            "findings": { "maxItems": 0 },
            "not_seen": { "maxItems": 0 },
        } },
    },
    {
        "if": { "properties": { "verdict": { "const": "fail" } } },
        "then": { "properties": {
            "population": { "type": "object" },
            "findings": { "minItems": 1, "contains": { "properties": { "waiver": { "type": "null" } } } },
        } },
    },
    {
        "if": { "properties": { "verdict": { "const": "waived" } } },
        "then": { "properties": {
            "population": { "type": "object" },
            "findings": { "minItems": 1, "items": { "properties": { "waiver": { "type": "integer" } } } },
            "not_seen": { "maxItems": 0 },
        } },
    },
    {
        "if": { "properties": { "verdict": { "const": "not_assessed" } } },
        "then": { "properties": {
            "reason": { "type": "string" },
            "findings": { "items": { "properties": { "waiver": { "type": "integer" } } } },
        } },
    },
    {
        "if": { "properties": { "verdict": { "const": "not_applicable" } } },
        "then": { "properties": { "reason": { "type": "string" }, "findings": { "maxItems": 0 } } },
    },
]))]
pub struct Check<'a> {
    /// Stable identifier, never reused.
    #[schemars(regex(pattern = "^[A-Z]{3}-[0-9]{2}$"))]
    pub id: &'a str,
    /// Kebab-case name.
    pub name: &'a str,
    /// The compliant state, in one line.
    pub title: &'a str,
    /// Severity of a finding unless the finding says otherwise.
    pub severity: SeverityWord,
    /// Criteria it gives evidence for, the main one first.
    pub criteria: Vec<&'a str>,
    /// The conclusion.
    pub verdict: VerdictWord,
    /// What was tested; null when nothing was.
    pub population: Option<Population<'a>>,
    /// Why the check neither passed nor failed; null when it did, and when it is waived.
    pub reason: Option<String>,
    /// Parts of the population that could not be seen.
    pub not_seen: Vec<Unseen<'a>>,
    /// The subjects that break the rule, accepted by a waiver or not, the worst first.
    pub findings: Vec<Finding<'a>>,
}

/// How many of what were tested.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Population<'a> {
    /// How many.
    pub count: usize,
    /// What they are, in the plural.
    pub of: &'a str,
}

/// Something that could not be seen.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Unseen<'a> {
    /// Why not.
    pub why: &'a str,
    /// The statement that would open it, where there is one.
    pub grant: Option<&'a str>,
    /// The observation that failed, where one was made.
    pub observation: Option<&'a str>,
}

/// One subject that breaks a check's rule.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Finding<'a> {
    /// What it is about.
    pub subject: Subject<'a>,
    /// What is wrong, in words shared by every subject with the same trouble.
    pub cause: &'a str,
    /// What is wrong with this subject in particular.
    pub detail: &'a str,
    /// How bad it is to leave it.
    pub severity: SeverityWord,
    /// Names the finding across runs: the same check, target, subject and cause give the same 16 hex digits.
    pub fingerprint: &'a str,
    /// The observations that show it.
    #[schemars(length(min = 1))]
    pub observations: Vec<&'a str>,
    /// What to do about this subject: a statement to review or one sentence.
    pub remediation: &'a str,
    /// The waiver that accepts the risk, as a position in the document's `waivers` from 0; null: the finding is open.
    pub waiver: Option<usize>,
}

/// An accepted risk: a `[[waiver]]` of the policy file, and what became of it.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Waiver<'a> {
    /// What became of it.
    pub state: WaiverWord,
    /// Why it is in that state, in one sentence.
    pub why: &'a str,
    /// Identifier of its check; null when no check is called as it says.
    pub check: Option<&'a str>,
    /// The check, as written in the policy file.
    pub check_as_written: &'a str,
    /// Name or pattern of the subjects; null when it covers by fingerprint.
    pub subject: Option<&'a str>,
    /// Fingerprint of the finding; null when it covers by subject.
    pub fingerprint: Option<&'a str>,
    /// The database that the subject lives in; null: any.
    pub database: Option<&'a str>,
    /// Why the risk is accepted.
    pub reason: &'a str,
    /// Who answers for it.
    pub owner: &'a str,
    /// Who accepted it.
    pub approver: &'a str,
    /// What lowers the risk meanwhile; null: nothing was named.
    pub compensating_control: Option<&'a str>,
    /// The day it was accepted; null when not said.
    #[schemars(extend("format" = "date"))]
    pub issued: Option<String>,
    /// The last day, in UTC, on which it is in force.
    #[schemars(extend("format" = "date"))]
    pub expires: String,
    /// Fingerprints of the findings that it covers: of one that is used those it accepts, of one that has expired those it
    /// would.
    pub covers: Vec<&'a str>,
    /// Where it is in the policy file.
    pub place: Place,
}

/// The four states of a waiver.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WaiverWord {
    /// It accepts at least one finding.
    Used,
    /// It covers nothing: the finding is gone, or its check was not assessed.
    Unused,
    /// It names a check or a subject that does not exist.
    Unknown,
    /// Its day has passed: it accepts nothing.
    Expired,
}

/// A remark on one place of the policy file.
#[derive(Debug, JsonSchema, Serialize)]
pub struct PolicyDiagnostic<'a> {
    /// How much it matters.
    pub level: DiagnosticWord,
    /// What is the matter, in one sentence.
    pub message: &'a str,
    /// What to do, where that can be said.
    pub help: Option<&'a str>,
    /// What it points at.
    pub place: Place,
}

/// How much a remark matters.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DiagnosticWord {
    /// As it should be, and worth knowing.
    Note,
    /// Not what its author can have meant.
    Warning,
}

/// A place in the policy file.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The first byte, from 0.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

/// What a finding is about.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Subject<'a> {
    /// What kind of thing.
    pub kind: SubjectKind,
    /// The database it lives in; null for what the cluster shares.
    pub database: Option<&'a str>,
    /// Its name as SQL would have it, or a place such as `pg_hba.conf:12`.
    pub name: &'a str,
}

/// Kinds of subjects. More may come within version 1.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the object it names")]
pub enum SubjectKind {
    AlertRule,
    Canary,
    Certificate,
    CipherSuite,
    Cluster,
    Database,
    DefaultPrivilege,
    Function,
    Handshake,
    HbaRule,
    Policy,
    Relation,
    Role,
    Schema,
    Session,
    Setting,
    Sink,
    Trail,
    View,
}

/// Something that could not be looked at, with every check that would have used it.
#[derive(Debug, JsonSchema, Serialize)]
pub struct NotVisible<'a> {
    /// Why not.
    pub why: &'a str,
    /// The statement that would open it, where there is one.
    pub grant: Option<&'a str>,
    /// The observation that failed, where one was made.
    pub observation: Option<&'a str>,
    /// Identifiers of the checks that wanted it.
    pub wanted_by: Vec<&'a str>,
}

/// One act of looking. The rows themselves are in the evidence package, under `observations/<id>.csv`.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Observation<'a> {
    /// Names the observation within the audit.
    pub id: &'a str,
    /// The database the query ran in.
    pub database: &'a str,
    /// The role that asked.
    pub role: &'a str,
    /// Host and port, or socket, that was asked.
    pub asked_at: &'a str,
    /// The exact statement sent.
    pub query: &'a str,
    /// The collector's clock before the query was sent.
    pub started_at: &'a str,
    /// The collector's clock after the last byte arrived.
    pub finished_at: &'a str,
    /// The server's clock before the query; null when the server did not say.
    pub server_started_at: Option<&'a str>,
    /// The server's clock after the query; null when the server did not say.
    pub server_finished_at: Option<&'a str>,
    /// Whether rows came back.
    pub outcome: Outcome,
    /// How many, without the header; null when it failed.
    pub rows: Option<u64>,
    /// Size of the raw result in bytes; null when it failed.
    pub bytes: Option<usize>,
    /// The server's five-character code; null when rows came back or the failure was not the server's.
    pub sqlstate: Option<&'a str>,
    /// Why it failed; null when rows came back.
    pub message: Option<&'a str>,
    /// The statement that would let this role read it, where there is one.
    pub opens: Option<&'a str>,
}

/// What came back.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A result, which may be empty.
    Rows,
    /// Nothing could be read.
    Failed,
}
