//! What the tests share: a small package, its parts, and other programs.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::Timestamp;
use pgattest_evidence::{
    Anchors, Ledger, Package, PackageFile, PublicKey, SealRequest, Sealed, Sealer, SigningKey,
    Tool, Verdict, VerifyReport, open, verify_bytes,
};
use serde_json::json;
use tempfile::TempDir;

/// A place with a key, a ledger and a folder for packages.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) key: SigningKey,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            key: SigningKey::from_seed(&[7; 32]),
        }
    }

    pub(crate) fn public(&self) -> PublicKey {
        self.key.public_key()
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::new(self.dir.path().join("ledger"))
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    pub(crate) fn seal(&self, target: &str) -> Sealed {
        self.sealer(&self.ledger()).seal(request(target)).unwrap()
    }

    pub(crate) fn sealer<'a>(&'a self, ledger: &'a Ledger) -> TestSealer<'a> {
        TestSealer {
            key: &self.key,
            ledger,
            out: self.out(),
        }
    }

    /// The public key in a file, as an auditor has it.
    pub(crate) fn key_file(&self) -> PathBuf {
        let path = self.dir.path().join("pgattest.pub");
        fs::write(&path, self.public().openssh_line() + "\n").unwrap();
        path
    }
}

pub(crate) struct TestSealer<'a> {
    key: &'a SigningKey,
    ledger: &'a Ledger,
    out: PathBuf,
}

impl TestSealer<'_> {
    pub(crate) fn seal(
        &self,
        request: SealRequest,
    ) -> Result<Sealed, pgattest_evidence::SealError> {
        Sealer {
            key: self.key,
            ledger: self.ledger,
            out_dir: &self.out,
        }
        .seal(request)
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn file(path: &str, content: &str) -> PackageFile {
    PackageFile {
        path: path.to_owned(),
        bytes: content.as_bytes().to_vec(),
    }
}

pub(crate) fn request(target: &str) -> SealRequest {
    SealRequest {
        tool: Tool {
            name: "pgattest".to_owned(),
            version: "0.1.0".to_owned(),
            sha256: None,
        },
        target_name: target.to_owned(),
        target: json!({"system_identifier": "7412345678901234567", "ratio": 0.1}),
        started_at: at("2026-01-02T03:04:05Z"),
        finished_at: at("2026-01-02T03:04:06.5Z"),
        recorded_at: at("2026-01-02T03:04:07Z"),
        clock_skew_ms: Some(-12),
        not_visible: vec![json!({"what": "pg_authid", "why": "permission denied"})],
        notes: vec![json!("ünï\u{202e}")],
        summary: json!({"failed": 1}),
        files: vec![
            file("README.txt", &"read me\n".repeat(200)),
            file("verdicts.json", "{}"),
            file("observations.jsonl", "{}\n"),
            file("observations/cluster/roles.csv", "rolname\n\"=cmd()\"\n"),
            file("policy.toml", ""),
            file("report.html", "<html>"),
        ],
    }
}

/// Verifies with the key of [`Place`] trusted.
pub(crate) fn check(bytes: &[u8]) -> VerifyReport {
    let trusted = [SigningKey::from_seed(&[7; 32]).public_key()];
    verify_bytes(bytes.to_vec(), None, &trusted, &Anchors::default())
}

#[track_caller]
pub(crate) fn assert_verified(report: &VerifyReport) {
    assert_eq!(report.verdict(), Verdict::Verified, "{:#?}", report.steps);
}

/// The files of a package, to be changed and packed again.
pub(crate) fn unpack(path: &Path) -> Vec<(String, Vec<u8>)> {
    let package: Package = open(path).unwrap();
    package
        .files()
        .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
        .collect()
}

/// Packs files as the format says, in the order given and under whatever names:
/// written here again, so that a forger's package can be made.
pub(crate) fn pack(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut central: Vec<u8> = Vec::new();
    for (name, data) in files {
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        common.extend(crc32(data).to_le_bytes());
        for _ in 0..2 {
            common.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        }
        common.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend([0, 0]);

        central.extend(b"PK\x01\x02\x14\x03");
        central.extend(&common);
        central.extend([0; 6]);
        central.extend([0, 0, 0xa4, 0x81]);
        central.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
        central.extend(name.as_bytes());

        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend(name.as_bytes());
        bytes.extend(data);
    }
    let start = u32::try_from(bytes.len()).unwrap();
    bytes.extend(&central);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    for _ in 0..2 {
        bytes.extend(u16::try_from(files.len()).unwrap().to_le_bytes());
    }
    bytes.extend(u32::try_from(central.len()).unwrap().to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn crc32(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1));
        }
    }
    !crc
}

/// The Python that `script/bootstrap` prepares.
pub(crate) fn python() -> Command {
    let tools = std::env::var_os("PGATTEST_TOOLS").map_or_else(default_tools, PathBuf::from);
    let python = tools.join("python/bin/python");
    assert!(
        python.exists(),
        "{} is missing: run script/bootstrap (or set PGATTEST_TOOLS)",
        python.display()
    );
    let mut command = Command::new(python);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn default_tools() -> PathBuf {
    if fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0) {
        return PathBuf::from("/var/cache/pgattest-tools");
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"),
        PathBuf::from,
    );
    cache.join("pgattest-tools")
}

/// A folder of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// Runs a Python script of `tests/python` and reads the JSON it prints.
#[track_caller]
pub(crate) fn python_json(script: &str, arguments: &[&Path]) -> serde_json::Value {
    let output = python()
        .arg(repository("crates/evidence/tests/python").join(script))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}
