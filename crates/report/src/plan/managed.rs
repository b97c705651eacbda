//! What a plan is where neither files nor a superuser are to be had: parameters of a parameter group, and SQL.
//!
//! Written for Amazon RDS. What it does not let anybody set is named, not left out.

use pgattest_model::plan::{Action, Change, SettingValue, Stage};

/// The only value that Amazon RDS takes for `pgaudit.role`.
pub(super) const AUDIT_ROLE: &str = "rds_pgaudit";

/// A parameter of the group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Parameter {
    pub(super) name: String,
    /// `None`: back to the default.
    pub(super) value: Option<String>,
    /// Whether only a reboot puts it in force.
    pub(super) reboot: bool,
    /// What somebody has to know; empty: nothing.
    pub(super) remark: String,
}

/// What becomes of a change.
pub(super) enum Managed {
    /// A parameter.
    Parameter(Parameter),
    /// SQL, as it is.
    Sql,
    /// The instance is rebooted.
    Reboot,
    /// Nothing that can be done from here, for this reason.
    Not(String),
}

/// Parameters that Amazon RDS sets itself or takes from elsewhere.
const NOT_SETTABLE: [(&str, &str); 15] = [
    (
        "archive_command",
        "Amazon RDS archives by itself: set the backup retention of the instance",
    ),
    (
        "archive_mode",
        "Amazon RDS archives by itself: set the backup retention of the instance",
    ),
    ("data_directory", "Amazon RDS keeps the files"),
    (
        "hba_file",
        "Amazon RDS keeps pg_hba.conf: security groups and rds.force_ssl say who may come in",
    ),
    ("ident_file", "Amazon RDS keeps pg_ident.conf"),
    (
        "listen_addresses",
        "Amazon RDS listens where the instance's subnet group and security groups say",
    ),
    (
        "log_directory",
        "Amazon RDS keeps the logs: publish them to CloudWatch Logs",
    ),
    (
        "log_file_mode",
        "Amazon RDS keeps the logs: publish them to CloudWatch Logs",
    ),
    (
        "logging_collector",
        "Amazon RDS collects the logs by itself",
    ),
    ("port", "the port is a property of the instance"),
    ("ssl", "Amazon RDS offers TLS always"),
    (
        "ssl_ca_file",
        "the certificate authority is a property of the instance: --ca-certificate-identifier",
    ),
    (
        "ssl_cert_file",
        "the certificate is a property of the instance: --ca-certificate-identifier",
    ),
    (
        "ssl_key_file",
        "the certificate is a property of the instance: --ca-certificate-identifier",
    ),
    (
        "unix_socket_directories",
        "Amazon RDS has no socket that anybody reaches",
    ),
];

/// A list of libraries that Amazon RDS adds by itself, and refuses to have named.
const ADDED_BY_RDS: [&str; 1] = ["rdsutils"];

/// What becomes of a change on Amazon RDS.
pub(super) fn managed(change: &Change) -> Managed {
    match &change.action {
        Action::Sql { .. } | Action::SqlAlone { .. } => Managed::Sql,
        Action::Setting { name, value } => setting(change.stage, name, value.as_ref()),
        // Which rows of the file demand TLS is not to be had row by row; all of them is.
        Action::File {
            file: pgattest_model::plan::ServerFile::Hba,
            ..
        } => Managed::Parameter(Parameter {
            name: "rds.force_ssl".to_owned(),
            value: Some("1".to_owned()),
            reboot: false,
            remark: "instead of a pg_hba.conf that demands TLS: this demands it of every connection. Who may come in from where is said by security groups".to_owned(),
        }),
        Action::File { .. } => Managed::Not("Amazon RDS keeps pg_ident.conf".to_owned()),
        Action::Certificate { .. } => Managed::Not(
            "Amazon RDS has a certificate: choose its authority with --ca-certificate-identifier"
                .to_owned(),
        ),
        Action::Restart => Managed::Reboot,
        Action::ByHand(what) => Managed::Not(what.clone()),
    }
}

fn setting(stage: Stage, name: &str, value: Option<&SettingValue>) -> Managed {
    if let Some((_, why)) = NOT_SETTABLE.iter().find(|(other, _)| *other == name) {
        return Managed::Not((*why).to_owned());
    }
    let mut remark = String::new();
    let value = match value {
        None => None,
        Some(SettingValue::One(value)) => Some(value.clone()),
        Some(SettingValue::List(values)) => {
            let kept: Vec<&str> = values
                .iter()
                .map(String::as_str)
                .filter(|value| !ADDED_BY_RDS.contains(value))
                .collect();
            Some(kept.join(","))
        }
    };
    let value = match value {
        Some(role) if name == "pgaudit.role" && role != AUDIT_ROLE => {
            remark = format!(
                "Amazon RDS takes only {AUDIT_ROLE}: CREATE ROLE {AUDIT_ROLE}; and grant to it what the plan grants to {role}"
            );
            Some(AUDIT_ROLE.to_owned())
        }
        value => value,
    };
    Managed::Parameter(Parameter {
        name: name.to_owned(),
        value,
        reboot: stage == Stage::RestartSettings,
        remark,
    })
}
