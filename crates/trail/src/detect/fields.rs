//! What a rule can ask of a record.

use crate::completeness::settings::{self, Change, effect};
use pgattest_parse::audit_log::Record;
use pgattest_parse::audit_log::authentication::{self, Event};
use pgattest_parse::audit_log::pgaudit::{self, Audit};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeSet;

/// Every name that a rule may use, with what it is.
pub const FIELDS: [(&str, &str); 31] = [
    ("user", "the role that logged in"),
    ("database", "the database"),
    ("host", "the client's address, `[local]` for a socket"),
    ("session", "the session's identifier"),
    (
        "application",
        "`application_name`: what the client calls itself",
    ),
    ("backend_type", "`client backend`, `postmaster`"),
    (
        "command_tag",
        "what the process was doing, `SELECT`, `authentication`",
    ),
    ("severity", "`LOG`, `ERROR`, in the server's language"),
    ("sqlstate", "the five characters of SQLSTATE"),
    ("message", "the message, in the server's language"),
    ("detail", "DETAIL, in the server's language"),
    ("failed", "`true` when SQLSTATE is an error"),
    (
        "event",
        "`received`, `authenticated`, `authorized`, `refused`, `disconnected`",
    ),
    ("event.identity", "who it was, as the method knows it"),
    ("event.method", "`scram-sha-256`, `trust`"),
    ("event.tls", "`true` or `false`, of `authorized`"),
    ("event.replication", "`true` or `false`, of `authorized`"),
    (
        "event.role_exists",
        "`true`, `false` or nothing, of `refused`",
    ),
    ("audit", "`true` for a record of pgaudit"),
    ("audit.kind", "`SESSION`, `OBJECT`"),
    (
        "audit.class",
        "`READ`, `WRITE`, `DDL`, `ROLE`, `FUNCTION`, `MISC`",
    ),
    ("audit.command", "`CREATE TABLE`"),
    ("audit.object_type", "`TABLE`"),
    ("audit.object_name", "the object, as pgaudit quotes it"),
    ("audit.rows", "rows, with `pgaudit.log_rows`"),
    (
        "statement",
        "the statement's text; ask for it with `sql`, which no comment or quoting defeats",
    ),
    (
        "setting.name",
        "a setting that decides what is recorded and that the record says was changed; several are asked one by one",
    ),
    ("setting.value", "its new value"),
    (
        "setting.effect",
        "`fine`, `other`, `weaker`, `off`: what the change means for what is recorded",
    ),
    (
        "setting.scope",
        "`server`, `announced`, `stored`, `function`, `session`",
    ),
    ("pid", "the process"),
];

/// A record, decoded once and only as far as it is asked.
pub struct Fields<'a> {
    /// The record.
    pub record: &'a Record<'a>,
    audit: OnceCell<Option<Audit<'a>>>,
    event: OnceCell<Option<Event<'a>>>,
    changes: OnceCell<Vec<Change>>,
    required: &'a BTreeSet<String>,
}

impl<'a> Fields<'a> {
    /// `required`: the classes that pgaudit is to log.
    pub fn new(record: &'a Record<'a>, required: &'a BTreeSet<String>) -> Self {
        Self {
            record,
            audit: OnceCell::new(),
            event: OnceCell::new(),
            changes: OnceCell::new(),
            required,
        }
    }

    /// What pgaudit says.
    pub fn audit(&self) -> Option<&Audit<'a>> {
        self.audit.get_or_init(|| pgaudit::of(self.record)).as_ref()
    }

    /// What the record says of a connection.
    pub fn event(&self) -> Option<&Event<'a>> {
        self.event
            .get_or_init(|| authentication::read(self.record))
            .as_ref()
    }

    /// The settings that it says were changed.
    pub fn changes(&self) -> &[Change] {
        self.changes
            .get_or_init(|| settings::read(self.record, self.audit()))
    }

    /// Whether SQLSTATE is an error. Warnings and notices (classes 01 and 02) are none.
    pub fn failed(&self) -> bool {
        self.record.sqlstate.as_deref().is_some_and(|state| {
            !state.starts_with(b"00") && !state.starts_with(b"01") && !state.starts_with(b"02")
        })
    }

    /// The statement that was carried out, or at least begun.
    pub fn statement(&self) -> Option<&[u8]> {
        if self.failed() {
            return None;
        }
        settings::statement(self.record, self.audit())
    }

    /// The statement that failed.
    pub fn failed_statement(&self) -> Option<&[u8]> {
        self.failed()
            .then_some(self.record.statement.as_deref())
            .flatten()
    }

    /// A field's values: none when the record does not have it. More than one for `setting.*` only.
    pub fn get(&self, name: &str) -> Vec<Cow<'_, str>> {
        if let Some(part) = name.strip_prefix("setting.") {
            return self
                .changes()
                .iter()
                .filter_map(|change| self.setting(change, part))
                .collect();
        }
        self.single(name).into_iter().collect()
    }

    /// One setting's part: so that several parts can be asked of the same setting.
    pub fn setting<'c>(&self, change: &'c Change, part: &str) -> Option<Cow<'c, str>> {
        Some(match part {
            "name" => Cow::Borrowed(&change.name),
            "value" => Cow::Borrowed(change.value.as_deref()?),
            "effect" => Cow::Borrowed(match effect(change, self.required) {
                settings::Effect::Fine => "fine",
                settings::Effect::Other => "other",
                settings::Effect::Weaker => "weaker",
                settings::Effect::Off => "off",
            }),
            "scope" => Cow::Borrowed(match change.scope {
                settings::Scope::Server => "server",
                settings::Scope::Announced => "announced",
                settings::Scope::Stored(_) => "stored",
                settings::Scope::Function => "function",
                settings::Scope::Session => "session",
            }),
            _ => return None,
        })
    }

    fn single(&self, name: &str) -> Option<Cow<'_, str>> {
        let record = self.record;
        let field = |text: &'a Option<Cow<'a, [u8]>>| text.as_deref().map(String::from_utf8_lossy);
        let truth = |value: bool| Cow::Borrowed(if value { "true" } else { "false" });
        match name {
            "user" => field(&record.user),
            "database" => field(&record.database),
            "host" => field(&record.host),
            "session" => field(&record.session),
            "application" => field(&record.application_name),
            "backend_type" => field(&record.backend_type),
            "command_tag" => field(&record.command_tag),
            "severity" => field(&record.severity),
            "sqlstate" => field(&record.sqlstate),
            "detail" => field(&record.detail),
            "message" => Some(String::from_utf8_lossy(&record.message)),
            "pid" => record.pid.map(|pid| Cow::Owned(pid.to_string())),
            "failed" => Some(truth(self.failed())),
            "audit" => Some(truth(self.audit().is_some())),
            "statement" => self
                .statement()
                .or_else(|| self.failed_statement())
                .map(String::from_utf8_lossy),
            _ => match name.split_once('.') {
                Some(("audit", part)) => self.of_audit(part),
                _ if name == "event" || name.starts_with("event.") => self.of_event(name),
                _ => None,
            },
        }
    }

    fn of_audit(&self, part: &str) -> Option<Cow<'_, str>> {
        let audit = self.audit()?;
        let text = match part {
            "kind" => &audit.kind,
            "class" => &audit.class,
            "command" => &audit.command,
            "object_type" => &audit.object_type,
            "object_name" => &audit.object_name,
            "rows" => return audit.rows.map(|rows| Cow::Owned(rows.to_string())),
            _ => return None,
        };
        Some(String::from_utf8_lossy(text))
    }

    fn of_event(&self, name: &str) -> Option<Cow<'_, str>> {
        let event = self.event()?;
        let truth = |value: bool| Some(Cow::Borrowed(if value { "true" } else { "false" }));
        match (name, event) {
            ("event", Event::Received) => Some("received".into()),
            ("event", Event::Authenticated { .. }) => Some("authenticated".into()),
            ("event", Event::Authorized { .. }) => Some("authorized".into()),
            ("event", Event::Refused { .. }) => Some("refused".into()),
            ("event", Event::Disconnected) => Some("disconnected".into()),
            ("event.identity", Event::Authenticated { identity, .. }) => {
                Some(String::from_utf8_lossy(identity))
            }
            ("event.method", Event::Authenticated { method, .. }) => {
                Some(String::from_utf8_lossy(method))
            }
            ("event.tls", Event::Authorized { tls, .. }) => truth(*tls),
            ("event.replication", Event::Authorized { replication, .. }) => truth(*replication),
            ("event.role_exists", Event::Refused { role_exists }) => role_exists.and_then(truth),
            _ => None,
        }
    }
}
