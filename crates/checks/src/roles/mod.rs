//! ROL: roles and privileged access.

mod bypass_rls;
mod path_to_superuser;
mod reach;
mod server_file_access;
mod superuser_roles;

pub use bypass_rls::BypassRls;
pub use path_to_superuser::PathToSuperuser;
pub use server_file_access::ServerFileAccess;
pub use superuser_roles::SuperuserRoles;
