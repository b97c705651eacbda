//! Privileges as the server writes them: `"us er"=arw*/owner`.

use pgattest_model::ServerVersion;
use pgattest_model::facts::Privilege;
use std::fmt;

/// Each letter, its privilege and the first major that has it, in the order in which the server writes them.
const LETTERS: [(char, &str, u32); 15] = [
    ('a', "INSERT", 0),
    ('r', "SELECT", 0),
    ('w', "UPDATE", 0),
    ('d', "DELETE", 0),
    ('D', "TRUNCATE", 0),
    ('x', "REFERENCES", 0),
    ('t', "TRIGGER", 0),
    ('X', "EXECUTE", 0),
    ('U', "USAGE", 0),
    ('C', "CREATE", 0),
    ('T', "TEMPORARY", 0),
    ('c', "CONNECT", 0),
    ('s', "SET", 15),
    ('A', "ALTER SYSTEM", 15),
    ('m', "MAINTAIN", 17),
];

/// What one role granted to another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AclItem {
    /// Who has it; `None` for PUBLIC.
    pub grantee: Option<String>,
    /// What they have, in the server's order, each once.
    pub privileges: Vec<Privilege>,
    /// Who granted it.
    pub grantor: String,
}

/// A text that the server did not write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AclError {
    /// What is wrong.
    pub message: &'static str,
    /// At which byte.
    pub at: usize,
}

impl fmt::Display for AclError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.message, self.at)
    }
}

impl std::error::Error for AclError {}

/// Reads one `aclitem`.
pub fn item(text: &str, version: ServerVersion) -> Result<AclItem, AclError> {
    let mut reader = Reader { text, at: 0 };
    let grantee = reader.name()?;
    reader.expect('=', "no `=`")?;
    let privileges = reader.privileges(version)?;
    reader.expect('/', "no grantor")?;
    let grantor = reader.name()?;
    if grantor.is_empty() {
        return Err(reader.error("no grantor"));
    }
    if reader.at < text.len() {
        return Err(reader.error("more than one privilege list"));
    }
    Ok(AclItem {
        grantee: Some(grantee).filter(|name| !name.is_empty()),
        privileges,
        grantor,
    })
}

/// Reads a whole `aclitem[]`: `{=r/a,"\"x y\"=r/a"}`.
pub fn array(text: &str, version: ServerVersion) -> Result<Vec<AclItem>, AclError> {
    let broken = |message, at| AclError { message, at };
    let inside = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
        .ok_or(broken("no array", 0))?;
    let mut items = Vec::new();
    if inside.is_empty() {
        return Ok(items);
    }
    let (mut element, mut in_quotes, mut start) = (String::new(), false, 1);
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => element.push(
                chars
                    .next()
                    .ok_or(broken("nothing after a backslash", at + 1))?
                    .1,
            ),
            '"' => in_quotes = !in_quotes,
            ',' if !in_quotes => {
                items.push(item(&element, version).map_err(|error| broken(error.message, start))?);
                element.clear();
                start = at + 2;
            }
            c => element.push(c),
        }
    }
    if in_quotes {
        return Err(broken("no closing quote", start));
    }
    items.push(item(&element, version).map_err(|error| broken(error.message, start))?);
    Ok(items)
}

impl fmt::Display for AclItem {
    /// As the server writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.grantee.as_deref().unwrap_or_default())?;
        f.write_str("=")?;
        for (letter, name, _) in LETTERS {
            for privilege in self.privileges.iter().filter(|p| p.name == name) {
                write!(f, "{letter}{}", if privilege.grantable { "*" } else { "" })?;
            }
        }
        f.write_str("/")?;
        write_name(f, &self.grantor)
    }
}

/// Letters, digits and underscores stand as they are. What a letter is beyond ASCII hangs on the server's locale: quoted is
/// always right.
fn write_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        f.write_str(name)
    } else {
        write!(f, "\"{}\"", name.replace('"', "\"\""))
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    const fn error(&self, message: &'static str) -> AclError {
        AclError {
            message,
            at: self.at,
        }
    }

    fn expect(&mut self, c: char, message: &'static str) -> Result<(), AclError> {
        if self.rest().starts_with(c) {
            self.at += c.len_utf8();
            Ok(())
        } else {
            Err(self.error(message))
        }
    }

    /// A name, empty for PUBLIC. Quotes may begin and end anywhere in it; two inside quotes are one.
    fn name(&mut self) -> Result<String, AclError> {
        let (mut name, mut in_quotes, mut quoted_at) = (String::new(), false, self.at);
        while let Some(c) = self.rest().chars().next() {
            if c == '"' {
                if in_quotes && self.rest().starts_with("\"\"") {
                    name.push('"');
                    self.at += 1;
                } else {
                    in_quotes = !in_quotes;
                    quoted_at = self.at;
                }
            } else if in_quotes || c == '_' || c.is_ascii_alphanumeric() || !c.is_ascii() {
                name.push(c);
            } else {
                break;
            }
            self.at += c.len_utf8();
        }
        if in_quotes {
            return Err(AclError {
                message: "no closing quote",
                at: quoted_at,
            });
        }
        Ok(name)
    }

    fn privileges(&mut self, version: ServerVersion) -> Result<Vec<Privilege>, AclError> {
        let mut found = [None; LETTERS.len()];
        while let Some(c) = self.rest().chars().next().filter(|&c| c != '/') {
            let known = LETTERS
                .iter()
                .zip(&mut found)
                .find(|((letter, _, since), _)| *letter == c && *since <= version.major());
            let Some((_, slot)) = known else {
                return Err(self.error("not a privilege of this version"));
            };
            self.at += c.len_utf8();
            let grantable = self.rest().starts_with('*');
            if grantable {
                self.at += 1;
            }
            *slot = Some(slot.unwrap_or(false) || grantable);
        }
        let all = LETTERS.iter().zip(found);
        Ok(all
            .filter_map(|((_, name, _), grantable)| {
                Some(Privilege {
                    name: (*name).to_owned(),
                    grantable: grantable?,
                })
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{array, item};
    use pgattest_model::ServerVersion;

    const V18: ServerVersion = ServerVersion(180_004);

    #[test]
    fn an_item_is_read_and_written_back() {
        for text in [
            "=r/postgres",
            "app=arwdDxt/postgres",
            "app=ar*w/postgres",
            "\"us er\"=r*/\"a\"\"b\"",
            "\"a=b/c\"=X/\"=\"",
            "\"Grün\"=U/o",
            "app=/postgres",
            "app=arwdDxtXUCTcsAm/postgres",
        ] {
            assert_eq!(item(text, V18).unwrap().to_string(), text);
        }
        let public = item("=r*a/o", V18).unwrap();
        assert_eq!(public.grantee, None);
        let names: Vec<_> = public
            .privileges
            .iter()
            .map(|p| (p.name.as_str(), p.grantable))
            .collect();
        assert_eq!(names, [("INSERT", false), ("SELECT", true)]);
    }

    #[test]
    fn what_the_server_does_not_write_is_refused() {
        let v16 = ServerVersion(160_014);
        for text in [
            "",
            "app",
            "app=r",
            "app=r/",
            "app=q/o",
            "\"app=r/o",
            "app=r/o/p",
            "app=*/o",
            "a b=r/o",
        ] {
            assert!(item(text, V18).is_err(), "{text}");
        }
        assert!(item("app=m/o", V18).is_ok());
        assert!(item("app=m/o", v16).is_err());
        assert!(item("app=s/o", ServerVersion(140_001)).is_err());
    }

    #[test]
    fn an_array_is_split_outside_quotes() {
        let items = array(r#"{=r/a,"\"x,y\"=r/a","\"q\"\"\\\\\"=X/a"}"#, V18).unwrap();
        let texts: Vec<_> = items.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["=r/a", "\"x,y\"=r/a", "\"q\"\"\\\\\"=X/a"]);
        assert_eq!(array("{}", V18), Ok(Vec::new()));
        assert!(array("{=r/a", V18).is_err());
    }
}
