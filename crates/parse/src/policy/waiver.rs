//! `[[waiver]]`.

use super::PolicyError;
use super::source::Reading;
use super::value::wrong;
use pgattest_model::waiver::WaiverPlaces;
use pgattest_model::{Covers, Date, Place, Waiver};
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;
use toml::{Spanned, Value};

/// An accepted risk: findings of one check that somebody answers for until a day. Covers by `subject` or by `fingerprint`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["subject"] }, { "required": ["fingerprint"] }]))]
pub(super) struct WaiverEntry {
    /// Identifier or name of the check whose findings are accepted.
    #[schemars(required, with = "Option<String>", extend("examples" = ["ROL-01"]))]
    check: Option<Spanned<String>>,
    /// Name of the subject exactly as the report gives it. `*` stands for any characters, `\*` for an asterisk.
    #[schemars(with = "Option<String>", length(min = 1), extend("examples" = ["public.orders", "legacy.*"]))]
    subject: Option<Spanned<String>>,
    /// Fingerprint of one finding, as the report gives it: 16 hex digits.
    #[schemars(with = "Option<String>", regex(pattern = "^[0-9a-f]{16}$"))]
    fingerprint: Option<Spanned<String>>,
    /// The database that the subject lives in. Without it: any.
    #[schemars(with = "Option<String>", length(min = 1))]
    database: Option<Spanned<String>>,
    /// Why the risk is accepted.
    #[schemars(required, with = "Option<String>", length(min = 1))]
    reason: Option<Spanned<String>>,
    /// Who answers for it.
    #[schemars(required, with = "Option<String>", length(min = 1))]
    owner: Option<Spanned<String>>,
    /// Who accepted it.
    #[schemars(required, with = "Option<String>", length(min = 1))]
    approver: Option<Spanned<String>>,
    /// What lowers the risk meanwhile.
    #[schemars(with = "Option<String>", length(min = 1))]
    compensating_control: Option<Spanned<String>>,
    /// The day it was accepted: a date without quotes.
    #[schemars(with = "Option<String>", extend("format" = "date"), regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    issued: Option<Spanned<Value>>,
    /// The last day, in UTC, on which it is in force: a date without quotes.
    #[schemars(required, with = "Option<String>", extend("format" = "date"), regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), extend("examples" = ["2027-03-31"]))]
    expires: Option<Spanned<Value>>,
}

/// Every waiver, each of which covers something that none before it covers in the same words.
pub(super) fn all(
    entries: Vec<Spanned<WaiverEntry>>,
    reading: &Reading<'_>,
) -> Result<Vec<Waiver>, PolicyError> {
    let mut waivers: Vec<Waiver> = Vec::with_capacity(entries.len());
    for entry in entries {
        let waiver = one(entry, reading)?;
        let same = waivers.iter().find(|other| {
            other.check == waiver.check
                && other.covers == waiver.covers
                && other.database == waiver.database
        });
        if let Some(first) = same {
            let Place { start, end, .. } = waiver.places.covers;
            return Err(wrong(
                start..end,
                format!(
                    "the waiver on line {} covers the same",
                    first.places.entry.line
                ),
                "keep one of them: nobody could say which expiry holds",
            ));
        }
        waivers.push(waiver);
    }
    Ok(waivers)
}

fn one(entry: Spanned<WaiverEntry>, reading: &Reading<'_>) -> Result<Waiver, PolicyError> {
    let whole = entry.span();
    let entry = entry.into_inner();
    let check = text(
        entry.check,
        &whole,
        "a waiver names the check whose findings it accepts",
        "check = \"ROL-01\"",
    )?;
    let (covers, covers_span) = match (entry.subject, entry.fingerprint) {
        (Some(subject), None) => {
            let (subject, span) = filled(subject)?;
            (Covers::Subject(subject), span)
        }
        (None, Some(fingerprint)) => {
            let span = fingerprint.span();
            (Covers::Fingerprint(hex_digits(fingerprint)?), span)
        }
        (Some(_), Some(fingerprint)) => {
            return Err(wrong(
                fingerprint.span(),
                "a waiver covers by `subject` or by `fingerprint`, not by both",
                "remove one of them",
            ));
        }
        (None, None) => {
            return Err(wrong(
                whole,
                "a waiver says which findings it covers",
                "subject = \"public.orders\", or fingerprint = \"..\", as the report gives it",
            ));
        }
    };
    let database = entry.database.map(filled).transpose()?;
    let (reason, _) = text(
        entry.reason,
        &whole,
        "a waiver says why the risk is accepted",
        "reason = \"the vendor's tool cannot do without until its next release\"",
    )?;
    let (owner, _) = text(
        entry.owner,
        &whole,
        "a waiver has an owner, who answers for the risk",
        "owner = \"platform team\"",
    )?;
    let (approver, _) = text(
        entry.approver,
        &whole,
        "a waiver has an approver, who accepted the risk",
        "approver = \"Jo Doe, CISO\"",
    )?;
    let compensating_control = entry.compensating_control.map(filled).transpose()?;
    let Some(expires) = entry.expires else {
        return Err(wrong(
            whole,
            "a waiver without an end is never looked at again: it has to expire",
            "expires = 2027-03-31",
        ));
    };
    let expires_span = expires.span();
    let expires = date(&expires, "expires")?;
    let issued = entry
        .issued
        .map(|issued| {
            let span = issued.span();
            date(&issued, "issued").map(|issued| (issued, span))
        })
        .transpose()?;
    if let Some((issued, span)) = &issued
        && *issued > expires
    {
        return Err(wrong(
            span.clone(),
            "a waiver is issued before it expires",
            format!("a day up to {expires}"),
        ));
    }
    let covers_place = reading.place(covers_span);
    Ok(Waiver {
        check: check.0,
        covers,
        reason,
        owner,
        approver,
        compensating_control: compensating_control.map(|(control, _)| control),
        issued: issued.map(|(issued, _)| issued),
        expires,
        places: WaiverPlaces {
            entry: reading.place(whole),
            check: reading.place(check.1),
            covers: covers_place,
            database: database
                .as_ref()
                .map_or(covers_place, |(_, span)| reading.place(span.clone())),
            expires: reading.place(expires_span),
        },
        database: database.map(|(database, _)| database),
    })
}

/// A text that has to be there and to say something.
fn text(
    value: Option<Spanned<String>>,
    whole: &Range<usize>,
    rule: &str,
    example: &str,
) -> Result<(String, Range<usize>), PolicyError> {
    match value {
        None => Err(wrong(whole.clone(), rule, example)),
        Some(value) if value.get_ref().trim().is_empty() => Err(wrong(value.span(), rule, example)),
        Some(value) => filled(value),
    }
}

fn filled(value: Spanned<String>) -> Result<(String, Range<usize>), PolicyError> {
    let span = value.span();
    if value.get_ref().trim().is_empty() {
        return Err(wrong(
            span,
            "nothing is written here",
            "fill it, or remove the key",
        ));
    }
    Ok((value.into_inner(), span))
}

fn hex_digits(value: Spanned<String>) -> Result<String, PolicyError> {
    let text = value.get_ref();
    let is_fingerprint = text.len() == 16
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
    if is_fingerprint {
        return Ok(value.into_inner());
    }
    Err(wrong(
        value.span(),
        "a fingerprint is 16 hex digits, as the report gives it",
        "like `1f0c9a7be3d2f654`",
    ))
}

fn date(value: &Spanned<Value>, key: &str) -> Result<Date, PolicyError> {
    let span = value.span();
    let day = match value.get_ref() {
        Value::Datetime(moment) if moment.time.is_none() && moment.offset.is_none() => moment
            .date
            .and_then(|date| Date::new(date.year, date.month, date.day)),
        _ => None,
    };
    day.ok_or_else(|| {
        wrong(
            span,
            format!("`{key}` is a day, without quotes and without a time"),
            format!("{key} = 2027-03-31"),
        )
    })
}
