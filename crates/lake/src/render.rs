//! Rows as text, CSV or JSON lines, while they come. What the log holds is hostile to each of them.

use anyhow::Result;
use clap::ValueEnum;
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use pgattest_archive::query::render::json_text;
use pgattest_model::ident::{harmless_cell, visible};
use std::io::Write;

/// A form.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// For people: columns parted by tabs
    Text,
    /// For spreadsheets: RFC 4180 with a header
    Csv,
    /// For programs: an object a line; whole numbers and truth values as such, everything else as text
    Json,
}

pub(crate) struct Renderer<'a, W> {
    out: &'a mut W,
    format: Format,
    names: Vec<String>,
}

impl<'a, W: Write> Renderer<'a, W> {
    pub(crate) fn begin(out: &'a mut W, format: Format, schema: &Schema) -> Result<Self> {
        let fields = schema.fields().iter();
        let names: Vec<String> = fields.map(|field| field.name().clone()).collect();
        match format {
            Format::Text => {
                let shown: Vec<String> = names.iter().map(|name| visible(name)).collect();
                writeln!(out, "{}", shown.join("\t"))?;
            }
            Format::Csv => {
                let shown: Vec<String> = names.iter().map(|name| cell(name)).collect();
                write!(out, "{}\r\n", shown.join(","))?;
            }
            Format::Json => {}
        }
        Ok(Self { out, format, names })
    }

    pub(crate) fn rows(&mut self, batch: &RecordBatch) -> Result<()> {
        let options = FormatOptions::default().with_display_error(false);
        let columns = batch.columns().iter();
        let shown: Vec<ArrayFormatter<'_>> = columns
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            for (at, ((column, shown), name)) in batch
                .columns()
                .iter()
                .zip(&shown)
                .zip(&self.names)
                .enumerate()
            {
                let value = if column.is_null(row) {
                    None
                } else {
                    Some(shown.value(row).try_to_string()?)
                };
                let plain = column.data_type().is_integer()
                    || matches!(column.data_type(), DataType::Boolean);
                write_value(self.out, self.format, at, name, value.as_deref(), plain)?;
            }
            self.out.write_all(match self.format {
                Format::Text => b"\n".as_slice(),
                Format::Csv => b"\r\n",
                Format::Json if self.names.is_empty() => b"{}\n",
                Format::Json => b"}\n",
            })?;
        }
        Ok(())
    }

    pub(crate) fn end(self) -> Result<()> {
        Ok(self.out.flush()?)
    }
}

fn write_value(
    out: &mut impl Write,
    format: Format,
    at: usize,
    name: &str,
    value: Option<&str>,
    plain: bool,
) -> Result<()> {
    match format {
        Format::Text => {
            let part = if at == 0 { "" } else { "\t" };
            write!(out, "{part}{}", value.map(visible).unwrap_or_default())?;
        }
        Format::Csv => {
            let part = if at == 0 { "" } else { "," };
            let text = match value {
                Some(number) if plain => number.to_owned(),
                other => other.map(cell).unwrap_or_default(),
            };
            write!(out, "{part}{text}")?;
        }
        Format::Json => {
            out.write_all(if at == 0 { b"{" } else { b"," })?;
            json_text(out, name)?;
            out.write_all(b":")?;
            match value {
                None => out.write_all(b"null")?,
                Some(text) if plain => out.write_all(text.as_bytes())?,
                Some(text) => json_text(out, text)?,
            }
        }
    }
    Ok(())
}

/// A cell that no spreadsheet calculates.
fn cell(text: &str) -> String {
    let harmless = harmless_cell(text);
    format!("\"{}\"", harmless.replace('"', "\"\""))
}
