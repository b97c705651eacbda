use super::fixture;
use pgattest_report::plan::sql;

fn shown(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| {
            let parts: Vec<String> = line
                .split('\t')
                .map(pgattest_model::ident::visible)
                .collect();
            parts.join("\t")
        })
        .collect();
    lines.join("\n")
}

#[test]
fn what_it_does() {
    insta::assert_snapshot!(shown(&sql::render(&fixture::plan())));
}

#[test]
fn what_takes_it_back() {
    insta::assert_snapshot!(shown(&sql::undo(&fixture::plan())));
}
