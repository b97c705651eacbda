//! `pgattest.toml`, the policy file.

use pgattest_model::Policy;
use pgattest_model::policy::{
    Access, Classification, Egress, Extensions, Logging, Tenancy, Transport,
};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use strsim::levenshtein;
use toml::Spanned;

/// pgaudit's statement classes. `all` and `none` and exclusions (`-misc`) are for the server's setting, not for a requirement.
const CLASSES: [&str; 8] = [
    "ddl", "function", "misc", "misc_set", "read", "role", "write", "all",
];

/// Reads a policy. The error has the place in the text, for a snippet.
pub fn parse(text: &str) -> Result<Policy, PolicyError> {
    let file: File = toml::from_str(text).map_err(|error| PolicyError {
        message: error
            .message()
            .lines()
            .next()
            .unwrap_or("not a policy")
            .to_owned(),
        span: error.span().unwrap_or(0..0),
        help: suggestion(error.message()),
    })?;
    file.into_policy()
}

/// What is wrong with a policy file, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyError {
    /// One line, no period.
    pub message: String,
    /// Bytes of the text it is about.
    pub span: Range<usize>,
    /// What to write instead, where that can be said.
    pub help: Option<String>,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PolicyError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    organization: OrganizationSection,
    #[serde(default)]
    access: AccessSection,
    #[serde(default)]
    tenancy: TenancySection,
    #[serde(default)]
    logging: LoggingSection,
    #[serde(default)]
    transport: TransportSection,
    #[serde(default)]
    extensions: ExtensionsSection,
    #[serde(default)]
    egress: EgressSection,
    #[serde(default)]
    classification: Vec<ClassificationEntry>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrganizationSection {
    name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessSection {
    superusers: Option<BTreeSet<String>>,
    bypass_rls: Option<BTreeSet<String>>,
    server_files: Option<BTreeSet<String>>,
    create_role: Option<BTreeSet<String>>,
    create_database: Option<BTreeSet<String>>,
    replication: Option<BTreeSet<String>>,
    administrators: Option<BTreeSet<String>>,
    all_data: Option<BTreeSet<String>>,
    monitoring: Option<BTreeSet<String>>,
    schema_owners: Option<BTreeSet<String>>,
    break_glass: Option<BTreeSet<String>>,
    #[serde(default)]
    passwords_expire: bool,
    #[serde(default)]
    public_schemas: BTreeSet<String>,
    #[serde(default)]
    public_databases: BTreeSet<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TenancySection {
    single_tenant: Option<Spanned<bool>>,
    setting: Option<Spanned<String>>,
    column: Option<String>,
    #[serde(default)]
    tables: Vec<Spanned<String>>,
    #[serde(default)]
    shared: Vec<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoggingSection {
    classes: Option<Vec<Spanned<String>>>,
    retention_days: Option<Spanned<u32>>,
    captured_by: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TransportSection {
    minimum_tls: Option<Spanned<String>>,
    #[serde(default)]
    trusted_networks: Vec<Spanned<String>>,
    #[serde(default)]
    certificate_names: BTreeSet<String>,
    certificate_days: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtensionsSection {
    approved: Option<BTreeSet<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EgressSection {
    publications: Option<BTreeSet<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassificationEntry {
    class: String,
    columns: Vec<Spanned<String>>,
}

impl File {
    fn into_policy(self) -> Result<Policy, PolicyError> {
        Ok(Policy {
            organization: self.organization.name,
            access: Access {
                superusers: self.access.superusers,
                bypass_rls: self.access.bypass_rls,
                server_files: self.access.server_files,
                create_role: self.access.create_role,
                create_database: self.access.create_database,
                replication: self.access.replication,
                administrators: self.access.administrators,
                all_data: self.access.all_data,
                monitoring: self.access.monitoring,
                schema_owners: self.access.schema_owners,
                break_glass: self.access.break_glass,
                passwords_expire: self.access.passwords_expire,
                public_schemas: self.access.public_schemas,
                public_databases: self.access.public_databases,
            },
            tenancy: self.tenancy.into_tenancy()?,
            logging: Logging {
                classes: self
                    .logging
                    .classes
                    .map(|classes| classes.into_iter().map(class).collect::<Result<_, _>>())
                    .transpose()?,
                retention_days: self.logging.retention_days.map(days).transpose()?,
                captured_by: self.logging.captured_by,
            },
            transport: Transport {
                minimum_tls: self.transport.minimum_tls.map(tls_version).transpose()?,
                trusted_networks: self
                    .transport
                    .trusted_networks
                    .into_iter()
                    .map(network)
                    .collect::<Result<_, _>>()?,
                certificate_names: self.transport.certificate_names,
                certificate_days: self.transport.certificate_days,
            },
            extensions: Extensions {
                approved: self.extensions.approved,
            },
            egress: Egress {
                publications: self.egress.publications,
            },
            classification: self
                .classification
                .into_iter()
                .map(ClassificationEntry::into_classification)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl TenancySection {
    fn into_tenancy(self) -> Result<Tenancy, PolicyError> {
        let names_tenants =
            self.column.is_some() || self.setting.is_some() || !self.tables.is_empty();
        let single_tenant = match self.single_tenant {
            Some(declared) if *declared.get_ref() && names_tenants => {
                return Err(PolicyError {
                    message: "one tenant only, and yet tenants are told apart".to_owned(),
                    span: declared.span(),
                    help: Some("remove it, or the keys beside it".to_owned()),
                });
            }
            Some(declared) => declared.into_inner(),
            None => false,
        };
        Ok(Tenancy {
            single_tenant,
            setting: self.setting.map(setting_name).transpose()?,
            column: self.column,
            tables: self
                .tables
                .into_iter()
                .map(relation_name)
                .collect::<Result<_, _>>()?,
            shared: self
                .shared
                .into_iter()
                .map(relation_name)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl ClassificationEntry {
    fn into_classification(self) -> Result<Classification, PolicyError> {
        Ok(Classification {
            class: self.class,
            columns: self
                .columns
                .into_iter()
                .map(column_name)
                .collect::<Result<_, _>>()?,
        })
    }
}

fn setting_name(value: Spanned<String>) -> Result<String, PolicyError> {
    require(
        value,
        |text| text.contains('.'),
        "a tenant setting has a prefix and a dot",
        "app.current_tenant",
    )
}

fn relation_name(value: Spanned<String>) -> Result<String, PolicyError> {
    require(
        value,
        |text| text.contains('.'),
        "a relation is named with its schema",
        "public.orders",
    )
}

fn column_name(value: Spanned<String>) -> Result<String, PolicyError> {
    require(
        value,
        |text| text.matches('.').count() >= 2,
        "a column is named with its schema and table",
        "public.customers.ssn",
    )
}

fn class(value: Spanned<String>) -> Result<String, PolicyError> {
    let span = value.span();
    let text = value.into_inner().to_ascii_lowercase();
    if CLASSES.contains(&text.as_str()) {
        return Ok(text);
    }
    Err(PolicyError {
        message: format!("`{text}` is not a class of pgaudit"),
        span,
        help: Some(format!("one of {}", CLASSES.join(", "))),
    })
}

fn days(value: Spanned<u32>) -> Result<u32, PolicyError> {
    let span = value.span();
    match value.into_inner() {
        0 => Err(PolicyError {
            message: "logs must be kept for at least a day".to_owned(),
            span,
            help: Some("365".to_owned()),
        }),
        days => Ok(days),
    }
}

fn tls_version(value: Spanned<String>) -> Result<String, PolicyError> {
    require(
        value,
        |text| matches!(text, "TLSv1.2" | "TLSv1.3"),
        "the lowest protocol version to accept is `TLSv1.2` or `TLSv1.3`",
        "TLSv1.2",
    )
}

fn network(value: Spanned<String>) -> Result<String, PolicyError> {
    require(
        value,
        |text| text.parse::<ipnet::IpNet>().is_ok(),
        "a network is written in CIDR form",
        "10.0.0.0/8",
    )
}

fn require(
    value: Spanned<String>,
    accepts: fn(&str) -> bool,
    rule: &str,
    example: &str,
) -> Result<String, PolicyError> {
    if accepts(value.get_ref()) {
        return Ok(value.into_inner());
    }
    Err(PolicyError {
        message: rule.to_owned(),
        span: value.span(),
        help: Some(format!("like `{example}`")),
    })
}

/// For an unknown key, the expected one that is nearest to it.
fn suggestion(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message
        .starts_with("unknown field")
        .then(|| quoted.next())
        .flatten()?;
    let nearest = quoted.min_by_key(|known| levenshtein(unknown, known))?;
    Some(if levenshtein(unknown, nearest) <= 3 {
        format!("did you mean `{nearest}`?")
    } else {
        format!("`{nearest}` is one key that exists here")
    })
}

#[cfg(test)]
mod tests {
    use super::parse;
    use pgattest_model::Policy;

    #[track_caller]
    fn refuses(text: &str, place: &str, message: &str, help: Option<&str>) {
        let error = parse(text).unwrap_err();
        assert_eq!(error.message, message);
        assert_eq!(&text[error.span.clone()], place);
        assert_eq!(error.help.as_deref(), help);
    }

    #[test]
    fn an_empty_file_declares_nothing() {
        assert_eq!(parse("").unwrap(), Policy::default());
    }

    #[test]
    fn a_full_policy() {
        let policy = parse(
            r#"
            organization.name = "Acme"
            [access]
            superusers = ["postgres"]
            bypass_rls = []
            server_files = ["backup"]
            [tenancy]
            setting = "app.current_tenant"
            column = "tenant_id"
            tables = ["public.events"]
            shared = ["public.plans"]
            [logging]
            classes = ["DDL", "role"]
            retention_days = 400
            [transport]
            minimum_tls = "TLSv1.3"
            trusted_networks = ["10.0.0.0/8", "fd00::/8"]
            "#,
        )
        .unwrap();
        assert_eq!(policy.organization.as_deref(), Some("Acme"));
        assert!(policy.access.bypass_rls.unwrap().is_empty());
        assert!(policy.logging.classes.unwrap().contains("ddl"));
        assert_eq!(policy.transport.trusted_networks.len(), 2);
    }

    #[test]
    fn a_typo_is_shown_with_the_nearest_key() {
        refuses(
            "[access]\nsuperuser = [\"postgres\"]\n",
            "superuser",
            "unknown field `superuser`, expected one of `superusers`, `bypass_rls`, `server_files`, `create_role`, \
             `create_database`, `replication`, `administrators`, `all_data`, `monitoring`, `schema_owners`, `break_glass`, \
             `passwords_expire`, `public_schemas`, `public_databases`",
            Some("did you mean `superusers`?"),
        );
    }

    #[test]
    fn one_tenant_and_a_tenant_column_contradict_each_other() {
        assert!(
            parse("tenancy.single_tenant = true")
                .unwrap()
                .tenancy
                .single_tenant
        );
        refuses(
            "[tenancy]\nsingle_tenant = true\ncolumn = \"tenant_id\"\n",
            "true",
            "one tenant only, and yet tenants are told apart",
            Some("remove it, or the keys beside it"),
        );
    }

    #[test]
    fn values_are_judged_where_they_stand() {
        refuses(
            "[logging]\nclasses = [\"ddl\", \"wirte\"]\n",
            "\"wirte\"",
            "`wirte` is not a class of pgaudit",
            Some("one of ddl, function, misc, misc_set, read, role, write, all"),
        );
        refuses(
            "[transport]\ntrusted_networks = [\"10.0.0.0/33\"]",
            "\"10.0.0.0/33\"",
            "a network is written in CIDR form",
            Some("like `10.0.0.0/8`"),
        );
        refuses(
            "transport.minimum_tls = \"1.1\"",
            "\"1.1\"",
            "the lowest protocol version to accept is `TLSv1.2` or `TLSv1.3`",
            Some("like `TLSv1.2`"),
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = parse(&text);
        }
    }
}
