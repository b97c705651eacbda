//! Reading `pgattest.toml`, and showing what is wrong with it in its own lines.

use crate::failure::{Doing, Failure, OrHint, fail};
use crate::printer::Printer;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use pgattest_model::ident::visible;
use pgattest_model::{Diagnostic, DiagnosticLevel, Policy};
use pgattest_parse::policy;
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A policy with the text it was read from.
#[derive(Debug, Default)]
pub(crate) struct PolicyFile {
    pub(crate) policy: Policy,
    /// `None` when there is no file: then everything is inferred.
    pub(crate) text: Option<String>,
    /// Where it is, to be shown.
    path: String,
}

impl PolicyFile {
    /// SHA-256 of its text, hex; `None` when there is no file.
    pub(crate) fn sha256(&self) -> Option<String> {
        let text = self.text.as_ref()?;
        Some(hex::encode(Sha256::digest(text.as_bytes())))
    }

    /// Remarks on the file now that the cluster is known, each in the lines of the file. What is as it should be is shown on
    /// demand only.
    pub(crate) fn remarks(&self, diagnostics: &[Diagnostic], with_notes: bool) -> Vec<String> {
        let Some(text) = &self.text else {
            return Vec::new();
        };
        diagnostics
            .iter()
            .filter(|diagnostic| with_notes || diagnostic.level == DiagnosticLevel::Warning)
            .map(|diagnostic| {
                let level = match diagnostic.level {
                    DiagnosticLevel::Note => Level::NOTE,
                    DiagnosticLevel::Warning => Level::WARNING,
                };
                let span = diagnostic.place.start..diagnostic.place.end;
                let help = diagnostic.help.as_deref();
                format!(
                    "{}\n",
                    show(level, &diagnostic.message, help, span, text, &self.path)
                )
            })
            .collect()
    }
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
            path: path.display().to_string(),
        }),
        Err(error) => Err(Failure {
            rendered: Some(show(
                Level::ERROR,
                &error.message,
                error.help.as_deref(),
                error.span.clone(),
                &text,
                &path.display().to_string(),
            )),
            ..fail(format!(
                "the policy file {} is not right: {error}",
                path.display()
            ))
        }),
    }
}

/// A message in the lines of the file, with what to write instead.
pub(crate) fn show(
    level: Level<'_>,
    message: &str,
    help: Option<&str>,
    span: Range<usize>,
    text: &str,
    path: &str,
) -> String {
    let end = span.end.min(text.len());
    let span = span.start.min(end)..end;
    // Escaping first would move the span: only what is shown around it may be hostile, and the renderer replaces controls.
    let snippet = Snippet::source(text)
        .path(visible(path))
        .annotation(AnnotationKind::Primary.span(span));
    let mut group = level.primary_title(visible(message)).element(snippet);
    if let Some(help) = help {
        group = group.element(Level::HELP.message(visible(help)));
    }
    Renderer::styled()
        .term_width(Printer::width())
        .render(&[group])
}
