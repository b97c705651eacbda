//! Service files (`pg_service.conf`): connection settings under a name.

use std::io;
use std::path::{Path, PathBuf};

use crate::env::Env;
use crate::error::SettingsError;
use crate::keyword;
use crate::secret::Secret;
use crate::values::{Origin, Values};

/// Adds the settings of a service to those given, which win.
///
/// The user's file (`servicefile`, PGSERVICEFILE or `~/.pg_service.conf`) is read first, then the
/// system's; the first section of that name counts.
pub(crate) fn apply(name: &str, values: &mut Values, env: &dyn Env) -> Result<(), SettingsError> {
    let mut searched = Vec::new();
    for (path, must_exist) in files(values, env)? {
        let contents = match std::fs::read(&path) {
            Ok(contents) => contents,
            Err(source) if !must_exist && source.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(SettingsError::ServiceFile { path, source }),
        };
        if read_section(name, &contents, &path, values)? {
            return Ok(());
        }
        searched.push(path);
    }
    Err(SettingsError::ServiceMissing {
        name: name.to_owned(),
        searched,
    })
}

/// The files to read, and whether each must exist.
fn files(values: &Values, env: &dyn Env) -> Result<Vec<(PathBuf, bool)>, SettingsError> {
    let mut files = Vec::new();
    if let Some((path, _)) = values.text("servicefile")? {
        files.push((PathBuf::from(path), true));
    } else if let Some(path) = env.var("PGSERVICEFILE") {
        files.push((PathBuf::from(path), true));
    } else if let Some(home) = env.home() {
        files.push((home.join(".pg_service.conf"), false));
    }
    let directories = match env.var("PGSYSCONFDIR") {
        Some(directory) => vec![PathBuf::from(directory)],
        None => env.system_config_directories(),
    };
    files.extend(
        directories
            .into_iter()
            .map(|directory| (directory.join("pg_service.conf"), false)),
    );
    Ok(files)
}

/// Reads the section of that name; gives whether there is one.
fn read_section(
    name: &str,
    contents: &[u8],
    path: &Path,
    values: &mut Values,
) -> Result<bool, SettingsError> {
    let mut inside = false;
    for (number, line) in (1..).zip(contents.split(|byte| *byte == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        if let Some(heading) = line.strip_prefix(b"[") {
            if inside {
                return Ok(true);
            }
            // Like libpq: the heading ends at the bracket and must match exactly.
            inside = heading
                .strip_prefix(name.as_bytes())
                .is_some_and(|rest| rest.starts_with(b"]"));
            continue;
        }
        if inside {
            read_line(line, number, path, values)?;
        }
    }
    Ok(inside)
}

fn read_line(
    line: &[u8],
    number: usize,
    path: &Path,
    values: &mut Values,
) -> Result<(), SettingsError> {
    let fail = |problem| SettingsError::ServiceSyntax {
        path: path.to_owned(),
        line: number,
        problem,
    };
    if line.starts_with(b"ldap") {
        return Err(fail("a lookup in LDAP is not supported"));
    }
    let Some(equals) = line.iter().position(|byte| *byte == b'=') else {
        return Err(fail("missing `=` after a keyword"));
    };
    let (key, value) = line.split_at(equals);
    let value = value.strip_prefix(b"=").unwrap_or(value);
    let origin = Origin::ServiceFile {
        path: path.to_owned(),
        line: number,
    };
    let key = String::from_utf8_lossy(key);
    if matches!(key.as_ref(), "service" | "servicefile") {
        return Err(fail("a service cannot refer to another service"));
    }
    let Some(known) = keyword::find(&key) else {
        return Err(SettingsError::UnknownKey {
            suggestion: keyword::nearest(key.trim()),
            key: Some(key.into_owned()),
            position: None,
            origin,
        });
    };
    values.set_if_absent(known, Secret::new(value), origin);
    Ok(())
}
