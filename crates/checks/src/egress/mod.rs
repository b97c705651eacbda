//! EGR: ways in which data leaves the cluster.

mod approved_extensions;
mod known_extensions;
mod publications;
mod server_file_tables;

pub use approved_extensions::ApprovedExtensions;
pub use publications::Publications;
pub use server_file_tables::ServerFileTables;
