//! Words that tell where a part of a statement ends.

pub(super) fn is_plain(content: &[u8]) -> bool {
    !content.is_empty()
        && content
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte))
}

/// Words between a name and what it is compared with, or what it is set to.
pub(super) fn compares(word: &[u8]) -> bool {
    matches!(
        word,
        b"in" | b"is" | b"not" | b"like" | b"ilike" | b"similar" | b"between" | b"to"
    )
}

/// Words that no value goes beyond.
pub(super) fn ends_item(word: &[u8]) -> bool {
    matches!(
        word,
        b"where"
            | b"from"
            | b"and"
            | b"or"
            | b"order"
            | b"group"
            | b"having"
            | b"limit"
            | b"returning"
            | b"union"
            | b"on"
            | b"select"
            | b"values"
            | b"then"
            | b"else"
            | b"end"
            | b"when"
            | b"set"
    )
}

/// How a part of a statement begins that a password may follow.
pub(super) fn begins_clause(word: &[u8]) -> bool {
    matches!(
        word,
        b"create"
            | b"alter"
            | b"with"
            | b"encrypted"
            | b"unencrypted"
            | b"password"
            | b"user"
            | b"role"
            | b"login"
            | b"nologin"
            | b"superuser"
            | b"nosuperuser"
            | b"createdb"
            | b"nocreatedb"
            | b"createrole"
            | b"nocreaterole"
            | b"inherit"
            | b"noinherit"
            | b"replication"
            | b"noreplication"
            | b"bypassrls"
            | b"nobypassrls"
            | b"connection"
            | b"valid"
            | b"options"
            | b"set"
            | b"add"
    )
}
