//! From a file of SQL to the statement for one server.
//!
//! A file may hold, each on a line of its own or at its end:
//! - `-- text`: for whoever reads the file; not sent. `/* text */` is sent, for whoever reads the record;
//! - `.. --@ >=16` and `.. --@ <16`: the line is for those majors only;
//! - `--@ include shape s.value`: the file `sql/fragment/shape.sql`, with `s.value` for every `{}` in it.

use crate::groups::Group;
use pgattest_model::ServerVersion;

const FRAGMENTS: &[(&str, &str)] = &[
    ("error-text", include_str!("../sql/fragment/error-text.sql")),
    (
        "setting-name",
        include_str!("../sql/fragment/setting-name.sql"),
    ),
    (
        "policy-text",
        include_str!("../sql/fragment/policy-text.sql"),
    ),
    ("shape", include_str!("../sql/fragment/shape.sql")),
    (
        "system-object",
        include_str!("../sql/fragment/system-object.sql"),
    ),
    ("withheld", include_str!("../sql/fragment/withheld.sql")),
];

/// The group's query for a server of this version: one SELECT without a semicolon.
pub fn render(group: &Group, version: ServerVersion) -> String {
    let mut text = String::with_capacity(group.sql.len() * 2);
    for line in group.sql.lines() {
        let content = line.trim_start();
        let indent = &line[..line.len() - content.len()];
        match Line::read(content) {
            Line::Comment => {}
            Line::Include { fragment, argument } => {
                for line in fragment
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("--"))
                {
                    push(&mut text, indent, &line.replace("{}", argument));
                }
            }
            Line::Sql { sql, majors } => {
                if majors.admit(version.major()) {
                    push(&mut text, indent, sql);
                }
            }
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// The statement that sends a query's raw result: `COPY (..) TO STDOUT (FORMAT csv, HEADER)`.
pub fn copy_statement(select: &str) -> String {
    format!("COPY (\n{select}\n) TO STDOUT (FORMAT csv, HEADER)")
}

/// The same without conversion to the client's encoding: the bytes as the database stores them. The server refuses to send
/// what it cannot convert or verify, such as the names in a `SQL_ASCII` database; this is the way to see them.
pub fn copy_statement_unconverted(select: &str) -> String {
    format!("COPY (\n{select}\n) TO STDOUT (FORMAT csv, HEADER, ENCODING 'SQL_ASCII')")
}

fn push(text: &mut String, indent: &str, line: &str) {
    text.push_str(indent);
    text.push_str(line);
    text.push('\n');
}

enum Line<'a> {
    Comment,
    Include {
        fragment: &'static str,
        argument: &'a str,
    },
    Sql {
        sql: &'a str,
        majors: Majors,
    },
}

#[derive(Clone, Copy)]
enum Majors {
    All,
    From(u32),
    Before(u32),
}

impl<'a> Line<'a> {
    /// A marker that cannot be read stays in the text as the SQL comment it is; a test reads every file for such markers.
    fn read(line: &'a str) -> Self {
        if let Some((name, argument)) = line
            .strip_prefix("--@ include ")
            .and_then(|rest| rest.split_once(' '))
            && let Some((_, fragment)) = FRAGMENTS.iter().find(|(known, _)| *known == name)
        {
            return Self::Include { fragment, argument };
        }
        if line.starts_with("--") && !line.starts_with("--@") {
            return Self::Comment;
        }
        let marked = line
            .rsplit_once("--@ ")
            .and_then(|(sql, marker)| Some((sql.trim_end(), Majors::read(marker)?)));
        let (sql, majors) = marked.unwrap_or((line, Majors::All));
        Self::Sql { sql, majors }
    }
}

impl Majors {
    fn read(marker: &str) -> Option<Self> {
        if let Some(major) = marker.strip_prefix(">=") {
            major.parse().ok().map(Self::From)
        } else {
            marker.strip_prefix('<')?.parse().ok().map(Self::Before)
        }
    }

    const fn admit(self, major: u32) -> bool {
        match self {
            Self::All => true,
            Self::From(first) => major >= first,
            Self::Before(end) => major < end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FRAGMENTS, copy_statement, render};
    use crate::groups::{GROUPS, Group, Scope};
    use pgattest_model::ServerVersion;

    fn group(sql: &'static str) -> Group {
        Group {
            name: "test",
            scope: Scope::Cluster,
            min_major: 0,
            sql,
            opens: None,
        }
    }

    #[test]
    fn lines_are_kept_for_the_majors_they_are_for() {
        let memberships =
            group("-- Who.\nselect\n    a, --@ >=16\n    true as a, --@ <16\n    b\nfrom t\n");
        assert_eq!(
            render(&memberships, ServerVersion(150_018)),
            "select\n    true as a,\n    b\nfrom t"
        );
        assert_eq!(
            render(&memberships, ServerVersion(160_001)),
            "select\n    a,\n    b\nfrom t"
        );
    }

    #[test]
    fn a_fragment_gets_its_argument_everywhere() {
        let query = group("select\n    --@ include error-text h.error\n    as error");
        let text = render(&query, ServerVersion(150_018));
        assert!(
            text.contains("coalesce(h.error, '')") && !text.contains("{}"),
            "{text}"
        );
    }

    #[test]
    fn the_statement_is_a_copy_of_the_query() {
        assert_eq!(
            copy_statement("select 1"),
            "COPY (\nselect 1\n) TO STDOUT (FORMAT csv, HEADER)"
        );
    }

    #[test]
    fn no_marker_is_left_over_on_any_version() {
        for group in GROUPS {
            for major in [12, 13, 14, 15, 16, 17, 18, 19] {
                let text = render(group, ServerVersion(major * 10_000));
                let comment = text.lines().any(|line| line.trim_start().starts_with("--"))
                    || text.contains("--@");
                assert!(
                    !comment && !text.contains(';'),
                    "{} on {major}: {text}",
                    group.name
                );
                assert!(!text.contains("{}"), "{} on {major}: {text}", group.name);
            }
        }
    }

    #[test]
    fn no_statement_depends_on_how_the_server_reads_backslashes() {
        for group in GROUPS {
            let text = render(group, ServerVersion(180_000));
            assert!(!text.contains('\\'), "{}", group.name);
        }
    }

    #[test]
    fn every_fragment_is_used() {
        for (name, _) in FRAGMENTS {
            let marker = format!("--@ include {name} ");
            assert!(
                GROUPS.iter().any(|group| group.sql.contains(&marker)),
                "{name}"
            );
        }
    }
}
