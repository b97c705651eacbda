//! Who may hold a power because somebody decided so, and who belongs to the provider that runs the server.

use crate::context::Context;
use pgattest_model::facts::Role;
use std::collections::BTreeSet;

/// A list of the policy; `None` when nobody declared it.
pub(super) type Names = Option<BTreeSet<String>>;

/// Whether one of the lists names the role. A list that nobody declared names nobody.
pub(super) fn is_named(role: &Role, lists: &[&Names]) -> bool {
    lists
        .iter()
        .filter_map(|list| list.as_ref())
        .any(|list| list.contains(&role.name))
}

/// A managed service, known by the superuser that its servers are made with: anybody may call a role `rds_superuser`, but only
/// the provider chooses the name of the bootstrap superuser.
#[derive(Debug)]
pub(super) struct Provider {
    bootstrap: &'static str,
    /// What the customer is given in place of SUPERUSER.
    administrator: &'static str,
    /// Roles that the provider makes and uses.
    own: &'static [&'static str],
}

const PROVIDERS: [Provider; 3] = [
    Provider {
        bootstrap: "rdsadmin",
        administrator: "rds_superuser",
        own: &[
            "rds_ad",
            "rds_extension",
            "rds_iam",
            "rds_password",
            "rds_replication",
            "rds_reserved",
            "rdsproxyadmin",
            "rdsrepladmin",
            "rdstopmgr",
            "rdswriteforwarduser",
        ],
    },
    Provider {
        bootstrap: "cloudsqladmin",
        administrator: "cloudsqlsuperuser",
        own: &[
            "cloudsqlagent",
            "cloudsqliamgroup",
            "cloudsqliamgroupserviceaccount",
            "cloudsqliamgroupuser",
            "cloudsqliamserviceaccount",
            "cloudsqliamuser",
            "cloudsqlimportexport",
            "cloudsqlinactiveuser",
            "cloudsqlobservabilityadmin",
            "cloudsqlreplica",
        ],
    },
    Provider {
        bootstrap: "azuresu",
        administrator: "azure_pg_admin",
        own: &["azure_pg_monitor"],
    },
];

impl Provider {
    /// The provider that runs this server; `None` on a server of one's own.
    pub(super) fn of(context: &Context<'_>) -> Option<&'static Self> {
        let bootstrap = context.role(Role::BOOTSTRAP)?;
        PROVIDERS
            .iter()
            .find(|provider| provider.bootstrap == bootstrap.name)
    }

    /// Whether the role is the provider's, and so nothing that the customer can change.
    pub(super) fn owns(&self, role: &Role) -> bool {
        role.oid == Role::BOOTSTRAP
            || self.is_administrator(role)
            || self.own.contains(&role.name.as_str())
    }

    /// Whether the role is what the customer is given in place of SUPERUSER.
    pub(super) fn is_administrator(&self, role: &Role) -> bool {
        role.name == self.administrator
    }
}

/// Whether the role is a managed service's own, and so nothing that the customer can change.
pub fn belongs_to_provider(context: &Context<'_>, role: &Role) -> bool {
    Provider::of(context).is_some_and(|provider| provider.owns(role))
}

/// Whether the role is one that the customer made and that has anything left to be judged: no superuser, not the server's own,
/// not the provider's.
pub(super) fn is_ordinary(role: &Role, provider: Option<&Provider>) -> bool {
    !role.superuser
        && !role.is_predefined()
        && !provider.is_some_and(|provider| provider.owns(role))
}
