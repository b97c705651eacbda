//! Answers as text, CSV or JSON, written while they come. What the log holds is hostile to each of them in another way.

use super::shape::Texts;
use super::{Filter, Population, Question};
use crate::error::ArchiveError;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use pgattest_model::ident::{harmless_cell, is_invisible, visible};
use std::borrow::Cow;
use std::io::{self, Write};

/// The version of the JSON form.
pub const SCHEMA: &str = "pgattest.trail-query/1";

/// A form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// For people: a line a record, long texts below it.
    Text,
    /// RFC 4180 with a header.
    Csv,
    /// One object: what was asked, the rows, and what they rest on.
    Json,
}

/// Writes answers.
pub struct Renderer<W> {
    out: W,
    format: Format,
    columns: Vec<String>,
    rows: u64,
    /// A row being put together.
    line: Vec<u8>,
    clock: Clock,
}

/// Columns whose texts get lines of their own.
const LONG: [&str; 5] = ["statement", "message", "detail", "parameters", "classified"];

impl<W: Write> Renderer<W> {
    /// Begins an answer.
    pub fn begin(
        mut out: W,
        format: Format,
        question: &str,
        filter: &Filter,
        columns: &[&str],
    ) -> io::Result<Self> {
        match format {
            Format::Text => {
                let short = columns.iter().filter(|name| !LONG.contains(name));
                let names: Vec<&str> = short.copied().collect();
                writeln!(out, "{}", names.join("  "))?;
            }
            Format::Csv => write!(out, "{}\r\n", columns.join(","))?,
            Format::Json => {
                write!(out, "{{\"schema\":\"{SCHEMA}\",\"question\":")?;
                json_text(&mut out, question)?;
                write!(out, ",\"filter\":{{")?;
                json_pair(&mut out, "from", filter.from)?;
                out.write_all(b",")?;
                json_pair(&mut out, "to", filter.to)?;
                out.write_all(b",\"users\":[")?;
                for (at, user) in filter.users.iter().enumerate() {
                    if at > 0 {
                        out.write_all(b",")?;
                    }
                    json_text(&mut out, user)?;
                }
                out.write_all(b"],\"database\":")?;
                json_option(&mut out, filter.database.as_deref())?;
                out.write_all(b",\"table\":")?;
                let table = filter.table.as_ref().map(super::TableName::sql);
                json_option(&mut out, table.as_deref())?;
                out.write_all(b"},\"rows\":[")?;
            }
        }
        Ok(Self {
            out,
            format,
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows: 0,
            line: Vec::new(),
            clock: Clock::default(),
        })
    }

    /// Adds rows. At most `limit` of the whole answer are written, the others counted.
    pub fn rows(&mut self, batch: &RecordBatch, limit: Option<u64>) -> io::Result<()> {
        let columns: Vec<Values<'_>> = batch.columns().iter().map(Values::of).collect();
        for row in 0..batch.num_rows() {
            if limit.is_some_and(|limit| self.rows >= limit) {
                return Ok(());
            }
            match self.format {
                Format::Text => self.text_row(&columns, row)?,
                Format::Csv => self.csv_row(&columns, row)?,
                Format::Json => self.json_row(&columns, row)?,
            }
            self.rows += 1;
        }
        Ok(())
    }

    /// Ends an answer with what it rests on. In text and CSV that is not among the rows: it is given back, to be said elsewhere.
    pub fn end(mut self, question: &Question, population: &Population) -> io::Result<Vec<String>> {
        let said = said(population, question, self.rows);
        if self.format == Format::Json {
            write!(self.out, "],\"population\":")?;
            json_population(&mut self.out, population)?;
            write!(self.out, ",\"limits\":[")?;
            for (at, limit) in question.limits().iter().enumerate() {
                if at > 0 {
                    self.out.write_all(b",")?;
                }
                json_text(&mut self.out, limit)?;
            }
            self.out.write_all(b"]}\n")?;
        }
        self.out.flush()?;
        Ok(said)
    }

    fn text_row(&mut self, columns: &[Values<'_>], row: usize) -> io::Result<()> {
        let mut is_first = true;
        for (name, values) in self.columns.iter().zip(columns) {
            if LONG.contains(&name.as_str()) {
                continue;
            }
            if !is_first {
                self.out.write_all(b"  ")?;
            }
            is_first = false;
            match values.text(row) {
                Some(text) => self.out.write_all(visible(&text).as_bytes())?,
                None => self.out.write_all(b"-")?,
            }
        }
        self.out.write_all(b"\n")?;
        for (name, values) in self.columns.iter().zip(columns) {
            if let Some(text) = values.text(row).filter(|_| LONG.contains(&name.as_str())) {
                writeln!(self.out, "    {name}: {}", visible(&text))?;
            }
        }
        Ok(())
    }

    fn csv_row(&mut self, columns: &[Values<'_>], row: usize) -> io::Result<()> {
        self.line.clear();
        for (at, values) in columns.iter().enumerate() {
            if at > 0 {
                self.line.push(b',');
            }
            match values {
                Values::Texts(texts) => {
                    if let Some(text) = texts.get(row) {
                        csv_text(&mut self.line, text);
                    }
                }
                Values::Times(times) if !times.is_null(row) => {
                    self.clock.write(&mut self.line, times.value(row));
                }
                Values::Numbers(numbers) if !numbers.is_null(row) => {
                    write!(self.line, "{}", numbers.value(row))?;
                }
                Values::Flags(flags) if !flags.is_null(row) => {
                    write!(self.line, "{}", flags.value(row))?;
                }
                _ => {}
            }
        }
        self.line.extend_from_slice(b"\r\n");
        self.out.write_all(&self.line)
    }

    fn json_row(&mut self, columns: &[Values<'_>], row: usize) -> io::Result<()> {
        self.out
            .write_all(if self.rows == 0 { b"\n{" } else { b",\n{" })?;
        for (at, (name, values)) in self.columns.iter().zip(columns).enumerate() {
            if at > 0 {
                self.out.write_all(b",")?;
            }
            write!(self.out, "\"{name}\":")?;
            match values.text(row) {
                None => self.out.write_all(b"null")?,
                Some(text) if values.is_bare() => self.out.write_all(text.as_bytes())?,
                Some(text) => json_text(&mut self.out, &text)?,
            }
        }
        self.out.write_all(b"}")
    }
}

/// A column's values as text.
enum Values<'a> {
    Texts(Texts<'a>),
    Numbers(&'a arrow::array::Int64Array),
    Times(&'a arrow::array::TimestampMillisecondArray),
    Flags(&'a BooleanArray),
    Unknown,
}

impl<'a> Values<'a> {
    fn of(array: &'a ArrayRef) -> Self {
        if let Some(texts) = Texts::of(array) {
            return Self::Texts(texts);
        }
        if let Some(numbers) = array.as_primitive_opt::<Int64Type>() {
            return Self::Numbers(numbers);
        }
        if let Some(times) = array.as_primitive_opt::<TimestampMillisecondType>() {
            return Self::Times(times);
        }
        array.as_boolean_opt().map_or(Self::Unknown, Self::Flags)
    }

    /// Whether JSON writes it without quotes.
    fn is_bare(&self) -> bool {
        matches!(self, Self::Numbers(_) | Self::Flags(_))
    }

    fn text(&self, row: usize) -> Option<Cow<'a, str>> {
        match self {
            Self::Texts(texts) => texts.get(row).map(Into::into),
            Self::Numbers(numbers) => {
                (!numbers.is_null(row)).then(|| numbers.value(row).to_string().into())
            }
            Self::Times(times) => (!times.is_null(row)).then(|| timestamp(times.value(row)).into()),
            Self::Flags(flags) => (!flags.is_null(row))
                .then(|| if flags.value(row) { "true" } else { "false" }.into()),
            Self::Unknown => None,
        }
    }
}

/// A time as people and machines read it: `2026-11-23T06:43:33.792Z`.
pub fn timestamp(milliseconds: i64) -> String {
    match jiff::Timestamp::from_millisecond(milliseconds) {
        Ok(at) => format!("{at:.3}"),
        Err(_) => milliseconds.to_string(),
    }
}

/// [`timestamp`] for times of which many lie in the same second: only the first of them is put together from its parts.
#[derive(Default)]
struct Clock {
    second: Option<i64>,
    /// `2026-11-23T06:43:33`.
    text: String,
}

impl Clock {
    fn write(&mut self, out: &mut Vec<u8>, milliseconds: i64) {
        let second = milliseconds.div_euclid(1000);
        if self.second != Some(second) {
            let text = timestamp(second.saturating_mul(1000));
            let Some(text) = text.strip_suffix(".000Z") else {
                out.extend_from_slice(timestamp(milliseconds).as_bytes());
                return;
            };
            text.clone_into(&mut self.text);
            self.second = Some(second);
        }
        out.extend_from_slice(self.text.as_bytes());
        // Writing to memory does not fail.
        let _ = write!(out, ".{:03}Z", milliseconds.rem_euclid(1000));
    }
}

/// A text of a CSV: quoted even when empty, because an empty text is not NULL.
fn csv_text(out: &mut Vec<u8>, text: &str) {
    // Nearly all texts are plain ASCII, which is told without looking at characters.
    let is_plain = text.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    let shown = if !is_plain && text.contains(is_invisible) {
        Cow::Owned(visible(text))
    } else {
        Cow::Borrowed(text)
    };
    let cell = harmless_cell(&shown);
    out.push(b'"');
    for (at, part) in cell.split('"').enumerate() {
        if at > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
}

/// What an answer rests on, in sentences.
fn said(population: &Population, question: &Question, written: u64) -> Vec<String> {
    let looked = &population.looked;
    let mut lines = Vec::new();
    let mut line = format!(
        "{} of {} records of `{}`, in {} files; {} had to be read",
        population.matched, looked.sums.rows, population.instance, looked.files, looked.read
    );
    if let Question::Counts = question {
        line = format!(
            "{} records of `{}`, in {} files",
            looked.sums.rows, population.instance, looked.files
        );
    }
    if let Question::UnusedGrants(_) = question {
        line = format!(
            "{} grants against the audited of {} records of `{}`, in {} files",
            population.matched, looked.sums.rows, population.instance, looked.files
        );
    }
    lines.push(line);
    if written < population.matched {
        lines.push(format!(
            "{written} are shown: the limit; the answer has {}",
            population.matched
        ));
    }
    lines.push(match looked.times {
        Some((from, to)) => format!(
            "these files hold records logged from {} to {}",
            timestamp(from),
            timestamp(to)
        ),
        None => "no file of the period holds a record whose time is known".to_owned(),
    });
    if let Some((first, end)) = population.range {
        let last = end - 1;
        lines.push(format!(
            "the archive holds records {first} to {last} of the journal"
        ));
    }
    for (first, last) in &population.holes {
        lines.push(format!("the archive lacks records {first} to {last}"));
    }
    if looked.sums.torn > 0 {
        lines.push(format!(
            "{} pieces of the log are torn and no records: what they say is in no column but `raw`",
            looked.sums.torn
        ));
    }
    if looked.sums.time_unknown > 0 {
        lines.push(format!(
            "of {} the time is unknown: they count as of the day on which they were sealed",
            looked.sums.time_unknown
        ));
    }
    lines.extend(question.limits().iter().map(|limit| (*limit).to_owned()));
    lines
}

fn json_population(out: &mut impl Write, population: &Population) -> io::Result<()> {
    let looked = &population.looked;
    out.write_all(b"{\"instance\":")?;
    json_text(out, &population.instance)?;
    write!(
        out,
        ",\"matched\":{},\"records\":{},\"records_read\":{},\"files\":{},\"torn\":{},\"time_unknown\":{},",
        population.matched,
        looked.sums.rows,
        looked.read,
        looked.files,
        looked.sums.torn,
        looked.sums.time_unknown
    )?;
    json_pair(out, "first_time", looked.times.map(|(from, _)| from))?;
    out.write_all(b",")?;
    json_pair(out, "last_time", looked.times.map(|(_, to)| to))?;
    match population.range {
        Some((first, end)) => write!(
            out,
            ",\"first_record\":{first},\"last_record\":{}",
            end.saturating_sub(1)
        )?,
        None => out.write_all(b",\"first_record\":null,\"last_record\":null")?,
    }
    out.write_all(b",\"holes\":[")?;
    for (at, (first, last)) in population.holes.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        write!(out, "{comma}[{first},{last}]")?;
    }
    out.write_all(b"]}")
}

fn json_pair(out: &mut impl Write, name: &str, time: Option<i64>) -> io::Result<()> {
    write!(out, "\"{name}\":")?;
    json_option(out, time.map(timestamp).as_deref())
}

fn json_option(out: &mut impl Write, text: Option<&str>) -> io::Result<()> {
    match text {
        Some(text) => json_text(out, text),
        None => out.write_all(b"null"),
    }
}

/// A JSON string. What a terminal acts on is escaped, so that looking at it does no harm; a parser gives it back.
pub fn json_text(out: &mut impl Write, text: &str) -> io::Result<()> {
    out.write_all(b"\"")?;
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        if c != '"' && c != '\\' && !is_invisible(c) {
            continue;
        }
        out.write_all(text.get(plain..at).unwrap_or_default().as_bytes())?;
        plain = at + c.len_utf8();
        match c {
            '"' => out.write_all(b"\\\"")?,
            '\\' => out.write_all(b"\\\\")?,
            '\n' => out.write_all(b"\\n")?,
            '\t' => out.write_all(b"\\t")?,
            _ => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
        }
    }
    out.write_all(text.get(plain..).unwrap_or_default().as_bytes())?;
    out.write_all(b"\"")
}

/// The error that ends an answer when it cannot be written.
pub fn unwritten(error: io::Error) -> ArchiveError {
    ArchiveError::Disk {
        action: "write",
        path: "the answer".into(),
        source: error,
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, csv_text, json_text, timestamp};

    #[test]
    fn json_gives_hostile_text_back() {
        for text in [
            "",
            "a\"b\\c\n\t\r\u{1b}[31m\u{7f}",
            "\u{202e}evil",
            "\u{e0001}x",
            "'ü",
        ] {
            let mut out = Vec::new();
            json_text(&mut out, text).unwrap();
            assert!(out.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f));
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn csv_gives_hostile_text_back_as_a_text() {
        let written = |text: &str| {
            let mut out = Vec::new();
            csv_text(&mut out, text);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(""), r#""""#);
        assert_eq!(written(r#"a"b,"""#), r#""a""b,""""""#);
        assert_eq!(written("=1+1"), r#""'=1+1""#);
        assert_eq!(written("ü"), r#""ü""#);
        assert!(!written("a\u{1b}[31m\n\u{202e}").contains(['\u{1b}', '\n', '\u{202e}']));
    }

    #[test]
    fn a_clock_that_remembers_its_second_says_what_one_without_memory_says() {
        let mut clock = Clock::default();
        for time in [
            0,
            999,
            1000,
            1,
            -1,
            -1000,
            1_795_416_213_792,
            1_795_416_213_007,
            i64::MAX,
            i64::MIN,
            5,
        ] {
            let mut out = Vec::new();
            clock.write(&mut out, time);
            assert_eq!(String::from_utf8(out).unwrap(), timestamp(time));
        }
    }

    #[test]
    fn times_have_milliseconds() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(-1), "1969-12-31T23:59:59.999Z");
    }
}
