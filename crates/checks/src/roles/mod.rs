//! ROL: roles and privileged access.

mod admin_option;
mod all_data_roles;
mod approval;
mod attribute;
mod bypass_rls;
mod create_database_roles;
mod create_role_scope;
mod create_role_unbounded;
mod holders;
mod holdings;
mod listing;
mod membership_options;
mod monitoring_roles;
mod path_to_bypass_rls;
mod path_to_superuser;
mod powers;
mod predefined;
mod reach;
mod replication_roles;
mod self_grant;
mod server_file_access;
mod superuser_roles;

pub use admin_option::AdminOption;
pub use all_data_roles::AllDataRoles;
pub use bypass_rls::BypassRls;
pub use create_database_roles::CreateDatabaseRoles;
pub use create_role_scope::CreateRoleScope;
pub use create_role_unbounded::CreateRoleUnbounded;
pub use membership_options::MembershipOptions;
pub use monitoring_roles::MonitoringRoles;
pub use path_to_bypass_rls::PathToBypassRls;
pub use path_to_superuser::PathToSuperuser;
pub use replication_roles::ReplicationRoles;
pub use server_file_access::ServerFileAccess;
pub use superuser_roles::SuperuserRoles;
