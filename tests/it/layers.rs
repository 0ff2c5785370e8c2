//! The import direction of `src/`: every folder has a level, and imports only from lower ones.

use std::fs;
use std::path::{Path, PathBuf};

/// The level of every folder of `src/`. Folders of one level ignore each other.
const LEVELS: [(&str, u8); 17] = [
    ("model", 0),
    ("source", 1),
    ("port", 1),
    ("template", 2),
    ("event", 2),
    ("document", 3),
    ("plan", 4),
    ("credential", 5),
    ("exchange", 6),
    ("session", 7),
    ("engine", 8),
    ("report", 9),
    ("journal", 9),
    ("system", 9),
    ("simulate", 9),
    ("cli", 10),
    ("main", 11),
];

/// What the levels would allow and must not be: the simulators are written from the facts, not from our
/// client.
const FORBIDDEN: [(&str, &str); 2] = [("simulate", "session"), ("simulate", "engine")];

/// What unit tests of every level may use.
const TEST_TOOLS: [&str; 2] = ["port", "fake"];

#[test]
fn imports_point_downwards() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&src);
    assert!(files.iter().any(|file| file.ends_with("model/mod.rs")), "no sources in {}", src.display());
    let complaints: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(file).expect("sources are readable");
            complaints(file.strip_prefix(&src).expect("the file lies in src"), &text)
        })
        .collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("sources are readable");
    entries
        .map(|entry| entry.expect("sources are readable").path())
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// One line for each import of a file that the levels do not allow. `path` is relative to `src/`.
fn complaints(path: &Path, text: &str) -> Vec<String> {
    let modules = module_path(path);
    let Some(folder) = modules.first() else {
        return Vec::new(); // lib.rs declares the folders and belongs to none.
    };
    let complaint = |what: String| format!("src/{}: {what}", path.display());
    if level(folder).is_none() {
        return vec![complaint(format!("`{folder}` has no level"))];
    }
    let tokens = tokens(text);
    imports(&tokens, &modules)
        .into_iter()
        .filter(|import| !is_allowed(folder, import))
        .map(|import| complaint(format!("`{folder}` must not import `{}`", import.path.join("::"))))
        .collect()
}

fn level(folder: &str) -> Option<u8> {
    LEVELS.iter().find(|(name, _)| *name == folder).map(|(_, level)| *level)
}

fn is_allowed(importer: &str, import: &Import) -> bool {
    let imported = import.path.first().copied().unwrap_or_default();
    let is_test_tool = import.is_in_tests && import.path.starts_with(&TEST_TOOLS);
    let is_lower = level(imported).is_some_and(|imported| Some(imported) < level(importer));
    imported == importer || is_test_tool || (is_lower && !FORBIDDEN.contains(&(importer, imported)))
}

/// `engine/run.rs` is `[engine, run]`, `engine/mod.rs` is `[engine]`, `lib.rs` is empty.
fn module_path(path: &Path) -> Vec<String> {
    let path = path.with_extension("");
    let mut modules: Vec<String> = path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    modules.pop_if(|name| name == "mod" || name == "lib");
    modules
}

/// A path below the root of the crate that a file names, in a `use` or in the middle of code.
struct Import<'a> {
    path: Vec<&'a str>,
    is_in_tests: bool,
}

/// A module written inside of a file.
struct InlineModule<'a> {
    name: &'a str,
    /// How many braces are open around it.
    depth: usize,
}

/// Every path in a file that begins at the root of the crate.
fn imports<'a>(tokens: &'a [Token<'a>], modules: &[String]) -> Vec<Import<'a>> {
    let is_test_file = modules.last().is_some_and(|name| name == "tests");
    let mut imports = Vec::new();
    let mut inline: Vec<InlineModule> = Vec::new();
    let mut depth: usize = 0;
    let mut rest = tokens;
    while let [_, after @ ..] = rest {
        match rest {
            [Token::Word("mod"), Token::Word(name), Token::Open, ..] => {
                inline.push(InlineModule { name, depth })
            }
            [Token::Open, ..] => depth += 1,
            [Token::Close, ..] => {
                depth = depth.saturating_sub(1);
                inline.pop_if(|module| module.depth == depth);
            }
            _ => {}
        }
        let is_in_tests = is_test_file || inline.iter().any(|module| module.name == "tests");
        if let Some(tree) = below_root(rest, modules, inline.len()) {
            let mut paths = Vec::new();
            expand(tree, Vec::new(), &mut paths);
            imports.extend(paths.into_iter().map(|path| Import { path, is_in_tests }));
        }
        rest = after;
    }
    imports
}

/// What follows `crate::`, or as many `super::` as lead to the root, or in the program itself `runner::`.
fn below_root<'a>(tokens: &'a [Token<'a>], modules: &[String], inline: usize) -> Option<&'a [Token<'a>]> {
    match tokens {
        [Token::Word("crate"), Token::Colons, tree @ ..] => Some(tree),
        [Token::Word("runner"), Token::Colons, tree @ ..] if modules == ["main"] => Some(tree),
        _ => {
            let (ups, tree) = tokens.split_at_checked(2 * (modules.len() + inline))?;
            let is_up = |pair: &[Token]| matches!(pair, [Token::Word("super"), Token::Colons]);
            ups.chunks(2).all(is_up).then_some(tree)
        }
    }
}

/// Adds the paths of a use tree, and returns what follows it: `a::{b, c::d}` holds `a::b` and `a::c::d`.
fn expand<'a>(
    mut rest: &'a [Token<'a>],
    mut prefix: Vec<&'a str>,
    paths: &mut Vec<Vec<&'a str>>,
) -> &'a [Token<'a>] {
    while let [Token::Word(name), Token::Colons, after @ ..] = rest {
        prefix.push(name);
        rest = after;
    }
    match rest {
        [Token::Open, group @ ..] => {
            rest = group;
            while !matches!(rest, [] | [Token::Close, ..]) {
                rest = expand(rest, prefix.clone(), paths);
                rest = behind_alias(rest);
            }
        }
        [Token::Word(name), ..] => {
            prefix.push(name);
            paths.push(prefix);
        }
        _ => paths.push(prefix), // `*`, or the type arguments of a path in code.
    }
    rest.get(1..).unwrap_or_default()
}

/// What follows the next comma of a group, or its closing brace.
fn behind_alias<'a>(tokens: &'a [Token<'a>]) -> &'a [Token<'a>] {
    let end = tokens.iter().position(|token| matches!(token, Token::Comma | Token::Close));
    let end = end.unwrap_or(tokens.len());
    let is_comma = matches!(tokens.get(end), Some(Token::Comma));
    &tokens[end + usize::from(is_comma)..]
}

/// As much of Rust as paths and modules need.
#[derive(Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    Colons,
    Open,
    Close,
    Comma,
    Other,
}

/// The tokens of a Rust file, without its comments and literals.
fn tokens(mut text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    while let Some(first) = text.chars().next() {
        let word = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        let (token, length) = match first {
            _ if ignored_length(text) > 0 => (None, ignored_length(text)),
            _ if word > 0 => (Some(Token::Word(&text[..word])), word),
            ':' if text.starts_with("::") => (Some(Token::Colons), 2),
            '{' => (Some(Token::Open), 1),
            '}' => (Some(Token::Close), 1),
            ',' => (Some(Token::Comma), 1),
            other => (Some(Token::Other), other.len_utf8()),
        };
        tokens.extend(token);
        text = &text[length..];
    }
    tokens
}

/// The length in bytes of the space, comment or literal that `text` begins with; 0 if it begins with
/// something else.
fn ignored_length(text: &str) -> usize {
    let space = text.len() - text.trim_start().len();
    if space > 0 {
        return space;
    }
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment_length(text);
    }
    let mut characters = text.chars();
    match (characters.next(), characters.next(), characters.next()) {
        (Some('"'), ..) => quoted_length(text, '"'),
        (Some('\''), Some('\\'), _) | (Some('\''), Some(_), Some('\'')) => quoted_length(text, '\''),
        (Some('r'), Some('"' | '#'), _) => raw_string_length(text),
        _ => 0,
    }
}

fn quoted_length(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == quote && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |(index, _)| index + 1)
}

/// Zero for what only looks like a raw string: the raw identifier `r#type`.
fn raw_string_length(text: &str) -> usize {
    let hashes = text[1..].len() - text[1..].trim_start_matches('#').len();
    let Some(body) = text[1 + hashes..].strip_prefix('"') else { return 0 };
    let end = format!("\"{}", "#".repeat(hashes));
    body.find(&end).map_or(text.len(), |index| text.len() - body.len() + index + end.len())
}

fn block_comment_length(text: &str) -> usize {
    let mut depth = 0;
    for index in 0..text.len() {
        match text.as_bytes().get(index..index + 2) {
            Some(b"/*") => depth += 1,
            Some(b"*/") => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return index + 2;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, text: &str) -> Vec<String> {
        complaints(Path::new(path), text)
    }

    #[track_caller]
    fn assert_refused(path: &str, text: &str, import: &str) {
        let folder = path.split(['/', '.']).next().unwrap();
        assert_eq!(of(path, text), [format!("src/{path}: `{folder}` must not import `{import}`")]);
    }

    #[test]
    fn lower_folders_and_the_own_one_are_allowed() {
        let text = "use crate::plan::Plan;\nuse super::scope::Scope;\nfn f() { crate::model::id::next(); }";
        assert_eq!(of("engine/run.rs", text), [""; 0]);
        assert_eq!(of("engine/run.rs", "use crate::engine::scope::Scope;"), [""; 0]);
        assert_eq!(of("main.rs", "fn main() { runner::cli::run(); }"), [""; 0]);
        assert_eq!(of("lib.rs", "pub use crate::cli::run;"), [""; 0]);
    }

    #[test]
    fn a_higher_folder_is_refused() {
        assert_refused("model/id.rs", "use crate::plan::Plan;", "plan::Plan");
        assert_refused("engine/mod.rs", "fn f() -> crate::report::Line { todo!() }", "report::Line");
        assert_refused("port/mod.rs", "pub(crate) use crate::session::*;", "session");
    }

    #[test]
    fn a_folder_of_the_same_level_is_refused() {
        assert_refused("event/kind.rs", "use crate::document::Step;", "document::Step");
        assert_refused("report/json.rs", "use crate::system::file;", "system::file");
    }

    #[test]
    fn a_group_hides_nothing() {
        let text = "use crate::{model::{Id, secret as s}, engine::{run::{Run}}, plan as p};";
        assert_refused("plan/check.rs", text, "engine::run::Run");
    }

    #[test]
    fn super_hides_nothing() {
        assert_refused("plan/check.rs", "use super::super::engine::Run;", "engine::Run");
        assert_refused("plan/mod.rs", "use super::engine::Run;", "engine::Run");
        assert_refused("plan/check.rs", "mod inner { use super::super::super::engine::Run; }", "engine::Run");
        assert_refused("plan/check.rs", "mod inner {}\nuse super::super::engine::Run;", "engine::Run");
    }

    #[test]
    fn comments_and_literals_are_no_imports() {
        let text = concat!(
            "/// See [`crate::cli::Args`].\n/* /* crate::cli::A */ crate::cli::B */\n",
            r###"const A: &str = "\"crate::cli::C"; const B: &str = r#""crate::cli::D"#; const Q: char = '"';"###,
            "fn f<'a>(r#type: &'a str) { let c = '\\''; }",
        );
        assert_eq!(of("model/id.rs", text), [""; 0]);
        assert_refused("model/id.rs", &format!("{text} use crate::cli::E;"), "cli::E");
    }

    #[test]
    fn unit_tests_may_use_the_fakes() {
        let text = "mod tests { use crate::port::fake::Clock; }";
        assert_eq!(of("model/retry.rs", text), [""; 0]);
        assert_eq!(of("model/retry/tests.rs", "use crate::port::fake::Clock;"), [""; 0]);
        assert_refused("model/retry.rs", "use crate::port::fake::Clock;", "port::fake::Clock");
        assert_refused("model/retry.rs", "mod tests { use crate::port::Clock; }", "port::Clock");
        assert_refused("model/retry.rs", &format!("{text}\nuse crate::port::fake;"), "port::fake");
    }

    #[test]
    fn simulators_know_nothing_of_our_client() {
        assert_eq!(of("simulate/emnify.rs", "use crate::model::http;"), [""; 0]);
        assert_refused("simulate/emnify.rs", "use crate::session::grant;", "session::grant");
        assert_refused("simulate/emnify.rs", "use crate::engine::run;", "engine::run");
    }

    #[test]
    fn a_folder_without_a_level_is_refused() {
        assert_eq!(of("helpers/mod.rs", ""), ["src/helpers/mod.rs: `helpers` has no level"]);
        assert_refused("cli/apply.rs", "use crate::helpers::join;", "helpers::join");
    }
}
