//! Public keys that the user trusts: named, or this machine's own.

use crate::args::HomeArgs;
use crate::failure::{Doing, Failure, OrHint, fail};
use crate::home::Home;
use pgattest_evidence::PublicKey;
use pgattest_ledger::ecdsa::EcPublicKey;
use std::io::Read as _;
use std::path::PathBuf;

const HINT: &str = "`pgattest key` on the machine that audited prints one";

/// The keys in these files, or this machine's own when none is named. Empty where this machine has no key: nobody is trusted then.
pub(crate) fn named_or_own(files: &[PathBuf], home: &HomeArgs) -> Result<Vec<PublicKey>, Failure> {
    if !files.is_empty() {
        return named(files);
    }
    let own = Home::at(home).and_then(|home| Ok(home.keys().load()?));
    Ok(own.map(|key| vec![key.public_key()]).unwrap_or_default())
}

/// The keys in these files; at least one.
pub(crate) fn named(files: &[PathBuf]) -> Result<Vec<PublicKey>, Failure> {
    let mut keys = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(path)
            .doing(|| format!("the key file {} could not be read", path.display()))
            .or_hint(HINT)?;
        let parsed = PublicKey::parse_file(&text)
            .doing(|| format!("{} is not a public key", path.display()))
            .or_hint(HINT)?;
        keys.extend(parsed);
    }
    if keys.is_empty() {
        return Err(fail("the key files hold no key").hint(HINT));
    }
    Ok(keys)
}

/// The second keys (P-256) of a trail in these files, PEM or DER.
pub(crate) fn second(files: &[PathBuf]) -> Result<Vec<EcPublicKey>, Failure> {
    const HINT: &str = "`openssl pkey -in KEY -pubout`, or `aws kms get-public-key --key-id KEY --query PublicKey --output text | base64 -d`, \
        gives one";
    const LONGEST: u64 = 64 * 1024;
    let mut keys: Vec<EcPublicKey> = Vec::new();
    for path in files {
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(LONGEST).read_to_end(&mut bytes))
            .doing(|| format!("the key file {} could not be read", path.display()))
            .or_hint(HINT)?;
        let parsed = EcPublicKey::parse_file(&bytes)
            .doing(|| format!("{} is not a second key", path.display()))
            .or_hint(HINT)?;
        for key in parsed {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    Ok(keys)
}
