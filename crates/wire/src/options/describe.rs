//! Showing a target to people.

use super::{ConnectOptions, Host};
use crate::text::{printable, quote_value};

impl ConnectOptions {
    /// The target as a keyword/value connection string without any secret.
    ///
    /// Control characters are escaped, so it is safe for a terminal, and therefore not always
    /// usable as a connection string again.
    pub fn describe(&self) -> String {
        let hosts = self.hosts.iter().map(|target| match &target.host {
            Host::Name(name) => name.clone(),
            Host::Directory(directory) => directory.to_string_lossy().into_owned(),
            Host::Unnamed => String::new(),
        });
        let addresses = self
            .hosts
            .iter()
            .map(|target| target.hostaddr.map(|address| address.to_string()));
        let ports = self.hosts.iter().map(|target| target.port.to_string());

        let mut parts = vec![
            ("host", join(hosts)),
            ("port", join(ports)),
            ("dbname", self.database.clone()),
            ("user", self.user.clone()),
            ("sslmode", self.ssl.mode.as_str().to_owned()),
        ];
        if self.hosts.iter().any(|target| target.hostaddr.is_some()) {
            parts.insert(
                1,
                ("hostaddr", join(addresses.map(Option::unwrap_or_default))),
            );
        }
        if self.target_session_attrs != super::TargetSessionAttrs::Any {
            let wanted = self.target_session_attrs.as_str().to_owned();
            parts.push(("target_session_attrs", wanted));
        }
        parts
            .iter()
            .filter(|(name, value)| *name != "host" || value.chars().any(|c| c != ','))
            .map(|(name, value)| format!("{name}={}", printable(&quote_value(value))))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}
