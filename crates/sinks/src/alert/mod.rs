//! Alerts over the network. What needs none is in the crate `trail`.

mod webhook;

pub use webhook::{Webhook, WebhookOptions, sign};
