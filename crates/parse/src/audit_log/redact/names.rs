//! Which names mean a secret.

/// Wherever they stand in a name: `sslpassword`, `rolpassword`, `client_secret`.
const ANYWHERE: [&str; 7] = [
    "password",
    "passwd",
    "passphrase",
    "passfile",
    "secret",
    "credential",
    "apikey",
];

/// As a word of a name: `db_pwd`, `reset_token`.
const WORDS: [&str; 6] = ["pwd", "token", "tokens", "authtoken", "accesstoken", "jwt"];

/// A key of this kind is secret: `encryption_key`, `access-key`.
const KEYS: [&str; 27] = [
    "api",
    "access",
    "private",
    "encryption",
    "encrypt",
    "decryption",
    "decrypt",
    "crypto",
    "crypt",
    "master",
    "signing",
    "sign",
    "signature",
    "hmac",
    "aes",
    "shared",
    "kms",
    "pgp",
    "gpg",
    "ssh",
    "auth",
    "session",
    "cipher",
    "dek",
    "kek",
    "column",
    "data",
];

/// These speak of secrets and hold none.
const HARMLESS: [&str; 8] = [
    "password_encryption",
    "password_required",
    "md5_password_warnings",
    "ssl_passphrase_command_supports_reload",
    "passwordcheck",
    "password_expiration",
    "password_expires_at",
    "password_changed_at",
];

/// Functions that are given a key, a password or what is to be kept secret.
const CALLS: [&str; 7] = [
    "crypt",
    "hmac",
    "digest",
    "password",
    "secret",
    "credential",
    "token",
];

/// Whether a column, an option, a key or a variable of this name holds a secret.
pub(super) fn is_secret(name: &[u8]) -> bool {
    let Some(name) = lower(name) else {
        return false;
    };
    if HARMLESS.contains(&name.as_str()) {
        return false;
    }
    if ANYWHERE.iter().any(|word| name.contains(word)) {
        return true;
    }
    let mut before = "";
    for part in name.split(['_', '-', '.', ' ']) {
        if WORDS.contains(&part) {
            return true;
        }
        let bare = part.strip_suffix("key").or(part.strip_suffix("keys"));
        let kind = match bare {
            Some("") => Some(before),
            other => other,
        };
        if kind.is_some_and(|kind| KEYS.contains(&kind)) {
            return true;
        }
        before = part;
    }
    false
}

/// Whether a setting of this name holds a secret: a setting of an application's own may say no more than `app.key`.
pub(super) fn is_secret_setting(name: &[u8]) -> bool {
    is_secret(name)
        || lower(name).is_some_and(|name| {
            name.contains('.') && (name.ends_with("key") || name.ends_with("keys"))
        })
}

/// Whether a function of this name is given secrets.
pub(super) fn is_secret_call(name: &[u8]) -> bool {
    lower(name).is_some_and(|name| CALLS.iter().any(|word| name.contains(word)))
}

/// In lower case, if it can be a name at all.
fn lower(name: &[u8]) -> Option<String> {
    if name.is_empty() || name.len() > 128 {
        return None;
    }
    Some(String::from_utf8_lossy(name).to_ascii_lowercase())
}
