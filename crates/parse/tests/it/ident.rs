//! `pg_ident.conf` as we read it and as `pg_ident_file_mappings` shows it, row by row.

use crate::disk::{Disk, put};
use anyhow::{Context, Result};
use pgattest_model::ServerVersion;
use pgattest_parse::ident::parse;
use pgattest_testkit::Random;
use pgattest_testkit::{Cluster, available_majors};

#[test]
fn the_servers_view_shows_the_same_maps() -> Result<()> {
    let mut seen = [0, 0];
    for major in available_majors().into_iter().filter(|&major| major >= 15) {
        let cluster = Cluster::builder(major).start_blocking()?;
        put(&cluster, &[("maps", "m2 b c\nm3 d\n"), ("word", "w x\n")])?;
        let mut texts: Vec<String> = HAND_MADE.iter().map(|&text| text.to_owned()).collect();
        for seed in 0..100 {
            let mut random = Random::new(u64::from(major) * 10_000 + seed);
            texts.push(file(&mut random));
        }
        for text in texts {
            compare(&cluster, &text, &mut seen)?;
        }
    }
    assert!(seen[0] > 300 && seen[1] > 100, "{seen:?}");
    Ok(())
}

fn compare(cluster: &Cluster, text: &str, seen: &mut [usize; 2]) -> Result<()> {
    let major = cluster.major();
    cluster.write_ident(text)?;
    let path = cluster.data_dir().join("pg_ident.conf");
    let ours = parse(
        path.to_str().context("path")?,
        text,
        ServerVersion(major * 10_000),
        &Disk,
    );
    let theirs = cluster.query_text_blocking(
        "postgres",
        "SELECT line_number, map_name, sys_name, pg_username, error FROM pg_ident_file_mappings",
    )?;
    let mine: Vec<Vec<Option<String>>> = ours
        .lines
        .iter()
        .map(|line| {
            let shown = |text: &String| line.problem.is_none().then(|| text.clone());
            vec![
                Some(line.row.line.to_string()),
                shown(&line.row.map),
                shown(&line.row.system_user),
                shown(&line.row.role),
                line.problem.as_ref().map(|problem| problem.message.clone()),
            ]
        })
        .collect();
    assert_eq!(mine, theirs, "PostgreSQL {major}, with\n{text}");
    for line in &ours.lines {
        seen[usize::from(line.problem.is_some())] += 1;
    }
    Ok(())
}

const HAND_MADE: &[&str] = &[
    "",
    "m a b\n# c\n\nm \"a b\" \"c\"\"d\"\nm a\nm\nm a,b c\nm a b c d\nm a b,c",
    "m /^(.*)@x$ \\1\nm /(a b\nm \"/^(.*) x$\" \"\\1\"\nm a /(b\nm a +g\nm a all\nm a \"all\"\nm a /^x",
    "include maps\ninclude_dir none\ninclude_if_exists none\nm @word x\nm a \\\n b",
];

fn file(random: &mut Random) -> String {
    const WORDS: &[&str] = &[
        "m", "n", "a", "\"a b\"", "/^a(.*)$", "/[a", "\\1", "x\\1y", "all", "+g", "\"+g\"",
        "@word", "b,c", "é", "#", "/^(a|b)$", "/.*",
    ];
    let mut text = String::new();
    for _ in 0..=random.below(6) {
        for _ in 0..2 + random.below(3) {
            text.push_str(random.pick::<&str>(WORDS));
            text.push_str(random.pick::<&str>(&[" ", " ", "\t", " \\\n"]));
        }
        text.push_str(random.pick::<&str>(&["\n", "\r\n", "\n\n"]));
    }
    text
}
