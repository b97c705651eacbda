//! A certificate for a server that has none: a private key, an authority of one's own, and a certificate that it signs once.
//!
//! The authority's private key is thrown away as soon as it has signed. Nobody can sign with it later, and nobody can renew the
//! certificate either: a new one is a new authority, which clients have to be given again.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// The longest a certificate may be valid, in days. Longer than anybody remembers that it ends.
const LONGEST: u32 = 3_650;

/// How far behind our clock a client's may be.
const SKEW: Duration = Duration::from_hours(1);

/// The longest common name that X.509 allows.
const COMMON_NAME: usize = 64;

/// A certificate, its key, and the certificate of the authority that signed it. All PEM.
///
/// No `Debug`: the key is a secret, and is wiped from memory when this is dropped.
pub struct Made {
    /// The server's certificate: what `ssl_cert_file` names.
    pub certificate_pem: String,
    /// Its private key, PKCS #8: what `ssl_key_file` names.
    pub key_pem: Zeroizing<String>,
    /// The authority's certificate: what clients name in `sslrootcert`.
    pub authority_pem: String,
}

/// A file that is written, and where the one that stood there is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// Its path.
    pub path: PathBuf,
    /// The name that the old file gets; `None`: there is none.
    pub backup: Option<PathBuf>,
}

/// The three files, in the order they are written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Targets {
    /// The server's key.
    pub key: Target,
    /// The server's certificate.
    pub certificate: Target,
    /// The authority's certificate.
    pub authority: Target,
}

/// Whom files belong to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Owner {
    uid: u32,
    gid: u32,
}

/// Why there is no certificate, or not where it belongs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A certificate is for somebody.
    #[error(
        "a certificate needs at least one name or address; declare transport.certificate_names"
    )]
    NoName,
    /// It cannot stand in a certificate.
    #[error("`{}` is neither a DNS name nor an IP address", pgattest_model::ident::visible(.0))]
    NotAName(String),
    /// It would be valid for too short or too long.
    #[error("a certificate is valid for 1 to {LONGEST} days, not {0}")]
    Days(u32),
    /// The machine's clock shows a time before 1970.
    #[error("this machine's clock shows a time before 1970")]
    Clock,
    /// The library that makes them refused.
    #[error("a certificate could not be made")]
    Making(#[from] rcgen::Error),
    /// A file or folder could not be read or written.
    #[error("could not {what} {path}")]
    File {
        /// What was to be done with it.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Makes a key (ECDSA P-256), an authority and a certificate for these DNS names and IP addresses, valid from an hour ago.
pub fn make(names: &[String], days: u32) -> Result<Made, CertificateError> {
    let first = names.first().ok_or(CertificateError::NoName)?;
    if let Some(bad) = names.iter().find(|name| !is_name(name)) {
        return Err(CertificateError::NotAName(bad.clone()));
    }
    if !(1..=LONGEST).contains(&days) {
        return Err(CertificateError::Days(days));
    }
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_err(|_| CertificateError::Clock)?;
    let not_before = date_time_ymd(1970, 1, 1) + now.saturating_sub(SKEW);
    let not_after = not_before + Duration::from_hours(u64::from(days) * 24);
    // A name that is too long for the subject is among the alternative names all the same, where clients look.
    let common = if first.len() <= COMMON_NAME {
        first.as_str()
    } else {
        "PostgreSQL server"
    };

    let mut authority = CertificateParams::default();
    authority
        .distinguished_name
        .push(DnType::CommonName, "self-made PostgreSQL authority");
    authority
        .distinguished_name
        .push(DnType::OrganizationalUnitName, common);
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority.not_before = not_before;
    authority.not_after = not_after;
    let authority_key = Zeroizing::new(KeyPair::generate()?);
    let authority_pem = authority.self_signed(&*authority_key)?.pem();
    let issuer = Issuer::from_params(&authority, &*authority_key);

    let mut server = CertificateParams::new(names)?;
    server.distinguished_name.push(DnType::CommonName, common);
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    server.not_before = not_before;
    server.not_after = not_after;
    let key = Zeroizing::new(KeyPair::generate()?);
    let certificate = server.signed_by(&*key, &issuer)?;
    Ok(Made {
        certificate_pem: certificate.pem(),
        key_pem: Zeroizing::new(key.serialize_pem()),
        authority_pem,
    })
}

/// A DNS name, also with a wildcard as its first label, or an IP address.
fn is_name(name: &str) -> bool {
    if name.parse::<IpAddr>().is_ok() {
        return true;
    }
    let labels = name.strip_prefix("*.").unwrap_or(name);
    name.len() <= 253
        && labels.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        })
}

impl Owner {
    /// Who owns this file or folder: the server's account owns its data directory.
    pub fn of(path: &Path) -> Result<Self, CertificateError> {
        let found = path.metadata().map_err(failed("look at", path))?;
        Ok(Self {
            uid: found.uid(),
            gid: found.gid(),
        })
    }
}

impl Targets {
    /// Chooses names for what stands there now, and touches nothing: write them down before [`Self::write`], so that
    /// [`Self::restore`] works after a crash in between.
    pub fn choose(
        certificate: &Path,
        key: &Path,
        authority: &Path,
    ) -> Result<Self, CertificateError> {
        Ok(Self {
            key: Target::choose(key)?,
            certificate: Target::choose(certificate)?,
            authority: Target::choose(authority)?,
        })
    }

    /// Puts the files in their place, each whole or not at all, the key readable by its owner only. What stood there keeps its
    /// content, owner and mode under its other name. When one fails, those before it are put back.
    pub fn write(&self, made: &Made, owner: Owner) -> Result<(), CertificateError> {
        let done = self
            .files(made)
            .into_iter()
            .try_for_each(|(target, bytes, mode)| target.write(bytes, mode, owner));
        if done.is_err() {
            // The first failure is the one to tell about.
            let _ = self.restore();
        }
        done
    }

    /// What is written where, with which mode, in this order: nobody finds a certificate whose key is not there.
    pub(crate) fn files<'m>(&self, made: &'m Made) -> [(&Target, &'m [u8], u32); 3] {
        [
            (&self.key, made.key_pem.as_bytes(), 0o600),
            (&self.certificate, made.certificate_pem.as_bytes(), 0o644),
            (&self.authority, made.authority_pem.as_bytes(), 0o644),
        ]
    }

    /// Puts back what stood there, and takes away what did not. May be done twice, and after a write that was cut off.
    pub fn restore(&self) -> Result<(), CertificateError> {
        self.authority
            .restore()
            .and(self.certificate.restore())
            .and(self.key.restore())
    }
}

impl Target {
    fn choose(path: &Path) -> Result<Self, CertificateError> {
        let exists = |path: &Path| match path.symlink_metadata() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("look at", path)(error)),
        };
        let mut backup = None;
        if exists(path)? {
            for number in 1_u32.. {
                let name = beside(path, &format!(".before-{number}"))?;
                if !exists(&name)? {
                    backup = Some(name);
                    break;
                }
            }
        }
        Ok(Self {
            path: path.to_owned(),
            backup,
        })
    }

    /// Puts a file in its place, whole or not at all.
    pub(crate) fn write(
        &self,
        bytes: &[u8],
        mode: u32,
        owner: Owner,
    ) -> Result<(), CertificateError> {
        let unfinished = beside(&self.path, ".pgattest-new")?;
        let written = self.put(&unfinished, bytes, mode, owner);
        if written.is_err() {
            let _ = std::fs::remove_file(&unfinished);
        }
        written.map_err(failed("write", &self.path))
    }

    fn put(&self, unfinished: &Path, bytes: &[u8], mode: u32, owner: Owner) -> io::Result<()> {
        // Left by one that was cut off; never opened, so that a link put there leads nowhere.
        std::fs::remove_file(unfinished).or_else(gone)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(unfinished)?;
        file.write_all(bytes)?;
        let now = file.metadata()?;
        if (now.uid(), now.gid()) != (owner.uid, owner.gid) {
            fchown(&file, Some(owner.uid), Some(owner.gid))?;
        }
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        if let Some(backup) = &self.backup {
            // A second name, so that the first is never without a file. Of a symbolic link it names the link.
            match std::fs::hard_link(&self.path, backup) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        std::fs::rename(unfinished, &self.path)?;
        sync_folder(&self.path)
    }

    /// Puts back what stood there, or takes away what did not.
    pub(crate) fn restore(&self) -> Result<(), CertificateError> {
        // A write that was cut off leaves the beginning of a key.
        std::fs::remove_file(beside(&self.path, ".pgattest-new")?)
            .or_else(gone)
            .map_err(failed("put back", &self.path))?;
        let done = match &self.backup {
            // Of two names of one file, which a write leaves that was cut off between them, rename takes none away.
            Some(backup) => std::fs::rename(backup, &self.path)
                .and_then(|()| std::fs::remove_file(backup).or_else(gone)),
            None => std::fs::remove_file(&self.path),
        };
        // Nothing there: never written, or put back before.
        done.or_else(gone)
            .and_then(|()| sync_folder(&self.path))
            .map_err(failed("put back", &self.path))
    }
}

fn beside(path: &Path, suffix: &str) -> Result<PathBuf, CertificateError> {
    let mut name: OsString = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput.into())
        .map_err(failed("write", path))?
        .to_owned();
    name.push(suffix);
    Ok(path.with_file_name(name))
}

/// What is not there need not be taken away.
fn gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

/// Makes a rename last.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CertificateError {
    let path = path.to_owned();
    move |source| CertificateError::File { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::{CertificateError, Owner, Targets, make};
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn targets(folder: &Path) -> Targets {
        Targets::choose(
            &folder.join("server.crt"),
            &folder.join("server.key"),
            &folder.join("ca.crt"),
        )
        .unwrap()
    }

    fn listed(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_cannot_stand_in_a_certificate_is_refused() {
        for bad in [
            "",
            "db example",
            "a..b",
            "db\n.example",
            "naïve.example",
            "it's",
            "*.*.example",
        ] {
            assert!(
                matches!(
                    make(&names(&["localhost", bad]), 90),
                    Err(CertificateError::NotAName(_))
                ),
                "{bad}"
            );
        }
        assert!(matches!(make(&[], 90), Err(CertificateError::NoName)));
        for days in [0, 3_651, u32::MAX] {
            assert!(matches!(
                make(&names(&["localhost"]), days),
                Err(CertificateError::Days(_))
            ));
        }
    }

    #[test]
    fn a_long_name_is_an_alternative_name_only() {
        let long = format!("{0}.{0}.example", "a".repeat(60));
        assert!(make(&names(&[&long, "*.example.com", "::1"]), 3_650).is_ok());
    }

    #[test]
    fn old_files_are_kept_and_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("server.key"), "old key").unwrap();
        fs::write(path.join("server.key.before-1"), "older key").unwrap();
        let targets = targets(path);
        let made = make(&names(&["localhost"]), 1).unwrap();
        targets.write(&made, Owner::of(path).unwrap()).unwrap();
        assert_eq!(
            listed(path),
            [
                "ca.crt",
                "server.crt",
                "server.key",
                "server.key.before-1",
                "server.key.before-2"
            ]
        );
        let key = path.join("server.key");
        assert_eq!(fs::read_to_string(&key).unwrap(), *made.key_pem);
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o7777, 0o600);

        targets.restore().unwrap();
        assert_eq!(listed(path), ["server.key", "server.key.before-1"]);
        assert_eq!(fs::read_to_string(&key).unwrap(), "old key");
        targets.restore().unwrap();
        assert_eq!(fs::read_to_string(&key).unwrap(), "old key");
    }

    #[test]
    fn a_write_that_fails_half_way_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("server.key"), "old key").unwrap();
        let targets = targets(path);
        // A folder cannot be replaced by a file.
        fs::create_dir_all(path.join("ca.crt/x")).unwrap();
        let made = make(&names(&["localhost"]), 1).unwrap();
        let error = targets.write(&made, Owner::of(path).unwrap()).unwrap_err();
        assert!(
            matches!(error, CertificateError::File { what: "write", .. }),
            "{error}"
        );
        assert_eq!(listed(path), ["ca.crt", "server.key"]);
        assert_eq!(
            fs::read_to_string(path.join("server.key")).unwrap(),
            "old key"
        );
    }
}
