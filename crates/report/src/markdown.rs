//! The Markdown of a check's page, as blocks that the terminal and HTML each render in their own way.
//!
//! Raw HTML in it is text like any other: it is shown, never passed through.

use std::fmt::Write;

use askama::filters::{Escaper, Html};
use pgattest_model::ident::visible;
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use crate::paint::{BOLD, DIM, Lead, PLAIN, Page};

/// A block of text.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Block {
    Heading {
        level: u8,
        text: Vec<Span>,
    },
    Paragraph(Vec<Span>),
    Code(String),
    List {
        first: Option<u64>,
        items: Vec<Vec<Block>>,
    },
}

/// A run of text within a block.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Span {
    Text(String),
    Code(String),
    Strong(String),
    Emphasis(String),
    Link { text: String, url: String },
}

/// Reads Markdown. Anything outside of headings, paragraphs, lists, code, emphasis and links becomes plain text.
pub(crate) fn blocks(markdown: &str) -> Vec<Block> {
    let mut reader = Reader {
        open: vec![Vec::new()],
        lists: Vec::new(),
        spans: Vec::new(),
        style: Vec::new(),
        code: None,
    };
    for event in Parser::new(markdown) {
        reader.event(event);
    }
    reader.flush();
    reader.open.into_iter().next().unwrap_or_default()
}

struct Reader {
    /// Blocks of the document and of every list item still open, the innermost last.
    open: Vec<Vec<Block>>,
    lists: Vec<(Option<u64>, Vec<Vec<Block>>)>,
    spans: Vec<Span>,
    style: Vec<Style>,
    code: Option<String>,
}

enum Style {
    Strong,
    Emphasis,
    Link(String),
}

impl Reader {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(code) => self.spans.push(Span::Code(code.into_string())),
            Event::SoftBreak | Event::HardBreak => self.text(" "),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::CodeBlock(_) => {
                self.flush();
                self.code = Some(String::new());
            }
            Tag::List(first) => {
                self.flush();
                self.lists.push((first, Vec::new()));
            }
            Tag::Item => self.open.push(Vec::new()),
            Tag::Strong => self.style.push(Style::Strong),
            Tag::Emphasis => self.style.push(Style::Emphasis),
            Tag::Link { dest_url, .. } => self.style.push(Style::Link(dest_url.into_string())),
            Tag::Paragraph | Tag::Heading { .. } => self.flush(),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::CodeBlock => {
                if let Some(code) = self.code.take() {
                    self.push(Block::Code(code));
                }
            }
            TagEnd::List(_) => {
                self.flush();
                if let Some((first, items)) = self.lists.pop() {
                    self.push(Block::List { first, items });
                }
            }
            TagEnd::Item => {
                self.flush();
                // The document's own blocks stay at the bottom whatever the events say.
                if self.open.len() > 1
                    && let Some(item) = self.open.pop()
                    && let Some((_, items)) = self.lists.last_mut()
                {
                    items.push(item);
                }
            }
            TagEnd::Heading(level) => {
                let text = std::mem::take(&mut self.spans);
                self.push(Block::Heading {
                    level: level as u8,
                    text,
                });
            }
            TagEnd::Strong | TagEnd::Emphasis | TagEnd::Link => {
                self.style.pop();
            }
            _ => self.flush(),
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(code) = &mut self.code {
            code.push_str(text);
            return;
        }
        // Runs of plain text arrive in pieces.
        match (self.style.last(), self.spans.last_mut()) {
            (None, Some(Span::Text(last))) => last.push_str(text),
            (None, _) => self.spans.push(Span::Text(text.to_owned())),
            (Some(Style::Strong), _) => self.spans.push(Span::Strong(text.to_owned())),
            (Some(Style::Emphasis), _) => self.spans.push(Span::Emphasis(text.to_owned())),
            (Some(Style::Link(url)), _) => self.spans.push(Span::Link {
                text: text.to_owned(),
                url: url.clone(),
            }),
        }
    }

    /// Text in a tight list has no paragraph of its own.
    fn flush(&mut self) {
        if !self.spans.is_empty() {
            let spans = std::mem::take(&mut self.spans);
            self.push(Block::Paragraph(spans));
        }
    }

    fn push(&mut self, block: Block) {
        if let Some(blocks) = self.open.last_mut() {
            blocks.push(block);
        }
    }
}

/// Writes blocks to a terminal page, an empty line between two of them.
pub(crate) fn to_page(page: &mut Page, blocks: &[Block], indent: usize) {
    let mut after_heading = true;
    for block in blocks {
        // A heading brings its own empty line, and stands close to what it heads.
        if !after_heading && !matches!(block, Block::Heading { .. }) {
            page.blank();
        }
        after_heading = matches!(block, Block::Heading { .. });
        match block {
            Block::Heading { text, .. } => {
                page.blank();
                page.entry(&Lead::indent(indent), BOLD, &plain(text));
            }
            Block::Paragraph(text) => page.entry(&Lead::indent(indent + 2), PLAIN, &plain(text)),
            Block::Code(code) => {
                for line in code.lines() {
                    page.verbatim(indent + 4, PLAIN, line);
                }
            }
            Block::List { first, items } => list_to_page(page, *first, items, indent),
        }
    }
}

fn list_to_page(page: &mut Page, first: Option<u64>, items: &[Vec<Block>], indent: usize) {
    for (item, number) in items.iter().zip(first.unwrap_or(1)..) {
        let bullet = if first.is_some() {
            format!("{number}.")
        } else {
            "•".to_owned()
        };
        let (text, rest) = match item.as_slice() {
            [Block::Paragraph(text), rest @ ..] => (plain(text), rest),
            other => (String::new(), other),
        };
        let lead = Lead::indent(indent + 2).cell(DIM, &bullet, bullet.chars().count() + 1);
        page.entry(&lead, PLAIN, &text);
        if !rest.is_empty() {
            page.blank();
            to_page(page, rest, indent + 3);
        }
    }
}

fn plain(spans: &[Span]) -> String {
    spans.iter().fold(String::new(), |mut text, span| {
        match span {
            Span::Text(run) | Span::Strong(run) | Span::Emphasis(run) => text.push_str(run),
            Span::Code(code) => {
                let _ = write!(text, "`{code}`");
            }
            Span::Link { text: shown, url } if shown == url => text.push_str(url),
            Span::Link { text: shown, url } => {
                let _ = write!(text, "{shown} ({url})");
            }
        }
        text
    })
}

/// HTML of blocks. Headings keep their order below `below`: with 3, a `##` becomes `<h4>`.
pub(crate) fn to_html(blocks: &[Block], below: u8) -> String {
    let mut html = String::new();
    for block in blocks {
        // Writing to a String cannot fail.
        let _ = match block {
            Block::Heading { level, text } => {
                let level = (below + level.saturating_sub(1)).min(6);
                writeln!(html, "<h{level}>{}</h{level}>", spans_html(text))
            }
            Block::Paragraph(text) => writeln!(html, "<p>{}</p>", spans_html(text)),
            Block::Code(code) => {
                let lines: Vec<String> = code.lines().map(escape).collect();
                writeln!(html, "<pre><code>{}</code></pre>", lines.join("\n"))
            }
            Block::List { first, items } => {
                let tag = if first.is_some() { "ol" } else { "ul" };
                let items: Vec<String> = items
                    .iter()
                    .map(|item| {
                        format!(
                            "<li>{}</li>
",
                            item_html(item, below)
                        )
                    })
                    .collect();
                let items = items.concat();
                writeln!(html, "<{tag}>\n{items}</{tag}>")
            }
        };
    }
    html
}

fn item_html(item: &[Block], below: u8) -> String {
    match item {
        [Block::Paragraph(text)] => spans_html(text),
        [Block::Paragraph(text), rest @ ..] => {
            format!("{}\n{}", spans_html(text), to_html(rest, below))
        }
        other => to_html(other, below),
    }
}

fn spans_html(spans: &[Span]) -> String {
    spans
        .iter()
        .map(|span| match span {
            Span::Text(text) => escape(text),
            Span::Code(code) => format!("<code>{}</code>", escape(code)),
            Span::Strong(text) => format!("<strong>{}</strong>", escape(text)),
            Span::Emphasis(text) => format!("<em>{}</em>", escape(text)),
            // Only the web: no `javascript:`, no `data:`, no `file:`.
            Span::Link { text, url }
                if url.starts_with("https://") || url.starts_with("http://") =>
            {
                format!("<a href=\"{}\">{}</a>", escape(url), escape(text))
            }
            Span::Link { text, url } => escape(&format!("{text} ({url})")),
        })
        .collect()
}

/// Text that is safe between tags and inside double-quoted attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    // Writing to a String cannot fail.
    let _ = Html.write_escaped_str(&mut escaped, &visible(text));
    escaped
}

#[cfg(test)]
mod tests {
    use super::{Block, Span, blocks, to_html, to_page};
    use crate::paint::{Page, Screen};

    const DOC: &str = "## What it checks\n\nEvery role with `SUPERUSER`, **each**\none.\n\n- one\n- two `x`\n\n1. first\n\n   ```sql\n   ALTER ROLE \"<b>\";\n   ```\n\n## References\n\n- [Roles](https://www.postgresql.org/docs/current/role-attributes.html)\n";

    #[test]
    fn the_parts_of_a_page_are_read() {
        let read = blocks(DOC);
        assert_eq!(
            read.first(),
            Some(&Block::Heading {
                level: 2,
                text: vec![Span::Text("What it checks".into())]
            })
        );
        assert_eq!(
            read.get(1),
            Some(&Block::Paragraph(vec![
                Span::Text("Every role with ".into()),
                Span::Code("SUPERUSER".into()),
                Span::Text(", ".into()),
                Span::Strong("each".into()),
                Span::Text(" one.".into()),
            ]))
        );
        assert!(
            matches!(read.get(2), Some(Block::List { first: None, items }) if items.len() == 2),
            "{read:?}"
        );
    }

    #[test]
    fn html_in_markdown_is_shown_not_passed_through() {
        let html = to_html(
            &blocks(
                "a <script>alert(1)</script>\n\n<img src=x onerror=y>\n\n[x](javascript:alert(1))\n\n`<b>`",
            ),
            3,
        );
        assert!(
            !html.contains("<script") && !html.contains("<img") && !html.contains("href"),
            "{html}"
        );
        assert!(html.contains("&#60;script&#62;"), "{html}");
        assert!(html.contains("javascript:alert"), "{html}");
    }

    #[test]
    fn headings_are_shifted_below_their_section() {
        let html = to_html(&blocks(DOC), 3);
        assert!(html.contains("<h4>What it checks</h4>"), "{html}");
        assert!(
            html.contains("<pre><code>ALTER ROLE &#34;&#60;b&#62;&#34;;</code></pre>"),
            "{html}"
        );
        assert!(
            html.contains(
                "<a href=\"https://www.postgresql.org/docs/current/role-attributes.html\">Roles</a>"
            ),
            "{html}"
        );
    }

    #[test]
    fn the_terminal_shows_links_and_code() {
        let mut page = Page::new(Screen {
            width: 80,
            colour: false,
        });
        to_page(&mut page, &blocks(DOC), 0);
        let text = page.finish();
        assert!(
            text.contains("  Every role with `SUPERUSER`, each one."),
            "{text}"
        );
        assert!(text.contains("  1. first\n"), "{text}");
        assert!(text.contains("      ALTER ROLE \"<b>\";\n"), "{text}");
        assert!(
            text.contains("Roles (https://www.postgresql.org/docs/current/role-attributes.html)"),
            "{text}"
        );
    }
}
