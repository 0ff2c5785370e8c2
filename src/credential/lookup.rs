//! The search through a chain: each source is asked in its turn, the first that answers wins.

use super::totp;
use super::types::{Chain, Found, FoundIn, Missing, Preview, Tried};
use crate::document::{JsonPath, SourceKind};
use crate::model::secret::SecretText;
use crate::port::{Question, World};
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
    let mut search = Search { world, chain, totp, notes: Vec::new(), tried: Vec::new() };
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
    let mut search = Search { world, chain, totp, notes: Vec::new(), tried: Vec::new() };
    for source in chain.sources {
        let answer = match (&source.kind, world.prompt.availability()) {
            (SourceKind::Prompt(_), Ok(())) => return Ok(Preview::WouldAsk { notes: search.notes }),
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
}

impl Search<'_> {
    async fn ask(&mut self, source: &SourceKind) -> Answer {
        match source {
            SourceKind::Env(name) => self.ask_environment(name),
            SourceKind::Stored => self.ask_store().await,
            SourceKind::File { path, value } => self.ask_file(path, value.as_ref()),
            SourceKind::Prompt(text) => self.ask_person(text.as_ref()).await,
            SourceKind::Totp(name) => self.compute_code(&name.value),
            SourceKind::Value(value) => {
                let value = self.text("value", value)?;
                Ok((value.into(), FoundIn::Value))
            }
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
        let path = PathBuf::from(self.text("file", path)?);
        let read = self.world.surroundings.read_text(&path);
        let found_in = FoundIn::File { path, value: value.map(|value| value.as_str().to_owned()) };
        let fail = |reason: String| tried(&found_in.to_string(), reason);
        let text = SecretText::from(read.map_err(|error| fail(reason_of(&error)))?);
        let text = match value {
            Some(value) => value_in_json(text.expose(), value).map_err(fail)?,
            None => text,
        };
        Ok((text, found_in))
    }

    async fn ask_person(&self, text: Option<&Template>) -> Answer {
        let text = match text {
            Some(text) => self.text("prompt", text)?,
            None => self.chain.question.clone(),
        };
        let question = Question { text, is_secret: self.chain.is_secret };
        match self.world.prompt.ask(&question).await {
            Ok(answer) => Ok((answer, FoundIn::Prompt)),
            Err(nobody) => Err(tried("prompt", nobody)),
        }
    }

    fn compute_code(&self, name: &str) -> Answer {
        let source = format!("totp {name}");
        let secret = (self.totp)(name).ok_or_else(|| tried(&source, format!("there is no {name}")))?;
        let code = totp::code(secret.expose(), self.world.clock.now());
        let code = code.map_err(|reason| tried(&source, format!("{name} is {reason}")))?;
        Ok((code.into(), FoundIn::Totp(name.to_owned())))
    }

    /// The text that a template of a source yields.
    fn text(&self, kind: &str, template: &Template) -> Result<String, Tried> {
        let source = || format!("{kind} {}", template.source());
        let evaluated =
            template.evaluate(&self.chain.scope).map_err(|error| tried(&source(), error.reason))?;
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
        Missing { name: self.chain.name.clone(), tried: self.tried }
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
