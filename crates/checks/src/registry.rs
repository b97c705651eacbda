//! Every check, in the order reports list them.

use crate::check::Check;

/// The registry: a plain slice, so that a missing entry is visible in review.
pub static CHECKS: &[&dyn Check] = &[
    &crate::roles::SuperuserRoles,
    &crate::roles::PathToSuperuser,
    &crate::roles::ServerFileAccess,
    &crate::roles::CreateRoleUnbounded,
    &crate::roles::CreateRoleScope,
    &crate::roles::BypassRls,
    &crate::roles::PathToBypassRls,
    &crate::roles::ReplicationRoles,
    &crate::roles::CreateDatabaseRoles,
    &crate::roles::AdminOption,
    &crate::roles::MembershipOptions,
    &crate::roles::AllDataRoles,
    &crate::roles::MonitoringRoles,
    &crate::roles::DatabaseOwners,
    &crate::roles::OwningLogins,
    &crate::roles::ExpiredLogins,
    &crate::roles::PasswordExpiry,
    &crate::roles::SuperuserLogins,
    &crate::grants::PublicCreate,
    &crate::grants::PublicSchemas,
    &crate::grants::PublicRelations,
    &crate::grants::DefaultToPublic,
    &crate::grants::PublicDatabases,
    &crate::grants::GrantOptions,
    &crate::grants::StructuralPrivileges,
    &crate::grants::SchemaCreators,
    &crate::grants::ParameterGrants,
    &crate::grants::ServerFunctions,
    &crate::grants::UntrustedLanguages,
    &crate::grants::ForeignUsage,
    &crate::grants::SecretCatalogs,
    &crate::rls::TenantTables,
    &crate::rls::UnforcedTables,
    &crate::rls::PoliciesWithoutRls,
    &crate::rls::SilentDeny,
    &crate::rls::ConstantPolicies,
    &crate::rls::Tautologies,
    &crate::rls::OpenWhenUnset,
    &crate::rls::OpenWhenEmptied,
    &crate::rls::WeakChecks,
    &crate::rls::ReplaceableFunctions,
    &crate::rls::LeakproofFunctions,
    &crate::rls::DefinerViews,
    &crate::rls::MaterializedCopies,
    &crate::rls::UnbarredViews,
    &crate::rls::OpenChildren,
    &crate::rls::CopiedRows,
    &crate::rls::PublishedRows,
    &crate::rls::RowSecurityOff,
    &crate::functions::DefinerSearchPath,
    &crate::functions::DefinerPathSchemas,
    &crate::functions::PrivilegedDefiners,
    &crate::functions::Shadowing,
    &crate::functions::StoredSearchPath,
    &crate::functions::DisabledTriggers,
    &crate::hba::ReachableTrust,
    &crate::hba::PasswordInClear,
    &crate::hba::Md5Password,
    &crate::hba::IdentityMaps,
    &crate::hba::ShadowedRules,
    &crate::hba::IdleRefusals,
    &crate::hba::ReachableInClear,
    &crate::hba::OpenAddresses,
    &crate::hba::OpenToAllRoles,
    &crate::hba::SuperuserOverNetwork,
    &crate::hba::ReplicationAccess,
    &crate::hba::ClientCertificates,
    &crate::hba::DirectoryLogins,
    &crate::hba::FileInForce,
    &crate::secrets::PasswordVerifiers,
    &crate::secrets::PasswordlessLogins,
    &crate::secrets::PasswordEncryption,
    &crate::secrets::SecretsInSettings,
    &crate::secrets::SecretsInFiles,
    &crate::secrets::UserMappings,
    &crate::secrets::StoredConnections,
    &crate::secrets::SubscriptionSecrets,
    &crate::secrets::KeysInCode,
    &crate::transport::TlsOn,
    &crate::transport::TlsFloor,
    &crate::transport::CipherSuites,
    &crate::transport::Handshakes,
    &crate::transport::ServerCertificate,
    &crate::transport::ClearSessions,
    &crate::logging::PgauditLoaded,
    &crate::logging::PgauditClasses,
    &crate::logging::AuditOverrides,
    &crate::logging::AuditControl,
    &crate::logging::ObjectAudit,
    &crate::logging::KeysInLog,
    &crate::logging::StatementLog,
    &crate::logging::ConnectionLog,
    &crate::logging::LinePrefix,
    &crate::logging::LogDestination,
    &crate::logging::LogRotation,
    &crate::logging::LogFileAccess,
    &crate::trail::CanaryProof,
    &crate::trail::LogCompleteness,
    &crate::trail::RowsAudited,
    &crate::trail::LoggingWeakened,
    &crate::trail::DeniedActions,
    &crate::trail::AuditBypass,
    &crate::trail::SecretsInLog,
    &crate::trail::ShippingLag,
    &crate::trail::OutsideAnchor,
    &crate::trail::RetentionProof,
    &crate::trail::AlertRules,
    &crate::trail::AlertDelivery,
    &crate::trail::LogSilence,
    &crate::egress::ApprovedExtensions,
    &crate::egress::ServerFileTables,
    &crate::egress::Publications,
    // xtask:new-check
];

/// The check with this identifier (`ROL-01`) or name (`superuser-roles`), whatever the case.
pub fn find(wanted: &str) -> Option<&'static dyn Check> {
    CHECKS.iter().copied().find(|check| {
        check.meta().id.eq_ignore_ascii_case(wanted)
            || check.meta().name.eq_ignore_ascii_case(wanted)
    })
}

#[cfg(test)]
mod tests {
    use super::CHECKS;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn identifiers_are_unique_and_pages_complete() {
        let mut seen = BTreeSet::new();
        for meta in CHECKS.iter().map(|check| check.meta()) {
            assert!(seen.insert(meta.id), "{} is taken", meta.id);
            assert!(seen.insert(meta.name), "{} is taken", meta.name);
            assert!(!meta.criteria.is_empty(), "{}: no criterion", meta.id);
            assert!(
                !meta.title.ends_with('.'),
                "{}: a title has no period",
                meta.id
            );
            for heading in [
                "## What it checks",
                "## Why it matters",
                "## How to fix it",
                "## References",
            ] {
                assert!(meta.docs.contains(heading), "{}: no `{heading}`", meta.id);
            }
        }
    }

    #[test]
    #[allow(
        clippy::disallowed_methods,
        reason = "the specs are files; the check itself reads none"
    )]
    fn every_check_has_a_spec_and_every_spec_a_check() {
        let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs");
        let mut files = BTreeSet::new();
        for area in std::fs::read_dir(&specs).unwrap() {
            for file in std::fs::read_dir(area.unwrap().path()).unwrap() {
                files.insert(
                    file.unwrap()
                        .path()
                        .file_stem()
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
        let names: BTreeSet<String> = CHECKS
            .iter()
            .map(|check| check.meta().name.to_owned())
            .collect();
        assert_eq!(files, names);
    }
}
