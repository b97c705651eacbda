//! `pgattest trail query`.

use super::bar::Reading;
use super::place::Place;
use super::unused_grants;
use crate::args::{Asked, QueryFormat, TrailQueryArgs};
use crate::failure::{Failure, fail};
use crate::policy_file;
use crate::printer::Printer;
use pgattest_archive::ArchiveError;
use pgattest_archive::query::render::{Format, Renderer, unwritten};
use pgattest_archive::query::{ClassifiedTable, Filter, Question, TableName, answer};
use pgattest_model::Policy;
use std::collections::BTreeMap;
use std::io::{self, BufWriter};

pub(crate) fn run(arguments: &TrailQueryArgs, printer: &Printer) -> Result<u8, Failure> {
    let place = Place::of(&arguments.place.config)?;
    let question = question(arguments, &place)?;
    let from = match &question {
        Question::UnusedGrants(grants) => Some(grants.from),
        _ => arguments.from,
    };
    let filter = Filter {
        from,
        to: arguments.to,
        users: arguments.users.clone(),
        database: arguments.database.clone(),
        table: arguments
            .table
            .as_deref()
            .map(TableName::parse)
            .transpose()?,
    };
    let archive = place.archive(
        arguments.place.archive.as_deref(),
        arguments.place.instance.as_deref(),
    )?;
    let reading = Reading::start(printer, &archive);
    match answered(&archive, &question, &filter, arguments, reading) {
        Ok(said) => {
            if arguments.format != QueryFormat::Json {
                for line in said {
                    printer.note(&pgattest_model::ident::visible(&line));
                }
            }
            Ok(crate::CLEAN)
        }
        // Whoever reads it may stop reading, as `head` does.
        Err(ArchiveError::Disk { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
            Ok(crate::CLEAN)
        }
        Err(error) => Err(error.into()),
    }
}

fn answered(
    archive: &pgattest_archive::Archive,
    question: &Question,
    filter: &Filter,
    arguments: &TrailQueryArgs,
    mut reading: Reading,
) -> Result<Vec<String>, ArchiveError> {
    let format = match arguments.format {
        QueryFormat::Text => Format::Text,
        QueryFormat::Csv => Format::Csv,
        QueryFormat::Json => Format::Json,
    };
    let columns = question.columns()?;
    let out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    // Before anything is written: no archive must not look like an empty answer.
    if archive.layout()?.batches.is_empty() {
        answer(archive, question, filter, &mut |_| Ok(()))?;
    }
    let mut renderer =
        Renderer::begin(out, format, question.name(), filter, &columns).map_err(unwritten)?;
    let population = answer(archive, question, filter, &mut |rows| {
        if Printer::stdout_is_terminal() {
            reading.finish();
        }
        renderer.rows(rows, arguments.limit).map_err(unwritten)
    })?;
    reading.finish();
    renderer.end(question, &population).map_err(unwritten)
}

fn question(arguments: &TrailQueryArgs, place: &Place) -> Result<Question, Failure> {
    let subject = |what: &str| {
        arguments.subject.clone().ok_or_else(|| {
            fail(format!("the question needs {what}")).hint(format!(
                "name it behind the question: `pgattest trail query {} ..`",
                what_of(arguments.question)
            ))
        })
    };
    if arguments.subject.is_some() && !matches!(arguments.question, Asked::Touched | Asked::Session)
    {
        return Err(fail("this question is about no table or session")
            .hint("narrow it with --table, --user, --database, --from, --to"));
    }
    Ok(match arguments.question {
        Asked::Touched => Question::Touched(TableName::parse(&subject("a table")?)?),
        Asked::Session => Question::Session(subject("a session")?),
        Asked::Ddl => Question::Ddl,
        Asked::Roles => Question::Roles,
        Asked::FailedLogins => Question::FailedLogins,
        Asked::Counts => Question::Counts,
        Asked::UnusedGrants => {
            let journal = place.journal_if_any(arguments.journal.as_deref());
            Question::UnusedGrants(unused_grants::ask(arguments, journal.as_deref())?)
        }
        Asked::Superusers => Question::Superusers(superusers(arguments)?),
        Asked::Classified => {
            let policy = policy_file::load(arguments.policy.as_deref())?.policy;
            Question::Classified(classified(&policy)?)
        }
    })
}

fn what_of(asked: Asked) -> &'static str {
    match asked {
        Asked::Session => "session 6b03e095.245d",
        _ => "touched public.orders",
    }
}

fn superusers(arguments: &TrailQueryArgs) -> Result<Vec<String>, Failure> {
    if !arguments.superusers.is_empty() {
        return Ok(arguments.superusers.clone());
    }
    let policy = policy_file::load(arguments.policy.as_deref())?.policy;
    let approved: Vec<String> = policy.access.superusers.into_iter().flatten().collect();
    if approved.is_empty() {
        return Err(fail("nobody said who the superusers are")
            .hint("name them: --superuser ROLE, or `access.superusers` in the policy"));
    }
    Ok(approved)
}

/// The policy's classified columns, by table.
fn classified(policy: &Policy) -> Result<Vec<ClassifiedTable>, Failure> {
    let mut tables: BTreeMap<(String, Option<String>, String, String), Vec<String>> =
        BTreeMap::new();
    for classification in &policy.classification {
        for column in &classification.columns {
            let parts = pgattest_archive::query::dotted(column)?;
            let (database, schema, table, name) = match parts.as_slice() {
                [schema, table, name] => (None, schema, table, name),
                [database, schema, table, name] => (Some(database.clone()), schema, table, name),
                _ => {
                    return Err(fail(format!("the policy's `{column}` is no column"))
                        .hint("write schema.table.column or database.schema.table.column"));
                }
            };
            let key = (
                classification.class.clone(),
                database,
                schema.clone(),
                table.clone(),
            );
            tables.entry(key).or_default().push(name.clone());
        }
    }
    if tables.is_empty() {
        return Err(fail("the policy classifies no columns")
            .hint("write `[[classification]]` with `class` and `columns` into pgattest.toml"));
    }
    tables
        .into_iter()
        .map(|((class, database, schema, table), mut columns)| {
            if columns.iter().any(|name| name == "*") {
                columns.clear();
            }
            Ok(ClassifiedTable {
                class,
                database,
                table: TableName::new(Some(schema), table)?,
                columns,
            })
        })
        .collect()
}
