//! The condition language.
//!
//! A condition is a table with one of: `all`, `any` (lists of conditions), `not` (a condition), `sql` or `failed_sql` (patterns over
//! the statement's tokens: [`pgattest_parse::sql::Pattern`]), `outside` (a window of time), or `field` with one of `equals`,
//! `in`, `prefix`, `matches` (a regular expression), `at_least` (a number), `present`.
//!
//! `setting = {..}` holds when one and the same changed setting has all of `name`, `effect`, `scope` that are given.

use super::fields::{FIELDS, Fields};
use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use pgattest_parse::sql::{Pattern, readings};
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

/// A condition, ready to be asked.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Every one holds.
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A statement that was carried out has one of these shapes.
    Sql(Vec<Pattern>),
    /// A statement that failed has one of these shapes.
    FailedSql(Vec<Pattern>),
    /// The record was logged outside of this window. One without a time may have been.
    Outside(Window),
    /// A field has a value.
    Field(&'static str, Test),
    /// A setting was changed.
    Setting(Setting),
}

/// What a field's value is tested for.
#[derive(Clone, Debug)]
pub enum Test {
    /// It is one of these.
    In(Vec<String>),
    /// It begins with this.
    Prefix(String),
    /// The expression is found in it.
    Matches(Box<Regex>),
    /// It is a number, at least this.
    AtLeast(u64),
    /// It is there, or not, and not empty.
    Present(bool),
}

/// A setting that was changed. Lists: one of them; empty: any.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Names.
    #[serde(default)]
    name: Vec<String>,
    /// What the change means.
    #[serde(default)]
    effect: Vec<String>,
    /// For whom.
    #[serde(default)]
    scope: Vec<String>,
}

/// A window of every week.
#[derive(Clone, Debug)]
pub struct Window {
    days: Vec<Weekday>,
    from: Time,
    to: Time,
    zone: TimeZone,
}

/// As it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    all: Option<Vec<Written>>,
    any: Option<Vec<Written>>,
    not: Option<Box<Written>>,
    sql: Option<OneOrMany>,
    failed_sql: Option<OneOrMany>,
    outside: Option<WrittenWindow>,
    setting: Option<Setting>,
    field: Option<String>,
    equals: Option<String>,
    #[serde(rename = "in")]
    is_in: Option<Vec<String>>,
    prefix: Option<String>,
    matches: Option<String>,
    at_least: Option<u64>,
    present: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWindow {
    days: Vec<String>,
    from: String,
    to: String,
    #[serde(default = "utc")]
    zone: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// A condition may be in one, but not in one of this many.
const DEPTH: u32 = 16;

impl Written {
    /// Checks a condition. The error is a sentence for whoever wrote it.
    pub(super) fn compile(&self) -> Result<Condition, String> {
        self.at(0)
    }

    fn at(&self, depth: u32) -> Result<Condition, String> {
        if depth > DEPTH {
            return Err("conditions are nested too deeply".to_owned());
        }
        let given = [
            self.all.is_some(),
            self.any.is_some(),
            self.not.is_some(),
            self.sql.is_some(),
            self.failed_sql.is_some(),
            self.outside.is_some(),
            self.setting.is_some(),
            self.field.is_some(),
        ];
        if given.iter().filter(|&&given| given).count() != 1 {
            return Err("a condition has exactly one of `all`, `any`, `not`, `sql`, `failed_sql`, `outside`, `setting`, `field`".to_owned());
        }
        let list = |conditions: &[Written]| -> Result<Vec<Condition>, String> {
            if conditions.is_empty() {
                return Err("a list of conditions is empty".to_owned());
            }
            conditions
                .iter()
                .map(|condition| condition.at(depth + 1))
                .collect()
        };
        if self.field.is_none() && self.tests() > 0 {
            return Err("a test (`equals`, `in`, ..) needs a `field`".to_owned());
        }
        if let Some(all) = &self.all {
            return Ok(Condition::All(list(all)?));
        }
        if let Some(any) = &self.any {
            return Ok(Condition::Any(list(any)?));
        }
        if let Some(not) = &self.not {
            return Ok(Condition::Not(Box::new(not.at(depth + 1)?)));
        }
        if let Some(sql) = &self.sql {
            return Ok(Condition::Sql(sql.patterns()?));
        }
        if let Some(sql) = &self.failed_sql {
            return Ok(Condition::FailedSql(sql.patterns()?));
        }
        if let Some(window) = &self.outside {
            return Ok(Condition::Outside(window.compile()?));
        }
        if let Some(setting) = &self.setting {
            return Ok(Condition::Setting(setting.clone()));
        }
        self.field_test()
    }

    fn tests(&self) -> usize {
        [
            self.equals.is_some(),
            self.is_in.is_some(),
            self.prefix.is_some(),
            self.matches.is_some(),
            self.at_least.is_some(),
            self.present.is_some(),
        ]
        .iter()
        .filter(|&&given| given)
        .count()
    }

    fn field_test(&self) -> Result<Condition, String> {
        let name = field(self.field.as_deref().unwrap_or_default())?;
        if self.tests() != 1 {
            return Err(format!(
                "`{name}` needs exactly one of `equals`, `in`, `prefix`, `matches`, `at_least`, `present`"
            ));
        }
        if name == "statement" && self.present.is_none() {
            return Err("the text of a statement is asked with `sql`: a comment or another way of quoting would defeat a comparison".to_owned());
        }
        let test = if let Some(value) = &self.equals {
            Test::In(vec![value.clone()])
        } else if let Some(values) = &self.is_in {
            Test::In(values.clone())
        } else if let Some(prefix) = &self.prefix {
            Test::Prefix(prefix.clone())
        } else if let Some(expression) = &self.matches {
            let regex = RegexBuilder::new(expression)
                .unicode(false)
                .size_limit(1 << 20)
                .build()
                .map_err(|error| format!("`{expression}`: {error}"))?;
            Test::Matches(Box::new(regex))
        } else if let Some(number) = self.at_least {
            Test::AtLeast(number)
        } else {
            Test::Present(self.present.unwrap_or(true))
        };
        Ok(Condition::Field(name, test))
    }
}

impl OneOrMany {
    fn patterns(&self) -> Result<Vec<Pattern>, String> {
        let texts = match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts.as_slice(),
        };
        texts
            .iter()
            .map(|text| Pattern::parse(text).map_err(|error| format!("`{text}`: {error}")))
            .collect()
    }
}

impl WrittenWindow {
    fn compile(&self) -> Result<Window, String> {
        let days: Result<Vec<Weekday>, String> = self.days.iter().map(|day| weekday(day)).collect();
        let time = |text: &str| {
            Time::strptime("%H:%M", text).map_err(|_| format!("`{text}` is no time: write `07:30`"))
        };
        Ok(Window {
            days: days?,
            from: time(&self.from)?,
            to: time(&self.to)?,
            zone: TimeZone::get(&self.zone).map_err(|error| error.to_string())?,
        })
    }
}

fn weekday(day: &str) -> Result<Weekday, String> {
    Ok(match day {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        "sun" => Weekday::Sunday,
        _ => return Err(format!("`{day}` is no day: write `mon` to `sun`")),
    })
}

/// The field of this name.
pub(super) fn field(name: &str) -> Result<&'static str, String> {
    FIELDS
        .iter()
        .map(|(known, _)| *known)
        .find(|known| *known == name)
        .ok_or_else(|| format!("there is no field `{name}`"))
}

impl Condition {
    /// Whether it holds of a record.
    pub fn holds(&self, fields: &Fields<'_>) -> bool {
        match self {
            Self::All(all) => all.iter().all(|condition| condition.holds(fields)),
            Self::Any(any) => any.iter().any(|condition| condition.holds(fields)),
            Self::Not(not) => !not.holds(fields),
            Self::Sql(patterns) => shaped(fields.statement(), patterns),
            Self::FailedSql(patterns) => shaped(fields.failed_statement(), patterns),
            Self::Outside(window) => window.is_outside(fields.record.time_ms),
            Self::Setting(setting) => setting.holds(fields),
            Self::Field(name, test) => test.holds(&fields.get(name)),
        }
    }
}

fn shaped(sql: Option<&[u8]>, patterns: &[Pattern]) -> bool {
    sql.is_some_and(|sql| {
        readings(sql)
            .iter()
            .flatten()
            .any(|statement| patterns.iter().any(|pattern| pattern.matches(statement)))
    })
}

impl Test {
    fn holds(&self, values: &[std::borrow::Cow<'_, str>]) -> bool {
        match self {
            Self::In(wanted) => values
                .iter()
                .any(|value| wanted.iter().any(|wanted| wanted == value)),
            Self::Prefix(prefix) => values.iter().any(|value| value.starts_with(prefix)),
            Self::Matches(regex) => values.iter().any(|value| regex.is_match(value.as_bytes())),
            Self::AtLeast(number) => values
                .iter()
                .any(|value| value.parse::<u64>().is_ok_and(|value| value >= *number)),
            Self::Present(wanted) => values.iter().any(|value| !value.is_empty()) == *wanted,
        }
    }
}

impl Setting {
    fn holds(&self, fields: &Fields<'_>) -> bool {
        let one_of = |wanted: &[String], value: Option<std::borrow::Cow<'_, str>>| {
            wanted.is_empty()
                || value.is_some_and(|value| wanted.iter().any(|wanted| *wanted == value))
        };
        fields.changes().iter().any(|change| {
            one_of(&self.name, fields.setting(change, "name"))
                && one_of(&self.effect, fields.setting(change, "effect"))
                && one_of(&self.scope, fields.setting(change, "scope"))
        })
    }
}

impl Window {
    fn is_outside(&self, at: Option<i64>) -> bool {
        let Some(at) = at.and_then(|at| Timestamp::from_millisecond(at).ok()) else {
            return true;
        };
        let local = self.zone.to_datetime(at);
        let time = local.time();
        // A window from 22:00 to 04:00 belongs to the day on which it begins.
        let (day, within) = if self.from <= self.to {
            (local.date().weekday(), self.from <= time && time < self.to)
        } else if time < self.to {
            (local.date().weekday().previous(), true)
        } else {
            (local.date().weekday(), time >= self.from)
        };
        !(within && self.days.contains(&day))
    }
}
