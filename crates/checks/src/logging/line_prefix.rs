//! Whether a line of the text log says who, when and where.

use super::destinations::Destinations;
use super::variants::variants;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};

declare_check! {
    /// ## What it checks
    /// Where the log is written as lines of text (`log_destination` names `stderr`, `syslog` or `eventlog`, or a structured format
    /// that falls back to text), `log_line_prefix` puts on each line: the time (`%m`, `%t` or `%n`), the process (`%p`) or session
    /// (`%c`), the user (`%u`), the database (`%d`) and the client (`%r` or `%h`); and, of low severity when it lacks, the
    /// application (`%a`) and the session (`%c`, or `%p` with `%s`). `syslog` and `eventlog` add time and process themselves. And
    /// `log_error_verbosity` is not `terse`, for no role and no database: in text that leaves out the details of an error, among
    /// them why a login was refused. `csvlog` and `jsonlog` carry all of it, whatever these settings say.
    ///
    /// ## Why it matters
    /// A record without user, client and time cannot be tied to a person, and interleaved sessions cannot be told apart.
    ///
    /// ## How to fix it
    /// `ALTER SYSTEM SET log_line_prefix = '%m [%p] %c %q%u@%d %r %a ';` and reload; or log as `csvlog` or `jsonlog`, which a client
    /// cannot forge a line of.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 20.8.3, What to Log: `log_line_prefix` (numbers of version 15)
    pub LinePrefix {
        id: "LOG-10",
        name: "line-prefix",
        title: "Every line of a text log says when, who, where and from where",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc7_2, Criterion::Cc7_3],
        area: Area::AuditLogging,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for LinePrefix {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let destinations = Destinations::of(context)?;
        if destinations.listed.is_empty() {
            return Ok(Verdict::NotApplicable(
                "log_destination is empty: no line is written".to_owned(),
            ));
        }
        let mut findings = Vec::new();
        if destinations.writes_text() || destinations.writes_to_system() {
            let (prefix, from) = context.setting("log_line_prefix")?;
            if prefix.withheld {
                let why = "the value of `log_line_prefix` was withheld";
                return Err(Missing::because(why).seen_in(from.clone()));
            }
            let lacks = Lacks::of(&prefix.value, !destinations.writes_text());
            findings.extend(lacks.finding(&prefix.value, from));
            findings.extend(terse(context)?);
        }
        Ok(Verdict::assessed(
            destinations.listed.len(),
            "log destinations",
            findings,
        ))
    }
}

/// What a prefix does not say.
#[derive(Debug, Default, Eq, PartialEq)]
struct Lacks {
    needed: Vec<&'static str>,
    useful: Vec<&'static str>,
}

impl Lacks {
    /// `dated`: whoever writes the line adds time and process.
    fn of(prefix: &str, dated: bool) -> Self {
        let escapes = escapes(prefix);
        let has = |any: &str| any.chars().any(|escape| escapes.contains(&escape));
        let mut lacks = Self::default();
        for (said, word) in [
            (dated || has("mtn"), "time"),
            (dated || has("pc"), "process"),
            (has("u"), "user"),
            (has("d"), "database"),
            (has("rh"), "client"),
        ] {
            if !said {
                lacks.needed.push(word);
            }
        }
        let session = has("c") || (dated || has("p")) && has("s");
        for (said, word) in [(has("a"), "application"), (session, "session")] {
            if !said {
                lacks.useful.push(word);
            }
        }
        lacks
    }

    fn finding(&self, prefix: &str, from: &ObservationId) -> Option<Finding> {
        let severity = match (self.needed.is_empty(), self.useful.is_empty()) {
            (true, true) => return None,
            (true, false) => Severity::Low,
            (false, _) => Severity::Medium,
        };
        let all: Vec<&str> = self.needed.iter().chain(&self.useful).copied().collect();
        Some(Finding {
            subject: Subject::cluster(SubjectKind::Setting, "log_line_prefix"),
            cause: "lines of the text log do not say enough".to_owned(),
            detail: format!(
                "log_line_prefix is '{prefix}': lines do not say {}",
                all.join(", ")
            ),
            severity,
            observations: vec![from.clone()],
            remediation: "ALTER SYSTEM SET log_line_prefix = '%m [%p] %c %q%u@%d %r %a ';"
                .to_owned(),
        })
    }
}

/// The letters of the escapes in a prefix: `%-10u` is `u`, `%%` is none, and an escape cut off by the end is none.
fn escapes(prefix: &str) -> Vec<char> {
    let mut found = Vec::new();
    let mut characters = prefix.chars();
    while let Some(c) = characters.next() {
        if c != '%' {
            continue;
        }
        let escape = characters.find(|c| *c != '-' && !c.is_ascii_digit());
        found.extend(escape.filter(|escape| *escape != '%'));
    }
    found
}

fn terse(context: &Context<'_>) -> Result<Vec<Finding>, Missing> {
    const NAME: &str = "log_error_verbosity";
    let found = variants(context, NAME)?.unwrap_or_default();
    let terse = found
        .into_iter()
        .filter(|variant| variant.value.eq_ignore_ascii_case("terse"))
        .map(|variant| Finding {
            cause: "error records without their details".to_owned(),
            detail: format!(
                "{NAME}, from {}, is terse: text lines leave out the details of errors",
                variant.origin
            ),
            severity: if variant.used {
                Severity::Medium
            } else {
                Severity::Low
            },
            remediation: variant.remedy(NAME, "default"),
            observations: variant.seen_in,
            subject: Subject::cluster(SubjectKind::Setting, variant.subject),
        });
    Ok(terse.collect())
}

#[cfg(test)]
mod tests {
    use super::{Lacks, escapes};

    #[test]
    fn escapes_are_read_with_their_padding() {
        assert_eq!(
            escapes("%m [%5p] %-10u%%d%q%a"),
            ['m', 'p', 'u', 'q', 'a'],
            "%%d is a percent sign and a d"
        );
        assert_eq!(escapes("100%"), [] as [char; 0]);
        assert_eq!(escapes("%-"), [] as [char; 0]);
        assert_eq!(escapes("%u%"), ['u']);
    }

    #[test]
    fn what_lacks_is_named() {
        let none = Lacks::default();
        assert_eq!(Lacks::of("%m [%p] %c %q%u@%d %r %a ", false), none);
        assert_eq!(Lacks::of("%n %p %s %u %d %h %a", false), none);
        assert_eq!(Lacks::of("%u %d %h %a %c", true), none, "syslog");
        let default = Lacks::of("%m [%p] ", false);
        assert_eq!(default.needed, ["user", "database", "client"]);
        assert_eq!(default.useful, ["application", "session"]);
        let bare = Lacks::of("", false);
        assert_eq!(
            bare.needed,
            ["time", "process", "user", "database", "client"]
        );
        assert_eq!(
            Lacks::of("%s", false).needed.first(),
            Some(&"time"),
            "%s is when the session began"
        );
    }
}
