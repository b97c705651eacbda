//! A login attempt in clear text.
//!
//! Nothing secret is sent: the attempt ends where a password is asked for, because being asked in clear is what is looked for.

use super::exchange::{NoAnswer, Talk, Target, Transcript, converse};
use super::server_error::{self, ServerError, message_body};

/// One attempt, and what came back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClearLogin {
    /// The role that was named.
    pub user: String,
    /// The database that was named.
    pub database: String,
    /// The address that the attempt came from, as this machine sees it; behind address translation the server sees another.
    pub from: Option<std::net::IpAddr>,
    /// How it ended.
    pub result: Result<Admission, NoAnswer>,
    /// Every byte of it.
    pub transcript: Transcript,
}

/// What the server did with a login attempt in clear.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Admission {
    /// It let us in, without a password and without encryption.
    LetIn,
    /// It asked for no password and then refused for another reason: the role is not there, may not log in, the database is
    /// not there. Under `trust`, `AuthenticationOk` comes before these are looked at.
    Trusted(ServerError),
    /// It wants a proof of who we are, in clear.
    Asks(Asked),
    /// `pg_hba.conf` has a rule that rejects it, or none that admits it; `Some(true)` when the text says that a rule rejects,
    /// `None` when the text is in a language that is not understood here.
    HbaRefuses {
        /// Whether a `reject` rule did.
        by_rule: Option<bool>,
        /// What the server said.
        error: ServerError,
    },
    /// It wants encryption first: a pooler's words for the same.
    NeedsEncryption(ServerError),
    /// It refused for a reason that says nothing about encryption.
    Other(ServerError),
}

/// The proof that a server asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asked {
    /// The password itself.
    Password,
    /// An MD5 response.
    Md5,
    /// SASL: SCRAM or OAuth.
    Sasl,
    /// GSSAPI.
    Gss,
    /// SSPI.
    Sspi,
    /// A method with this number.
    Method(u32),
}

/// How many messages are read after `AuthenticationOk` until the server is ready or refuses.
const MOST_MESSAGES: usize = 64;

impl ClearLogin {
    /// Whether `pg_hba.conf` admits the attempt, by a password or without: `None` when the answer does not tell.
    pub fn admitted(&self) -> Option<bool> {
        match &self.result {
            Ok(Admission::LetIn | Admission::Trusted(_) | Admission::Asks(_)) => Some(true),
            Ok(Admission::HbaRefuses { .. } | Admission::NeedsEncryption(_)) => Some(false),
            Ok(Admission::Other(_)) | Err(_) => None,
        }
    }

    /// What came back, in words. Safe for a terminal.
    pub fn said(&self) -> String {
        match &self.result {
            Ok(Admission::LetIn) => "AuthenticationOk and ReadyForQuery: let in".to_owned(),
            Ok(Admission::Trusted(error)) => {
                format!("AuthenticationOk, then an error that is not about encryption: {error}")
            }
            Ok(Admission::Asks(asked)) => asked.words(),
            Ok(
                Admission::HbaRefuses { error, .. }
                | Admission::NeedsEncryption(error)
                | Admission::Other(error),
            ) => error.to_string(),
            Err(why) => why.to_string(),
        }
    }
}

impl Asked {
    fn words(self) -> String {
        match self {
            Self::Password => {
                "AuthenticationCleartextPassword: wants the password itself".to_owned()
            }
            Self::Md5 => "AuthenticationMD5Password: wants an MD5 response".to_owned(),
            Self::Sasl => "AuthenticationSASL: wants a SASL exchange".to_owned(),
            Self::Gss => "AuthenticationGSS: wants GSSAPI".to_owned(),
            Self::Sspi => "AuthenticationSSPI: wants SSPI".to_owned(),
            Self::Method(number) => format!("authentication method {number}"),
        }
    }
}

/// Tries to log in without TLS, up to the moment where a password would be sent.
///
/// The server logs it: a refusal as an error, an admission as a login that broke off.
pub async fn clear_login(target: &Target, user: &str, database: &str) -> ClearLogin {
    let mut from = None;
    let (result, transcript) = converse(target, async |talk| {
        from = talk
            .stream()
            .0
            .local_addr()
            .ok()
            .map(|address| address.ip());
        talk.send(&startup(user, database)?).await?;
        admission(talk).await
    })
    .await;
    ClearLogin {
        user: user.to_owned(),
        database: database.to_owned(),
        from,
        result,
        transcript,
    }
}

async fn admission(talk: &mut Talk) -> Result<Admission, NoAnswer> {
    let mut kind = talk.byte().await?;
    if kind == b'v' {
        // A server that knows less of the protocol says so first.
        message_body(talk).await?;
        kind = talk.byte().await?;
    }
    match kind {
        b'R' => {
            let body = message_body(talk).await?;
            let method = body
                .first_chunk::<4>()
                .map(|bytes| u32::from_be_bytes(*bytes));
            match method {
                Some(0) => after_ok(talk).await,
                Some(number) => Ok(Admission::Asks(asked(number))),
                None => Err(NoAnswer::NotUnderstood(
                    "an authentication request without a method".to_owned(),
                )),
            }
        }
        b'E' => Ok(judge(server_error::read(talk).await?)),
        other => Err(NoAnswer::NotUnderstood(format!(
            "message {other:02x} where a login is answered"
        ))),
    }
}

const fn asked(method: u32) -> Asked {
    match method {
        3 => Asked::Password,
        5 => Asked::Md5,
        7 => Asked::Gss,
        9 => Asked::Sspi,
        10 => Asked::Sasl,
        other => Asked::Method(other),
    }
}

/// Let in by `pg_hba.conf`; the rest says whether by the role and the database too.
async fn after_ok(talk: &mut Talk) -> Result<Admission, NoAnswer> {
    for _ in 0..MOST_MESSAGES {
        match talk.byte().await? {
            b'Z' => {
                message_body(talk).await?;
                // Terminate: the session ends as sessions do, and holds nothing.
                let _ = talk.send(&[b'X', 0, 0, 0, 4]).await;
                return Ok(Admission::LetIn);
            }
            b'E' => return Ok(Admission::Trusted(server_error::read(talk).await?)),
            b'S' | b'K' | b'N' | b'R' => {
                message_body(talk).await?;
            }
            other => {
                return Err(NoAnswer::NotUnderstood(format!(
                    "message {other:02x} after AuthenticationOk"
                )));
            }
        }
    }
    Err(NoAnswer::NotUnderstood(format!(
        "more than {MOST_MESSAGES} messages after AuthenticationOk"
    )))
}

/// What an error instead of an authentication request means.
///
/// SQLSTATE 28000 alone means nothing: an unknown role and a role without LOGIN have it too. The function in the server's
/// source does, in every language; the file's name in the text does, because no translation changes it.
fn judge(error: ServerError) -> Admission {
    let of_hba = error.sqlstate == "28000"
        && (error.message.contains("pg_hba.conf")
            || (error.routine == "ClientAuthentication" && error.file == "auth.c"));
    if of_hba {
        let by_rule = if error.message.starts_with("no pg_hba.conf entry") {
            Some(false)
        } else if error.message.starts_with("pg_hba.conf rejects") {
            Some(true)
        } else {
            None
        };
        return Admission::HbaRefuses { by_rule, error };
    }
    let text = error.message.to_ascii_lowercase();
    let of_pooler = error.routine.is_empty()
        && [
            "ssl required",
            "tls required",
            "sslmode=require",
            "connection is insecure",
        ]
        .iter()
        .any(|words| text.contains(words));
    if of_pooler {
        Admission::NeedsEncryption(error)
    } else {
        Admission::Other(error)
    }
}

fn startup(user: &str, database: &str) -> Result<Vec<u8>, NoAnswer> {
    if user.contains('\0') || database.contains('\0') {
        return Err(NoAnswer::NotSent("a name with a NUL cannot be sent"));
    }
    if user.is_empty() {
        return Err(NoAnswer::NotSent("there is no role to name"));
    }
    let mut body = vec![0, 3, 0, 0];
    for (name, value) in [
        ("user", user),
        ("database", database),
        ("application_name", "pgattest"),
    ] {
        body.extend(name.as_bytes());
        body.push(0);
        body.extend(value.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len().saturating_add(4))
        .map_err(|_| NoAnswer::NotSent("the names are too long"))?;
    let mut message = length.to_be_bytes().to_vec();
    message.extend(body);
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::{Admission, judge, startup};
    use crate::probe::ServerError;

    fn error(sqlstate: &str, message: &str, routine: &str, file: &str) -> ServerError {
        ServerError {
            severity: "FATAL".to_owned(),
            sqlstate: sqlstate.to_owned(),
            message: message.to_owned(),
            file: file.to_owned(),
            routine: routine.to_owned(),
        }
    }

    #[test]
    fn a_refusal_of_pg_hba_is_told_from_others_with_its_code() {
        let hba = |by_rule| move |admission: Admission| matches!(admission, Admission::HbaRefuses { by_rule: found, .. } if found == by_rule);
        let source = ("ClientAuthentication", "auth.c");
        assert!(hba(Some(false))(judge(error(
            "28000",
            "no pg_hba.conf entry for host \"::1\"",
            source.0,
            source.1
        ))));
        assert!(hba(Some(true))(judge(error(
            "28000",
            "pg_hba.conf rejects connection for host",
            source.0,
            source.1
        ))));
        assert!(hba(None)(judge(error(
            "28000",
            "kein pg_hba.conf-Eintrag für Host",
            source.0,
            source.1
        ))));
        assert!(hba(None)(judge(error(
            "28000",
            "нет записи",
            source.0,
            source.1
        ))));
        for other in [
            error(
                "28000",
                "role \"x\" does not exist",
                "InitializeSessionUserId",
                "miscinit.c",
            ),
            error(
                "53300",
                "sorry, too many clients already",
                "ClientAuthentication",
                "auth.c",
            ),
            error(
                "57P03",
                "the database system is starting up",
                "ProcessStartupPacket",
                "backend_startup.c",
            ),
            error("28000", "no such user", "", ""),
        ] {
            assert!(
                matches!(judge(other.clone()), Admission::Other(_)),
                "{other}"
            );
        }
        assert!(matches!(
            judge(error("08P01", "SSL required", "", "")),
            Admission::NeedsEncryption(_)
        ));
    }

    #[test]
    fn a_name_that_would_end_early_is_not_sent() {
        assert!(startup("a\0b", "c").is_err());
        assert!(startup("", "c").is_err());
        let message = startup("it's", "ü").unwrap();
        assert_eq!(usize::from(message[3]), message.len());
        assert_eq!(&message[4..8], &[0, 3, 0, 0]);
    }
}
