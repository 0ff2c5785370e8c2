//! What all passes share: the files, the world, the list of mistakes.

use super::options::Options;
use crate::document::{Content, Entry, Node, VERBS};
use crate::port::Surroundings;
use crate::source::{Code, Diagnostic, Diagnostics, FileId, Severity, SourceMap, Span, nearest};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// The files of a check: their texts and their trees.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub sources: SourceMap,
    pub roots: HashMap<FileId, Node>,
    /// Every map by its place. An alias has the place of what it repeats.
    maps: HashMap<Span, Arc<Vec<Entry>>>,
}

impl Files {
    /// Takes the tree of a file up.
    pub fn add_tree(&mut self, file: FileId, root: &Node) {
        self.add_maps(root);
        self.roots.insert(file, root.clone());
    }

    fn add_maps(&mut self, node: &Node) {
        match &node.content {
            Content::Scalar(_) => {}
            Content::List(items) => items.iter().for_each(|item| self.add_maps(item)),
            Content::Map(entries) => {
                // What an alias repeats is known already.
                if self.maps.insert(node.span, entries.clone()).is_none() {
                    entries.iter().for_each(|entry| self.add_maps(&entry.value));
                }
            }
        }
    }
}

/// What the passes share.
pub(super) struct Context<'a> {
    pub files: &'a Files,
    pub options: &'a Options,
    pub surroundings: &'a dyn Surroundings,
    /// The folder of the playbook.
    pub folder: PathBuf,
    diagnostics: RefCell<Diagnostics>,
    /// How many names may still be compared to find those that were probably meant.
    comparisons: Cell<usize>,
    /// What was found out on the way and is needed once every step is known.
    pub facts: RefCell<Facts>,
}

/// What references tell about the things they name.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The secrets of the playbook that something refers to.
    pub used_secrets: BTreeSet<String>,
    /// Steps (by key) whose rows are counted.
    pub counted_rows: BTreeSet<usize>,
    /// Steps (by key) whose rows are read.
    pub kept_rows: BTreeSet<usize>,
    /// Providers (by index) whose session some step needs.
    pub needed_sessions: BTreeSet<usize>,
    /// The expressions that read settings, each with the name of the setting (`None` = all of them).
    pub read_settings: Vec<(Span, Option<String>)>,
    /// Files that are saved, each with its place.
    pub saved_files: HashMap<String, Span>,
    /// Whether a file is saved under a name that only the run knows.
    pub saves_by_template: bool,
}

impl Facts {
    /// Whether a step before this one may have saved a file of that name.
    pub fn may_save(&self, file: &str) -> bool {
        let plain = |name: &str| name.strip_prefix("./").unwrap_or(name).to_owned();
        self.saves_by_template || self.saved_files.keys().any(|saved| plain(saved) == plain(file))
    }
}

/// How many names are compared in one check: a file with thousands of mistakes has its answer soon, too.
const COMPARISONS: usize = 50_000;

impl<'a> Context<'a> {
    pub fn new(
        files: &'a Files,
        options: &'a Options,
        surroundings: &'a dyn Surroundings,
        folder: PathBuf,
        diagnostics: Diagnostics,
    ) -> Self {
        let diagnostics = RefCell::new(diagnostics);
        let comparisons = Cell::new(COMPARISONS);
        Self { files, options, surroundings, folder, diagnostics, comparisons, facts: RefCell::default() }
    }

    pub fn report(&self, diagnostic: Diagnostic) {
        self.diagnostics.borrow_mut().push(diagnostic);
    }

    /// Whether names are still compared.
    pub fn compares(&self) -> bool {
        self.comparisons.get() > 0
    }

    /// As [`nearest`], for names of which a file may have thousands: in the end nothing is found any more.
    pub fn nearest<'n>(&self, name: &str, candidates: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
        let candidates = candidates.into_iter().take_while(|_| {
            let left = self.comparisons.get();
            self.comparisons.set(left.saturating_sub(1));
            left > 0
        });
        nearest(name, candidates)
    }

    /// Whether something of a kind was reported within a span.
    pub fn is_reported(&self, code: Code, span: Span) -> bool {
        self.has_within(span, |found| found.code == code)
    }

    /// Whether a mistake was reported within a span.
    pub fn has_error_in(&self, span: Span) -> bool {
        self.has_within(span, |found| found.severity == Severity::Error)
    }

    fn has_within(&self, span: Span, is_wanted: impl Fn(&Diagnostic) -> bool) -> bool {
        let is_within = |at: Span| at.file == span.file && span.start <= at.start && at.end <= span.end;
        let diagnostics = self.diagnostics.borrow();
        diagnostics.iter().any(|found| is_wanted(found) && is_within(found.primary.span))
    }

    pub fn into_diagnostics(self) -> Diagnostics {
        self.diagnostics.into_inner()
    }

    /// The text under a span must not be quoted: a secret stands there.
    pub fn hide(&self, span: Span) {
        self.files.sources.file(span.file).hide(span.range());
    }

    /// The place of a key in the map at `map`; the map's own place when it cannot be found.
    pub fn key(&self, map: Span, name: &str) -> Span {
        let entries = self.entries(map).unwrap_or_default();
        entries.iter().find(|entry| entry.key.value == name).map_or(map, |entry| entry.key.span)
    }

    /// Whether the map at `map` has that key, readable or not.
    pub fn has_key(&self, map: Span, name: &str) -> bool {
        self.entries(map).unwrap_or_default().iter().any(|entry| entry.key.value == name)
    }

    /// Whether the map at `map` has an unknown key that was reported and probably meant to be `name`.
    pub fn has_misspelt(&self, map: Span, name: &str) -> bool {
        let entries = self.entries(map).unwrap_or_default();
        let near = |entry: &&Entry| nearest(&entry.key.value, [name]).is_some();
        entries.iter().filter(near).any(|entry| self.is_reported(Code::UnknownKey, entry.key.span))
    }

    /// Whether a merge key (`<<`), which was reported, stands in the map at `map`.
    pub fn has_merge_key(&self, map: Span) -> bool {
        let is_merge = |found: &Diagnostic| self.files.sources.snippet(found.primary.span) == "<<";
        self.has_within(map, |found| found.code == Code::UnknownKey && is_merge(found))
    }

    /// Whether a key of the map at `map` is written with an empty list.
    pub fn is_empty_list(&self, map: Span, name: &str) -> bool {
        let entries = self.entries(map).unwrap_or_default();
        let entry = entries.iter().find(|entry| entry.key.value == name);
        entry.is_some_and(|entry| entry.value.as_list().is_some_and(<[Node]>::is_empty))
    }

    /// The place of the first key of the map at `map`: what stands for the whole map in messages.
    pub fn first_key(&self, map: Span) -> Span {
        let text = self.files.sources.snippet(map);
        let lead = text.len() - text.trim_start_matches(['{', ' ', '\n', '\r']).len();
        let key = &text[lead..];
        let length = key.find([':', '\n', ' ']).unwrap_or(key.len());
        match length {
            0 => map,
            _ => Span::new(map.file, map.range().start + lead..map.range().start + lead + length),
        }
    }

    /// The place of the verb of a step, else of its first key.
    pub fn first_verb(&self, map: Span) -> Span {
        let entries = self.entries(map).unwrap_or_default();
        let verb = entries.iter().find(|entry| VERBS.contains(&entry.key.value.as_str()));
        verb.map_or_else(|| self.first_key(map), |entry| entry.key.span)
    }

    /// The keys and values of the map at `map`.
    pub fn entries(&self, map: Span) -> Option<&'a [Entry]> {
        self.files.maps.get(&map).map(|entries| entries.as_slice())
    }
}
