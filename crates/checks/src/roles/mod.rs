//! ROL: roles and privileged access.

mod superuser_roles;

pub use superuser_roles::SuperuserRoles;
