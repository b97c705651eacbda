//! SEC: passwords and stored secrets.

mod password_verifiers;
mod secrets_in_settings;

pub use password_verifiers::PasswordVerifiers;
pub use secrets_in_settings::SecretsInSettings;
