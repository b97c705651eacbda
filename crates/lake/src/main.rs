//! `pgattest-lake`: free SQL over the archive.

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use pgattest_archive::Location;
use pgattest_lake::Format;
use pgattest_model::ident::visible;
use std::io::{BufWriter, ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// Free SQL over the archive: one SELECT over the table `records`, whose columns are in docs/trail/archive.md
#[derive(Parser)]
#[command(
    version,
    after_help = "Nothing is changed, and nothing else is read. Exit codes: 0 answered, 2 the job could not be done."
)]
struct Arguments {
    /// The archive's directory; one on S3 is not read
    #[arg(long, value_name = "DIR")]
    archive: PathBuf,
    /// The query
    #[arg(
        short = 'c',
        long,
        value_name = "SQL",
        required_unless_present = "file"
    )]
    command: Option<String>,
    /// A file with the query
    #[arg(value_name = "FILE", conflicts_with = "command")]
    file: Option<PathBuf>,
    /// How to say it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// How much memory the query may hold, in MB; nothing is written to a disk instead
    #[arg(long, value_name = "MB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(16..=1_048_576))]
    memory_limit: u32,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads it may stop reading, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(
                std::io::stderr(),
                "error: {}",
                visible(&format!("{error:#}"))
            );
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if Location::try_from(arguments.archive.clone())?.is_s3() {
        bail!(
            "pgattest-lake reads an archive in a local directory, not `{}`: ask `pgattest trail query`, an engine that reads S3 itself, \
             or copy it (`aws s3 sync`)",
            arguments.archive.display()
        );
    }
    let sql = match (&arguments.command, &arguments.file) {
        (Some(sql), _) => sql.clone(),
        (None, Some(path)) => std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the query `{}`", path.display()))?,
        (None, None) => String::new(),
    };
    let memory = usize::try_from(arguments.memory_limit)?.saturating_mul(1 << 20);
    let mut out = BufWriter::new(std::io::stdout().lock());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(pgattest_lake::answer(
        &arguments.archive,
        &sql,
        memory,
        arguments.format,
        &mut out,
    ))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
