//! Reading `pgattest.toml`, and showing what is wrong with it in its own lines.

use crate::failure::{Doing, Failure, OrHint, fail};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use pgattest_model::Policy;
use pgattest_model::ident::visible;
use pgattest_parse::policy::{self, PolicyError};
use std::path::{Path, PathBuf};

/// A policy with the text it was read from.
#[derive(Debug, Default)]
pub(crate) struct PolicyFile {
    pub(crate) policy: Policy,
    /// `None` when there is no file: then everything is inferred.
    pub(crate) text: Option<String>,
}

/// Reads the named file, or `./pgattest.toml` when none is named and it exists.
pub(crate) fn load(named: Option<&Path>) -> Result<PolicyFile, Failure> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => PathBuf::from("pgattest.toml"),
    };
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(PolicyFile::default());
        }
        Err(error) => {
            return Err(error)
                .doing(|| format!("the policy file {} could not be read", path.display()))
                .or_hint("name the policy with --policy FILE; without one everything is inferred");
        }
    };
    let Ok(text) = String::from_utf8(bytes) else {
        return Err(fail(format!(
            "the policy file {} is not UTF-8 text",
            path.display()
        ))
        .hint("save it as UTF-8"));
    };
    match policy::parse(&text) {
        Ok(policy) => Ok(PolicyFile {
            policy,
            text: Some(text),
        }),
        Err(error) => Err(Failure {
            rendered: Some(show(&error, &text, &path.display().to_string())),
            ..fail(format!(
                "the policy file {} is not right: {error}",
                path.display()
            ))
        }),
    }
}

/// The error in the lines of the file, with what to write instead.
fn show(error: &PolicyError, text: &str, path: &str) -> String {
    let end = error.span.end.min(text.len());
    let span = error.span.start.min(end)..end;
    // Escaping first would move the span: only what is shown around it may be hostile, and the renderer replaces controls.
    let snippet = Snippet::source(text)
        .path(visible(path))
        .annotation(AnnotationKind::Primary.span(span));
    let mut group = Level::ERROR
        .primary_title(visible(&error.message))
        .element(snippet);
    if let Some(help) = &error.help {
        group = group.element(Level::HELP.message(visible(help)));
    }
    Renderer::styled().render(&[group])
}
