//! Which groups have a wrapper, and the columns each returns.

use crate::groups::Scope;

/// The wrapper of one group.
#[derive(Debug)]
pub struct Wrapper {
    /// Where the group is asked.
    pub scope: Scope,
    /// The group's name.
    pub group: &'static str,
    /// What the script says about it: one line, what is shown and what stays in the server.
    pub purpose: &'static str,
    /// The columns with their types, as `format_type` writes them, in the order of the query's.
    pub columns: &'static [(&'static str, &'static str)],
}

/// Every wrapper, in the order of the groups.
pub(crate) static WRAPPERS: &[Wrapper] = &[
    Wrapper {
        scope: Scope::Cluster,
        group: "settings",
        purpose: "every setting in force; a value that may hold a secret is reduced to what it looks like",
        columns: &[
            ("name", "text"),
            ("value", "text"),
            ("withheld", "boolean"),
            ("shape", "text"),
            ("key_kind", "text"),
            ("unit", "text"),
            ("context", "text"),
            ("source", "text"),
            ("source_file", "text"),
            ("source_line", "integer"),
            ("boot_value", "text"),
            ("reset_value", "text"),
            ("pending_restart", "boolean"),
        ],
    },
    Wrapper {
        scope: Scope::Cluster,
        group: "file-settings",
        purpose: "the configuration files line by line, values reduced in the same way",
        columns: &[
            ("file", "text"),
            ("line", "integer"),
            ("name", "text"),
            ("value", "text"),
            ("withheld", "boolean"),
            ("shape", "text"),
            ("key_kind", "text"),
            ("applied", "boolean"),
            ("error", "text"),
        ],
    },
    Wrapper {
        scope: Scope::Cluster,
        group: "verifiers",
        purpose: "how each role's password is stored (none, md5, scram-sha-256); never the password or its hash",
        columns: &[("role", "oid"), ("kind", "text"), ("iterations", "integer")],
    },
    Wrapper {
        scope: Scope::Cluster,
        group: "hba-rules",
        purpose: "the rules of pg_hba.conf; option values stay in the server, a short list of harmless ones excepted",
        columns: &[
            ("number", "bigint"),
            ("file", "text"),
            ("line", "integer"),
            ("connection_type", "text"),
            ("databases", "text"),
            ("users", "text"),
            ("address", "text"),
            ("netmask", "text"),
            ("method", "text"),
            ("options", "text"),
            ("error", "text"),
        ],
    },
    Wrapper {
        scope: Scope::Cluster,
        group: "hba-files",
        purpose: "when the files of client authentication were changed and loaded; not what is in them",
        columns: &[
            ("kind", "text"),
            ("file", "text"),
            ("modified_at", "text"),
            ("loaded_at", "text"),
            ("changed_after_load", "boolean"),
        ],
    },
    Wrapper {
        scope: Scope::Cluster,
        group: "ident-maps",
        purpose: "the lines of pg_ident.conf",
        columns: &[
            ("line", "integer"),
            ("map", "text"),
            ("system_user", "text"),
            ("role", "text"),
            ("error", "text"),
            ("is_regex", "boolean"),
        ],
    },
    Wrapper {
        scope: Scope::Cluster,
        group: "sessions",
        purpose: "who is connected and how the connection is encrypted; no statement texts",
        columns: &[
            ("pid", "integer"),
            ("database", "oid"),
            ("role", "oid"),
            ("application_name", "text"),
            ("backend_type", "text"),
            ("client_address", "text"),
            ("unix_socket", "boolean"),
            ("visible", "boolean"),
            ("tls", "boolean"),
            ("tls_version", "text"),
            ("tls_cipher", "text"),
            ("gss_encrypted", "boolean"),
            ("own", "boolean"),
        ],
    },
    Wrapper {
        scope: Scope::Cluster,
        group: "subscriptions",
        purpose: "subscriptions without their connection strings",
        columns: &[
            ("oid", "oid"),
            ("database", "oid"),
            ("name", "text"),
            ("owner", "oid"),
            ("enabled", "boolean"),
        ],
    },
    Wrapper {
        scope: Scope::Cluster,
        group: "subscription-secrets",
        purpose: "whether the connection strings of subscriptions hold a password; never the strings",
        columns: &[
            ("oid", "oid"),
            ("holds_password", "boolean"),
            ("password_required", "boolean"),
        ],
    },
    Wrapper {
        scope: Scope::Database,
        group: "user-mappings",
        purpose: "user mappings with the names of their options; no values",
        columns: &[
            ("oid", "oid"),
            ("role", "oid"),
            ("server", "oid"),
            ("options_visible", "boolean"),
            ("option_keys", "text"),
        ],
    },
    Wrapper {
        scope: Scope::Database,
        group: "option-marks",
        purpose: "what the options of foreign servers, tables and user mappings give away, as words; no values",
        columns: &[
            ("class", "text"),
            ("object", "oid"),
            ("server", "oid"),
            ("visible", "boolean"),
            ("marks", "text"),
        ],
    },
    Wrapper {
        scope: Scope::Database,
        group: "guide-grants",
        purpose: "information_schema.role_table_grants of everybody, where the view itself shows only one's own",
        columns: &[
            ("grantor", "text"),
            ("grantee", "text"),
            ("table_schema", "text"),
            ("table_name", "text"),
            ("privilege_type", "text"),
            ("is_grantable", "text"),
        ],
    },
];
