//! Finds the forms of known secrets in the views of a text.
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use zeroize::Zeroizing;

use super::forms::{Form, forms_of};
use super::views::{Alphabet, View, Views, complete, without_line_end};

/// The automaton knows this many bytes of each form, the last ones, and what stands before them is compared:
/// so a token of kilobytes, renewed every few minutes, costs no more than a password.
const ANCHOR_BYTES: usize = 32;

/// At the end of a line, this much of the beginning of a secret is no longer taken for chance.
const TELLING_BYTES: usize = 4;

/// A secret that was learned, and how it is looked for and shown.
pub(super) struct KnownSecret {
    value: Zeroizing<String>,
    placeholder: String,
    forms: Vec<Form>,
}

impl KnownSecret {
    pub(super) fn new(value: &str, placeholder: String) -> Self {
        let forms = forms_of(value, &placeholder);
        Self { value: Zeroizing::new(value.to_owned()), placeholder, forms }
    }

    pub(super) fn is(&self, value: &str) -> bool {
        *self.value == value
    }
}

/// A range of the text that holds a secret.
pub(super) struct Span<'m> {
    pub(super) range: Range<usize>,
    pub(super) placeholder: &'m str,
    /// Of the longest find in `range`, which gives the placeholder.
    length: usize,
}

/// Where a secret may have begun that goes on after the end of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct OpenEnd {
    /// Offset of the first byte that may belong to one; the length of the text if none does.
    pub(super) possible: usize,
    /// The same, when fewer than four characters are taken for chance.
    pub(super) probable: usize,
}

/// All secrets known at one time.
///
/// They are kept in segments of doubling size, so that a run over a thousand accounts, which learns one token
/// after the other, builds each of them into an automaton a few times and not a thousand times.
#[derive(Clone, Default)]
pub(super) struct Matcher {
    segments: Vec<Arc<Segment>>,
    alphabet: Alphabet,
}

impl Matcher {
    /// This matcher with more secrets.
    pub(super) fn with(mut self, mut learned: Vec<Arc<KnownSecret>>) -> Self {
        while let Some(smaller) = self.segments.pop_if(|segment| segment.secrets.len() <= learned.len()) {
            learned.splice(0..0, smaller.secrets.iter().cloned());
        }
        self.alphabet.add(learned.iter().flat_map(|secret| &secret.forms));
        self.segments.push(Arc::new(Segment::new(learned)));
        self
    }

    pub(super) fn knows(&self, value: &str) -> bool {
        self.segments.iter().flat_map(|segment| &segment.secrets).any(|secret| secret.is(value))
    }

    /// The text with placeholders, or `None` when it holds no secret.
    pub(super) fn redact(&self, text: &[u8]) -> Option<Vec<u8>> {
        if self.segments.is_empty() {
            return None;
        }
        let spans = self.spans(&self.views(text));
        (!spans.is_empty()).then(|| replace(text, 0..text.len(), &spans))
    }

    pub(super) fn views<'t>(&self, text: &'t [u8]) -> Views<'t> {
        Views::of(text, &self.alphabet)
    }

    /// What is to be replaced: in order, and no two of them overlapping.
    pub(super) fn spans(&self, views: &Views<'_>) -> Vec<Span<'_>> {
        let mut placeholders = Vec::new();
        let mut spans = Vec::new();
        for (index, view) in views.iter() {
            for segment in &self.segments {
                segment.search(view, |secret, form, range| {
                    let range = views.in_text(index, range);
                    if form.is_placeholder() {
                        placeholders.push(range);
                    } else {
                        let length = range.len();
                        spans.push(Span { range, placeholder: &secret.placeholder, length });
                    }
                });
            }
        }
        placeholders.sort_unstable_by_key(|range| range.start);
        spans.retain(|span| !is_within_any(&placeholders, &span.range));
        merge(spans)
    }

    /// How far the end of the text is still open.
    pub(super) fn open_end(&self, views: &Views<'_>, text_len: usize) -> OpenEnd {
        let mut open = OpenEnd { possible: text_len, probable: text_len };
        if self.segments.is_empty() {
            return open;
        }
        for (index, view) in views.iter() {
            // After a line break at the end, a secret may go on as if there were none.
            let text = without_line_end(&view.text);
            let Some(start) = self.open_start(text) else { continue };
            let in_text = views.in_text(index, start..view.text.len()).start;
            open.possible = open.possible.min(in_text);
            if text.len() - start >= TELLING_BYTES {
                open.probable = open.probable.min(in_text);
            }
        }
        open
    }

    /// Where the longest end of `text` starts that may go on as a form, or as an escape in one.
    fn open_start(&self, text: &[u8]) -> Option<usize> {
        let complete = complete(text);
        let begun = self.segments.iter().filter_map(|segment| segment.open_start(complete)).min();
        begun.or((complete.len() < text.len()).then_some(complete.len()))
    }
}

/// Writes `range` of the text with a placeholder for each span, or for the part of it that lies in `range`.
pub(super) fn replace(text: &[u8], range: Range<usize>, spans: &[Span<'_>]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(range.len());
    if range.is_empty() {
        return replaced;
    }
    let mut copied = range.start;
    for span in spans.iter().filter(|span| span.range.start < range.end && span.range.end > range.start) {
        replaced.extend_from_slice(&text[copied..span.range.start.max(copied)]);
        replaced.extend_from_slice(span.placeholder.as_bytes());
        copied = span.range.end;
    }
    replaced.extend_from_slice(&text[copied.min(range.end)..range.end]);
    replaced
}

/// Joins what overlaps under the name of the longest.
fn merge(mut spans: Vec<Span<'_>>) -> Vec<Span<'_>> {
    spans.sort_by_key(|span| (span.range.start, Reverse(span.length)));
    let mut merged: Vec<Span<'_>> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut().filter(|last| span.range.start < last.range.end) {
            None => merged.push(span),
            Some(last) => {
                last.range.end = last.range.end.max(span.range.end);
                if span.length > last.length {
                    (last.placeholder, last.length) = (span.placeholder, span.length);
                }
            }
        }
    }
    merged
}

/// Whether one of the ranges, sorted by start and apart from one another, encloses `range`.
fn is_within_any(sorted: &[Range<usize>], range: &Range<usize>) -> bool {
    let before = sorted.partition_point(|outer| outer.start <= range.start);
    sorted[..before].last().is_some_and(|outer| range.end <= outer.end)
}

/// Some secrets and the automaton for them.
struct Segment {
    secrets: Vec<Arc<KnownSecret>>,
    /// In the order of [`Form::cmp`], which is that of the automaton's patterns.
    entries: Vec<Entry>,
    anchors: AhoCorasick,
    first_bytes: [bool; 256],
    longest: usize,
}

/// One form, by its place in `secrets`.
#[derive(Clone, Copy)]
struct Entry {
    secret: usize,
    form: usize,
}

impl Segment {
    fn new(secrets: Vec<Arc<KnownSecret>>) -> Self {
        let form = |entry: &Entry| &secrets[entry.secret].forms[entry.form];
        let mut entries: Vec<Entry> = secrets
            .iter()
            .enumerate()
            .flat_map(|(secret, known)| (0..known.forms.len()).map(move |form| Entry { secret, form }))
            .collect();
        // The sort is stable: of two names for one value the first that was learned stays.
        entries.sort_by(|a, b| form(a).cmp(form(b)));
        entries.dedup_by(|b, a| form(a) == form(b));
        let mut first_bytes = [false; 256];
        for entry in &entries {
            let first = form(entry).bytes()[0];
            first_bytes[usize::from(first.to_ascii_lowercase())] = true;
            first_bytes[usize::from(first.to_ascii_uppercase())] = true;
        }
        let anchors = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .ascii_case_insensitive(true)
            .build(entries.iter().map(|entry| form(entry).ending(ANCHOR_BYTES)))
            .expect("an automaton holds 2^31 states, and a secret takes some hundred of them");
        let longest = entries.iter().map(|entry| form(entry).len()).max().unwrap_or(0);
        Self { anchors, first_bytes, longest, entries, secrets }
    }

    fn form(&self, entry: Entry) -> &Form {
        &self.secrets[entry.secret].forms[entry.form]
    }

    /// Calls `found` for each form in the view, overlapping ones too, with its range there.
    fn search<'s>(&'s self, view: &View<'_>, mut found: impl FnMut(&'s KnownSecret, &'s Form, Range<usize>)) {
        let text = &*view.text;
        for anchor in self.anchors.find_overlapping_iter(text) {
            let entry = self.entries[anchor.pattern().as_usize()];
            let form = self.form(entry);
            let end = anchor.end();
            let Some(start) = end.checked_sub(form.len()) else { continue };
            if form.is(&text[start..end], view.is_joined) {
                let before = start.checked_sub(1).map(|index| &text[index]);
                let (more_before, more_after) = form.neighbours(before, text.get(end));
                found(&self.secrets[entry.secret], form, start - more_before..end + more_after);
            }
        }
    }

    /// Where the longest end of `text` starts with which a form may begin.
    fn open_start(&self, text: &[u8]) -> Option<usize> {
        (text.len().saturating_sub(self.longest)..text.len())
            .filter(|start| self.first_bytes[usize::from(text[*start])])
            .find(|start| self.may_continue(&text[*start..]))
    }

    fn may_continue(&self, text: &[u8]) -> bool {
        let first = self.entries.partition_point(|entry| self.form(*entry).folded_cmp(text).is_lt());
        self.entries[first..]
            .iter()
            .map(|entry| self.form(*entry))
            .take_while(|form| form.begins_with(text))
            .any(|form| form.may_continue(text))
    }
}
