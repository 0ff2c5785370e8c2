//! The search through a chain: each source is asked in its turn, the first that answers wins.

use super::totp;
use super::types::{Chain, Found, FoundIn, Missing, Preview, Tried};
use crate::document::{JsonPath, SourceKind};
use crate::model::secret::SecretText;
use crate::port::{OutOfReach, PromptError, Question, Reach, World};
use crate::template::{Template, json_to_text};
use std::io;
use std::path::PathBuf;

/// Looks a value up. `totp` gives the TOTP secret that the credential of a name holds, `None` if there is none.
///
/// Whoever gets a secret lets the redactor learn it before anything else is done with it.
///
/// # Errors
/// [`Missing`], with the reason of every source.
pub async fn look_up(
    world: &World,
    chain: &Chain<'_>,
    totp: &dyn Fn(&str) -> Option<SecretText>,
) -> Result<Found, Missing> {
    let mut search = Search::new(world, chain, totp);
    for source in chain.sources {
        let answer = search.ask(&source.kind).await;
        if let Some(found) = search.settle(answer) {
            return Ok(found);
        }
    }
    Err(search.into_missing())
}

/// Says where [`look_up`] would find a value now, without asking anybody.
///
/// # Errors
/// [`Missing`], when no source has it; a prompt is none where nobody is there.
pub async fn preview(
    world: &World,
    chain: &Chain<'_>,
    totp: &dyn Fn(&str) -> Option<SecretText>,
) -> Result<Preview, Missing> {
    let mut search = Search::new(world, chain, totp);
    for source in chain.sources {
        let answer = match (&source.kind, world.prompt.availability()) {
            (SourceKind::Prompt(_), Ok(())) => {
                return Ok(Preview::WouldAsk { notes: search.notes, tried: search.tried });
            }
            (SourceKind::Prompt(_), Err(nobody)) => Err(tried("would ask at the terminal", nobody)),
            (kind, _) => search.ask(kind).await,
        };
        if let Some(found) = search.settle(answer) {
            return Ok(Preview::Found(found));
        }
    }
    Err(search.into_missing())
}

/// What a source says: a value as it lies there, and where that is.
type Answer = Result<(SecretText, FoundIn), Tried>;

struct Search<'a> {
    world: &'a World,
    chain: &'a Chain<'a>,
    totp: &'a dyn Fn(&str) -> Option<SecretText>,
    notes: Vec<String>,
    tried: Vec<Tried>,
    is_unanswered: bool,
}

impl<'a> Search<'a> {
    fn new(world: &'a World, chain: &'a Chain<'a>, totp: &'a dyn Fn(&str) -> Option<SecretText>) -> Self {
        Self { world, chain, totp, notes: Vec::new(), tried: Vec::new(), is_unanswered: false }
    }

    async fn ask(&mut self, source: &SourceKind) -> Answer {
        match source {
            SourceKind::Env(name) => self.ask_environment(name),
            SourceKind::Stored => self.ask_store().await,
            SourceKind::File { path, value } => self.ask_file(path, value.as_ref()),
            SourceKind::Prompt(text) => self.ask_person(text.as_ref()).await,
            SourceKind::Totp(name) => self.compute_code(&name.value),
            SourceKind::Value(value) => Ok((self.text("value", value)?.into(), FoundIn::Value)),
        }
    }

    fn ask_environment(&mut self, name: &Template) -> Answer {
        let name = self.text("env", name)?;
        let source = format!("env {name}");
        let variable = self.world.surroundings.variable(&name);
        match (&self.chain.env_passed_over, variable) {
            (Some(why), variable) => {
                if variable.is_some() {
                    self.notes.push(format!("{source} is set, but {why}"));
                }
                Err(tried(&source, why))
            }
            (None, Some((value, origin))) => Ok((value.into(), FoundIn::Env { name, origin })),
            (None, None) => Err(tried(&source, "not set")),
        }
    }

    async fn ask_store(&self) -> Answer {
        let store = self.world.store.name();
        let Some(key) = self.chain.stored_as.as_ref() else {
            return Err(tried(store, "does not keep settings"));
        };
        let found_in = FoundIn::Stored { store: store.to_owned(), key: key.clone() };
        match self.world.store.get(key, &self.chain.origins).await {
            Ok(Some(value)) => Ok((value, found_in)),
            Ok(None) => Err(tried(&found_in.to_string(), "nothing is kept there")),
            Err(error) => Err(tried(&found_in.to_string(), error)),
        }
    }

    fn ask_file(&self, path: &Template, value: Option<&JsonPath>) -> Answer {
        let written = self.text("file", path)?;
        let value_path = value.map(|value| value.as_str().to_owned());
        let found_in = FoundIn::File { path: PathBuf::from(&written), value: value_path };
        let fail = |reason: String| tried(&found_in.to_string(), reason);
        let text = SecretText::from(self.read(&written).map_err(fail)?);
        let text = match value {
            Some(value) => value_in_json(text.expose(), value).map_err(fail)?,
            None => text,
        };
        Ok((text, found_in))
    }

    /// The text of a file that the chain may read.
    fn read(&self, written: &str) -> Result<String, String> {
        let surroundings = &*self.world.surroundings;
        let reach = Reach { surroundings, folder: self.chain.folder };
        let located = if self.chain.is_built_in { reach.expand(written) } else { reach.locate(written) };
        let path = located.map_err(|error| match error {
            OutOfReach::Unresolved(error) => reason_of(&error),
            other => other.to_string(),
        })?;
        surroundings.read_text(&path).map_err(|error| reason_of(&error))
    }

    async fn ask_person(&mut self, text: Option<&Template>) -> Answer {
        let text = match text {
            Some(text) => self.text("prompt", text)?,
            None => self.chain.question.clone(),
        };
        let question = Question { text, is_secret: self.chain.is_secret };
        let answer = self.world.prompt.ask(&question).await;
        let answer = answer.and_then(|answer| match answer.expose().trim_end_matches(['\r', '\n']) {
            "" => Err(PromptError::NoAnswer),
            _ => Ok(answer),
        });
        self.is_unanswered |= matches!(answer, Err(PromptError::NoAnswer));
        answer.map(|answer| (answer, FoundIn::Prompt)).map_err(|nobody| tried("prompt", nobody))
    }

    fn compute_code(&self, name: &str) -> Answer {
        let source = format!("totp {name}");
        let secret = (self.totp)(name).ok_or_else(|| tried(&source, format!("there is no {name}")))?;
        let code = totp::code(secret.expose(), self.world.clock.now());
        let code = code.map_err(|reason| tried(&source, reason))?;
        Ok((code.into(), FoundIn::Totp(name.to_owned())))
    }

    /// The text that a template of a source yields.
    fn text(&self, kind: &str, template: &Template) -> Result<String, Tried> {
        let source = || format!("{kind} {}", template.source()).trim_end().to_owned();
        let evaluated =
            template.evaluate(self.chain.scope).map_err(|error| tried(&source(), error.reason))?;
        match json_to_text(&evaluated.value) {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(tried(&source(), "yields nothing")),
        }
    }

    /// Takes an answer if there is something in it, and writes down why not otherwise.
    fn settle(&mut self, answer: Answer) -> Option<Found> {
        let (value, found_in) = match answer {
            Ok(answer) => answer,
            Err(tried) => {
                self.tried.push(tried);
                return None;
            }
        };
        let text = value.expose().trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            self.tried.push(tried(&found_in.to_string(), "empty"));
            return None;
        }
        let mut notes = std::mem::take(&mut self.notes);
        let value = if text.len() < value.expose().len() {
            notes.push(format!("{found_in}: the newline at the end of {} was cut", self.chain.name));
            SecretText::from(text)
        } else {
            value
        };
        Some(Found { value, found_in, notes })
    }

    fn into_missing(self) -> Missing {
        let Self { chain, tried, is_unanswered, .. } = self;
        Missing { name: chain.name.clone(), tried, is_unanswered }
    }
}

fn tried(source: &str, reason: impl ToString) -> Tried {
    Tried { source: source.to_owned(), reason: reason.to_string() }
}

fn reason_of(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "you may not read it".to_owned(),
        _ => error.to_string(),
    }
}

/// The text or number that a path leads to. The reasons quote nothing of the file.
fn value_in_json(text: &str, path: &JsonPath) -> Result<SecretText, String> {
    let json = serde_json::from_str(text)
        .map_err(|error| format!("not JSON at line {} column {}", error.line(), error.column()))?;
    let value = path.read(&json).ok_or("nothing is there")?;
    json_to_text(&value).map(SecretText::from).ok_or_else(|| "neither text nor a number is there".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;
    use crate::port::fake::{FakePrompt, FakeStore, FakeSurroundings, FakeWorld};
    use crate::port::{StoreError, StoreKey, VariableOrigin};
    use crate::source::{SourceMap, Span, Spanned, Text};
    use crate::template::{Moment, Scope};
    use futures_util::FutureExt;
    use serde_json::json;
    use std::path::Path;
    use std::rc::Rc;
    use std::sync::Arc;

    const API: &str = "https://api.example.com";

    fn text(value: &str) -> Text {
        let id = SourceMap::default().add("t", value);
        Text::new(value.into(), Span::new(id, 0..value.len()), value, false)
    }

    fn template(value: &str) -> Template {
        Template::parse(&text(value)).unwrap()
    }

    fn env(name: &str) -> SourceKind {
        SourceKind::Env(template(name))
    }

    fn file(path: &str, value: Option<&str>) -> SourceKind {
        let value = value.map(|value| JsonPath::parse(&text(value)).unwrap());
        SourceKind::File { path: template(path), value }
    }

    fn totp(name: &str) -> SourceKind {
        SourceKind::Totp(Spanned { value: name.into(), span: text(name).span })
    }

    fn key() -> StoreKey {
        StoreKey::credential("emnify", "acme", "password")
    }

    /// A lookup of `emnify.password` in a world made by hand.
    struct Case {
        world: FakeWorld,
        sources: Vec<Source>,
        env_passed_over: Option<String>,
        totp_secret: Option<&'static str>,
        is_built_in: bool,
    }

    impl Case {
        fn new<const N: usize>(sources: [SourceKind; N]) -> Self {
            let sources = sources.map(|kind| Source { kind, span: text("").span }).into();
            Self {
                world: FakeWorld::default(),
                sources,
                env_passed_over: None,
                totp_secret: None,
                is_built_in: false,
            }
        }

        fn surroundings(mut self, build: impl FnOnce(FakeSurroundings) -> FakeSurroundings) -> Self {
            self.world.surroundings = Rc::new(build(FakeSurroundings::default()));
            self
        }

        fn store(mut self, store: FakeStore) -> Self {
            self.world.store = Rc::new(store);
            self
        }

        fn prompt(mut self, prompt: FakePrompt) -> Self {
            self.world.prompt = Rc::new(prompt);
            self
        }

        fn with_chain<T>(
            &self,
            act: impl AsyncFnOnce(&World, &Chain<'_>, &dyn Fn(&str) -> Option<SecretText>) -> T,
        ) -> T {
            let moment = Moment { now: "2026-11-22T06:00:00Z".parse().unwrap(), uuid: Arc::new(String::new) };
            let scope = Scope::new(&moment)
                .with("inputs", json!({"account": "TOKYO", "none": null}))
                .with("profile", json!("acme"));
            let chain = Chain {
                name: "emnify.password".into(),
                question: "Password of emnify".into(),
                sources: &self.sources,
                scope: &scope,
                folder: Path::new("playbooks"),
                is_built_in: self.is_built_in,
                env_passed_over: self.env_passed_over.clone(),
                stored_as: Some(key()),
                origins: vec![API.into()],
                is_secret: true,
            };
            let totp = |name: &str| self.totp_secret.filter(|_| name == "mfa_secret").map(SecretText::from);
            act(&self.world.world(), &chain, &totp).now_or_never().expect("the fakes answer at once")
        }

        fn look_up(&self) -> Result<Found, Missing> {
            self.with_chain(async |world, chain, totp| look_up(world, chain, totp).await)
        }

        fn preview(&self) -> Result<Preview, Missing> {
            self.with_chain(async |world, chain, totp| preview(world, chain, totp).await)
        }

        #[track_caller]
        fn finds(&self, value: &str, found_in: &str, notes: &[&str]) {
            let found = self.look_up().unwrap();
            assert_eq!(found.value.expose(), value);
            assert_eq!(found.found_in.to_string(), found_in);
            assert_eq!(found.notes, notes);
        }

        #[track_caller]
        fn misses<const N: usize>(&self, tried: [&str; N]) {
            assert_eq!(reasons(self.look_up().unwrap_err()), tried);
        }
    }

    fn reasons(missing: Missing) -> Vec<String> {
        assert_eq!(missing.to_string(), "no source has emnify.password");
        missing.tried.iter().map(|tried| format!("{}: {}", tried.source, tried.reason)).collect()
    }

    #[test]
    fn the_first_source_that_answers_wins() {
        let case = Case::new([env("EMPTY"), env("B"), env("C")]);
        let case = case
            .surroundings(|world| world.variable("EMPTY", "").dotenv("B", "two", 7).variable("C", "three"));
        case.finds("two", "env B, .env line 7", &[]);
    }

    #[test]
    fn templates_see_inputs_and_profile() {
        let case =
            Case::new([env("KEY_${{ inputs.account }}"), file("~/.tool/${{ profile }}.json", Some("$.key"))]);
        case.surroundings(|world| world.variable("KEY_TOKYO", "x")).finds("x", "env KEY_TOKYO", &[]);
        let case =
            Case::new([env("KEY_${{ inputs.account }}"), file("~/.tool/${{ profile }}.json", Some("$.key"))]);
        let case = case.surroundings(|world| {
            world.allow_read("~/.tool").file("~/.tool/acme.json", r#"{"key": 440103123456789012345678}"#)
        });
        case.finds("440103123456789012345678", "file ~/.tool/acme.json, $.key", &[]);
    }

    #[test]
    fn files_out_of_reach_are_not_read() {
        let hosts =
            |case: Case| case.surroundings(|world| world.file("/etc/hosts", "x").file("~/.tool/acme", "y"));
        let reason = "it is not below the playbook's folder; allow it with `--allow-read";
        let case = hosts(Case::new([file("/etc/hosts", None), file("~/.tool/${{ profile }}", None)]));
        case.misses([
            &format!("file /etc/hosts: {reason} /etc`"),
            &format!("file ~/.tool/acme: {reason} ~/.tool`"),
        ]);
        let built_in = Case { is_built_in: true, ..hosts(Case::new([file("~/.tool/${{ profile }}", None)])) };
        built_in.finds("y", "file ~/.tool/acme", &[]);
        let unset = Case::new([file("$CREDENTIALS_DIRECTORY/key", None)]);
        unset.misses([
            "file $CREDENTIALS_DIRECTORY/key: CREDENTIALS_DIRECTORY is not set: systemd gave no credentials",
        ]);
    }

    #[test]
    fn paths_count_from_the_folder_of_the_playbook() {
        let case = Case::new([file("secrets/key", None)]);
        case.surroundings(|world| world.file("playbooks/secrets/key", "x")).finds(
            "x",
            "file secrets/key",
            &[],
        );
    }

    #[test]
    fn a_newline_at_the_end_is_cut_and_said() {
        let case = Case::new([file("/run/secrets/p", None)]);
        let case = case.surroundings(|world| world.file("/run/secrets/p", " hunter2 \r\n"));
        let note = "file /run/secrets/p: the newline at the end of emnify.password was cut";
        case.finds(" hunter2 ", "file /run/secrets/p", &[note]);
    }

    #[test]
    fn a_named_profile_passes_over_the_environment() {
        let mut case = Case::new([env("SET"), env("UNSET"), SourceKind::Stored])
            .surroundings(|world| world.variable("SET", "of another account"))
            .store(FakeStore::default().with(key(), "hunter2", &[API]));
        case.env_passed_over = Some("passed over, for the profile acme was named".into());
        let note = "env SET is set, but passed over, for the profile acme was named";
        case.finds("hunter2", "keychain, runner/emnify acme/password", &[note]);
        case.store(FakeStore::default()).misses([
            "env SET: passed over, for the profile acme was named",
            "env UNSET: passed over, for the profile acme was named",
            "keychain, runner/emnify acme/password: nothing is kept there",
        ]);
    }

    #[test]
    fn a_secret_goes_to_no_other_origin_than_it_was_kept_for() {
        let store = FakeStore::default().with(key(), "hunter2", &["https://evil.example"]);
        Case::new([SourceKind::Stored]).store(store).misses([
            "keychain, runner/emnify acme/password: kept for https://evil.example, not for https://api.example.com; \
             sign in there with `runner login`",
        ]);
    }

    #[test]
    fn every_source_says_why_it_does_not_answer() {
        let case = Case::new([
            env("UNSET"),
            env("${{ inputs.none }}"),
            SourceKind::Stored,
            file("none", None),
            file("empty", None),
            file("list.json", Some("$.a")),
            file("list.json", Some("$.b")),
            file("text", Some("$.a")),
            SourceKind::Value(template("")),
            totp("mfa_secret"),
            SourceKind::Prompt(None),
        ]);
        let case = case.store(FakeStore::failing(StoreError::Locked)).surroundings(|world| {
            world
                .file("playbooks/empty", "\n")
                .file("playbooks/list.json", r#"{"a": [1]}"#)
                .file("playbooks/text", "hunter2")
        });
        case.misses([
            "env UNSET: not set",
            "env ${{ inputs.none }}: yields nothing",
            "keychain, runner/emnify acme/password: the keychain is locked",
            "file none: no such file",
            "file empty: empty",
            "file list.json, $.a: neither text nor a number is there",
            "file list.json, $.b: nothing is there",
            "file text, $.a: not JSON at line 1 column 1",
            "value: yields nothing",
            "totp mfa_secret: there is no mfa_secret",
            "prompt: no terminal to ask at",
        ]);
    }

    #[test]
    fn a_person_is_asked_in_the_words_of_the_chain_or_of_the_source() {
        let case = Case::new([SourceKind::Prompt(None)]).prompt(FakePrompt::answering(["hunter2"]));
        case.finds("hunter2", "the terminal", &[]);
        let question = &case.world.prompt.asked()[0];
        assert_eq!((question.text.as_str(), question.is_secret), ("Password of emnify", true));

        let own = SourceKind::Prompt(Some(template("Password for ${{ profile }}")));
        let case = Case::new([own]).prompt(FakePrompt::answering([]));
        case.misses(["prompt: no answer was given"]);
        assert_eq!(case.world.prompt.asked()[0].text, "Password for acme");
    }

    #[test]
    fn a_code_is_computed_for_the_time_of_the_clock() {
        let mut case = Case::new([totp("mfa_secret")]);
        case.totp_secret = Some("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let first = case.look_up().unwrap();
        assert_eq!((first.value.expose().len(), first.found_in), (6, FoundIn::Totp("mfa_secret".into())));
        case.world.clock.advance(std::time::Duration::from_secs(30));
        assert_ne!(case.look_up().unwrap().value, first.value);
        case.totp_secret = Some("no base32!");
        case.misses(["totp mfa_secret: not base32 and not an otpauth:// address"]);
    }

    #[test]
    fn a_preview_asks_nobody() {
        let case =
            Case::new([env("UNSET"), SourceKind::Prompt(None)]).prompt(FakePrompt::answering(["hunter2"]));
        assert!(matches!(case.preview(), Ok(Preview::WouldAsk { .. })));
        assert!(case.world.prompt.asked().is_empty());

        let case = case.prompt(FakePrompt::nobody(PromptError::Forbidden));
        let reason = "would ask at the terminal: not asked (`--no-prompt`)";
        assert_eq!(reasons(case.preview().unwrap_err()), ["env UNSET: not set", reason]);
    }

    #[test]
    fn a_preview_finds_what_a_lookup_finds() {
        let case =
            Case::new([env("A"), SourceKind::Prompt(None)]).surroundings(|world| world.variable("A", "x"));
        let Ok(Preview::Found(found)) = case.preview() else { panic!("A is set") };
        assert_eq!(found.found_in, FoundIn::Env { name: "A".into(), origin: VariableOrigin::Process });
    }
}
