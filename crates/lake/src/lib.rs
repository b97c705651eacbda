//! Free SQL over the archive: read only, over exactly the files that count.

mod render;

pub use render::Format;

use anyhow::{Context as _, Result, bail};
use datafusion::arrow::datatypes::DataType;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use futures_util::StreamExt as _;
use pgattest_archive::{Archive, Location, Place};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// The table's name.
pub const TABLE: &str = "records";

/// Answers one query. `memory`: bytes that it may hold; it spills nothing to a disk, where nobody would remove it.
pub async fn answer(
    root: &Path,
    sql: &str,
    memory: usize,
    format: Format,
    out: &mut impl Write,
) -> Result<()> {
    let before = files(root)?;
    let context = session(root, memory)?;
    let read_only = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    let rows = context
        .sql_with_options(sql, read_only)
        .await
        .context("the query is not right, or does more than read")?;
    let mut renderer = render::Renderer::begin(out, format, rows.schema().as_arrow())?;
    let mut stream = rows.execute_stream().await?;
    while let Some(batch) = stream.next().await {
        renderer.rows(&batch.context("the query failed")?)?;
    }
    renderer.end()?;
    if files(root)? != before {
        bail!(
            "the archive was changed while it was read, so the answer may lack records: ask again"
        );
    }
    Ok(())
}

fn session(root: &Path, memory: usize) -> Result<SessionContext> {
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_limit(memory, 1.0)
        .with_disk_manager_builder(disk)
        .build_arc()?;
    let context = SessionContext::new_with_config_rt(SessionConfig::new(), runtime);
    let root = std::fs::canonicalize(root)
        .with_context(|| format!("cannot find the archive `{}`", root.display()))?;
    // Of an URL, not of a path: a path with `*` or `[` would be a pattern.
    let Some(url) = url(&root) else {
        bail!("the path `{}` is no UTF-8", root.display());
    };
    let options = ListingOptions::new(Arc::new(ParquetFormat::default()))
        .with_file_extension(".parquet")
        .with_table_partition_cols(vec![
            ("instance".to_owned(), DataType::Utf8),
            ("dt".to_owned(), DataType::Utf8),
        ]);
    let config = ListingTableConfig::new(ListingTableUrl::parse(url)?)
        .with_listing_options(options)
        .with_schema(pgattest_archive::schema::SCHEMA.clone());
    context.register_table(TABLE, Arc::new(ListingTable::try_new(config)?))?;
    Ok(context)
}

fn url(root: &Path) -> Option<String> {
    use std::fmt::Write as _;
    let mut url = "file://".to_owned();
    for byte in root.to_str()?.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing into a string does not fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url.push('/');
    Some(url)
}

/// The files that count, which have to be all that an engine would read: otherwise records would be counted twice.
fn files(root: &Path) -> Result<BTreeSet<String>> {
    let mut counted = BTreeSet::new();
    for instance in Archive::instances(&Place::new(Location::Directory(root.to_owned())))? {
        let archive = Archive::new(root, &instance)?;
        let layout = archive.layout()?;
        let parts = layout.batches.iter().flat_map(|batch| &batch.parts);
        let complete: BTreeSet<String> = parts.map(|(name, _)| name.path()).collect();
        for entry in archive.store().list()? {
            // What lies beside the days' folders is no file of the table: the list, the lock, what is being written.
            if !entry.path.starts_with("dt=") || !entry.path.ends_with(".parquet") {
                continue;
            }
            if !complete.contains(&entry.path) {
                bail!(
                    "`instance={instance}/{}` does not count (an interrupted run left it, it was merged into another file, or it is \
                     not ours), and an answer would count its records: `pgattest trail archive` removes what it left itself, \
                     `pgattest trail archive --check` names the rest",
                    entry.path
                );
            }
        }
        counted.extend(
            complete
                .into_iter()
                .map(|path| format!("{instance}/{path}")),
        );
    }
    if counted.is_empty() {
        bail!("there is no archive in `{}`", root.display());
    }
    Ok(counted)
}
