//! One recorded act of looking.

use std::fmt;

/// Names one observation within one audit: `cluster/roles`, `db-16384/relations`. Safe as a relative file path.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObservationId(String);

impl ObservationId {
    /// An observation of something that the whole cluster shares.
    pub fn cluster(group: &str) -> Self {
        Self(format!("cluster/{group}"))
    }

    /// An observation made inside the database with this object identifier. Names are hostile; identifiers are not.
    pub fn database(oid: u32, group: &str) -> Self {
        Self(format!("db-{oid}/{group}"))
    }

    /// Reads an identifier back from an evidence package; anything that is not of the two forms is refused, so that no path
    /// can leave its directory.
    pub fn parse(text: &str) -> Option<Self> {
        let (scope, group) = text.split_once('/')?;
        let scope_ok = scope == "cluster"
            || scope
                .strip_prefix("db-")
                .is_some_and(|oid| oid.parse::<u32>().is_ok_and(|n| n.to_string() == oid));
        let group_ok = !group.is_empty()
            && group
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        (scope_ok && group_ok).then(|| Self(text.to_owned()))
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The fact group, without the scope.
    pub fn group(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, group)| group)
    }

    /// The database's object identifier; `None` for the cluster's own.
    pub fn database_oid(&self) -> Option<u32> {
        self.0.split_once('/')?.0.strip_prefix("db-")?.parse().ok()
    }
}

impl fmt::Display for ObservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was asked, by whom, where and when, and what came back.
///
/// Times are RFC 3339 in UTC. `database` is the name of the database the query ran in (lossily decoded).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Observation {
    /// Which observation this is.
    pub id: ObservationId,
    /// The exact statement sent.
    pub query: String,
    /// The database the query ran in.
    pub database: String,
    /// The role that asked (`current_user`).
    pub role: String,
    /// Host and port, or socket, that was asked.
    pub asked_at: String,
    /// The collector's clock before the query was sent.
    pub started_at: String,
    /// The collector's clock after the last byte arrived.
    pub finished_at: String,
    /// The server's clock before the query; empty when the server did not say.
    pub server_started_at: String,
    /// The server's clock after the query; empty when the server did not say.
    pub server_finished_at: String,
    /// What came back.
    pub outcome: Outcome,
}

/// What came back from one query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// `COPY .. TO STDOUT (FORMAT csv, HEADER)`, byte for byte as the server sent it.
    Rows {
        /// The raw result.
        csv: Vec<u8>,
        /// Data rows, without the header.
        rows: u64,
    },
    /// Nothing could be read: the reason, and what would open it.
    Failed {
        /// The server's five-character code; empty when the failure was not the server's.
        sqlstate: String,
        /// The server's message, or ours.
        message: String,
        /// The statement that would let this role read it, where there is one.
        opens: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::ObservationId;

    #[test]
    fn identifiers_round_trip_and_refuse_paths() {
        for id in [
            ObservationId::cluster("hba-rules"),
            ObservationId::database(16384, "relations"),
        ] {
            assert_eq!(ObservationId::parse(id.as_str()), Some(id));
        }
        for bad in [
            "",
            "cluster",
            "cluster/",
            "cluster/../x",
            "db-x/roles",
            "db-01/roles",
            "db-1/../../etc",
            "/cluster/x",
            "db-1/A",
        ] {
            assert_eq!(ObservationId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_identifier_knows_its_parts() {
        let id = ObservationId::database(5, "acls");
        assert_eq!((id.group(), id.database_oid()), ("acls", Some(5)));
        assert_eq!(ObservationId::cluster("roles").database_oid(), None);
    }
}
