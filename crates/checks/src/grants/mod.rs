//! GRN: grants and default privileges.

pub(crate) mod creators;
pub mod default_to_public;
mod exposure;
mod foreign_usage;
mod grant_options;
pub(crate) mod holders;
pub(crate) mod objects;
pub(crate) mod parameter_grants;
mod public;
mod public_create;
mod public_databases;
mod public_relations;
mod public_schemas;
mod schema_creators;
pub mod search_path;
pub mod secret_catalogs;
pub mod server_functions;
mod structural_privileges;
mod untrusted_languages;
pub(crate) mod words;

pub use default_to_public::DefaultToPublic;
pub use foreign_usage::ForeignUsage;
pub use grant_options::GrantOptions;
pub use parameter_grants::ParameterGrants;
pub use public_create::PublicCreate;
pub use public_databases::PublicDatabases;
pub use public_relations::PublicRelations;
pub use public_schemas::PublicSchemas;
pub use schema_creators::SchemaCreators;
pub use search_path::elements;
pub use secret_catalogs::SecretCatalogs;
pub use server_functions::ServerFunctions;
pub use structural_privileges::StructuralPrivileges;
pub use untrusted_languages::UntrustedLanguages;
