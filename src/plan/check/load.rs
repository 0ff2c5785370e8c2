//! Reads the playbook and every definition that it names: text to tree to types.

use super::conceal;
use super::context::Files;
use super::names::join;
use super::options::{Options, Override};
use super::preset::Presets;
use super::reach::unreadable;
use crate::document::lower::{FromNode, Lower};
use crate::document::{
    Content, Definition, DefinitionKeys, Entry, Node, Playbook, ProviderEntry, Scalar, ScalarKind, parse,
};
use crate::plan::builtin::{BUILT_IN, BuiltIn};
use crate::port::Surroundings;
use crate::source::{Code, Diagnostic, Diagnostics, SourceMap, Span, Spanned, Text, nearest};
use serde_json::Number;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything that was read for one check.
pub(super) struct Documents {
    pub files: Files,
    pub diagnostics: Diagnostics,
    pub main: Main,
    /// The playbook's file as the user named it.
    pub file_name: String,
    /// The folder of the playbook's file.
    pub folder: PathBuf,
    /// The definitions that are not inline.
    pub definitions: Vec<LoadedDefinition>,
    /// For each readable provider of the playbook its definition; `None` when it is inline or was not found.
    pub chosen: HashMap<String, usize>,
    pub presets: Presets,
    /// The addresses that the command line gives.
    pub overrides: Vec<Override>,
    /// The providers that the command line names.
    pub named_by_flags: Vec<Spanned<String>>,
}

/// The file that the user named.
pub(super) enum Main {
    Playbook(Box<Playbook>),
    /// A definition: it is the first of [`Documents::definitions`], if it could be read.
    Definition,
    Unreadable,
}

/// A definition in a file of its own.
pub(super) struct LoadedDefinition {
    pub name: String,
    pub is_built_in: bool,
    /// The folder that paths in it count from.
    pub folder: PathBuf,
    pub keys: DefinitionKeys,
}

pub(super) fn load_file(path: &Path, options: &Options, surroundings: &dyn Surroundings) -> Documents {
    match surroundings.read_text(path) {
        Ok(text) => load_text(path, &text, options, surroundings),
        Err(error) => {
            let mut loader = Loader::new(path, surroundings);
            let file = loader.documents.files.sources.add(path.display().to_string(), "");
            let message = unreadable(path, &error);
            loader.report(Diagnostic::new(Code::UnreadableFile, Span::new(file, 0..0), message));
            loader.finish(Main::Unreadable)
        }
    }
}

pub(super) fn load_text(
    path: &Path,
    text: &str,
    options: &Options,
    surroundings: &dyn Surroundings,
) -> Documents {
    let mut loader = Loader::new(path, surroundings);
    let name = path.display().to_string();
    let Some(root) = loader.parse(&name, text) else {
        return loader.finish(Main::Unreadable);
    };
    if is_definition(&root) {
        let keys = loader.definition(&root).map(|definition| (definition.provider.value.0, definition.keys));
        let folder = loader.documents.folder.clone();
        loader.documents.definitions.extend(keys.map(|(name, keys)| {
            // The file from which the program was built is the same as what is built in.
            let is_built_in = BuiltIn::find(&name).is_some_and(|built_in| built_in.text == text);
            LoadedDefinition { name, is_built_in, folder, keys }
        }));
        return loader.finish(Main::Definition);
    }
    match loader.playbook(&root) {
        Some(playbook) => {
            loader.load_providers(&playbook);
            loader.load_flags(options);
            loader.finish(Main::Playbook(Box::new(playbook)))
        }
        None => loader.finish(Main::Unreadable),
    }
}

/// Reads a definition that is known to be right.
pub fn read_definition(name: &str, text: &str) -> Option<Definition> {
    let mut diagnostics = Diagnostics::default();
    let mut sources = SourceMap::default();
    let file = sources.add(name, text);
    let root = parse(&sources, file, &mut diagnostics)?;
    let definition = Definition::from_node(&root, &mut Lower::new(&mut diagnostics))?;
    (!diagnostics.has_errors()).then_some(definition)
}

/// A definition has `provider` at its top, or at least what only definitions have.
fn is_definition(root: &Node) -> bool {
    root.get("provider").is_some() || (root.get("steps").is_none() && root.get("base_url").is_some())
}

struct Loader<'a> {
    surroundings: &'a dyn Surroundings,
    /// What was asked for already, found or not: each file is read once.
    known: HashMap<String, Option<usize>>,
    documents: Documents,
}

impl<'a> Loader<'a> {
    fn new(path: &Path, surroundings: &'a dyn Surroundings) -> Self {
        let documents = Documents {
            files: Files::default(),
            diagnostics: Diagnostics::default(),
            main: Main::Unreadable,
            file_name: path.display().to_string(),
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            definitions: Vec::new(),
            chosen: HashMap::new(),
            presets: Presets::default(),
            overrides: Vec::new(),
            named_by_flags: Vec::new(),
        };
        Self { surroundings, known: HashMap::new(), documents }
    }

    fn finish(self, main: Main) -> Documents {
        Documents { main, ..self.documents }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.documents.diagnostics.push(diagnostic);
    }

    fn parse(&mut self, name: &str, text: &str) -> Option<Node> {
        // Editors count columns without the mark that some of them write first.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file = self.documents.files.sources.add(name, text);
        let Some(root) = parse(&self.documents.files.sources, file, &mut self.documents.diagnostics) else {
            conceal::in_text(&self.documents.files.sources, file);
            return None;
        };
        conceal::in_tree(&self.documents.files.sources, &root);
        self.documents.files.add_tree(file, &root);
        Some(root)
    }

    /// The playbook. One that lacks what it must have is reported and read as if it had it, so that the rest
    /// is checked.
    fn playbook(&mut self, root: &Node) -> Option<Playbook> {
        let playbook = Playbook::from_node(root, &mut Lower::new(&mut self.documents.diagnostics));
        playbook.or_else(|| {
            let root = with_stand_ins(root, &[("version", one), ("steps", no_steps)]);
            Playbook::from_node(&root, &mut Lower::new(&mut Diagnostics::default()))
        })
    }

    /// A definition, likewise.
    fn definition(&mut self, root: &Node) -> Option<Definition> {
        let definition = Definition::from_node(root, &mut Lower::new(&mut self.documents.diagnostics));
        self.load_presets(root);
        definition.or_else(|| {
            let stand_ins: &[(&str, StandIn)] =
                &[("version", one), ("provider", a_name), ("base_url", an_address)];
            let root = with_stand_ins(root, stand_ins);
            Definition::from_node(&root, &mut Lower::new(&mut Diagnostics::default()))
        })
    }

    fn load_providers(&mut self, playbook: &Playbook) {
        for (name, entry) in playbook.providers.iter() {
            let found = match entry {
                ProviderEntry::Inline(inline) => {
                    self.refuse_built_in_name(name);
                    self.documents.presets.load(inline.definition.auth.as_ref(), &mut self.documents.files);
                    None
                }
                ProviderEntry::Use(used) => match &used.definition {
                    Some(written) if is_path(written) => self.definition_file(written),
                    Some(written) => self.built_in(written, true),
                    None => self.built_in(name, false),
                },
            };
            if let Some(index) = found {
                self.documents.chosen.insert(name.value.clone(), index);
            }
        }
    }

    fn refuse_built_in_name(&mut self, name: &Spanned<String>) {
        if BuiltIn::find(name).is_some() {
            let message = format!("`{}` is the name of a built-in provider", name.value);
            let diagnostic = Diagnostic::new(Code::DuplicateName, name.span, message)
                .label("give your own definition another name")
                .help("a built-in one takes `settings`, `profile`, `method`, `credentials`, `base_url`");
            self.report(diagnostic);
        }
    }

    fn built_in(&mut self, name: &Spanned<String>, is_use: bool) -> Option<usize> {
        if let Some(known) = self.known.get(&name.value) {
            return *known;
        }
        let Some(built_in) = BuiltIn::find(name) else {
            self.report(unknown_provider(name, is_use));
            return None;
        };
        let root = self.parse(&built_in.file_name(), built_in.text)?;
        let definition = self.definition(&root)?;
        let index = self.add_definition(definition, true, PathBuf::new());
        self.known.insert(name.value.clone(), Some(index));
        Some(index)
    }

    fn add_definition(&mut self, definition: Definition, is_built_in: bool, folder: PathBuf) -> usize {
        let Definition { provider, keys, .. } = definition;
        self.documents.definitions.push(LoadedDefinition {
            name: provider.value.0,
            is_built_in,
            folder,
            keys,
        });
        self.documents.definitions.len() - 1
    }

    fn definition_file(&mut self, written: &Spanned<String>) -> Option<usize> {
        let path = self.documents.folder.join(written.strip_prefix("./").unwrap_or(written));
        let name = path.display().to_string();
        if let Some(known) = self.known.get(&name) {
            return *known;
        }
        let found = self.read_definition_file(written, &path);
        self.known.insert(name, found);
        found
    }

    fn read_definition_file(&mut self, written: &Spanned<String>, path: &Path) -> Option<usize> {
        let name = path.display().to_string();
        let text = match self.surroundings.read_text(path) {
            Ok(text) => text,
            Err(error) => {
                let message = unreadable(path, &error);
                let diagnostic = Diagnostic::new(Code::UnreadableFile, written.span, message);
                self.report(diagnostic.help("the path counts from the folder of the playbook"));
                return None;
            }
        };
        let root = self.parse(&name, &text)?;
        if root.get("steps").is_some() && root.get("provider").is_none() {
            let message = format!("{name} is a playbook, not a provider definition");
            self.report(Diagnostic::new(Code::WrongType, written.span, message));
            return None;
        }
        let definition = self.definition(&root)?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Some(self.add_definition(definition, false, folder))
    }

    fn load_presets(&mut self, root: &Node) {
        let Some(preset) = root.get("auth").and_then(|auth| auth.get("use")) else { return };
        self.documents.presets.load_named(preset, &mut self.documents.files);
    }

    /// What the command line says becomes a file of its own, so that mistakes in it have places like all
    /// others.
    fn load_flags(&mut self, options: &Options) {
        fn addresses<'f>(
            flag: &'static str,
            pairs: &'f [(String, String)],
        ) -> impl Iterator<Item = Flag<'f>> {
            pairs.iter().map(move |(provider, address)| Flag {
                flag,
                provider: Some(provider),
                value: address,
            })
        }
        let profiles = options.profiles.iter().map(|(provider, profile)| Flag {
            flag: "--profile",
            provider: provider.as_ref(),
            value: profile,
        });
        let flags = addresses(BASE_URL, &options.base_urls);
        let flags = flags.chain(addresses(AUTH_BASE_URL, &options.auth_base_urls)).chain(profiles);
        let mut text = String::new();
        let mut written = Vec::new();
        for flag in flags {
            let start = text.len() + flag.flag.len() + 1;
            let provider = flag.provider.map_or(String::new(), |provider| format!("{provider}="));
            text.push_str(&format!("{} {provider}{}\n", flag.flag, flag.value));
            written.push((flag, start, start + provider.len()));
        }
        if text.is_empty() {
            return;
        }
        let file = self.documents.files.sources.add("command line", text);
        conceal::in_text(&self.documents.files.sources, file);
        let at = |start: usize, text: &str| {
            Spanned::new(text.to_owned(), Span::new(file, start..start + text.len()))
        };
        for (flag, start, value) in written {
            let Some(provider) = flag.provider.map(|provider| at(start, provider)) else { continue };
            self.documents.named_by_flags.push(provider.clone());
            if flag.flag != "--profile" {
                let address = at(value, flag.value);
                self.documents.overrides.push(Override {
                    provider,
                    address,
                    is_for_sign_in: flag.flag == AUTH_BASE_URL,
                });
            }
        }
    }
}

const BASE_URL: &str = "--base-url";
const AUTH_BASE_URL: &str = "--auth-base-url";

/// A flag that says something about a provider.
struct Flag<'f> {
    flag: &'static str,
    provider: Option<&'f String>,
    value: &'f str,
}

/// Whether `use` names a file rather than a built-in definition.
fn is_path(written: &str) -> bool {
    written.contains('/') || written.ends_with(".yaml") || written.ends_with(".yml")
}

fn unknown_provider(name: &Spanned<String>, is_use: bool) -> Diagnostic {
    let names = || BUILT_IN.iter().map(|built_in| built_in.name);
    let message = format!("no built-in provider is called `{}`", name.value);
    let help = match is_use {
        true => format!("built in are {}; a file is written as `./{}.yaml`", join(names()), name.value),
        false => format!(
            "built in are {}; your own needs `use: ./{}.yaml`, or a `base_url` here",
            join(names()),
            name.value
        ),
    };
    Diagnostic::new(Code::UnknownProvider, name.span, message).did_you_mean(nearest(name, names())).help(help)
}

/// Makes a value at a place.
type StandIn = fn(Span) -> Node;

/// The map with a value for each of these keys, whatever was written there or not.
fn with_stand_ins(root: &Node, stand_ins: &[(&str, StandIn)]) -> Node {
    let written = root.as_map().unwrap_or_default();
    let is_good = |name: &str, node: &Node| match name {
        "version" => false,
        "steps" => node.as_list().is_some(),
        _ => node.as_text().is_some_and(|text| !text.value.contains("${{")),
    };
    let mut entries: Vec<Entry> = written
        .iter()
        .filter(|entry| {
            let name = entry.key.value.as_str();
            stand_ins.iter().all(|(stand_in, _)| *stand_in != name) || is_good(name, &entry.value)
        })
        .cloned()
        .collect();
    for (name, make) in stand_ins {
        if entries.iter().all(|entry| entry.key.value != *name) {
            let key = Spanned::new((*name).to_owned(), root.span);
            entries.push(Entry { key, value: make(root.span) });
        }
    }
    Node { span: root.span, content: Content::Map(Arc::new(entries)) }
}

fn scalar(text: &str, kind: ScalarKind, span: Span) -> Node {
    let text = Text::new(text.to_owned(), span, text, false);
    Node { span, content: Content::Scalar(Scalar { text, kind }) }
}

fn one(span: Span) -> Node {
    scalar("1", ScalarKind::Number(Number::from(1)), span)
}

fn a_name(span: Span) -> Node {
    scalar("unnamed", ScalarKind::Text, span)
}

fn an_address(span: Span) -> Node {
    scalar("https://unknown.invalid", ScalarKind::Text, span)
}

fn no_steps(span: Span) -> Node {
    Node { span, content: Content::List(Arc::default()) }
}
