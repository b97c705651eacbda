//! GRN: grants and default privileges.

mod creators;
mod default_to_public;
mod exposure;
mod public;
mod public_create;
mod public_relations;
mod search_path;

pub use default_to_public::DefaultToPublic;
pub use public_create::PublicCreate;
pub use public_relations::PublicRelations;
