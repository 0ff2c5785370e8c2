//! Diagnostics as people read them, each with the line at fault and the place marked in it, and as JSON.

use crate::model::visible::is_obeyed;
use crate::source::{Diagnostic, FileId, Label, Severity, SourceFile, SourceMap, Span};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};
use std::ops::Range;

/// A diagnostic with the files that its places lie in.
#[derive(Debug, Clone, Copy)]
pub struct Finding<'a> {
    /// What was found.
    pub diagnostic: &'a Diagnostic,
    /// The files of its check.
    pub sources: &'a SourceMap,
}

impl<'a> Finding<'a> {
    /// All that one check found, in its order.
    pub fn all(diagnostics: &'a [Diagnostic], sources: &'a SourceMap) -> Vec<Self> {
        diagnostics.iter().map(|diagnostic| Self { diagnostic, sources }).collect()
    }

    /// What several checks found, by file and place. What two say of the same place, such as a definition that both
    /// playbooks use, stays once.
    pub fn merge(mut findings: Vec<Self>) -> Vec<Self> {
        findings.sort_by(|one, other| one.rank().cmp(&other.rank()));
        findings.dedup_by(|one, other| one.rank() == other.rank());
        findings
    }

    fn file(&self) -> &'a str {
        self.sources.file(self.diagnostic.primary.span.file).name()
    }

    fn rank(&self) -> impl Ord + use<'a> {
        let Diagnostic { code, severity, message, primary, .. } = self.diagnostic;
        (self.file(), primary.span.start, primary.span.end, *severity, *code, message.as_str())
    }
}

/// Writes each finding with its source line, and a line that counts them. Writes nothing when there are none.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_human(findings: &[Finding<'_>], is_coloured: bool, out: &mut dyn Write) -> io::Result<()> {
    let renderer = if is_coloured { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut quotes = Quotes::default();
    for finding in findings {
        writeln!(out, "{}\n", renderer.render(&[quotes.group(finding)]))?;
    }
    match summary(findings) {
        Some(summary) => writeln!(out, "{summary}"),
        None => Ok(()),
    }
}

/// `2 errors and 1 warning in 1 file; nothing was sent`. `None` when nothing was found.
fn summary(findings: &[Finding<'_>]) -> Option<String> {
    let count = |severity| findings.iter().filter(|item| item.diagnostic.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let files: BTreeSet<&str> = findings.iter().map(Finding::file).collect();
    let counts: Vec<String> = [(errors, "error"), (warnings, "warning")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| plural(count, noun))
        .collect();
    let verdict = if errors > 0 { "; nothing was sent" } else { "" };
    (!counts.is_empty())
        .then(|| format!("{} in {}{verdict}", counts.join(" and "), plural(files.len(), "file")))
}

/// `1 file`, `2 files`.
pub(super) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The texts of the files as they may be quoted, each made once.
#[derive(Default)]
struct Quotes {
    /// By the address of the file: several checks may have read files of the same name.
    texts: HashMap<*const SourceFile, String>,
}

impl Quotes {
    /// A diagnostic with the lines that it speaks of, those of its own file first.
    fn group(&mut self, Finding { diagnostic, sources }: &Finding<'_>) -> Group<'static> {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(visible(&diagnostic.message)).id(diagnostic.code.as_str());
        let mut group = Group::with_title(title);
        for file in files_of(diagnostic) {
            let source = sources.file(file);
            group = match source.text().is_empty() {
                true => group.element(Origin::path(visible(source.name()))),
                false => group.element(self.snippet(source, &annotations_in(diagnostic, file))),
            };
        }
        match &diagnostic.help {
            Some(help) => group.element(Level::HELP.message(visible(help))),
            None => group,
        }
    }

    /// The lines of a file that hold the annotated places. Only these are handed on: files may be large.
    fn snippet(
        &mut self,
        source: &SourceFile,
        annotations: &[(AnnotationKind, &Label)],
    ) -> Snippet<'static, Annotation<'static>> {
        let ranges: Vec<_> = annotations.iter().map(|(_, label)| first_line(source, label.span)).collect();
        let start = ranges.iter().map(|range| range.start).min().unwrap_or_default();
        let end = ranges.iter().map(|range| range.end).max().unwrap_or_default();
        let lines = source.lines(start..end);
        let text = &self.text(source)[lines.clone()];
        let place = |offset: usize| visible_lines(&text[..offset - lines.start]).len();
        let marks = annotations.iter().zip(&ranges).map(|((kind, label), range)| {
            kind.span(place(range.start)..place(range.end)).label(visible(&label.text))
        });
        Snippet::source(visible_lines(text))
            .path(visible(source.name()))
            .line_start(source.position(lines.start).line)
            .annotations(marks.collect::<Vec<_>>())
    }

    fn text(&mut self, source: &SourceFile) -> &str {
        self.texts.entry(source).or_insert_with(|| source.quotable_text())
    }
}

/// The part of a span in its first line: where a whole block is at fault, its beginning says which one.
fn first_line(source: &SourceFile, span: Span) -> Range<usize> {
    let range = span.range();
    let line_end = source.lines(range.start..range.start).end.max(range.start);
    let end = range.end.min(line_end);
    let written = source.text()[range.start..end].trim_end();
    range.start..range.start + written.len()
}

/// The files that a diagnostic speaks of: that of the mistake, then the others.
fn files_of(diagnostic: &Diagnostic) -> Vec<FileId> {
    let mut files = vec![diagnostic.primary.span.file];
    for label in &diagnostic.secondary {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    files
}

fn annotations_in(diagnostic: &Diagnostic, file: FileId) -> Vec<(AnnotationKind, &Label)> {
    let primary = (AnnotationKind::Primary, &diagnostic.primary);
    let secondary = diagnostic.secondary.iter().map(|label| (AnnotationKind::Context, label));
    std::iter::once(primary).chain(secondary).filter(|(_, label)| label.span.file == file).collect()
}

/// A text on one line in which every character that a terminal would obey is shown by a sign of its own.
fn visible(text: &str) -> String {
    text.chars().map(sign).collect()
}

/// As [`visible`], with line breaks and tabs left to the renderer. Characters keep their number, so that columns fit;
/// but what is left of a Windows line break is not shown.
fn visible_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let text = text.strip_suffix('\r').unwrap_or(&text);
    text.chars().map(|c| if matches!(c, '\n' | '\t') { c } else { sign(c) }).collect()
}

/// Control characters have pictures of their own (Unicode block 2400); what else a terminal obeys is shown as something
/// unknown.
fn sign(c: char) -> char {
    match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{7f}' => '\u{2421}',
        _ if is_obeyed(c) => char::REPLACEMENT_CHARACTER,
        _ => c,
    }
}

/// A diagnostic as `--format json` writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JsonDiagnostic {
    /// The stable name of the kind of mistake, in kebab-case.
    pub code: &'static str,
    /// `error` or `warning`.
    pub severity: &'static str,
    /// What is wrong.
    pub message: String,
    /// The token at fault.
    #[serde(flatten)]
    pub place: JsonPlace,
    /// The words beside the mark: what was probably meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Other places that belong to the mistake.
    pub related: Vec<JsonRelated>,
}

/// Another place that belongs to a mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JsonRelated {
    /// Where.
    #[serde(flatten)]
    pub place: JsonPlace,
    /// What is there.
    pub label: String,
}

/// A range in a file. Lines and columns begin with 1, columns count characters, the end is the place behind the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JsonPlace {
    /// The file as it was named on the command line.
    pub file: String,
    /// The line of the first character.
    pub line: usize,
    /// The column of the first character.
    pub column: usize,
    /// The line of the end.
    pub end_line: usize,
    /// The column of the end.
    pub end_column: usize,
    /// The first line of the range, with secrets hidden.
    pub source: String,
}

/// The findings as plain data for programs, in the same order.
pub fn to_json(findings: &[Finding<'_>]) -> Vec<JsonDiagnostic> {
    let mut quotes = Quotes::default();
    findings.iter().map(|finding| quotes.json(finding)).collect()
}

/// Writes the findings as one JSON array of [`JsonDiagnostic`], indented.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_json(findings: &[Finding<'_>], out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &to_json(findings))?;
    writeln!(out)
}

impl Quotes {
    fn json(&mut self, Finding { diagnostic, sources }: &Finding<'_>) -> JsonDiagnostic {
        let mut place = |span: Span| self.place(sources.file(span.file), span);
        let related = |label: &Label| JsonRelated { place: place(label.span), label: visible(&label.text) };
        let related = diagnostic.secondary.iter().map(related).collect();
        let label = Some(&diagnostic.primary.text).filter(|text| !text.is_empty());
        JsonDiagnostic {
            code: diagnostic.code.as_str(),
            severity: match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            message: visible(&diagnostic.message),
            place: place(diagnostic.primary.span),
            label: label.map(|text| visible(text)),
            help: diagnostic.help.as_deref().map(visible),
            related,
        }
    }

    fn place(&mut self, source: &SourceFile, span: Span) -> JsonPlace {
        let (start, end) = (source.position(span.start as usize), source.position(span.end as usize));
        let line = source.lines(span.start as usize..span.start as usize);
        JsonPlace {
            file: visible(source.name()),
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
            source: visible(self.text(source)[line].trim_end_matches('\r')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Code;

    const PLAYBOOK: &str = "steps:\n  - get: /sims\n    retires: 3\n    pass: geheim\n";

    fn span_of(sources: &SourceMap, file: FileId, part: &str) -> Span {
        let start = sources.file(file).text().find(part).unwrap();
        Span::new(file, start..start + part.len())
    }

    fn human(diagnostics: &[Diagnostic], sources: &SourceMap) -> String {
        let mut out = Vec::new();
        write_human(&Finding::all(diagnostics, sources), false, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_look() {
        let mut sources = SourceMap::default();
        let file = sources.add("p.yaml", PLAYBOOK);
        let retires = span_of(&sources, file, "retires");
        let diagnostic = Diagnostic::new(Code::UnknownKey, retires, "a step has no key `retires`")
            .label("did you mean `retry`?")
            .help("it takes `{ attempts: 3 }`");
        insta::assert_snapshot!(human(&[diagnostic], &sources), @r"
        error[unknown-key]: a step has no key `retires`
         --> p.yaml:3:5
          |
        3 |     retires: 3
          |     ^^^^^^^ did you mean `retry`?
          |
          = help: it takes `{ attempts: 3 }`

        1 error in 1 file; nothing was sent
        ");
    }

    #[test]
    fn places_of_two_files_and_whole_blocks() {
        let mut sources = SourceMap::default();
        let file = sources.add("p.yaml", PLAYBOOK);
        let other = sources.add("d.yaml", "provider: x\n");
        let step = span_of(&sources, file, "get: /sims\n    retires: 3\n");
        let diagnostic = Diagnostic::new(Code::ConflictingKeys, step, "whole step")
            .label("this one")
            .also(span_of(&sources, file, "steps"), "in here")
            .also(span_of(&sources, other, "x"), "declared here");
        insta::assert_snapshot!(human(&[diagnostic], &sources), @r"
        error[conflicting-keys]: whole step
         --> p.yaml:2:5
          |
        1 | steps:
          | ----- in here
        2 |   - get: /sims
          |     ^^^^^^^^^^ this one
          |
         ::: d.yaml:1:11
          |
        1 | provider: x
          |           - declared here

        1 error in 1 file; nothing was sent
        ");
    }

    #[test]
    fn hidden_text_and_characters_that_terminals_obey() {
        let mut sources = SourceMap::default();
        let file = sources.add("p\u{1b}.yaml", "a: \u{9b}31m\u{202e} geheim \u{1b}[0m x\n");
        let secret = span_of(&sources, file, "geheim");
        sources.file(file).hide(secret.range());
        let diagnostic =
            Diagnostic::new(Code::InvalidValue, span_of(&sources, file, "x"), "odd \u{1b}\n name");
        let text = human(std::slice::from_ref(&diagnostic), &sources);
        assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}']) && !text.contains("geheim"), "{text}");
        insta::assert_snapshot!(text, @r"
        error[invalid-value]: odd ␛␊ name
         --> p␛.yaml:1:22
          |
        1 | a: �31m� ****** ␛[0m x
          |                      ^

        1 error in 1 file; nothing was sent
        ");
        let json = serde_json::to_string(&to_json(&Finding::all(&[diagnostic], &sources))).unwrap();
        assert!(!json.contains("u001b") && !json.contains("geheim"), "{json}");
    }

    #[test]
    fn a_file_that_could_not_be_read_has_no_lines() {
        let mut sources = SourceMap::default();
        let file = sources.add("gone.yaml", "");
        let diagnostic = Diagnostic::new(Code::UnreadableFile, Span::new(file, 0..0), "no such file");
        insta::assert_snapshot!(human(&[diagnostic], &sources), @r"
        error[unreadable-file]: no such file
        --> gone.yaml

        1 error in 1 file; nothing was sent
        ");
    }

    #[test]
    fn warnings_alone_do_not_say_that_nothing_was_sent() {
        let mut sources = SourceMap::default();
        let file = sources.add("p.yaml", PLAYBOOK);
        let place = span_of(&sources, file, "pass");
        let warning = Diagnostic::new(Code::Suspicious, place, "odd");
        let error = Diagnostic::new(Code::Syntax, place, "odd");
        let said = |all: &[Diagnostic]| summary(&Finding::all(all, &sources)).unwrap();
        assert_eq!(said(std::slice::from_ref(&warning)), "1 warning in 1 file");
        let all = [error.clone(), warning, error];
        assert_eq!(said(&all), "2 errors and 1 warning in 1 file; nothing was sent");
        assert_eq!(summary(&[]), None);
    }

    #[test]
    fn json_has_places_as_people_count_them() {
        let mut sources = SourceMap::default();
        let file = sources.add("p.yaml", PLAYBOOK);
        let diagnostic = Diagnostic::new(Code::UnknownKey, span_of(&sources, file, "retires"), "no such key")
            .also(span_of(&sources, file, "steps"), "in here");
        insta::assert_snapshot!(serde_json::to_string_pretty(&to_json(&Finding::all(&[diagnostic], &sources))).unwrap(), @r#"
        [
          {
            "code": "unknown-key",
            "severity": "error",
            "message": "no such key",
            "file": "p.yaml",
            "line": 3,
            "column": 5,
            "end_line": 3,
            "end_column": 12,
            "source": "    retires: 3",
            "related": [
              {
                "file": "p.yaml",
                "line": 1,
                "column": 1,
                "end_line": 1,
                "end_column": 6,
                "source": "steps:",
                "label": "in here"
              }
            ]
          }
        ]
        "#);
    }

    #[test]
    fn what_two_checks_say_of_one_place_is_said_once() {
        let found = |files: &[(&str, &str)]| {
            let mut sources = SourceMap::default();
            let mut diagnostics = Vec::new();
            for (name, message) in files {
                let file = sources.add(*name, PLAYBOOK);
                diagnostics.push(Diagnostic::new(Code::Syntax, span_of(&sources, file, "pass"), *message));
            }
            (sources, diagnostics)
        };
        let (one, two) = (found(&[("b", "x"), ("shared", "y")]), found(&[("a", "x"), ("shared", "y")]));
        let all = [Finding::all(&one.1, &one.0), Finding::all(&two.1, &two.0)].concat();
        let files: Vec<&str> = Finding::merge(all).iter().map(Finding::file).collect();
        assert_eq!(files, ["a", "b", "shared"]);
    }
}
