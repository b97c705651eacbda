//! Raw results as rows.

use pgattest_model::{Observation, Outcome};
use serde::de::DeserializeOwned;

/// The rows of an observation, matched by the names in its header. An unknown column is ignored; a missing one, a row that
/// does not fit, or a number of rows that is not the recorded one is an error: one clause that says where.
///
/// Bytes that are not UTF-8 (names in a `SQL_ASCII` database) become U+FFFD.
pub(crate) fn rows<T: DeserializeOwned>(observation: &Observation) -> Result<Vec<T>, String> {
    let (csv, recorded) = match &observation.outcome {
        Outcome::Rows { csv, rows } => (csv, *rows),
        Outcome::Failed { message, .. } => return Err(message.clone()),
    };
    let mut reader = csv::ReaderBuilder::new().from_reader(csv.as_slice());
    let header = lossy(
        reader
            .byte_headers()
            .map_err(|error| format!("its header cannot be read: {}", place(&error)))?,
    );
    let mut rows = Vec::new();
    let mut record = csv::ByteRecord::new();
    loop {
        let number = rows.len() + 1;
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(format!("row {number} cannot be read: {}", place(&error))),
        }
        let row = lossy(&record)
            .deserialize(Some(&header))
            .map_err(|error| format!("row {number}: {}", field(&error, &header)))?;
        rows.push(row);
    }
    if rows.len() as u64 == recorded {
        Ok(rows)
    } else {
        Err(format!(
            "it holds {} rows, but {recorded} were recorded",
            rows.len()
        ))
    }
}

/// How many rows a raw result holds, without its header: lines outside quotes.
pub fn count_rows(csv: &[u8]) -> u64 {
    let mut quoted = false;
    let mut lines = 0_u64;
    for byte in csv {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => lines += 1,
            _ => {}
        }
    }
    lines.saturating_sub(1)
}

fn lossy(record: &csv::ByteRecord) -> csv::StringRecord {
    record.iter().map(String::from_utf8_lossy).collect()
}

fn place(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("it has {len} columns where the header has {expected_len}"),
        _ => "it is not CSV".to_owned(),
    }
}

/// What is wrong with one field. Values are not repeated beyond what the decoder says about its own column.
fn field(error: &csv::Error, header: &csv::StringRecord) -> String {
    let csv::ErrorKind::Deserialize { err, .. } = error.kind() else {
        return "it cannot be read".to_owned();
    };
    let column = err
        .field()
        .and_then(|index| header.get(usize::try_from(index).ok()?));
    match column {
        Some(name) => format!("column `{name}`: {}", err.kind()),
        None => err.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::count_rows;

    #[test]
    fn a_line_break_in_a_name_is_no_row() {
        assert_eq!(count_rows(b""), 0);
        assert_eq!(count_rows(b"oid,name\n"), 0);
        assert_eq!(count_rows(b"oid,name\n1,\"a\nb\"\"\n\"\n2,c\n"), 2);
    }
}
