//! FUN: functions.

mod callers;
pub mod configured;
pub mod definer_path_schemas;
mod definer_search_path;
pub mod disabled_triggers;
pub mod places;
pub mod privileged_definers;
mod replica_sessions;
mod shadowing;
mod stored_search_path;

pub use definer_path_schemas::DefinerPathSchemas;
pub use definer_search_path::DefinerSearchPath;
pub use disabled_triggers::DisabledTriggers;
pub use privileged_definers::PrivilegedDefiners;
pub use shadowing::Shadowing;
pub use stored_search_path::StoredSearchPath;
