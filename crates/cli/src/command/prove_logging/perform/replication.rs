//! A replication connection: a login of its own kind, and a command that is no SQL.

use super::{Session, said, who};
use pgattest_model::ident::quote_ident;
use pgattest_trail::canary::{COMMAND, Class};
use pgattest_wire::{Address, ConnectError, ConnectOptions, connect};
use std::net::IpAddr;
use tokio::time::Instant;

impl Session {
    pub(super) async fn replication(&mut self, options: &ConnectOptions) {
        let begun = Instant::now();
        let connection = match connect(&options.for_replication()).await {
            Ok(connection) => connection,
            Err(error) => {
                let why = self.why_not(&error);
                self.not(Class::Replication, &why);
                return self.not(Class::ReplicationCommand, why);
            }
        };
        match who(connection.client()).await {
            Err(error) => {
                let why = format!(
                    "the replication connection could not be asked which session it is: {}",
                    said(&error)
                );
                self.not(Class::Replication, &why);
                self.not(Class::ReplicationCommand, why);
            }
            Ok(who) => {
                self.did_as(Class::Replication, begun, &who);
                let at = Instant::now();
                match connection.client().simple_query(COMMAND).await {
                    Ok(_) => self.did_as(Class::ReplicationCommand, at, &who),
                    Err(error) => self.not(Class::ReplicationCommand, said(&error)),
                }
            }
        }
        let _ = connection.close().await;
    }

    /// Why there is no replication connection, and what exactly would let one in.
    fn why_not(&self, error: &ConnectError) -> String {
        let (role, database) = (&self.who.user, &self.who.database);
        let change = match error {
            ConnectError::ReplicationNotAllowed { .. } => format!(
                "ALTER ROLE {0} REPLICATION would let it, and lets it read everything that is written: ALTER ROLE {0} NOREPLICATION \
                 takes it back",
                quote_ident(role)
            ),
            ConnectError::HbaRejected { place, server } => format!(
                "this line of pg_hba.conf, above those that refuse it, and a reload would let it in: {}",
                hba_line(
                    place.address(),
                    place.encrypted(),
                    server.message(),
                    database,
                    role
                )
            ),
            ConnectError::TooManyConnections { .. } => {
                "one more has to be allowed: ALTER SYSTEM SET max_wal_senders, and a restart"
                    .to_owned()
            }
            ConnectError::ParameterRefused { .. } => {
                "a pooler passes no replication connections on: give the server's own address"
                    .to_owned()
            }
            other => other.hint().unwrap_or_default(),
        };
        match change.as_str() {
            "" => error.to_string(),
            change => format!("{error}; {change}"),
        }
    }
}

/// The line that lets this login in. `refusal`: what the server said, with the address that it saw, in any language.
fn hba_line(
    reached: &Address,
    encrypted: bool,
    refusal: &str,
    database: &str,
    role: &str,
) -> String {
    let (database, role) = (hba_word(database), hba_word(role));
    if matches!(reached, Address::Unix(_)) {
        return format!("local {database} {role} scram-sha-256");
    }
    let address = refusal
        .split('"')
        .find_map(|word| word.parse::<IpAddr>().ok())
        .map_or_else(
            || "CLIENT-ADDRESS".to_owned(),
            |address| format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 }),
        );
    let kind = if encrypted { "hostssl" } else { "host" };
    format!("{kind} {database} {role} {address} scram-sha-256")
}

/// A name as `pg_hba.conf` takes it: quoted, so that no keyword is read into it.
fn hba_word(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::hba_line;
    use pgattest_wire::Address;

    #[test]
    fn the_line_is_for_the_address_that_the_server_saw_and_the_names_are_quoted() {
        let tcp = Address::Tcp("10.0.0.9:5432".parse().unwrap());
        let refusal = "no pg_hba.conf entry for host \"2001:db8::1\", user \"all\", database \"a\"\"b\", SSL encryption";
        assert_eq!(
            hba_line(&tcp, true, refusal, "a\"b", "all"),
            "hostssl \"a\"\"b\" \"all\" 2001:db8::1/128 scram-sha-256"
        );
        let foreign = "kein pg_hba.conf-Eintrag für Host »10.1.2.3«";
        assert_eq!(
            hba_line(&tcp, false, foreign, "shop", "ann"),
            "host \"shop\" \"ann\" CLIENT-ADDRESS scram-sha-256",
            "not guessed"
        );
        let socket = Address::Unix("/run/postgresql/.s.PGSQL.5432".into());
        assert_eq!(
            hba_line(&socket, false, "", "shop", "ann"),
            "local \"shop\" \"ann\" scram-sha-256"
        );
    }
}
