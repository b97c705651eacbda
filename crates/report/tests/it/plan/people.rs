use super::{assert_visible, fixture};
use pgattest_report::Screen;
use pgattest_report::plan::{html, markdown, text};
use pulldown_cmark::{Event, Parser};

fn at(width: usize, verbose: bool) -> String {
    let screen = Screen {
        width,
        colour: false,
    };
    text::render(&fixture::plan(), &text::Options { screen, verbose })
}

#[test]
fn at_80_columns() {
    insta::assert_snapshot!(at(80, false));
}

#[test]
fn at_200_columns_with_everything() {
    insta::assert_snapshot!(at(200, true));
}

#[test]
fn for_a_pull_request() {
    insta::assert_snapshot!(markdown::render(&fixture::plan()));
}

#[test]
fn an_empty_plan_says_so() {
    let screen = Screen {
        width: 80,
        colour: false,
    };
    let options = text::Options {
        screen,
        verbose: false,
    };
    assert!(text::render(&fixture::empty(), &options).contains("nothing to change"));
    assert!(markdown::render(&fixture::empty()).contains("nothing to change"));
    assert!(html::render(&fixture::empty()).contains("Nothing to change."));
}

#[test]
fn colour_is_the_only_difference_that_colour_makes() {
    let render = |colour| {
        let screen = Screen { width: 100, colour };
        text::render(
            &fixture::plan(),
            &text::Options {
                screen,
                verbose: true,
            },
        )
    };
    let plain = anstream_free(&render(true));
    assert_ne!(render(true), plain);
    assert_eq!(plain, render(false));
}

/// Without escape sequences.
fn anstream_free(text: &str) -> String {
    let mut plain = String::new();
    let mut pieces = text.split('\u{1b}');
    plain.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        plain.push_str(piece.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

#[test]
fn nothing_hostile_gets_out() {
    for text in [
        at(80, true),
        markdown::render(&fixture::plan()),
        html::render(&fixture::plan()),
    ] {
        assert_visible(&text);
    }
    let html = html::render(&fixture::plan());
    assert!(!html.contains("<script") && !html.contains("http://") && !html.contains("https://"));
    let page = markdown::render(&fixture::plan());
    for event in Parser::new(&page) {
        // Names stand in code; what is read as HTML is ours.
        if let Event::Html(raw) | Event::InlineHtml(raw) = event {
            assert!(!raw.contains("<script"), "{raw}");
        }
    }
}

#[test]
fn every_change_and_every_finding_is_in_every_page() {
    let plan = fixture::plan();
    for page in [at(200, true), markdown::render(&plan), html::render(&plan)] {
        for change in &plan.changes {
            // Up to the hostile part, which every medium writes in its own way.
            let title = change.title.split('"').next().unwrap_or_default();
            assert!(page.contains(title), "{title}");
        }
        assert!(page.contains("would be refused"));
        assert!(page.contains("public.t0") && page.contains("ISO-01"));
    }
}

#[test]
fn a_comment_has_a_limit_and_says_what_it_leaves_out() {
    let mut plan = fixture::plan();
    let one = plan.changes[6].clone();
    plan.changes = (0..5000)
        .map(|number| {
            let mut change = one.clone();
            change.id = format!("role-attributes-{number:08}");
            change
        })
        .collect();
    let page = markdown::render(&plan);
    assert!(page.len() < 65_536, "{}", page.len());
    assert!(page.contains("not listed here; the plan file has everything"));
    assert!(page.contains("(details: the plan file)"));
}

#[test]
fn a_secret_that_got_into_a_plan_is_in_no_page() {
    use pgattest_model::plan::Action;
    use pgattest_report::plan::sql;
    let mut plan = fixture::plan();
    for change in &mut plan.changes {
        if let Action::File { text, .. } = &mut change.action {
            text.push_str(
                "host all all all ldap ldapserver=x ldapbindpasswd=\"hunter2 hunter2\"\n",
            );
        }
    }
    for page in [
        text::render(
            &plan,
            &text::Options {
                screen: Screen {
                    width: 120,
                    colour: false,
                },
                verbose: true,
            },
        ),
        markdown::render(&plan),
        html::render(&plan),
        sql::render(&plan),
    ] {
        assert!(page.contains("ldapserver=x") && !page.contains("hunter2"));
    }
}
