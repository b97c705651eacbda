//! Encryption keys in the text of code.

use super::code::{Trouble, troubled};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::CodeMark;
use pgattest_model::{
    Area, Criterion, Meta, Missing, Population, Responsibility, Severity, Verdict,
};

declare_check! {
    /// ## What it checks
    /// No function, procedure, view, materialized view, column default, generated column, policy, check constraint, trigger, rule or
    /// index holds an encryption key as a constant. It does when it calls one of pgcrypto's functions that take a key
    /// (`pgp_sym_encrypt`, `pgp_sym_decrypt`, `pgp_pub_decrypt`, `encrypt`, `decrypt`, `encrypt_iv`, `decrypt_iv`, `hmac`) with a
    /// constant in the key's place, also inside `decode`, `convert_to` or a cast; when it assigns a constant to a variable or
    /// parameter named after a key, or holds a long hexadecimal constant, and calls one of them; or when it holds a private key in PEM
    /// form. A function's `SET` clause counts too, when it is named after a secret (`SET app.api_key = ..`) or holds a text with a
    /// password in it. The text is looked at inside the server and never leaves it. Code of extensions is left out.
    ///
    /// Not seen: a key put together from pieces, one in a statement that is built at run time, one in a comment, and one in a table.
    ///
    /// ## Why it matters
    /// The text of every function and view can be read by every role that can connect to the database, whatever it may execute,
    /// and is in every dump. A column encrypted with a key that lies beside it is not encrypted.
    ///
    /// ## How to fix it
    /// Rotate the key: encrypt the data anew with another one. Keep keys in a key management service and give them to the statement
    /// as a parameter, from the application; keep parameters out of the log (see `keys-in-log`). The old text stays in the
    /// write-ahead log and in backups.
    ///
    /// ## References
    /// - PostgreSQL documentation, appendix F.28, pgcrypto, with its security limitations; chapter 53.39, `pg_proc` (numbers of
    ///   version 15)
    pub KeysInCode {
        id: "SEC-14",
        name: "keys-in-code",
        title: "No code inside a database holds an encryption key",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::C1_1],
        area: Area::KeyCustody,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

const TROUBLES: [Trouble; 3] = [
    Trouble {
        mark: CodeMark::KeyLiteral,
        cause: "an encryption key in the text of code",
        holds: "an encryption key as a constant",
        remediation: "rotate the key and hand the new one over as a parameter of the statement",
    },
    Trouble {
        mark: CodeMark::PrivateKey,
        cause: "a private key in the text of code",
        holds: "a private key",
        remediation: "replace the key pair and keep the private key outside the database",
    },
    Trouble {
        mark: CodeMark::SecretSetting,
        cause: "a secret in a SET clause",
        holds: "a secret in its SET clause",
        remediation: "rotate the secret and hand the new one over as a parameter",
    },
];

impl Check for KeysInCode {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let (count, findings, not_seen) = troubled(context, &TROUBLES)?;
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no database has code of its own".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "pieces of code",
            },
            findings,
            not_seen,
        })
    }
}
