//! `postgresql://` connection URIs.

use super::{syntax, unknown_key};
use crate::error::{SettingsError, SyntaxProblem};
use crate::keyword;
use crate::secret::Secret;
use crate::values::{Origin, Values};

/// Reads `postgresql://[user[:password]@][host[:port],...][/dbname][?keyword=value&...]`, whose
/// scheme takes the first `start` bytes.
pub(super) fn parse(text: &str, start: usize) -> Result<Values, SettingsError> {
    let mut reader = Reader {
        text,
        values: Values::default(),
    };
    let after_user = reader.user_info(start)?;
    let after_hosts = reader.hosts(after_user)?;
    let after_path = reader.database(after_hosts)?;
    reader.parameters(after_path)?;
    Ok(reader.values)
}

struct Reader<'a> {
    text: &'a str,
    values: Values,
}

impl<'a> Reader<'a> {
    /// Reads `user[:password]@` if it is there; gives the offset after it.
    fn user_info(&mut self, start: usize) -> Result<usize, SettingsError> {
        // Like libpq, look for `@` no further than the first `/`.
        let end = self.find(start, |c| c == '@' || c == '/');
        if self.char_at(end) != Some('@') {
            return Ok(start);
        }
        let user_end = self.find(start, |c| c == ':' || c == '@');
        self.store("user", start, user_end)?;
        if user_end < end {
            self.store("password", user_end + 1, end)?;
        }
        Ok(end + 1)
    }

    /// Reads the comma-separated hosts and ports; gives the offset after them.
    ///
    /// An `@` here comes from a password that was not encoded: in `user:pa/ss@host` and
    /// `user:p@ss@host` a piece of it would be taken for a host, a port or a database, looked up
    /// and shown. libpq goes on; we stop. A database name can hold one as `%40`.
    fn hosts(&mut self, start: usize) -> Result<usize, SettingsError> {
        let at_sign = self.find(start, |c| c == '@' || c == '?');
        if self.char_at(at_sign) == Some('@') {
            return Err(syntax(self.text, at_sign, SyntaxProblem::UnencodedUserInfo));
        }
        let mut hosts = Vec::new();
        let mut ports = Vec::new();
        let mut at = start;
        loop {
            let (host, after) = self.host(at)?;
            hosts.push(self.decode(host, at)?);
            at = after;
            let port_start = (at + 1).min(self.text.len());
            let port = if self.char_at(at) == Some(':') {
                at = self.find(port_start, |c| matches!(c, '/' | '?' | ','));
                self.slice(port_start, at)
            } else {
                ""
            };
            ports.push(self.decode(port, port_start)?);
            if self.char_at(at) != Some(',') {
                break;
            }
            at += 1;
        }
        for (name, list) in [("host", hosts), ("port", ports)] {
            if list.iter().any(|part| !part.is_empty()) {
                let parts: Vec<_> = list.iter().map(Secret::expose).collect();
                self.set(name, Secret::new(parts.join(&b',')));
            }
        }
        Ok(at)
    }

    /// Reads one host; gives it and the offset after it.
    fn host(&self, start: usize) -> Result<(&'a str, usize), SettingsError> {
        let delimiter = |c| matches!(c, ':' | '/' | '?' | ',');
        if self.char_at(start) != Some('[') {
            let end = self.find(start, delimiter);
            return Ok((self.slice(start, end), end));
        }
        let inside = start + 1;
        let end = self.find(inside, |c| c == ']');
        if self.char_at(end).is_none() {
            return Err(syntax(self.text, start, SyntaxProblem::MissingBracket));
        }
        if end == inside {
            return Err(syntax(self.text, start, SyntaxProblem::EmptyAddress));
        }
        if self.char_at(end + 1).is_some_and(|c| !delimiter(c)) {
            return Err(syntax(self.text, end + 1, SyntaxProblem::AfterBracket));
        }
        Ok((self.slice(inside, end), end + 1))
    }

    /// Reads `/dbname` if it is there; gives the offset after it.
    fn database(&mut self, start: usize) -> Result<usize, SettingsError> {
        if self.char_at(start) != Some('/') {
            return Ok(start);
        }
        let end = self.find(start, |c| c == '?');
        self.store("dbname", start + 1, end)?;
        Ok(end)
    }

    /// Reads `?keyword=value&...` to the end.
    fn parameters(&mut self, start: usize) -> Result<(), SettingsError> {
        let mut at = start;
        while self.char_at(at).is_some() {
            let pair_start = at + 1;
            let end = self.find(pair_start, |c| c == '&');
            at = end;
            if pair_start == end && self.char_at(end).is_none() {
                // A lone `?` or a trailing `&`.
                break;
            }
            let equals = self.find(pair_start, |c| c == '=' || c == '&');
            if equals >= end {
                return Err(syntax(
                    self.text,
                    pair_start,
                    SyntaxProblem::MissingParameterEquals,
                ));
            }
            let extra = self.find(equals + 1, |c| c == '=' || c == '&');
            if extra < end {
                return Err(syntax(
                    self.text,
                    extra,
                    SyntaxProblem::ExtraParameterEquals,
                ));
            }
            let key = self.decode(self.slice(pair_start, equals), pair_start)?;
            let value = self.decode(self.slice(equals + 1, end), equals + 1)?;
            self.parameter(pair_start, &key, value)?;
        }
        Ok(())
    }

    fn parameter(
        &mut self,
        start: usize,
        key: &Secret,
        value: Secret,
    ) -> Result<(), SettingsError> {
        // JDBC's spelling, which libpq takes in a URI and nowhere else.
        if key.expose() == b"ssl" && value.expose() == b"true" {
            self.set("sslmode", Secret::new("require"));
            return Ok(());
        }
        let name = String::from_utf8_lossy(key.expose());
        let Some(known) = keyword::find(&name) else {
            // An `@` still to come means that this may be a password with `/?` in it.
            let before_at = self.char_at(self.find(start, |c| c == '@')).is_some();
            let after_password = before_at || self.values.get("password").is_some();
            return Err(unknown_key(self.text, start, &name, after_password));
        };
        self.values.set(known, value, Origin::ConnectionString);
        Ok(())
    }

    /// Decodes and keeps a part of the text, unless it is empty.
    fn store(&mut self, name: &str, start: usize, end: usize) -> Result<(), SettingsError> {
        let decoded = self.decode(self.slice(start, end), start)?;
        if !decoded.is_empty() {
            self.set(name, decoded);
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: Secret) {
        if let Some(known) = keyword::find(name) {
            self.values.set(known, value, Origin::ConnectionString);
        }
    }

    /// Decodes percent-encoding. `+` is a plus sign.
    fn decode(&self, part: &str, start: usize) -> Result<Secret, SettingsError> {
        let mut decoded = Vec::with_capacity(part.len());
        let mut bytes = part.bytes().enumerate();
        while let Some((at, byte)) = bytes.next() {
            if byte != b'%' {
                decoded.push(byte);
                continue;
            }
            let fail = |problem| syntax(self.text, start + at, problem);
            let mut digit = || {
                let (_, byte) = bytes.next()?;
                char::from(byte).to_digit(16)
            };
            let value = digit()
                .zip(digit())
                .and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
                .ok_or_else(|| fail(SyntaxProblem::BadPercent))?;
            if value == 0 {
                return Err(fail(SyntaxProblem::Nul));
            }
            decoded.push(value);
        }
        Ok(Secret::new(decoded))
    }

    /// The offset of the first character that fits, at or after `start`, or the end.
    fn find(&self, start: usize, fits: impl Fn(char) -> bool) -> usize {
        self.text
            .get(start..)
            .and_then(|rest| rest.find(fits))
            .map_or(self.text.len(), |found| start + found)
    }

    fn char_at(&self, offset: usize) -> Option<char> {
        self.text.get(offset..)?.chars().next()
    }

    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }
}
