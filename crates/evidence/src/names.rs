//! Names of files: the ones that may stand in a package, and safe ones made of
//! hostile ones.

use pgattest_ledger::Hash;

/// `manifest.json`: what is in the package.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The manifest's digest in a signed in-toto statement.
pub(crate) const STATEMENT: &str = "manifest.dsse.json";
/// The manifest's signature in OpenSSH's format.
pub(crate) const SIGNATURE: &str = "manifest.sshsig";
/// The ledger's signed head after the package was recorded.
pub(crate) const CHECKPOINT: &str = "ledger/checkpoint";
/// The proof that the ledger records the package.
pub(crate) const PROOF: &str = "ledger/proof.json";
/// What the auditor reads first.
pub(crate) const README: &str = "README.txt";

/// The files that the manifest does not list, because they sign or follow it.
pub(crate) const ENVELOPE: [&str; 5] = [CHECKPOINT, PROOF, STATEMENT, MANIFEST, SIGNATURE];

/// The files that every package's manifest lists.
pub(crate) const REQUIRED: [&str; 3] = [README, "observations.jsonl", "verdicts.json"];

/// The longest path within a package, in bytes.
const LONGEST_PATH: usize = 240;

/// The longest part that [`segment`] keeps of a name, in characters.
const LONGEST_KEPT: usize = 40;

/// Checks that `path` can stand in a package: relative, plain ASCII, and the same
/// file on every system that it might be unpacked on.
pub(crate) fn check_path(path: &str) -> Result<(), &'static str> {
    if path.is_empty() || path.len() > LONGEST_PATH {
        return Err("a path has 1 to 240 bytes");
    }
    if !path
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
    {
        return Err("a path has only letters, digits, `.`, `_`, `-` and `/`");
    }
    for part in path.split('/') {
        if part.is_empty() {
            return Err("a path is relative, and has no empty part");
        }
        if part.starts_with('.') || part.ends_with('.') {
            return Err("no part of a path starts or ends with a dot");
        }
    }
    Ok(())
}

/// A file name, or part of one, made of any text: lower-case ASCII that is safe
/// on every system. Two texts get the same name only when they are the same: a
/// text that had to be changed is followed by a part of its digest.
///
/// ```
/// assert_eq!(pgattest_evidence::segment("billing"), "billing");
/// assert_eq!(pgattest_evidence::segment("../etc"), "etc-f7f9121fdb53");
/// ```
pub fn segment(text: &str) -> String {
    let kept: String = text
        .chars()
        .map(|c| match c {
            'a'..='z' | '0'..='9' | '.' | '_' | '-' => c,
            'A'..='Z' => c.to_ascii_lowercase(),
            _ => '-',
        })
        .take(LONGEST_KEPT)
        .collect();
    let kept = kept.trim_matches(['.', '-']);
    if kept == text && !kept.is_empty() && !is_reserved(kept) && !ends_like_a_digest(kept) {
        return kept.to_owned();
    }
    let digest: String = Hash::of(text.as_bytes())
        .to_hex()
        .chars()
        .take(DIGEST_DIGITS)
        .collect();
    let kept = if kept.is_empty() { "name" } else { kept };
    format!("{kept}-{digest}")
}

const DIGEST_DIGITS: usize = 12;

/// A name that could be taken for one that [`segment`] changed.
fn ends_like_a_digest(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(_, end)| {
        end.len() == DIGEST_DIGITS && end.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// A name that Windows gives to a device, whatever follows its dot.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix)
            .is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    ["con", "prn", "aux", "nul"].contains(&stem) || numbered("com") || numbered("lpt")
}

#[cfg(test)]
mod tests {
    use super::{check_path, segment};
    use proptest::prelude::*;

    #[test]
    fn paths_that_leave_the_package_or_differ_between_systems_are_refused() {
        for path in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/",
            "./a",
            "a\\b",
            "c:x",
            "a b",
            "a\nb",
            "é",
            ".hidden",
            "a/.b",
            "dot.",
            &"x".repeat(241),
        ] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
        for path in ["README.txt", "observations/db-1/roles.csv", "a..b", "-"] {
            assert_eq!(check_path(path), Ok(()), "{path:?}");
        }
    }

    #[test]
    fn plain_names_stay_and_hostile_ones_are_told_apart() {
        assert_eq!(segment("prod-db.internal_5432"), "prod-db.internal_5432");
        for hostile in [
            "",
            "..",
            "App",
            "con",
            "nul.csv",
            "COM1",
            "a/b",
            "a\u{0}b",
            "=cmd()",
            "<script>",
            "$(reboot)",
            "\u{202e}txt",
            "x-0123456789ab",
        ] {
            let name = segment(hostile);
            assert_eq!(check_path(&name), Ok(()), "{hostile:?}");
            assert_ne!(name, hostile);
        }
        assert_ne!(segment("App"), segment("app"));
        assert_ne!(segment("a/b"), segment("a?b"));
        assert_ne!(segment("App"), segment(&segment("App")));
    }

    proptest! {
        #[test]
        fn every_text_makes_a_safe_name_of_its_own(left in ".{0,80}", right in ".{0,80}") {
            let name = segment(&left);
            prop_assert_eq!(check_path(&name), Ok(()));
            prop_assert!(name.len() <= 60 && !name.contains('/'));
            prop_assert_eq!(segment(&right) == name, left == right);
        }
    }
}
