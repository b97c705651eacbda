//! SEC: passwords and stored secrets.

mod password_verifiers;
mod passwordless_logins;
mod secrets_in_settings;

pub use password_verifiers::PasswordVerifiers;
pub use passwordless_logins::PasswordlessLogins;
pub use secrets_in_settings::SecretsInSettings;
