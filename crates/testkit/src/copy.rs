//! Copying a data directory, also under a running server.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::account::Account;
use crate::place;

/// Copies `source` with everything in it to the new directory `target`, owned by
/// `account`. Passes over relative paths for which `skip` says so, and over
/// files that vanish meanwhile: a running server makes and removes some.
pub(crate) fn copy_directory(
    source: &Path,
    target: &Path,
    account: &Account,
    skip: &dyn Fn(&Path) -> bool,
) -> Result<()> {
    copy_below(source, target, Path::new(""), account, skip)
        .with_context(|| format!("copying {} to {}", source.display(), target.display()))
}

fn copy_below(
    source: &Path,
    target: &Path,
    relative: &Path,
    account: &Account,
    skip: &dyn Fn(&Path) -> bool,
) -> Result<()> {
    let from = source.join(relative);
    let to = target.join(relative);
    place::make_directory(&to)?;
    std::fs::set_permissions(&to, std::fs::metadata(&from)?.permissions())?;
    account.own(&to)?;
    for entry in std::fs::read_dir(&from)? {
        let entry = entry?;
        let path = relative.join(entry.file_name());
        if skip(&path) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_below(source, target, &path, account, skip)?;
        } else if kind.is_file() {
            let copy = target.join(&path);
            match std::fs::copy(entry.path(), &copy) {
                Ok(_) => account.own(&copy)?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error).with_context(|| entry.path().display().to_string());
                }
            }
        } else {
            bail!(
                "{} is neither a file nor a directory (tablespaces are not supported)",
                entry.path().display()
            );
        }
    }
    Ok(())
}
