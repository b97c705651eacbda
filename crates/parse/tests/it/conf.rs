//! `postgresql.conf` as we read it and as `pg_file_settings` shows it.

use crate::disk::{Disk, put};
use anyhow::{Context, Result};
use pgattest_parse::conf::parse;
use pgattest_testkit::Random;
use pgattest_testkit::{Cluster, available_majors};

#[test]
fn the_servers_view_shows_the_same_settings() -> Result<()> {
    let mut seen = [0, 0];
    for major in available_majors() {
        let cluster = Cluster::builder(major).start_blocking()?;
        put(
            &cluster,
            &[
                ("extra.conf", "x.included = 1\n"),
                ("dir.d/b.conf", "x.b = 'b'\n"),
                ("dir.d/a.conf", "x.a = a\ninclude '../extra.conf'\n"),
            ],
        )?;
        let mut texts: Vec<String> = HAND_MADE.iter().map(|&text| text.to_owned()).collect();
        for seed in 0..60 {
            texts.push(file(&mut Random::new(u64::from(major) * 10_000 + seed)));
        }
        for text in texts {
            compare(&cluster, &text, &mut seen)?;
        }
    }
    assert!(seen[0] > 150 && seen[1] > 100, "{seen:?}");
    Ok(())
}

fn compare(cluster: &Cluster, text: &str, seen: &mut [usize; 2]) -> Result<()> {
    let major = cluster.major();
    let path = cluster.data_dir().join("postgresql.conf");
    std::fs::write(&path, text)?;
    let name = path.to_str().context("path")?;
    let ours = parse(name, text, &Disk);
    // The server's own file of ALTER SYSTEM is read after ours.
    let theirs = cluster.query_text_blocking(
        "postgres",
        "SELECT sourceline, name, setting, error FROM pg_file_settings
         WHERE sourceline IS NOT NULL AND sourcefile NOT LIKE '%postgresql.auto.conf' ORDER BY seqno",
    )?;
    let told = || format!("PostgreSQL {major}, with\n{text}\n{theirs:#?}\n{ours:#?}");
    let set: Vec<_> = theirs.iter().filter(|row| row[1].is_some()).collect();
    // The view tells no more of a file after the first mistake. (A reload logs them all.)
    let until = ours
        .problems
        .first()
        .map_or(u32::MAX, |problem| problem.place.line);
    let mine: Vec<_> = ours
        .entries
        .iter()
        .take_while(|entry| entry.place.source != 0 || entry.place.line < until)
        .map(|entry| {
            (
                entry.place.line.to_string(),
                entry.name.clone(),
                entry.value.clone(),
            )
        })
        .collect();
    let shown: Vec<_> = set
        .iter()
        .map(|row| {
            let text = |at: usize| row[at].clone().unwrap_or_default();
            (text(0), text(1), text(2))
        })
        .collect();
    assert_eq!(mine, shown, "{}", told());
    let wrong: Vec<_> = theirs
        .iter()
        .filter(|row| row[1].is_none())
        .map(|row| row[0].clone().unwrap_or_default())
        .collect();
    let first: Vec<_> = ours
        .problems
        .iter()
        .take(1)
        .map(|problem| problem.place.line.to_string())
        .collect();
    assert_eq!(first, wrong, "{}", told());
    seen[0] += mine.len();
    seen[1] += first.len();
    Ok(())
}

const HAND_MADE: &[&str] = &[
    "",
    "work_mem = 4MB\nwork_mem 8MB # c\n\nWork_Mem='16MB'\nx.y = 1",
    "x.a = 'it''s'\nx.b = 'a\\'b\\\\c\\n\\101\\x'\nx.c = ''\nx.d 'x'\nx.e='#no'#yes\n",
    "x.a = 1.5\nx.b = -1\nx.c = +1e3\nx.d = 1.5e-3\nx.e = 0x1F\nx.f = .5\nx.g = 1.\nx.h = 10ms\nx.i = 1.5GB\nx.j = 0x1FkB\nx.k = 1e3\nx.l = --1\n",
    "x.a = b.c\nx.b = b.c.d\nx.c = a-b\nx.d = a/b:c\nx.e = é\nx.é = 1\nx.f = a b\nx.g = \nx.h\n= 1\n'x' = 1\nx.i = 'open\nx.j = = 1\nx.k = 'a' 'b'\n",
    "include 'extra.conf'\ninclude_dir 'dir.d'\ninclude_if_exists 'none.conf'\nx.z = 1\n",
    "x.a = 1\r\nx.b = 'x' \r\n\tx.c\t=\t2\t\n",
    "1x = 2\nx.1 = 2\nx..y = 1\nx.y.z = 1\n_x._y = 1\nx$ = 1\n$x = 1\n",
];

fn file(random: &mut Random) -> String {
    const NAMES: &[&str] = &["work_mem", "x.y", "Foo.Bar", "a", "'q'", "1", "x.y.z"];
    const VALUES: &[&str] = &[
        "1", "'a b'", "'it''s'", "on", "128MB", "-1", "1.5", "a.b", "''", "'open", "a b", "", "=",
        "'\\n'", "x/y-z:1", "#", "é",
    ];
    let mut text = String::new();
    for _ in 0..=random.below(6) {
        text.push_str(random.pick::<&str>(NAMES));
        text.push_str(random.pick::<&str>(&[" = ", "=", " ", "\t=\t", " == ", "= "]));
        text.push_str(random.pick::<&str>(VALUES));
        text.push_str(random.pick::<&str>(&["\n", " # c\n", "\r\n", "\n\n"]));
    }
    text
}
