//! Password files (`.pgpass`).

use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::secret::Secret;
use crate::text::printable;

/// The largest password file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// The lines of a password file: `host:port:database:role:password`.
pub(crate) struct Passfile {
    path: PathBuf,
    contents: Secret,
}

/// Something that a person should know about, although connecting goes on.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The password file is readable by others, so it was ignored, as libpq does.
    PassfileExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The password file is not an ordinary file, so it was ignored, as libpq does.
    PassfileNotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The password file cannot be read, so it was ignored.
    PassfileUnreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PassfileExposed { path, mode } => write!(
                f,
                "password file `{}` was ignored: its mode is {mode:04o} and must be 0600 or less",
                printable(&path.to_string_lossy())
            ),
            Self::PassfileNotAFile { path } => write!(
                f,
                "password file `{}` was ignored: it is not an ordinary file",
                printable(&path.to_string_lossy())
            ),
            Self::PassfileUnreadable { path, reason } => write!(
                f,
                "password file `{}` was ignored: {}",
                printable(&path.to_string_lossy()),
                printable(reason)
            ),
        }
    }
}

impl Passfile {
    /// Reads a password file. A missing file is no warning unless somebody asked for it by name.
    pub(crate) fn read(path: &Path, asked_for: bool) -> Result<Option<Self>, Warning> {
        let unreadable = |error: &io::Error| Warning::PassfileUnreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        // Look before opening: opening a FIFO would wait for its writer.
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if !asked_for && is_absent(&error) => return Ok(None),
            Err(error) => return Err(unreadable(&error)),
        };
        if !metadata.is_file() {
            return Err(Warning::PassfileNotAFile {
                path: path.to_owned(),
            });
        }
        let mode = permission_bits(&metadata);
        if mode & 0o077 != 0 {
            return Err(Warning::PassfileExposed {
                path: path.to_owned(),
                mode,
            });
        }
        if metadata.len() > LARGEST {
            return Err(Warning::PassfileUnreadable {
                path: path.to_owned(),
                reason: "it is larger than a megabyte".to_owned(),
            });
        }
        let contents = std::fs::read(path).map_err(|error| unreadable(&error))?;
        Ok(Some(Self {
            path: path.to_owned(),
            contents: Secret::new(contents),
        }))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The password of the first line that matches, if it has one.
    pub(crate) fn password(
        &self,
        host: &str,
        port: u16,
        database: &str,
        role: &str,
    ) -> Option<Secret> {
        let port = port.to_string();
        self.contents
            .expose()
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .filter(|line| !line.starts_with(b"#"))
            .find_map(|line| {
                let rest = field(line, host.as_bytes())?;
                let rest = field(rest, port.as_bytes())?;
                let rest = field(rest, database.as_bytes())?;
                let rest = field(rest, role.as_bytes())?;
                Some(unescape(rest))
            })
            .filter(|password| !password.is_empty())
    }
}

/// Matches one field of a line; gives what follows its colon.
fn field<'a>(line: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    if let Some(rest) = line.strip_prefix(b"*:") {
        return Some(rest);
    }
    let mut wanted = wanted.iter();
    let mut rest = line.iter();
    loop {
        let mut byte = rest.next()?;
        let escaped = *byte == b'\\';
        if escaped {
            byte = rest.next()?;
        }
        match wanted.next() {
            None if *byte == b':' && !escaped => return Some(rest.as_slice()),
            Some(expected) if expected == byte => {}
            _ => return None,
        }
    }
}

/// The password field: up to an unescaped colon, without its escapes.
fn unescape(field: &[u8]) -> Secret {
    let mut password = Vec::with_capacity(field.len());
    let mut bytes = field.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b':' => break,
            b'\\' => password.push(*bytes.next().unwrap_or(byte)),
            _ => password.push(*byte),
        }
    }
    Secret::new(password)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn permission_bits(metadata: &std::fs::Metadata) -> u32 {
    metadata.permissions().mode() & 0o7777
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(contents: &str, target: (&str, u16, &str, &str)) -> Option<String> {
        let passfile = Passfile {
            path: PathBuf::new(),
            contents: Secret::new(contents),
        };
        let (host, port, database, role) = target;
        passfile
            .password(host, port, database, role)
            .map(|password| String::from_utf8(password.expose().to_vec()).unwrap())
    }

    const TARGET: (&str, u16, &str, &str) = ("db.example.com", 5432, "shop", "auditor");

    #[test]
    fn the_first_line_that_matches_counts() {
        let contents = "# a comment\nother:5432:shop:auditor:no\n\
                        db.example.com:*:shop:auditor:first\n*:*:*:*:last\n";
        assert_eq!(lookup(contents, TARGET).as_deref(), Some("first"));
        let other = ("x", 1, "y", "z");
        assert_eq!(lookup(contents, other).as_deref(), Some("last"));
    }

    #[test]
    fn escapes_are_honoured_in_every_field() {
        assert_eq!(
            lookup("::1:*:*:*:yes", ("::1", 1, "d", "r")).as_deref(),
            Some("yes"),
            "libpq lets a colon of the wanted name stand for itself"
        );
        assert_eq!(
            lookup(r"\:\:1:*:*:*:a\:b\\c", ("::1", 1, "d", "r")).as_deref(),
            Some(r"a:b\c")
        );
    }

    #[test]
    fn the_password_ends_at_a_colon_and_keeps_spaces() {
        assert_eq!(
            lookup("*:*:*:*: two words :rest\r\n", TARGET).as_deref(),
            Some(" two words ")
        );
    }

    #[test]
    fn an_empty_password_is_none() {
        assert_eq!(lookup("*:*:*:*:\n", TARGET), None);
        assert_eq!(lookup("*:*:*:*\n", TARGET), None);
        assert_eq!(lookup("", TARGET), None);
    }

    #[test]
    fn a_field_is_no_prefix() {
        assert_eq!(lookup("db.example:*:*:*:no", TARGET), None);
        assert_eq!(lookup("db.example.com.evil:*:*:*:no", TARGET), None);
        assert_eq!(lookup("*.example.com:*:*:*:no", TARGET), None);
    }
}
