//! SEC: passwords and stored secrets.

mod code;
mod keys_in_code;
mod password_encryption;
mod password_verifiers;
mod passwordless_logins;
mod secrets_in_files;
mod secrets_in_settings;
mod stored_connections;
mod subscription_secrets;
mod suspicion;
mod user_mappings;

pub use keys_in_code::KeysInCode;
pub use password_encryption::PasswordEncryption;
pub use password_verifiers::PasswordVerifiers;
pub use passwordless_logins::{CANNOT_LOG_IN, PasswordlessLogins};
pub use secrets_in_files::SecretsInFiles;
pub use secrets_in_settings::SecretsInSettings;
pub use stored_connections::StoredConnections;
pub use subscription_secrets::SubscriptionSecrets;
pub use user_mappings::UserMappings;
