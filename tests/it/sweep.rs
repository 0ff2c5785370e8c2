//! Every node of every shipped file is deleted, doubled and replaced: the check answers each time, without much work, and
//! with places that exist.

use crate::support::cases::yaml_files;
use crate::support::runner::Runner;
use runner::cli::diagnostics::{Finding, write_human};
use runner::document::{Content, Node, parse};
use runner::plan::{FileKind, Options, check_text};
use runner::port::{Surroundings, VariableOrigin, without_dots};
use runner::source::{Diagnostics, SourceMap};
use std::fs;
use std::io;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How much of a processor's time one check may take: what else the machine does does not count.
const MOST_WORK: Duration = Duration::from_secs(1);

/// What each node is replaced by: what it is called, and as it is written.
fn replacements() -> Vec<(&'static str, String)> {
    let short = [
        ("x", "x"),
        ("a number", "7"),
        ("a list", "[1, x]"),
        ("an empty list", "[]"),
        ("a map", "{ x: 1 }"),
        ("null", "null"),
        ("a template", "\"${{ steps.x.outputs.y }}\""),
        ("a text that is not ASCII", "'/ü\u{a0}${{ x.ü | ö }}ä b'"),
        ("a path that is not ASCII", "'$[''ä'']ü'"),
    ];
    let long = [
        ("a long text", format!("\"{}\"", "lorem ${{ ".repeat(2_000))),
        ("a long expression", format!("'${{{{ 1{} }}}}'", " + 1".repeat(20_000))),
        ("a deep expression", format!("'${{{{ {}1{} }}}}'", "(".repeat(2_000), ")".repeat(2_000))),
        ("a deep path", format!("'${}{}'", "[?@".repeat(30), "]".repeat(30))),
    ];
    let short = short.map(|(name, written)| (name, written.to_owned()));
    short.into_iter().chain(long).collect()
}

/// An empty environment, and the files as they are.
struct Nobody;

impl Surroundings for Nobody {
    fn variable(&self, _: &str) -> Option<(String, VariableOrigin)> {
        None
    }

    fn read_text(&self, path: &Path) -> io::Result<String> {
        fs::read_to_string(path)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(without_dots(path))
    }
}

/// Checks a mutant as a library.
fn examine(path: &Path, text: &str, what: &str) {
    let before = work();
    let checked = catch_unwind(AssertUnwindSafe(|| {
        let checked = check_text(path, text, &Options::default(), &Nobody);
        for diagnostic in &checked.diagnostics {
            for label in std::iter::once(&diagnostic.primary).chain(&diagnostic.secondary) {
                let source = checked.sources.file(label.span.file);
                let quoted = source.text().get(label.span.range());
                assert!(quoted.is_some(), "a place outside of {}: {diagnostic:?}", source.name());
            }
        }
        let mut out = Vec::new();
        let findings = Finding::all(&checked.diagnostics, &checked.sources);
        write_human(&findings, false, &mut out).expect("memory takes all");
        assert_eq!(out.is_empty(), findings.is_empty());
        assert_eq!(checked.plan.is_none(), checked.has_errors() || checked.kind == FileKind::Definition);
    }));
    let took = work() - before;
    assert!(checked.is_ok(), "{}: {what}: panicked on\n{text}", path.display());
    assert!(took < MOST_WORK, "{}: {what}: took {took:?}", path.display());
}

/// The time that a processor has given to this thread.
fn work() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("it is no less than nothing")
}

/// Which of the [`replacements`] a node gets.
#[derive(Clone, Copy)]
enum Replacing {
    /// All of them.
    WithEach,
    /// One of them, the next node the next one: for files with so many nodes that all kinds of them meet each.
    InTurn,
}

/// Every text that differs from the original in one node, with what was done to it.
fn mutants(text: &str, replacing: Replacing) -> Vec<(String, String)> {
    let mut sources = SourceMap::default();
    let file = sources.add("original", text);
    let root = parse(&sources, file, &mut Diagnostics::default()).expect("shipped files are YAML");
    let mut mutants = Vec::new();
    let replacements = replacements();
    let mut turn = 0;
    visit(&root, &mut |node| {
        turn += 1;
        let chosen = match replacing {
            Replacing::WithEach => &replacements[..],
            Replacing::InTurn => &replacements[turn % replacements.len()..][..1],
        };
        for (name, written) in chosen {
            let range = node.span.range();
            let mutant = format!("{}{written}{}", &text[..range.start], &text[range.end..]);
            mutants.push((format!("{} replaced by {name}", sources.place(node.span)), mutant));
        }
    });
    for target in 0..count(&root) {
        for edit in [Edit::Delete, Edit::Double, Edit::Alias] {
            let mut writer = Writer { out: String::new(), at: 0, target, edit };
            writer.node(&root, 0);
            mutants.push((format!("child {target} {edit:?}d"), writer.out));
        }
    }
    mutants
}

fn visit(node: &Node, visitor: &mut impl FnMut(&Node)) {
    visitor(node);
    match &node.content {
        Content::Scalar(_) => {}
        Content::List(items) => items.iter().for_each(|item| visit(item, visitor)),
        Content::Map(entries) => entries.iter().for_each(|entry| visit(&entry.value, visitor)),
    }
}

/// How many items and entries there are at all depths.
fn count(node: &Node) -> usize {
    let mut nodes = 0;
    visit(node, &mut |_| nodes += 1);
    nodes - 1
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Edit {
    Delete,
    Double,
    /// Doubled by an alias, so that two nodes have one place.
    Alias,
}

/// Writes a tree in block style, with one item or entry deleted, doubled or followed by its alias.
struct Writer {
    out: String,
    at: usize,
    target: usize,
    edit: Edit,
}

impl Writer {
    fn node(&mut self, node: &Node, depth: usize) {
        match &node.content {
            Content::List(items) => {
                for item in items.iter() {
                    self.child("-", item, depth);
                }
            }
            Content::Map(entries) => {
                for entry in entries.iter() {
                    let key = serde_json::to_string(&entry.key.value).expect("a text is JSON");
                    self.child(&format!("{key}:"), &entry.value, depth);
                }
            }
            Content::Scalar(_) => self.out += &format!(" {}", node.to_json()),
        }
    }

    fn child(&mut self, lead: &str, value: &Node, depth: usize) {
        let index = self.at;
        self.at += 1;
        let before = self.out.len();
        let lead = format!("\n{}{lead}", "  ".repeat(depth));
        let is_anchor = self.edit == Edit::Alias && index == self.target;
        self.out += &format!("{lead}{}", if is_anchor { " &twin" } else { "" });
        self.node(value, depth + 1);
        match self.edit {
            Edit::Delete if index == self.target => self.out.truncate(before),
            Edit::Double if index == self.target => {
                let written = self.out[before..].to_owned();
                self.out += &written;
            }
            Edit::Alias if index == self.target => self.out += &format!("{lead} *twin"),
            _ => {}
        }
    }
}

fn sweep(files: &[PathBuf], replacing: Replacing) {
    assert!(files.len() > 3, "only {} files found", files.len());
    for path in files {
        let text = fs::read_to_string(path).expect("shipped files are readable");
        let mutants = mutants(&text, replacing);
        assert!(mutants.len() > 100, "{}: only {} mutants", path.display(), mutants.len());
        for (what, mutant) in mutants {
            examine(path, &mutant, &what);
        }
    }
}

/// The shipped files: playbooks, definitions.
fn shipped() -> (Vec<PathBuf>, Vec<PathBuf>) {
    yaml_files("playbooks").into_iter().partition(|path| !path.starts_with("playbooks/providers"))
}

#[test]
fn thousands_of_mistakes() {
    let step = |number: usize| {
        format!(
            "  - {{ id: step_{number}, get: \"/x/${{{{ steps.stap_{number}x.outputs.a }}}}\", quary: {{}} }}\n\
             \x20 - {{ get: \"/x/${{{{ inputs.y_{number} }}}}\", json: {{ password: geheim{number}geheim }} }}\n"
        )
    };
    let steps: String = (0..300).map(step).collect();
    let inputs: String = (0..300).map(|number| format!("  x_{number}: {{}}\n")).collect();
    let text = format!(
        "version: 1\nproviders: {{ a: {{ base_url: https://a.example }} }}\ninputs:\n{inputs}steps:\n{steps}"
    );
    examine(Path::new("many.yaml"), &text, "thousands of mistakes");
}

#[test]
fn playbooks_with_one_node_changed() {
    sweep(&shipped().0, Replacing::WithEach);
}

#[test]
fn definitions_with_one_node_changed() {
    sweep(&shipped().1, Replacing::InTurn);
}

/// Of how many mutants one is given to the program itself.
const SAMPLE: usize = 41;

#[test]
fn apply_says_what_validate_says_and_sends_nothing() {
    let ear = Ear::open();
    let mut asked = 0;
    for path in shipped().0 {
        let text = fs::read_to_string(&path).expect("shipped files are readable");
        for (what, mutant) in mutants(&text, Replacing::WithEach).into_iter().step_by(SAMPLE) {
            if check_text(&path, &mutant, &Options::default(), &Nobody).has_errors() {
                asked += 1;
                compare(&ear, &mutant, &format!("{}: {what}", path.display()));
            }
        }
    }
    assert!(asked > 40, "only {asked} invalid playbooks");
    assert_eq!(ear.heard(), 0, "something was sent");
    let valid = "version: 1\nsteps:\n  - get: https://api.example.com/\n    retry: { attempts: 1 }\n";
    near(&ear, valid).args(["apply", "--no-prompt", "playbook.yaml"]).run();
    assert_ne!(ear.heard(), 0, "what a valid playbook sends was not heard: the test is deaf");
}

fn compare(ear: &Ear, mutant: &str, what: &str) {
    let runner = near(ear, mutant);
    let validated = runner.clone().args(["validate", "playbook.yaml"]).run().exits(2);
    let applied = runner.args(["apply", "--no-prompt", "playbook.yaml"]).run().exits(2);
    assert_eq!(applied.stderr, validated.stdout, "{what}");
    assert_eq!(applied.stdout, "", "{what}");
}

/// A room with this playbook, from which every request goes by way of the ear.
fn near(ear: &Ear, playbook: &str) -> Runner {
    let room = Runner::new().file("playbook.yaml", playbook);
    room.env("HTTP_PROXY", ear.address.as_str()).env("HTTPS_PROXY", ear.address.as_str())
}

/// A proxy that counts who comes and answers nobody.
struct Ear {
    address: String,
    heard: Arc<AtomicUsize>,
}

impl Ear {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let heard = Arc::new(AtomicUsize::new(0));
        let counter = heard.clone();
        std::thread::spawn(move || {
            for _ in listener.incoming() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { address, heard }
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }
}
