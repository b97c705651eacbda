//! Whether a server is of the kind that `target_session_attrs` asks for.

use tokio_postgres::{Client, Error, SimpleQueryMessage};

use crate::options::TargetSessionAttrs;

/// What the server is instead of what is wanted; `None` if it is what is wanted.
///
/// Asks with the simple protocol, which a transaction pooler handles too, and not at all when
/// anything will do.
pub(crate) async fn mismatch(
    client: &Client,
    wanted: TargetSessionAttrs,
) -> Result<Option<&'static str>, Error> {
    let (query, expected, otherwise) = match wanted {
        // Which of the two `PreferStandby` means at a time is for the caller to say.
        TargetSessionAttrs::Any | TargetSessionAttrs::PreferStandby => return Ok(None),
        TargetSessionAttrs::ReadWrite => ("SHOW transaction_read_only", "off", "read-only"),
        TargetSessionAttrs::ReadOnly => ("SHOW transaction_read_only", "on", "read-write"),
        TargetSessionAttrs::Primary => (IN_RECOVERY, "f", "a standby"),
        TargetSessionAttrs::Standby => (IN_RECOVERY, "t", "a primary"),
    };
    let answer = single_value(client, query).await?;
    Ok((answer.as_deref() != Some(expected)).then_some(otherwise))
}

const IN_RECOVERY: &str = "SELECT pg_catalog.pg_is_in_recovery()";

/// The first column of the first row of a query.
pub(crate) async fn single_value(client: &Client, query: &str) -> Result<Option<String>, Error> {
    let messages = client.simple_query(query).await?;
    Ok(messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten().map(str::to_owned),
        _ => None,
    }))
}
