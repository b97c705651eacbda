//! One line of `pg_hba.conf`, field by field.

use super::address::{self, Address};
use super::options::Options;
use super::{Problem, Token, blank};
use crate::are::Are;
use crate::auth_file::Line;
use pgattest_model::ServerVersion;
use pgattest_model::facts::{HbaRule, Quoted};

/// The first major that reads `/..` in a database or user list as a regular expression.
const PATTERNS_SINCE: u32 = 16;
/// The first major with the method `oauth`.
const OAUTH_SINCE: u32 = 18;

const KINDS: [&str; 6] = [
    "local",
    "host",
    "hostssl",
    "hostnossl",
    "hostgssenc",
    "hostnogssenc",
];
const METHODS: [&str; 13] = [
    "trust",
    "reject",
    "scram-sha-256",
    "md5",
    "password",
    "gss",
    "sspi",
    "ident",
    "peer",
    "pam",
    "ldap",
    "radius",
    "cert",
];

/// What the line says, in the server's order of asking, so that the first thing wrong is the one the server names.
pub(super) fn understand(line: &Line, version: ServerVersion) -> Result<HbaRule, Problem> {
    let mut fields = Fields {
        line,
        rest: line.fields.iter(),
    };
    let mut row = blank();

    let kind = fields.one("connection type", "")?;
    if !KINDS.contains(&kind.text.as_str()) {
        return Err(wrong(
            kind,
            format!("invalid connection type \"{}\"", kind.text),
        ));
    }
    row.connection_type.clone_from(&kind.text);
    let local = kind.text == "local";

    let databases = names(fields.list("database specification")?, version)?;
    let users = names(fields.list("role specification")?, version)?;
    let mut quoted = Quoted {
        databases: databases.iter().map(|token| token.quoted).collect(),
        users: users.iter().map(|token| token.quoted).collect(),
        address: false,
    };
    row.databases = texts(databases);
    row.users = texts(users);

    if !local {
        let token = fields.one("host address", "IP address specification")?;
        let address =
            address::read(&token.text, token.quoted).map_err(|message| wrong(token, message))?;
        quoted.address = token.quoted;
        (row.address, row.netmask) = match address {
            Address::Name(name) => (name, String::new()),
            Address::Network(address, mask) => (address::show(address), address::show(mask)),
            Address::Lone(address) => {
                let token = fields.one("netmask", "netmask specification")?;
                let mask =
                    address::mask(&token.text, address).map_err(|message| wrong(token, message))?;
                (address::show(address), address::show(mask))
            }
        };
    }

    let token = fields.one("authentication type", "authentication method")?;
    let method = method(token, &kind.text, version)?;
    method.clone_into(&mut row.method);

    let mut options = Options::new(method, &kind.text, version);
    for token in fields.rest.by_ref().flatten() {
        let (name, value) = token.text.split_once('=').ok_or_else(|| {
            wrong(
                token,
                format!(
                    "authentication option not in name=value format: {}",
                    token.text
                ),
            )
        })?;
        options
            .set(name, value)
            .map_err(|message| wrong(token, message))?;
    }
    options
        .complete()
        .map_err(|message| wrong(token, message))?;
    row.options = options.into_facts();
    row.quoted = Some(quoted);
    Ok(row)
}

/// The fields of a line, one after the other.
struct Fields<'a> {
    line: &'a Line,
    rest: std::slice::Iter<'a, Vec<Token>>,
}

impl<'a> Fields<'a> {
    fn list(&mut self, called: &str) -> Result<&'a [Token], Problem> {
        self.rest.next().map(Vec::as_slice).ok_or_else(|| Problem {
            message: format!("end-of-line before {called}"),
            place: self.line.place.clone(),
        })
    }

    /// A field of one word. `many` and `missing` are what the server calls it.
    fn one(&mut self, many: &str, missing: &str) -> Result<&'a Token, Problem> {
        match self.list(missing)? {
            [token] => Ok(token),
            [_, second, ..] => Err(wrong(
                second,
                format!("multiple values specified for {many}"),
            )),
            // Fields are never empty.
            [] => Err(Problem {
                message: format!("end-of-line before {missing}"),
                place: self.line.place.clone(),
            }),
        }
    }
}

/// A list of databases or users whose regular expressions are not certainly broken.
fn names(tokens: &[Token], version: ServerVersion) -> Result<&[Token], Problem> {
    if version.major() >= PATTERNS_SINCE {
        for token in tokens {
            if let Some(pattern) = token.text.strip_prefix('/') {
                Are::new(pattern).map_err(|error| {
                    wrong(
                        token,
                        format!("invalid regular expression \"{pattern}\": {error}"),
                    )
                })?;
            }
        }
    }
    Ok(tokens)
}

fn method<'a>(token: &'a Token, kind: &str, version: ServerVersion) -> Result<&'a str, Problem> {
    let method = token.text.as_str();
    let known = METHODS.contains(&method)
        // Only one operating system has it; a server anywhere else says so.
        || method == "bsd"
        || method == "oauth" && version.major() >= OAUTH_SINCE;
    if !known {
        return Err(wrong(
            token,
            format!("invalid authentication method \"{method}\""),
        ));
    }
    let refused = match (kind, method) {
        ("local", "ident") => return Ok("peer"),
        ("local", "gss") => "gssapi authentication is not supported on local sockets",
        ("local", "peer") => return Ok(method),
        (_, "peer") => "peer authentication is only supported on local sockets",
        (kind, "cert") if kind != "hostssl" => {
            "cert authentication is only supported on hostssl connections"
        }
        _ => return Ok(method),
    };
    Err(wrong(token, refused.to_owned()))
}

fn texts(tokens: &[Token]) -> Vec<String> {
    tokens.iter().map(|token| token.text.clone()).collect()
}

fn wrong(token: &Token, message: String) -> Problem {
    Problem {
        message,
        place: token.place.clone(),
    }
}
