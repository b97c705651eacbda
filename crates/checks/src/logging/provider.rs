//! Who runs the server, where it is not the organisation itself.

use crate::context::Context;
use pgattest_model::Collected;

/// The managed service the server runs on, told by the administrative role that each provider makes. `None`: none is known, or
/// the roles were not read.
pub fn provider(context: &Context<'_>) -> Option<&'static str> {
    let Collected::Here { value: roles, .. } = &context.facts.roles else {
        return None;
    };
    let has = |name: &str| roles.iter().any(|role| role.name == name);
    if has("rdsadmin") && has("rds_superuser") {
        Some("Amazon RDS")
    } else if has("cloudsqladmin") && has("cloudsqlsuperuser") {
        Some("Cloud SQL")
    } else if has("azuresu") || has("azure_pg_admin") {
        Some("Azure Database for PostgreSQL")
    } else {
        None
    }
}
