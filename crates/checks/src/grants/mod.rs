//! GRN: grants and default privileges.

pub(crate) mod creators;
mod default_to_public;
mod exposure;
mod grant_options;
pub(crate) mod holders;
pub(crate) mod objects;
mod parameter_grants;
mod public;
mod public_create;
mod public_databases;
mod public_relations;
mod public_schemas;
mod schema_creators;
pub(crate) mod search_path;
mod structural_privileges;
pub(crate) mod words;

pub use default_to_public::DefaultToPublic;
pub use grant_options::GrantOptions;
pub use parameter_grants::ParameterGrants;
pub use public_create::PublicCreate;
pub use public_databases::PublicDatabases;
pub use public_relations::PublicRelations;
pub use public_schemas::PublicSchemas;
pub use schema_creators::SchemaCreators;
pub use structural_privileges::StructuralPrivileges;
