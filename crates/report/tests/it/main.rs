//! The reports of one realistic, hostile audit.

#![allow(
    clippy::disallowed_methods,
    reason = "the crate is pure, its tests compare with files"
)]

mod explain;
mod fixture;
mod formats;
mod html;
mod json;
mod plan;
mod readme;
mod text;
mod view;
mod waivers;
