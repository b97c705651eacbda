//! Reports of an audit, and of a plan, one file a format.
//!
//! Pure: an audit goes in, text comes out. No clock, no environment, no filesystem, no network, and the same audit gives the
//! same bytes. Names in an audit are hostile, so each format escapes for its own medium: the terminal and HTML show control
//! characters and bidirectional overrides as `\u{..}`, JSON writes them as `\uXXXX`.

pub mod access;
pub mod csv;
pub mod explain;
pub mod html;
pub mod json;
pub mod junit;
mod markdown;
mod package;
pub mod page;
mod paint;
pub mod plan;
pub mod pull_request;
pub mod readme;
pub mod sarif;
pub mod text;
pub mod verification;
pub mod view;

pub use package::Package;
pub use paint::Screen;
