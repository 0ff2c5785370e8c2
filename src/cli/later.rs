//! What the documents promise and this version cannot do yet: refused in plain words, never accepted and ignored.

use clap::error::{ContextKind, ContextValue, ErrorKind};

const FLAGS: [&str; 11] = [
    "--compare",
    "--concurrency",
    "--entry",
    "--har",
    "--journal",
    "--ledger",
    "--matrix",
    "--resume",
    "--shard",
    "--trust",
    "--vault",
];
const COMMANDS: [&str; 12] = [
    "compare",
    "completions",
    "doctor",
    "explain",
    "journal",
    "ledger",
    "man",
    "new",
    "ping",
    "secrets",
    "trust",
    "vault",
];

/// What to say to a command line that asks for something which is only planned; `None` for any other mistake.
pub(super) fn refusal(error: &clap::Error) -> Option<String> {
    let (kind, planned): (ContextKind, &[&str]) = match error.kind() {
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, &FLAGS),
        ErrorKind::InvalidSubcommand => (ContextKind::InvalidSubcommand, &COMMANDS),
        _ => return None,
    };
    let Some(ContextValue::String(written)) = error.get(kind) else { return None };
    let name = written.split('=').next().unwrap_or(written);
    planned.contains(&name).then(|| format!("`{name}` is not supported yet"))
}

#[cfg(test)]
mod tests {
    use super::super::args::Cli;
    use super::*;
    use clap::Parser;

    fn refused(arguments: &[&str]) -> Option<String> {
        let error = Cli::try_parse_from([&["runner"], arguments].concat()).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        refusal(&error)
    }

    #[test]
    fn what_is_planned_is_refused_in_plain_words() {
        let flag = refused(&["apply", "p.yaml", "--entry=account=tokyo-1"]);
        assert_eq!(flag.as_deref(), Some("`--entry` is not supported yet"));
        for flag in ["--resume", "--journal", "--shard=1", "--matrix", "--compare", "--vault"] {
            let name = flag.split('=').next().unwrap();
            let expected = format!("`{name}` is not supported yet");
            assert_eq!(refused(&["apply", flag, "p.yaml"]), Some(expected), "{flag}");
        }
        for command in ["journal", "ping", "vault"] {
            assert_eq!(refused(&[command, "emnify"]), Some(format!("`{command}` is not supported yet")));
        }
    }

    #[test]
    fn other_mistakes_are_not_explained_away() {
        assert_eq!(refused(&["apply", "--simulated", "p.yaml"]), None);
        assert_eq!(refused(&["aply", "p.yaml"]), None);
        assert_eq!(refused(&["apply"]), None);
    }
}
