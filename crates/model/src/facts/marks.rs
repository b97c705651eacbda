//! What texts that stay in the server give away.

use super::Oid;
use super::field::{flag, json};
use crate::ident::{qualified, quote_ident};
use serde::Deserialize;

/// One piece of code inside a database, with what its text gives away.
#[derive(Clone, Debug, Deserialize)]
pub struct MarkedCode {
    /// What it is.
    pub class: CodeClass,
    /// Object identifier of the function, policy, constraint, trigger, rule or index; of the relation for a view or default.
    pub object: Oid,
    /// Schema of the function or relation.
    pub schema_name: String,
    /// The relation it belongs to; empty for a function.
    pub relation_name: String,
    /// Its name, or its column's; empty for a view.
    pub name: String,
    /// Arguments of a function, as `pg_get_function_identity_arguments` writes them; empty otherwise.
    pub arguments: String,
    /// Owner of the function or relation.
    pub owner: Oid,
    /// What the text gives away.
    #[serde(deserialize_with = "json")]
    pub marks: Vec<CodeMark>,
}

impl MarkedCode {
    /// Whether the text has this mark.
    pub fn has(&self, mark: CodeMark) -> bool {
        self.marks.contains(&mark)
    }

    /// Its name as SQL would have it: `app.f(integer)`, `app.orders`, `app.orders.total`, `tenant ON app.orders`.
    pub fn sql_name(&self) -> String {
        let relation = || qualified(&self.schema_name, &self.relation_name);
        match self.class {
            CodeClass::Function => format!(
                "{}({})",
                qualified(&self.schema_name, &self.name),
                self.arguments
            ),
            CodeClass::View => relation(),
            CodeClass::Default => format!("{}.{}", relation(), quote_ident(&self.name)),
            CodeClass::Policy
            | CodeClass::Constraint
            | CodeClass::Trigger
            | CodeClass::Rule
            | CodeClass::Index => format!("{} ON {}", quote_ident(&self.name), relation()),
        }
    }
}

/// Kinds of code.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is the object it names")]
pub enum CodeClass {
    Function,
    View,
    /// A column's default, or the expression of a generated column.
    Default,
    Policy,
    Constraint,
    Trigger,
    Rule,
    Index,
}

impl CodeClass {
    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::View => "view",
            Self::Default => "default of column",
            Self::Policy => "policy",
            Self::Constraint => "constraint",
            Self::Trigger => "trigger",
            Self::Rule => "rule",
            Self::Index => "index",
        }
    }
}

/// What a text of code gives away.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
pub enum CodeMark {
    /// It calls a function of pgcrypto (or one of the same name) that takes a key.
    CallsPgcrypto,
    /// It calls one with a key that is a constant in the text.
    KeyLiteral,
    /// It holds a private key in PEM form.
    PrivateKey,
    /// A `SET` clause of it holds what looks like a secret. Functions only.
    SecretSetting,
    /// A constant in it is a connection string or URL with a password.
    ConnectionWithPassword,
    /// It sets a password that is a constant in the text: `ALTER ROLE .. PASSWORD '..'`, `OPTIONS (password '..')`.
    PasswordLiteral,
    /// It sets a setting that decides what is logged or audited. Functions only.
    SetsAuditSetting,
}

/// What the options of one foreign object give away. A user mapping's are hidden from most roles.
#[derive(Clone, Debug, Deserialize)]
pub struct MarkedOptions {
    /// What it is.
    pub class: OptionClass,
    /// Object identifier of the wrapper, server, foreign table (its relation) or user mapping.
    pub object: Oid,
    /// The foreign server it belongs to; 0 for a wrapper.
    pub server: Oid,
    /// Whether the options could be looked at: without it, no marks say nothing.
    #[serde(deserialize_with = "flag")]
    pub visible: bool,
    /// What the options give away.
    #[serde(deserialize_with = "json")]
    pub marks: Vec<OptionMark>,
}

impl MarkedOptions {
    /// Whether the options have this mark.
    pub fn has(&self, mark: OptionMark) -> bool {
        self.marks.contains(&mark)
    }
}

/// Kinds of objects with options.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is the object it names")]
pub enum OptionClass {
    ForeignDataWrapper,
    ForeignServer,
    ForeignTable,
    UserMapping,
}

/// What options give away.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
pub enum OptionMark {
    /// An option that is named after a password, key or token has a value.
    Password,
    /// A value is a connection string or URL with a password.
    ConnectionWithPassword,
    /// `password_required` is false.
    PasswordNotRequired,
    /// It reads a file of the server's machine.
    File,
    /// It runs a program on the server's machine.
    Program,
}
