//! `runner login`: asks for the credentials of a provider, signs in to prove them, keeps them.

use super::args::LoginArgs;
use super::console::Console;
use super::refusal::Refusal;
use super::subject::PROVIDER;
use crate::document::{Source, SourceKind};
use crate::event::{SessionEnd, SessionNote};
use crate::model::exit::Cause;
use crate::model::redaction::Learned;
use crate::model::secret::SecretText;
use crate::model::words;
use crate::plan::{Options, PlannedCredential, PlannedMethod, PlannedProvider};
use crate::port::{GRACE, PromptError, Question, StoreError, StoreKey};
use crate::session::{PlannedLogin, Sessions};
use std::io;
use std::time::Duration;

/// Asks, signs in, keeps, signs out. Returns the exit code.
///
/// # Errors
/// Why it was not done.
pub(super) async fn login(args: &LoginArgs, console: &mut Console<'_>) -> Result<i32, Refusal> {
    let subject = console.subject("login", &args.provider, args.allow_http)?;
    let provider = subject.provider();
    let method = choose(provider, args.method.as_deref(), console)?;
    let wanted = to_keep(provider, method);
    check_terminal(provider, console)?;

    let login = PlannedLogin {
        provider: PROVIDER,
        method: Some(method.name.clone()),
        given: wanted.iter().map(|credential| credential.name.clone()).collect(),
    };
    let (setup, warnings) = console.setup(&subject, vec![login]);
    let prepared = Sessions::prepare(setup).await;
    console.say(&warnings);
    let sessions = prepared.map_err(|failures| console.fail(&failures))?.given_by_a_person();
    let keeper = Keeper::new(provider, &sessions);
    let unkept = keeper.store_problem(&wanted, console).await;
    match &unkept {
        Some(problem) if method.auth.login.0.is_empty() => {
            return Err(keeper.stop(&format!("nothing can be kept: {problem}"), console));
        }
        Some(problem) => console
            .warn(&format!("nothing can be kept: {problem}; the login proves the credentials all the same")),
        None => {}
    }
    if console.playbook.is_some() {
        // A playbook from elsewhere may have moved a provider: whoever types a password should see where it goes.
        let origins = keeper.origins.join(" and ");
        console.line(format!("credentials of {} go to {origins}", provider.name))?;
    }

    let given = ask_all(&wanted, provider, console).await?;
    let before = keeper.present(method, &given, console).await;
    let note = sign_in(&sessions, method, &given, console).await;
    console.say(&warnings);
    let note = note?;
    let kept = match &unkept {
        Some(problem) => {
            Err(keeper.stop(&format!("signed in, but nothing could be kept: {problem}"), console))
        }
        None => keeper.keep(&given, &before, console).await,
    };
    let end = sessions.logout(PROVIDER).await;
    console.say(&warnings);
    let code = closing(end, console);
    let names = kept?;
    report(method, &note, &names, &keeper, console)?;
    warn_of_environment(provider, &wanted, console);
    Ok(code)
}

/// What the command line says that the check must know.
pub(super) fn options(args: &LoginArgs) -> Options {
    let address = |url: &Option<String>| url.iter().map(|url| (args.provider.clone(), url.clone())).collect();
    Options {
        base_urls: address(&args.base_url),
        auth_base_urls: address(&args.auth_base_url),
        ..Options::of_profile(args.profile.as_deref())
    }
}

/// The method that was named, here or in the playbook; else the first that a person can answer; else the first.
fn choose<'p>(
    provider: &'p PlannedProvider,
    wanted: Option<&str>,
    console: &mut Console<'_>,
) -> Result<&'p PlannedMethod, Refusal> {
    let methods = &provider.methods;
    if methods.is_empty() {
        let why = format!("nobody signs in to {}: its definition has no `auth`", provider.name);
        return Err(console.stop(Cause::Invalid, &why, None));
    }
    let asks = |method: &&PlannedMethod| {
        let credentials = provider.credentials.iter().filter(|one| method.required.contains(&one.name));
        credentials.flat_map(|one| &one.sources).any(|source| matches!(source.kind, SourceKind::Prompt(_)))
    };
    let wanted = wanted.or(provider.method.as_deref());
    let chosen = match wanted {
        Some(name) => methods.iter().find(|method| method.name == name),
        None => methods.iter().find(asks).or(methods.first()),
    };
    chosen.ok_or_else(|| {
        let names: Vec<&str> = methods.iter().map(|method| method.name.as_str()).collect();
        let why = format!("{} has no method `{}`", provider.name, wanted.unwrap_or_default());
        console.stop(Cause::Invalid, &why, Some(&format!("it has {}", names.join(", "))))
    })
}

/// The credentials of a method that the store can give back later, in the order of the definition.
fn to_keep<'p>(provider: &'p PlannedProvider, method: &PlannedMethod) -> Vec<&'p PlannedCredential> {
    let is_stored = |source: &Source| matches!(source.kind, SourceKind::Stored);
    let is_wanted = |credential: &&PlannedCredential| {
        provider.takes(method, &credential.name)
            && !credential.is_one_time
            && credential.sources.iter().any(is_stored)
    };
    provider.credentials.iter().filter(is_wanted).collect()
}

fn check_terminal(provider: &PlannedProvider, console: &mut Console<'_>) -> Result<(), Refusal> {
    console.world.prompt.availability().map_err(|nobody| {
        let why = format!("`runner login` asks for credentials: {nobody}");
        let names = place_of_variables(provider);
        let advice = format!("where nobody is there, set the variables that {names} names");
        console.stop(Cause::SignIn, &why, Some(&advice))
    })
}

/// What names the variables from which a provider takes credentials.
fn place_of_variables(provider: &PlannedProvider) -> String {
    match provider.is_as_built_in() {
        true => format!("`runner show {}`", provider.name),
        false => "its definition".to_owned(),
    }
}

/// A credential with its new value.
struct Given<'p> {
    credential: &'p PlannedCredential,
    value: SecretText,
}

async fn ask_all<'p>(
    wanted: &[&'p PlannedCredential],
    provider: &PlannedProvider,
    console: &mut Console<'_>,
) -> Result<Vec<Given<'p>>, Refusal> {
    let mut given = Vec::new();
    for &credential in wanted {
        if let Some(value) = ask(credential, provider, console).await? {
            given.push(Given { credential, value });
        }
    }
    Ok(given)
}

/// Asks for a credential; `None` for an optional one that there is not.
async fn ask(
    credential: &PlannedCredential,
    provider: &PlannedProvider,
    console: &mut Console<'_>,
) -> Result<Option<SecretText>, Refusal> {
    let question = Question { text: question(credential), is_secret: credential.is_secret };
    let answer = console.world.prompt.ask(&question).await;
    if let Some(signal) = console.world.cancellation.signal() {
        return Err(Refusal::said(Cause::Signal(signal)));
    }
    let answer = answer.and_then(|answer| match answer.expose().trim_end_matches(['\r', '\n']) {
        "" => Err(PromptError::NoAnswer),
        text => Ok(SecretText::from(text)),
    });
    match answer {
        Ok(value) => {
            learn(credential, provider, &value, console);
            Ok(Some(value))
        }
        Err(PromptError::NoAnswer) if credential.is_optional => Ok(None),
        Err(nobody) => {
            let why = format!("{}.{}: {nobody}", provider.name, credential.name);
            Err(console.stop(Cause::SignIn, &why, None))
        }
    }
}

/// What a person is asked: `Password`, in the words of the definition where it has some.
fn question(credential: &PlannedCredential) -> String {
    let own = credential.sources.iter().find_map(|source| match &source.kind {
        SourceKind::Prompt(Some(text)) => text.as_literal().map(str::to_owned),
        _ => None,
    });
    let words = own.or_else(|| credential.description.clone());
    let words = words.unwrap_or_else(|| credential.name.replace('_', " "));
    let end = words.chars().next().map_or(0, char::len_utf8);
    let hint = if credential.is_optional { " (Enter for none)" } else { "" };
    format!("{}{}{hint}", words[..end].to_uppercase(), &words[end..])
}

fn learn(
    credential: &PlannedCredential,
    provider: &PlannedProvider,
    value: &SecretText,
    console: &mut Console<'_>,
) {
    let name = format!("{}.{}", provider.name, credential.name);
    if credential.is_secret && console.redactor.learn(&name, value.expose()) == Learned::TooShort {
        console.warn(&format!("{name} has fewer than 4 characters, too short to be found in other texts"));
    }
}

async fn sign_in(
    sessions: &Sessions,
    method: &PlannedMethod,
    given: &[Given<'_>],
    console: &mut Console<'_>,
) -> Result<SessionNote, Refusal> {
    let given = given.iter().map(|one| (one.credential.name.clone(), one.value.clone())).collect();
    let world = console.world.clone();
    // What is in flight when a signal comes may come to its end, so that its session can be closed.
    let given_up = async {
        let signal = world.cancellation.cancelled().await;
        world.clock.sleep(GRACE).await;
        signal
    };
    let end = tokio::select! {
        note = sessions.authenticate(PROVIDER, Some(&method.name), given) => Ok(note),
        signal = given_up => Err(signal),
    };
    match (end, world.cancellation.signal()) {
        (Ok(note), None) => note.map_err(|refusal| console.fail(&[refusal.into_failure()])),
        (Ok(_), Some(signal)) | (Err(signal), _) => {
            sessions.close_all().await;
            Err(Refusal::said(Cause::Signal(signal)))
        }
    }
}

/// Keeps credentials of one provider and profile.
struct Keeper {
    provider: String,
    place_of_variables: String,
    profile: String,
    origins: Vec<String>,
}

impl Keeper {
    fn new(provider: &PlannedProvider, sessions: &Sessions) -> Self {
        let account = sessions.account(PROVIDER);
        let origins = account.realm().origins().iter().map(ToString::to_string).collect();
        Self {
            provider: provider.name.clone(),
            place_of_variables: place_of_variables(provider),
            profile: account.profile().to_owned(),
            origins,
        }
    }

    fn key(&self, name: &str) -> StoreKey {
        StoreKey::credential(&self.provider, &self.profile, name)
    }

    /// Why the store does not take what a login keeps: it is given something and forgets it, for a locked store looks like an
    /// empty one until then.
    async fn store_problem(
        &self,
        wanted: &[&PlannedCredential],
        console: &Console<'_>,
    ) -> Option<StoreError> {
        if wanted.is_empty() {
            return None;
        }
        let (store, key) = (&console.world.store, self.key(".login"));
        match store.set(&key, &"nothing".into(), &[]).await {
            Ok(()) => store.delete(&key).await.err(),
            Err(error) => Some(error),
        }
    }

    /// Says that nothing is kept, and where credentials can come from otherwise.
    fn stop(&self, why: &str, console: &mut Console<'_>) -> Refusal {
        let advice = format!(
            "credentials can also come from environment variables; {} names them",
            self.place_of_variables
        );
        console.stop(Cause::Machine, why, Some(&advice))
    }

    /// What the store has of those credentials that a login may change by itself: a new password that was demanded.
    async fn present(
        &self,
        method: &PlannedMethod,
        given: &[Given<'_>],
        console: &Console<'_>,
    ) -> Vec<(String, Option<SecretText>)> {
        let challenges =
            method.auth.challenges.iter().flatten().flat_map(|challenge| challenge.store.names());
        let changed: Vec<&str> =
            challenges.chain(method.auth.store.iter().flat_map(|store| store.names())).collect();
        let mut present = Vec::new();
        for name in
            given.iter().map(|one| &one.credential.name).filter(|name| changed.contains(&name.as_str()))
        {
            let value = console.world.store.get(&self.key(name), &[]).await.ok().flatten();
            present.push((name.clone(), value));
        }
        present
    }

    /// Keeps all that was given, but for what the login has changed meanwhile. Returns the names of what is kept.
    async fn keep(
        &self,
        given: &[Given<'_>],
        before: &[(String, Option<SecretText>)],
        console: &mut Console<'_>,
    ) -> Result<Vec<String>, Refusal> {
        for Given { credential, value } in given {
            let key = self.key(&credential.name);
            if let Some((_, old)) = before.iter().find(|(name, _)| *name == credential.name) {
                let now = console.world.store.get(&key, &[]).await.ok().flatten();
                if now.is_some() && now != *old {
                    continue;
                }
            }
            if let Err(error) = console.world.store.set(&key, value, &self.origins).await {
                let why = format!("signed in, but {} could not be kept: {error}", credential.name);
                return Err(console.stop(Cause::Machine, &why, None));
            }
        }
        Ok(given.iter().map(|one| one.credential.name.replace('_', " ")).collect())
    }
}

/// `signed in as admin, valid 1 h; username and password kept in the keychain as simpleiot/myteam`. Where one signs in
/// without a request, nothing is proven.
fn report(
    method: &PlannedMethod,
    note: &SessionNote,
    names: &[String],
    keeper: &Keeper,
    console: &mut Console<'_>,
) -> io::Result<()> {
    let account = note.account.as_ref().map(|account| format!(" as {account}")).unwrap_or_default();
    let life =
        note.valid_for_ms.map(|life| format!(", valid {}", words::duration(Duration::from_millis(life))));
    let place = format!("{} as {}/{}", console.world.store.name(), keeper.provider, keeper.profile);
    let life = life.unwrap_or_default();
    let proof = match method.auth.login.0.is_empty() {
        true => "not proven, for no request signs in".to_owned(),
        false => format!("signed in{account}{life}"),
    };
    console.line(format!("{proof}; {} kept in the {place}", listed(names)))
}

/// `username, password and mfa secret`
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

/// A variable that is set hides what was just kept.
fn warn_of_environment(provider: &PlannedProvider, wanted: &[&PlannedCredential], console: &mut Console<'_>) {
    let is_profile_named = provider.profile_override.is_some() || provider.profile.is_some();
    let asks = |credential: &&&PlannedCredential| !is_profile_named || credential.is_chain_of_playbook;
    for source in wanted.iter().filter(asks).flat_map(|credential| hiding(credential)) {
        let SourceKind::Env(name) = &source.kind else { continue };
        let Some(name) = name.as_literal() else { continue };
        let unless = if provider.is_as_built_in() { ", unless a profile is named" } else { "" };
        if console.world.surroundings.variable(name).is_some() {
            console.warn(&format!("{name} is set: it is used instead of what is kept{unless}"));
        }
    }
}

/// The sources that are asked before the store.
fn hiding(credential: &PlannedCredential) -> impl Iterator<Item = &Source> {
    credential.sources.iter().take_while(|source| !matches!(source.kind, SourceKind::Stored))
}

/// Says when the session could not be closed. Returns the exit code.
fn closing(end: Option<SessionEnd>, console: &mut Console<'_>) -> i32 {
    match end {
        Some(SessionEnd::Failed { reason, .. }) => {
            console.warn(&format!("the session could not be closed again: {reason}"));
            Cause::Cleanup.exit_code()
        }
        Some(SessionEnd::Closed | SessionEnd::Forgotten { .. } | SessionEnd::AlreadyOver) | None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_as_in_a_sentence() {
        let listed = |names: &[&str]| listed(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(listed(&["username"]), "username");
        assert_eq!(listed(&["username", "password"]), "username and password");
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
    }
}
