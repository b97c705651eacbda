//! Why a stored value is taken for a secret, from what its name says and what it looks like.

use pgattest_model::Severity;
use pgattest_model::facts::{KeyKind, Shape};

/// Why a stored value is taken for a secret.
pub(super) struct Suspicion {
    pub(super) cause: &'static str,
    pub(super) looks_like: &'static str,
    pub(super) severity: Severity,
}

impl Suspicion {
    /// `None` when nothing speaks for a secret.
    pub(super) fn of(name: &str, key_kind: KeyKind, shape: Shape) -> Option<Self> {
        // Only extensions' and applications' settings have a dot. The server's own may speak of passwords
        // (`password_encryption`) and hold none.
        let named_secret =
            key_kind == KeyKind::Secret && name.contains('.') && !is_about_a_secret(name);
        let (cause, looks_like, severity) = match shape {
            Shape::ConnectionWithPassword => (
                "setting holds a text with a password in it",
                "a connection string or another text with a password or token in it",
                Severity::High,
            ),
            Shape::KeyMaterial if named_secret => (
                "setting holds a secret",
                "what looks like key material",
                Severity::High,
            ),
            // A checksum or a commit's identifier looks the same.
            Shape::KeyMaterial => (
                "setting holds what may be key material",
                "what may be key material",
                Severity::Medium,
            ),
            Shape::Uuid | Shape::Word | Shape::Text if named_secret => (
                "setting holds a secret",
                "by its name a secret",
                Severity::High,
            ),
            // `app.token_required = on`, `app.key_size = 256`: about a secret, and none.
            Shape::Empty
            | Shape::Boolean
            | Shape::Number
            | Shape::Uuid
            | Shape::Word
            | Shape::Text => return None,
        };
        Some(Self {
            cause,
            looks_like,
            severity,
        })
    }
}

/// Whether the last word of the name says that the value tells something about a secret and is none.
fn is_about_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // One half of a pair of credentials, and the half to be kept secret.
    if name.ends_with("secret_id") {
        return false;
    }
    let last = name.rsplit(['.', '_', '-']).next().unwrap_or_default();
    matches!(
        last,
        "id" | "name"
            | "alias"
            | "version"
            | "arn"
            | "path"
            | "file"
            | "dir"
            | "algorithm"
            | "type"
            | "kind"
            | "mode"
            | "policy"
            | "provider"
            | "source"
            | "store"
            | "issuer"
            | "audience"
            | "ttl"
            | "expiry"
            | "lifetime"
            | "length"
            | "size"
    )
}

#[cfg(test)]
mod tests {
    use super::Suspicion;
    use pgattest_model::Severity;
    use pgattest_model::facts::{KeyKind, Shape};

    #[track_caller]
    fn check(name: &str, key_kind: KeyKind, shape: Shape, expected: Option<Severity>) {
        assert_eq!(
            Suspicion::of(name, key_kind, shape).map(|found| found.severity),
            expected,
            "{name} {shape:?}"
        );
    }

    #[test]
    fn a_name_that_speaks_of_a_secret_needs_a_value_that_could_be_one() {
        for shape in [
            Shape::Word,
            Shape::Text,
            Shape::Uuid,
            Shape::KeyMaterial,
            Shape::ConnectionWithPassword,
        ] {
            check("app.api_key", KeyKind::Secret, shape, Some(Severity::High));
        }
        for shape in [Shape::Empty, Shape::Boolean, Shape::Number] {
            check("app.api_key", KeyKind::Secret, shape, None);
        }
    }

    #[test]
    fn a_value_can_give_itself_away_whatever_its_name() {
        check(
            "app.upstream",
            KeyKind::Plain,
            Shape::ConnectionWithPassword,
            Some(Severity::High),
        );
        check(
            "app.release",
            KeyKind::Plain,
            Shape::KeyMaterial,
            Some(Severity::Medium),
        );
        for shape in [Shape::Uuid, Shape::Word, Shape::Text, Shape::Number] {
            check("app.release", KeyKind::Plain, shape, None);
        }
    }

    #[test]
    fn names_about_secrets_and_the_servers_own_are_judged_by_value_alone() {
        check("app.encryption_key_id", KeyKind::Secret, Shape::Uuid, None);
        check("app.Token_File", KeyKind::Secret, Shape::Text, None);
        check("password_encryption", KeyKind::Secret, Shape::Word, None);
        check(
            "app.token_file",
            KeyKind::Secret,
            Shape::KeyMaterial,
            Some(Severity::Medium),
        );
        check(
            "vault.secret_id",
            KeyKind::Secret,
            Shape::Uuid,
            Some(Severity::High),
        );
    }
}
