//! Which setting a record says was changed, and whether that weakens what is recorded.

use pgattest_parse::audit_log::Record;
use pgattest_parse::audit_log::pgaudit::{Audit, Said};
use pgattest_parse::sql::{Token, readings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Settings, beside pgaudit's, that decide what is recorded or how it can be read.
const WATCHED: [&str; 17] = [
    "lc_messages",
    "log_connections",
    "log_destination",
    "log_directory",
    "log_disconnections",
    "log_error_verbosity",
    "log_filename",
    "log_min_error_statement",
    "log_min_messages",
    "log_statement",
    "log_timezone",
    "log_truncate_on_rotation",
    "logging_collector",
    "session_preload_libraries",
    "session_replication_role",
    "shared_preload_libraries",
    "event_triggers",
];

/// For whom a setting is changed.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The whole server, in force: the server has said so itself.
    Server,
    /// The whole server, written down: in force after a reload, or a restart for some.
    Announced,
    /// New sessions of a role, in a database, or of a role in one: as the statement has it.
    Stored(String),
    /// While a function runs.
    Function,
    /// The session.
    Session,
}

/// A change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// The setting, in lower case; `*` for `RESET ALL`.
    pub name: String,
    /// The new value; `None` when it goes back to what it was without it, or is not told.
    pub value: Option<String>,
    /// For whom.
    pub scope: Scope,
}

/// What a change means for what is recorded.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Nothing gets lost by it.
    Fine,
    /// Other than before; what it means is for a person to say.
    Other,
    /// Less is recorded.
    Weaker,
    /// Statements are not audited at all, or nothing is logged.
    Off,
}

/// Whether a setting is one of those that decide what is recorded.
pub fn is_watched(name: &str) -> bool {
    name.starts_with("pgaudit.") || WATCHED.contains(&name)
}

/// What a value means. `required`: the classes that pgaudit is to log.
pub fn effect(change: &Change, required: &BTreeSet<String>) -> Effect {
    let value = change.value.as_deref().map(str::trim);
    let is_off = |value: &str| {
        matches!(
            value.to_ascii_lowercase().as_str(),
            "off" | "false" | "no" | "0" | ""
        )
    };
    // Without a value of its own a role, a database or a session has the server's; the server has the default.
    let falls_back =
        value.is_none() && change.scope != Scope::Server && change.scope != Scope::Announced;
    if falls_back {
        return Effect::Fine;
    }
    match (change.name.as_str(), value) {
        ("*", _) => Effect::Weaker,
        // Its default logs nothing.
        ("pgaudit.log", None) => Effect::Off,
        ("pgaudit.log", Some(value)) => classes(value, required),
        ("pgaudit.log_level", Some(value)) => match value.to_ascii_lowercase().as_str() {
            "log" | "warning" => Effect::Fine,
            // Below what a server logs unless it is told otherwise.
            _ => Effect::Off,
        },
        (
            "pgaudit.log_statement"
            | "pgaudit.log_relation"
            | "pgaudit.log_catalog"
            | "pgaudit.log_rows",
            Some(value),
        ) => {
            if is_off(value) {
                Effect::Weaker
            } else {
                Effect::Fine
            }
        }
        // With a role what it may touch is audited, too; which one is for a person to say.
        ("pgaudit.role", value) => {
            if value.is_none_or(str::is_empty) {
                Effect::Weaker
            } else {
                Effect::Other
            }
        }
        ("log_connections" | "log_disconnections", value) => {
            if value.is_none_or(is_off) {
                Effect::Weaker
            } else {
                Effect::Fine
            }
        }
        ("logging_collector", value) => {
            if value.is_none_or(is_off) {
                Effect::Off
            } else {
                Effect::Fine
            }
        }
        ("log_destination", value) => {
            let value = value.unwrap_or("stderr").to_ascii_lowercase();
            if value.contains("csvlog") || value.contains("jsonlog") {
                Effect::Fine
            } else {
                Effect::Weaker
            }
        }
        ("log_min_messages", Some(value))
            if ["fatal", "panic"].contains(&value.to_ascii_lowercase().as_str()) =>
        {
            Effect::Off
        }
        ("log_min_error_statement", Some(value))
            if ["log", "fatal", "panic"].contains(&value.to_ascii_lowercase().as_str()) =>
        {
            Effect::Weaker
        }
        ("shared_preload_libraries", value) => {
            if value.is_some_and(|value| {
                value
                    .split(',')
                    .any(|library| library.trim().trim_matches('"') == "pgaudit")
            }) {
                Effect::Fine
            } else {
                Effect::Off
            }
        }
        ("session_replication_role", Some(value)) if value.eq_ignore_ascii_case("replica") => {
            Effect::Weaker
        }
        ("event_triggers" | "log_truncate_on_rotation", Some(value)) => {
            // One is good when it is on, the other when it is off.
            if is_off(value) == (change.name == "event_triggers") {
                Effect::Weaker
            } else {
                Effect::Fine
            }
        }
        _ => Effect::Other,
    }
}

/// `all, -misc`: the classes are added and taken away from the left to the right.
fn classes(value: &str, required: &BTreeSet<String>) -> Effect {
    const ALL: [&str; 7] = [
        "ddl", "function", "misc", "misc_set", "read", "role", "write",
    ];
    let mut logged: BTreeSet<&str> = BTreeSet::new();
    let lower = value.to_ascii_lowercase();
    for word in lower.split(',').map(str::trim) {
        let (takes, class) = match word.strip_prefix('-') {
            Some(class) => (true, class),
            None => (false, word),
        };
        if class == "all" || class == "none" {
            // `-none` is `all` to pgaudit.
            if (class == "all") == takes {
                logged.clear();
            } else {
                logged.extend(ALL);
            }
        } else if takes {
            logged.remove(class);
        } else {
            logged.insert(class);
        }
    }
    let missing = required
        .iter()
        .filter(|class| !logged.contains(class.as_str()))
        .count();
    match missing {
        0 => Effect::Fine,
        some if some == required.len() => Effect::Off,
        _ => Effect::Weaker,
    }
}

/// The changes that a record tells of: by the server itself, or by a statement that was carried out. Watched settings only.
pub fn read(record: &Record<'_>, audit: Option<&Audit<'_>>) -> Vec<Change> {
    if record
        .sqlstate
        .as_deref()
        .is_some_and(|state| state != b"00000")
    {
        return Vec::new();
    }
    let mut changes = match statement(record, audit) {
        Some(sql) => of_statement(sql),
        None => of_server(record).into_iter().collect(),
    };
    changes.retain(|change| change.name == "*" || is_watched(&change.name));
    changes.dedup();
    changes
}

/// The statement that a record logs: pgaudit's, or that of `log_statement`.
pub fn statement<'a>(record: &'a Record<'_>, audit: Option<&'a Audit<'_>>) -> Option<&'a [u8]> {
    if let Some(audit) = audit {
        return match &audit.statement {
            Said::Text(text) => Some(text),
            _ => None,
        };
    }
    let message: &[u8] = &record.message;
    if let Some(sql) = message.strip_prefix(b"statement: ") {
        return Some(sql);
    }
    let rest = message.strip_prefix(b"execute ")?;
    let at = memchr::memmem::find(rest, b": ")?;
    rest.get(at + 2..)
}

/// `parameter "pgaudit.log" changed to "ddl"`, in any language: the server's main process names a setting in quotes, and the last
/// quoted text is the value.
fn of_server(record: &Record<'_>) -> Option<Change> {
    if record
        .backend_type
        .as_deref()
        .is_some_and(|kind| kind != b"postmaster")
        || record.database.is_some()
    {
        return None;
    }
    let message = String::from_utf8_lossy(&record.message);
    let mut quoted = message
        .split(['"', '«', '»', '„', '“', '”', '‘', '’', '「', '」'])
        .skip(1)
        .step_by(2);
    let name = quoted.next()?.trim().to_ascii_lowercase();
    if !is_watched(&name) {
        return None;
    }
    let value = quoted.next().map(|value| value.trim().to_owned());
    // `parameter "x" cannot be changed without restarting the server` has no value either: what is announced is not known.
    let is_for_later = value.is_none() && message.contains("restart");
    Some(Change {
        name,
        value,
        scope: if is_for_later {
            Scope::Announced
        } else {
            Scope::Server
        },
    })
}

fn of_statement(sql: &[u8]) -> Vec<Change> {
    let mut changes = Vec::new();
    for tokens in readings(sql).iter().flatten() {
        changes.extend(of_tokens(tokens));
    }
    changes
}

fn of_tokens(tokens: &[Token<'_>]) -> Vec<Change> {
    let word = |at: usize| tokens.get(at).and_then(Token::name).unwrap_or_default();
    let (scope, rest) = match (word(0), word(1)) {
        ("alter", "system") => (Scope::Announced, tokens.get(2..)),
        ("alter", kind @ ("role" | "user" | "database")) => {
            let Some(at) = tokens
                .iter()
                .skip(3)
                .position(|token| token.is_word("set") || token.is_word("reset"))
            else {
                return Vec::new();
            };
            (
                Scope::Stored(target(kind, tokens.get(2..at + 3).unwrap_or_default())),
                tokens.get(at + 3..),
            )
        }
        ("set" | "reset", _) => (Scope::Session, Some(tokens)),
        ("create" | "alter", _)
            if tokens.iter().take(5).any(|token| {
                token.is_word("function") || token.is_word("procedure") || token.is_word("routine")
            }) =>
        {
            return clauses(tokens);
        }
        _ => return called(tokens),
    };
    rest.and_then(|rest| assignment(rest, &scope))
        .into_iter()
        .collect()
}

/// `role app in database shop`, as the statement has it.
fn target(kind: &str, tokens: &[Token<'_>]) -> String {
    let mut text = if kind == "user" {
        "role".to_owned()
    } else {
        kind.to_owned()
    };
    for token in tokens {
        text.push(' ');
        text.push_str(token.name().unwrap_or("?"));
    }
    text
}

/// `SET [LOCAL|SESSION] a.b {=|TO} value, value` or `RESET {a.b|ALL}`.
fn assignment(tokens: &[Token<'_>], scope: &Scope) -> Option<Change> {
    let (first, mut rest) = tokens.split_first()?;
    let sets = first.is_word("set");
    if !sets && !first.is_word("reset") {
        return None;
    }
    if let [Token::Word(word), after @ ..] = rest
        && (word == "local" || word == "session")
        && after.first().and_then(Token::name).is_some()
    {
        rest = after;
    }
    let (name, rest) = dotted(rest)?;
    if !sets {
        let name = if name == "all" { "*".to_owned() } else { name };
        // `RESET ALL` in a session goes back to what the server has: nothing is lost.
        if name == "*" && *scope == Scope::Session {
            return None;
        }
        return Some(Change {
            name,
            value: None,
            scope: scope.clone(),
        });
    }
    let (first, rest) = rest.split_first()?;
    if *first != Token::Symbol(b'=') && !first.is_word("to") {
        return None;
    }
    Some(Change {
        name,
        value: value(rest),
        scope: scope.clone(),
    })
}

/// A value, or a list of them; `DEFAULT` is none.
fn value(tokens: &[Token<'_>]) -> Option<String> {
    if tokens.first()?.is_word("default") {
        return None;
    }
    let mut text = String::new();
    for token in tokens {
        match token {
            Token::Word(part) | Token::Name(part) | Token::Text(part) | Token::Number(part) => {
                text.push_str(part);
            }
            Token::Symbol(b',') => text.push(','),
            Token::Symbol(b'-') => text.push('-'),
            _ => break,
        }
    }
    Some(text)
}

fn dotted<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<(String, &'t [Token<'a>])> {
    let mut name = tokens.first()?.name()?.to_ascii_lowercase();
    let mut rest = tokens.get(1..)?;
    while let [Token::Symbol(b'.'), part, after @ ..] = rest
        && let Some(part) = part.name()
    {
        name.push('.');
        name.push_str(&part.to_ascii_lowercase());
        rest = after;
    }
    Some((name, rest))
}

/// `SET pgaudit.log = 'none'` in the definition of a function.
fn clauses(tokens: &[Token<'_>]) -> Vec<Change> {
    (0..tokens.len())
        .filter_map(|at| {
            let rest = tokens.get(at..)?;
            let (name, after) = dotted(rest.get(1..)?)?;
            let is_set = rest.first()?.is_word("set") && is_watched(&name);
            let (sign, values) = after.split_first()?;
            let is_assigned = *sign == Token::Symbol(b'=') || sign.is_word("to");
            (is_set && is_assigned).then(|| Change {
                name,
                // Clauses follow without a comma between them: only the first value belongs here.
                value: value(values.get(..1).unwrap_or_default()),
                scope: Scope::Function,
            })
        })
        .collect()
}

/// `set_config('pgaudit.log', 'none', false)`, and an update of `pg_settings`, which calls it.
fn called(tokens: &[Token<'_>]) -> Vec<Change> {
    let mut changes = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.name() != Some("set_config") {
            continue;
        }
        if let Some([Token::Symbol(b'('), Token::Text(name), rest @ ..]) = tokens.get(at + 1..) {
            let value = rest
                .iter()
                .skip_while(|token| **token != Token::Symbol(b','))
                .nth(1);
            changes.push(Change {
                name: name.to_ascii_lowercase(),
                value: Some(match value {
                    Some(Token::Text(value)) => value.clone().into_owned(),
                    // Put together by the statement: not known, so taken for the worst.
                    _ => String::new(),
                }),
                scope: Scope::Session,
            });
        }
    }
    let updates = tokens.first().is_some_and(|token| token.is_word("update"))
        && tokens
            .iter()
            .take(6)
            .any(|token| token.name() == Some("pg_settings"));
    if updates {
        let texts: Vec<&str> = tokens
            .iter()
            .filter_map(|token| match token {
                Token::Text(text) => Some(text.as_ref()),
                _ => None,
            })
            .collect();
        if let Some(name) = texts
            .iter()
            .find(|text| is_watched(&text.to_ascii_lowercase()))
        {
            let value = texts
                .iter()
                .find(|text| *text != name)
                .copied()
                .unwrap_or_default();
            changes.push(Change {
                name: name.to_ascii_lowercase(),
                value: Some(value.to_owned()),
                scope: Scope::Session,
            });
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::{Change, Effect, Scope, effect, of_server, of_statement};
    use pgattest_parse::audit_log::Record;
    use rstest::rstest;

    fn required() -> std::collections::BTreeSet<String> {
        ["ddl", "role", "write"].map(str::to_owned).into()
    }

    #[rstest]
    #[case(
        "ALTER SYSTEM SET pgaudit.log = 'none'",
        "pgaudit.log",
        Some("none"),
        Scope::Announced,
        Effect::Off
    )]
    #[case(
        "alter/**/system set PGAUDIT . log to ddl, role",
        "pgaudit.log",
        Some("ddl,role"),
        Scope::Announced,
        Effect::Weaker
    )]
    #[case(
        "ALTER SYSTEM SET pgaudit.log = 'all, -misc'",
        "pgaudit.log",
        Some("all, -misc"),
        Scope::Announced,
        Effect::Fine
    )]
    #[case(
        "ALTER SYSTEM RESET pgaudit.log",
        "pgaudit.log",
        None,
        Scope::Announced,
        Effect::Off
    )]
    #[case("ALTER SYSTEM RESET ALL", "*", None, Scope::Announced, Effect::Weaker)]
    #[case("ALTER ROLE \"a b\" IN DATABASE d SET \"pgaudit.log\" = ''", "pgaudit.log", Some(""), Scope::Stored("role a b in database d".to_owned()), Effect::Off)]
    #[case("ALTER USER x RESET pgaudit.log", "pgaudit.log", None, Scope::Stored("role x".to_owned()), Effect::Fine)]
    #[case("ALTER DATABASE d SET log_min_messages = PANIC", "log_min_messages", Some("panic"), Scope::Stored("database d".to_owned()), Effect::Off)]
    #[case(
        "SET LOCAL pgaudit.log_level = debug5",
        "pgaudit.log_level",
        Some("debug5"),
        Scope::Session,
        Effect::Off
    )]
    #[case(
        "SET session_replication_role = replica",
        "session_replication_role",
        Some("replica"),
        Scope::Session,
        Effect::Weaker
    )]
    #[case(
        "SELECT pg_catalog.set_config('pgaudit.log'::text, 'n'||'one', true)",
        "pgaudit.log",
        Some("n"),
        Scope::Session,
        Effect::Off
    )]
    #[case(
        "UPDATE pg_settings SET setting = 'none' WHERE name = 'pgaudit.log'",
        "pgaudit.log",
        Some("none"),
        Scope::Session,
        Effect::Off
    )]
    #[case(
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql SET pgaudit.log = 'none' AS 'select 1'",
        "pgaudit.log",
        Some("none"),
        Scope::Function,
        Effect::Off
    )]
    #[case(
        "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'",
        "shared_preload_libraries",
        Some("pg_stat_statements"),
        Scope::Announced,
        Effect::Off
    )]
    fn statements_tell(
        #[case] sql: &str,
        #[case] name: &str,
        #[case] value: Option<&str>,
        #[case] scope: Scope,
        #[case] meaning: Effect,
    ) {
        let changes = of_statement(sql.as_bytes());
        let expected = Change {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            scope,
        };
        assert_eq!(changes, std::slice::from_ref(&expected), "{sql}");
        assert_eq!(effect(&expected, &required()), meaning, "{sql}");
    }

    #[rstest]
    #[case("select 'ALTER SYSTEM SET pgaudit.log = none'")]
    #[case("-- SET pgaudit.log = none\nselect 1")]
    #[case("SET \"Pgaudit\" = 1; select set_config")]
    fn a_text_that_only_mentions_it_tells_nothing(#[case] sql: &str) {
        let mut changes = of_statement(sql.as_bytes());
        changes.retain(|change| super::is_watched(&change.name));
        assert_eq!(changes, [], "{sql}");
    }

    #[rstest]
    #[case(
        "parameter \"pgaudit.log\" changed to \"none\"",
        Some("none"),
        Scope::Server
    )]
    #[case(
        "Parameter »pgaudit.log« auf »none« gesetzt",
        Some("none"),
        Scope::Server
    )]
    #[case(
        "paramètre « pgaudit.log » modifié par « none »",
        Some("none"),
        Scope::Server
    )]
    #[case(
        "parameter \"pgaudit.log\" removed from configuration file, reset to default",
        None,
        Scope::Server
    )]
    fn the_server_tells_in_any_language(
        #[case] message: &str,
        #[case] value: Option<&str>,
        #[case] scope: Scope,
    ) {
        let record = Record {
            message: message.as_bytes().into(),
            backend_type: Some(b"postmaster".as_slice().into()),
            ..Record::default()
        };
        let change = of_server(&record).unwrap();
        assert_eq!(
            (
                change.name.as_str(),
                change.value.as_deref(),
                change.scope.clone()
            ),
            ("pgaudit.log", value, scope)
        );
        assert_eq!(effect(&change, &required()), Effect::Off);
    }
}
