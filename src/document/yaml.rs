//! YAML 1.2 text to a tree in which every key and value has its place.

use crate::source::{Code, Diagnostic, Diagnostics, FileId, SourceMap, Span, Spanned, Text};
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Tag};
use serde_json::{Number, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Aliases may multiply what a file holds up to this number of nodes, no further.
const MAX_NODES: usize = 2_000_000;

/// How deep lists and maps may lie in each other, aliases unfolded. Everything behind may recurse without fear.
const MAX_DEPTH: usize = 100;

/// A value of a YAML file with its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it is written. For a map or list in block style: from its first key or dash to its end.
    pub span: Span,
    /// What is written.
    pub content: Content,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub enum Content {
    /// Text, a number, a boolean or nothing.
    Scalar(Scalar),
    /// A list.
    List(Arc<Vec<Node>>),
    /// A map, in the order of the file. Keys are unique.
    Map(Arc<Vec<Entry>>),
}

/// One key of a map with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: Spanned<String>,
    /// The value.
    pub value: Node,
}

/// A scalar with what YAML 1.2's core schema makes of it.
#[derive(Debug, Clone)]
pub struct Scalar {
    /// Its text with the place of each character.
    pub text: Text,
    /// Its type; quoted scalars and blocks are always text.
    pub kind: ScalarKind,
}

/// The type of a scalar.
#[derive(Debug, Clone, PartialEq)]
pub enum ScalarKind {
    /// Nothing at all, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number with all its digits.
    Number(Number),
    /// Anything else.
    Text,
}

impl Node {
    /// What the node is, in words for a message.
    pub fn describe(&self) -> &'static str {
        match &self.content {
            Content::Scalar(scalar) => match scalar.kind {
                ScalarKind::Null => "nothing",
                ScalarKind::Bool(_) => "a boolean",
                ScalarKind::Number(_) => "a number",
                ScalarKind::Text => "text",
            },
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }

    /// The scalar, if it is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.content {
            Content::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text of a scalar that is text.
    pub fn as_text(&self) -> Option<&Text> {
        self.as_scalar().filter(|scalar| scalar.kind == ScalarKind::Text).map(|scalar| &scalar.text)
    }

    /// The entries, if it is a map.
    pub fn as_map(&self) -> Option<&[Entry]> {
        match &self.content {
            Content::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a key, if it is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.iter().find(|entry| entry.key.value == key).map(|entry| &entry.value)
    }

    /// A key as it is written, if it is a map that has it.
    pub fn key(&self, key: &str) -> Option<&Spanned<String>> {
        self.as_map()?.iter().find(|entry| entry.key.value == key).map(|entry| &entry.key)
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.content {
            Content::List(items) => Some(items),
            _ => None,
        }
    }

    /// The JSON that it stands for.
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Scalar(scalar) => match &scalar.kind {
                ScalarKind::Null => Value::Null,
                ScalarKind::Bool(flag) => Value::Bool(*flag),
                ScalarKind::Number(number) => Value::Number(number.clone()),
                ScalarKind::Text => Value::String(scalar.text.value.clone()),
            },
            Content::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Content::Map(entries) => {
                entries.iter().map(|entry| (entry.key.value.clone(), entry.value.to_json())).collect()
            }
        }
    }

    /// True for nothing, `~` and `null`.
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(|scalar| scalar.kind == ScalarKind::Null)
    }
}

/// Parses a file into its one document. `None` when the text is no YAML or not one document; the diagnostics say why.
/// Double keys are diagnosed and the first of them kept.
pub fn parse(sources: &SourceMap, file: FileId, diagnostics: &mut Diagnostics) -> Option<Node> {
    let text = sources.file(file).text().clone();
    let mut builder = Builder {
        file,
        text: &text,
        parser: Parser::new_from_str_with_options(&text, granit_parser::options! { emit_comments: false }),
        anchors: HashMap::new(),
        nodes: 0,
        depth: 0,
        deepest: 0,
        diagnostics,
    };
    match builder.document() {
        Ok(node) => node,
        Err(Failure(diagnostic)) => {
            diagnostics.push(*diagnostic);
            None
        }
    }
}

/// The offset of a tab that indents the line of an offset.
fn tab_in_indentation(text: &str, at: usize) -> Option<usize> {
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let blanks = text[start..].bytes().take_while(|byte| matches!(byte, b' ' | b'\t'));
    blanks.enumerate().find(|(_, byte)| *byte == b'\t').map(|(offset, _)| start + offset)
}

/// The first thing that makes going on senseless. Boxed: it is rare and large.
struct Failure(Box<Diagnostic>);

struct Builder<'a> {
    file: FileId,
    text: &'a str,
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    anchors: HashMap<usize, Anchored>,
    /// Nodes so far, those behind aliases counted each time.
    nodes: usize,
    /// How deep the node that is being built lies, and the deepest so far.
    depth: usize,
    deepest: usize,
    diagnostics: &'a mut Diagnostics,
}

/// A node that aliases may name, with its measures.
struct Anchored {
    node: Node,
    size: usize,
    height: usize,
}

type Step<'a> = (Event<'a>, Span);

/// The keys of a map so far. Most maps are small, so that looking through them is cheaper than an index.
#[derive(Default)]
struct KnownKeys {
    index: HashMap<String, Span>,
}

impl KnownKeys {
    /// Up to so many keys are looked through.
    const FEW: usize = 16;

    /// Where a key is written among the entries so far.
    fn place(&mut self, entries: &[Entry], key: &str) -> Option<Span> {
        if entries.len() <= Self::FEW {
            return entries.iter().find(|entry| entry.key.value == key).map(|entry| entry.key.span);
        }
        for entry in &entries[self.index.len()..] {
            self.index.insert(entry.key.value.clone(), entry.key.span);
        }
        self.index.get(key).copied()
    }
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Option<Node>, Failure> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(self.fail(
                        Code::NotOneDocument,
                        span,
                        "a second YAML document begins here; a file holds one",
                    ));
                }
                Event::DocumentStart(..) => {
                    let first = self.next()?;
                    root = Some(self.node(first)?);
                }
                _ => break,
            }
        }
        match root {
            Some(root) if !root.is_null() => Ok(Some(root)),
            _ => {
                let span = Span::new(self.file, 0..0);
                Err(self.fail(Code::NotOneDocument, span, "the file is empty"))
            }
        }
    }

    fn next(&mut self) -> Result<Step<'a>, Failure> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                let range = span.byte_range().unwrap_or(0..0);
                Ok((event, Span::new(self.file, range)))
            }
            Some(Err(error)) => {
                let at = error.marker().byte_offset().unwrap_or(0).min(self.text.len());
                let at = self.text.floor_char_boundary(at);
                let width = self.text[at..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
                let span = Span::new(self.file, at..at + width);
                Err(Failure(Box::new(self.syntax_error(&error, span))))
            }
            None => Ok((Event::StreamEnd, Span::new(self.file, self.text.len()..self.text.len()))),
        }
    }

    fn syntax_error(&self, error: &granit_parser::ScanError, span: Span) -> Diagnostic {
        let (before, rest) = self.text.split_at(span.start as usize);
        let is_in_template = rest.starts_with("{{") && before.ends_with('$');
        if is_in_template {
            let message = "inside of { } and [ ] a template stands in quotes";
            let dollar = Span { start: span.start - 1, end: span.start + 2, ..span };
            return Diagnostic::new(Code::Syntax, dollar, message).label("write `\"${{ ... }}\"`");
        }
        // The parser stops in the line of the tab, behind it, or before it at what the next line seems to continue.
        let line_before = before.rfind('\n').unwrap_or(0);
        let line_behind = rest.find('\n').map(|end| before.len() + end + 1);
        let line_behind = line_behind.filter(|_| error.info().contains("tab"));
        let lines = [Some(before.len()), Some(line_before), line_behind];
        if let Some(tab) = lines.into_iter().flatten().find_map(|at| tab_in_indentation(self.text, at)) {
            return self.tab(tab);
        }
        if rest.starts_with(':') {
            return self.stray_colon(span);
        }
        let (reason, help) = explain(error);
        let diagnostic = Diagnostic::new(Code::Syntax, span, format!("not valid YAML: {reason}"));
        if help.is_empty() { diagnostic } else { diagnostic.help(help) }
    }

    fn tab(&self, at: usize) -> Diagnostic {
        let span = Span::new(self.file, at..at + 1);
        Diagnostic::new(Code::Syntax, span, "a tab cannot indent YAML").label("use spaces instead")
    }

    /// The parser lets tabs pass before some keys and dashes, where columns decide what belongs together.
    fn refuse_tab(&self, collection: Span, item: Span) -> Result<(), Failure> {
        let is_flow = self.text[collection.start as usize..].starts_with(['{', '[']);
        match tab_in_indentation(self.text, item.start as usize).filter(|_| !is_flow) {
            Some(tab) => Err(Failure(Box::new(self.tab(tab)))),
            None => Ok(()),
        }
    }

    /// A colon that makes no key: behind another one it belongs to a text; else its key is in the wrong column.
    fn stray_colon(&self, span: Span) -> Diagnostic {
        let line_start = self.text[..span.start as usize].rfind('\n').map_or(0, |end| end + 1);
        let line = &self.text[line_start..span.start as usize];
        if line.contains(": ") {
            let message = "`: ` inside of a text begins a map";
            return Diagnostic::new(Code::Syntax, span, message).label("put the whole text in quotes");
        }
        let key_start = line_start + line.len() - line.trim_start_matches([' ', '-']).len();
        let key = Span::new(self.file, key_start..span.start as usize);
        let message = "not valid YAML: this key fits to none above";
        let help = "keys of one map begin in the same column; a text of several lines stands in quotes";
        Diagnostic::new(Code::Syntax, key, message).help(help)
    }

    fn fail(&self, code: Code, span: Span, message: impl Into<String>) -> Failure {
        Failure(Box::new(Diagnostic::new(code, span, message)))
    }

    fn node(&mut self, (event, span): Step<'a>) -> Result<Node, Failure> {
        if let Event::Alias(anchor) = event {
            return self.alias(anchor, span);
        }
        let nodes_before = self.nodes;
        let deepest_before = std::mem::replace(&mut self.deepest, self.depth);
        self.depth += 1;
        self.measure(1, 0, span)?;
        let (anchor, node) = match event {
            Event::Scalar(value, style, anchor, tag) => {
                (anchor, self.scalar(&value, style, tag.as_deref(), span))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span);
                (anchor, self.list(span)?)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span);
                (anchor, self.map(span)?)
            }
            _ => return Err(self.fail(Code::Syntax, span, "not valid YAML: a value is missing")),
        };
        self.depth -= 1;
        if anchor != 0 {
            let (size, height) = (self.nodes - nodes_before, self.deepest - self.depth);
            self.anchors.insert(anchor, Anchored { node: node.clone(), size, height });
        }
        self.deepest = self.deepest.max(deepest_before);
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Failure> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(self.fail(Code::Syntax, span, "this alias stands inside of what it names"));
        };
        let (node, size, height) = (anchored.node.clone(), anchored.size, anchored.height);
        self.measure(size, height, span)?;
        Ok(node)
    }

    /// Counts nodes that are `height` levels deep from here; refuses a file that unfolds too far.
    fn measure(&mut self, size: usize, height: usize, span: Span) -> Result<(), Failure> {
        self.nodes += size;
        self.deepest = self.deepest.max(self.depth + height);
        if self.nodes > MAX_NODES {
            let message = format!("the file unfolds to more than {MAX_NODES} values");
            return Err(self.fail(Code::Syntax, span, message));
        }
        if self.deepest > MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} lists and maps lie in each other here");
            return Err(self.fail(Code::Syntax, span, message));
        }
        Ok(())
    }

    fn scalar(&mut self, value: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Node {
        let is_forced_text = tag.is_some_and(|tag| tag.core_suffix() == Some("str"));
        if !is_forced_text {
            self.refuse_tag(tag, span);
        }
        let kind = match style {
            ScalarStyle::Plain if !is_forced_text => resolve(value),
            _ => ScalarKind::Text,
        };
        let written = self.text.get(span.range()).unwrap_or_default();
        let text = Text::new(value.to_owned(), span, written, style == ScalarStyle::DoubleQuoted);
        Node { span, content: Content::Scalar(Scalar { text, kind }) }
    }

    fn list(&mut self, start: Span) -> Result<Node, Failure> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                let span = Span { end: span.end.max(start.end), ..start };
                return Ok(Node { span, content: Content::List(Arc::new(items)) });
            }
            self.refuse_tab(start, span)?;
            items.push(self.node((event, span))?);
        }
    }

    fn map(&mut self, start: Span) -> Result<Node, Failure> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut known = KnownKeys::default();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                let span = Span { end: span.end.max(start.end), ..start };
                return Ok(Node { span, content: Content::Map(Arc::new(entries)) });
            }
            self.refuse_tab(start, span)?;
            let key = self.node((event, span))?;
            let first_of_value = self.next()?;
            let value = self.node(first_of_value)?;
            let Some(key) = self.key(&key) else { continue };
            if let Some(first) = known.place(&entries, &key.value) {
                self.diagnostics.push(
                    Diagnostic::new(
                        Code::DuplicateKey,
                        key.span,
                        format!("`{}` is written twice", key.value),
                    )
                    .also(first, "first written here"),
                );
                continue;
            }
            entries.push(Entry { key, value });
        }
    }

    /// A key as text. Templates of other tools parse as maps in the place of a key (`{{ x }}`): said in plain words.
    fn key(&mut self, node: &Node) -> Option<Spanned<String>> {
        match node.as_scalar() {
            Some(scalar) if scalar.text.value == "<<" => {
                self.diagnostics.push(
                    Diagnostic::new(Code::UnknownKey, node.span, "merge keys are not part of YAML 1.2")
                        .help("write the keys out; `*alias` as a whole value works"),
                );
                None
            }
            Some(scalar) => Some(Spanned::new(scalar.text.value.clone(), node.span)),
            None => {
                let only = node.as_map().filter(|entries| entries.len() == 1).and_then(<[Entry]>::first);
                let is_bare_template = only.is_some_and(|entry| entry.value.is_null());
                let diagnostic = if is_bare_template {
                    Diagnostic::new(Code::TemplateForm, node.span, "`{{ }}` without `$` is a YAML map")
                        .help("write \"${{ ... }}\", in quotes inside of { } and [ ]")
                } else {
                    Diagnostic::new(Code::WrongType, node.span, "a key is text")
                };
                self.diagnostics.push(diagnostic);
                None
            }
        }
    }

    /// `span` is that of the value, which stands behind its tag.
    fn refuse_tag(&mut self, tag: Option<&Tag>, span: Span) {
        if let Some(tag) = tag {
            let written = tag.original();
            let before = &self.text[..span.start as usize];
            let place = before.rfind(&written).map(|at| Span::new(self.file, at..at + written.len()));
            let message = format!("YAML tags such as `{written}` have no meaning here");
            self.diagnostics.push(Diagnostic::new(Code::Syntax, place.unwrap_or(span), message));
        }
    }
}

/// What is wrong and what to do, for the mistakes that people make; else the parser's own words.
fn explain(error: &granit_parser::ScanError) -> (String, &'static str) {
    let (reason, help) = match error.kind() {
        ErrorKind::ExpectedFlowMappingSeparator => ("a `,` or `}` is missing before this", ""),
        ErrorKind::ExpectedFlowSequenceSeparator => ("a `,` or `]` is missing before this", ""),
        ErrorKind::UnclosedFlowCollection { .. } => ("this bracket is never closed", ""),
        ErrorKind::UnclosedQuotedScalar => ("this quote is never closed", ""),
        ErrorKind::UnknownAnchor => {
            ("no anchor has this name", "a text that begins with `*` stands in quotes")
        }
        ErrorKind::UnknownQuotedScalarEscape => {
            ("no such escape", "in double quotes write `\\\\` for a backslash, or use single quotes")
        }
        ErrorKind::UnexpectedCharacter { .. } => {
            ("no value can begin with this character", "put the text in quotes")
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            ("something stands behind a closing quote", "is a `,` missing, or a quote inside of the text?")
        }
        ErrorKind::InvalidQuotedScalarIndent => {
            ("a quoted text goes on here without being indented", "a quote above may never be closed")
        }
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => {
            ("this line fits to none above", "keys of one map begin in the same column; a list's dashes, too")
        }
        _ => return (error.info().trim_end_matches('.').to_owned(), ""),
    };
    (reason.to_owned(), help)
}

/// The core schema of YAML 1.2 (section 10.3.2), except that `017` stays text: whoever writes it means the digits.
fn resolve(value: &str) -> ScalarKind {
    match value {
        "" | "~" | "null" | "Null" | "NULL" => ScalarKind::Null,
        "true" | "True" | "TRUE" => ScalarKind::Bool(true),
        "false" | "False" | "FALSE" => ScalarKind::Bool(false),
        _ => number(value).map_or(ScalarKind::Text, ScalarKind::Number),
    }
}

fn number(value: &str) -> Option<Number> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = value.strip_prefix(prefix) {
            let is_number = digits.starts_with(|c: char| c.is_ascii_hexdigit());
            return u64::from_str_radix(digits, radix).ok().filter(|_| is_number).map(Number::from);
        }
    }
    let (sign, rest) = match value.strip_prefix(['-', '+']) {
        Some(rest) => (if value.starts_with('-') { "-" } else { "" }, rest),
        None => ("", value),
    };
    let (whole, rest) = digits_of(rest);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits_of);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    // Zeros before the number and a malformed exponent are left for the reader of JSON to refuse.
    serde_json::from_str(&format!("{sign}{whole}{point}{fraction}{rest}")).ok()
}

/// The digits that a text begins with, and the rest.
fn digits_of(text: &str) -> (&str, &str) {
    text.split_at(text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> (Option<Node>, Vec<Diagnostic>, SourceMap) {
        let mut sources = SourceMap::default();
        let file = sources.add("t.yaml", text);
        let mut diagnostics = Diagnostics::default();
        let node = parse(&sources, file, &mut diagnostics);
        (node, diagnostics.into_sorted(), sources)
    }

    fn kind(text: &str) -> ScalarKind {
        let (node, ..) = parse_text(&format!("a: {text}"));
        node.unwrap().get("a").unwrap().as_scalar().unwrap().kind.clone()
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        assert_eq!(kind("yes"), ScalarKind::Text);
        assert_eq!(kind("on"), ScalarKind::Text);
        assert_eq!(kind("017"), ScalarKind::Text);
        assert_eq!(kind("1_000"), ScalarKind::Text);
        assert_eq!(kind("'5'"), ScalarKind::Text);
        assert_eq!(kind("!!str 5"), ScalarKind::Text);
        assert_eq!(kind("true"), ScalarKind::Bool(true));
        assert_eq!(kind("~"), ScalarKind::Null);
        assert_eq!(kind("0x1F"), ScalarKind::Number(31.into()));
        for (written, digits) in
            [(".5", "0.5"), ("-.5e1", "-0.5e1"), ("5.", "5"), ("5.e2", "5e2"), ("+7", "7")]
        {
            let ScalarKind::Number(number) = kind(written) else { panic!("{written} is no number") };
            assert_eq!(number, serde_json::from_str::<Number>(digits).unwrap(), "{written}");
        }
        for text in
            [".", "..", "-.", "+", "1.5.", ".5.", "1e5.", "1e", "0x+5", "0x", "0o9", "1.2.3", "--5", "+-5"]
        {
            assert_eq!(kind(&format!("{text} # not a number")), ScalarKind::Text, "{text}");
        }
        for digits in ["8988303000000000129123", "-5", "1.50", "1e+3"] {
            let ScalarKind::Number(number) = kind(digits) else { panic!("{digits} is no number") };
            assert_eq!(number.to_string(), digits);
        }
    }

    #[test]
    fn every_key_and_value_has_its_place() {
        let (node, _, sources) = parse_text("a:\n  - b: 'x'\n    c: { d: [1, 2] }\n");
        let item = &node.unwrap().get("a").unwrap().as_list().unwrap()[0].clone();
        assert_eq!(sources.place(item.get("b").unwrap().span), "t.yaml:2:8");
        let list = item.get("c").unwrap().get("d").unwrap();
        assert_eq!(sources.snippet(list.span), "[1, 2]");
        assert_eq!(sources.place(list.as_list().unwrap()[1].span), "t.yaml:3:17");
    }

    #[test]
    fn double_keys_are_found_in_large_maps_too() {
        let keys: String = (0..100).map(|number| format!("k{number}: 1\n")).collect();
        for double in ["k3", "k99"] {
            let (_, diagnostics, sources) = parse_text(&format!("{keys}{double}: 2\n"));
            assert_eq!(diagnostics.len(), 1);
            let first = sources.place(diagnostics[0].secondary[0].span);
            assert_eq!(first, format!("t.yaml:{}:1", double[1..].parse::<usize>().unwrap() + 1));
        }
    }

    #[test]
    fn double_keys_name_both_places() {
        let (_, diagnostics, sources) = parse_text("a: 1\nb: 2\na: 3\n");
        assert_eq!(diagnostics[0].code, Code::DuplicateKey);
        assert_eq!(sources.place(diagnostics[0].primary.span), "t.yaml:3:1");
        assert_eq!(sources.place(diagnostics[0].secondary[0].span), "t.yaml:1:1");
    }

    #[test]
    fn aliases_are_unfolded_but_not_without_end() {
        let (node, diagnostics, _) = parse_text("a: &x { k: 1 }\nb: *x\n");
        assert!(diagnostics.is_empty());
        assert!(node.unwrap().get("b").unwrap().get("k").is_some());
        let mut bomb = String::from("a0: &a0 [1,1,1,1,1,1,1,1,1]\n");
        for level in 1..10 {
            let below = format!("*a{}", level - 1);
            bomb += &format!("a{level}: &a{level} [{}]\n", [below.as_str(); 9].join(","));
        }
        assert!(parse_text(&bomb).0.is_none());
    }

    #[test]
    fn tabs_are_text_but_never_indent() {
        let (node, diagnostics, _) =
            parse_text("a: |\n  x:\n  \tcc: y\n  - \tz\nb: 'one\n  \ttwo: 2'\nc: {\n  \td: 1 }\n");
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        assert_eq!(node.unwrap().get("a").unwrap().as_text().unwrap().value, "x:\n\tcc: y\n- \tz\n");
        for text in ["\ta: 1\n", "a:\n\tb: 1\n", "a:\n  - x: 1\n\ty: 2\n", "a:\n\t- b\n"] {
            let (node, diagnostics, sources) = parse_text(text);
            assert!(node.is_none(), "{text:?}");
            assert_eq!(diagnostics[0].message, "a tab cannot indent YAML", "{text:?}");
            assert_eq!(sources.snippet(diagnostics[0].primary.span), "\t");
        }
    }

    #[test]
    fn other_documents_and_empty_files_are_refused() {
        for text in ["", "# nothing\n", "a: 1\n---\nb: 2\n", "a: [1\n", "\ta: 1\n", "a: b: c\n"] {
            let (node, diagnostics, _) = parse_text(text);
            assert!(node.is_none() && diagnostics.len() == 1, "{text:?}: {diagnostics:?}");
        }
    }
}
