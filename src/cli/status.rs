//! `runner status`: which credentials would be found where, never their values; refused logins and open sessions. Nobody is
//! asked, and nothing is sent but the logout of a session that a killed run has left open.

use super::args::StatusArgs;
use super::console::Console;
use super::refusal::Refusal;
use super::subject::{PROVIDER, Subject};
use crate::credential::{Missing, Preview, Tried};
use crate::plan::{PlannedMethod, PlannedProvider};
use crate::port::{LedgerEntry, OpenSession, StoreKey};
use crate::session::{PlannedLogin, SecretPreview, Sessions, ledger_line};
use std::io;

/// Shows one provider, or all that are built in or the playbook has. Returns the exit code.
///
/// # Errors
/// Why it was not done.
pub(super) async fn status(args: &StatusArgs, console: &mut Console<'_>) -> Result<i32, Refusal> {
    let names = args.provider.as_ref().map_or_else(|| console.subject_names(), |name| vec![name.clone()]);
    if names.is_empty() {
        console.line("the playbook has no providers")?;
    }
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            console.line("")?;
        }
        // No credential is sent, so it does not matter how safe the way would be.
        let subject = console.subject("status", name, true)?;
        show(&subject, console).await?;
    }
    if args.provider.is_none() {
        write_sessions_elsewhere(&names, console)?;
    }
    Ok(0)
}

/// Tells of the open sessions at providers of other playbooks.
fn write_sessions_elsewhere(names: &[String], console: &mut Console<'_>) -> io::Result<()> {
    let now = console.world.clock.now();
    let Ok(noted) = console.world.sign_ins.ledger() else { return Ok(()) };
    let is_elsewhere = |session: &OpenSession| !names.iter().any(|name| *name == session.definition.as_str());
    for LedgerEntry { session, is_in_use } in noted.records {
        if is_elsewhere(&session) && (is_in_use || !session.is_over(now)) {
            console.line(format!("\n{}", ledger_line(&session, is_in_use, now)))?;
        }
    }
    Ok(())
}

async fn show(subject: &Subject, console: &mut Console<'_>) -> Result<(), Refusal> {
    let provider = subject.provider();
    let login = |method: &PlannedMethod| PlannedLogin {
        provider: PROVIDER,
        method: Some(method.name.clone()),
        given: Vec::new(),
    };
    let logins = provider.methods.iter().map(login).collect();
    let (setup, _) = console.setup(subject, logins);
    match Sessions::preview(setup).await {
        Ok((sessions, secrets)) => {
            let profile = sessions.account(PROVIDER).profile();
            console.line(format!("{}, profile {profile}", provider.name))?;
            let problem = store_problem(provider, profile, console).await;
            write_credentials(provider, &secrets, problem.as_deref(), console)?;
            write_method(provider, &secrets, console)?;
            write_left(&sessions, provider, console).await?;
        }
        Err(failures) => {
            console.line(&provider.name)?;
            for failure in &failures {
                console.line(format!("  {}", failure.headline))?;
            }
        }
    }
    Ok(())
}

/// Says what runs have left: sessions, and refusals that hold the next one up.
async fn write_left(
    sessions: &Sessions,
    provider: &PlannedProvider,
    console: &mut Console<'_>,
) -> Result<(), Refusal> {
    match sessions.close_left_open().await {
        Ok(notes) => {
            for note in notes {
                console.line(format!("  {}", note.text))?;
            }
        }
        Err(failure) => console.line(format!("  {}", failure.headline))?,
    }
    let refusals = sessions.known_refusals(PROVIDER).unwrap_or_default();
    for refusal in &refusals {
        console.line(format!("  {refusal}"))?;
    }
    if !refusals.is_empty() {
        let login = console.command("login", &provider.name);
        console.line(format!("  `{login}` tries at once"))?;
    }
    Ok(())
}

/// Why the store does not give what it has: said once, and not for each credential.
async fn store_problem(provider: &PlannedProvider, profile: &str, console: &Console<'_>) -> Option<String> {
    for credential in &provider.credentials {
        let key = StoreKey::credential(&provider.name, profile, &credential.name);
        if let Err(error) = console.world.store.get(&key, &[]).await {
            return Some(error.to_string());
        }
    }
    None
}

fn write_credentials(
    provider: &PlannedProvider,
    secrets: &[SecretPreview],
    store_problem: Option<&str>,
    console: &mut Console<'_>,
) -> io::Result<()> {
    if let Some(problem) = store_problem {
        console.line(format!("  {problem}"))?;
    }
    let shown = || provider.credentials.iter().filter(|credential| !credential.is_one_time);
    let width = shown().map(|credential| credential.name.len()).max().unwrap_or(0);
    for credential in shown() {
        let place = match source(provider, secrets, &credential.name) {
            Some(Ok(Preview::Found(found))) => found.found_in.to_string(),
            Some(Ok(Preview::WouldAsk { tried, .. })) => {
                format!("would be asked for at the terminal ({})", reasons(tried, store_problem))
            }
            Some(Err(missing)) => format!("not found ({})", reasons(&missing.tried, store_problem)),
            None => "not found, and not needed".to_owned(),
        };
        console.line(format!("  {:width$}  {place}", credential.name))?;
        if let Some(Ok(Preview::Found(found))) = source(provider, secrets, &credential.name) {
            for note in &found.notes {
                console.line(format!("  {:width$}  {note}", ""))?;
            }
        }
    }
    Ok(())
}

/// Where a credential would come from; `None` for an optional one that nobody has.
fn source<'s>(
    provider: &PlannedProvider,
    secrets: &'s [SecretPreview],
    credential: &str,
) -> Option<&'s Result<Preview, Missing>> {
    let name = format!("{}.{credential}", provider.name);
    secrets.iter().find(|secret| secret.name == name).map(|secret| &secret.source)
}

/// `env EMNIFY_PASSWORD: not set; keychain, runner/emnify default/password: nothing is kept there`
fn reasons(tried: &[Tried], store_problem: Option<&str>) -> String {
    let told = tried.iter().filter(|tried| Some(tried.reason.as_str()) != store_problem);
    let reasons: Vec<String> = told.map(|tried| format!("{}: {}", tried.source, tried.reason)).collect();
    reasons.join("; ")
}

/// Says how a run would sign in.
fn write_method(
    provider: &PlannedProvider,
    secrets: &[SecretPreview],
    console: &mut Console<'_>,
) -> io::Result<()> {
    let is_found = |name: &String| matches!(source(provider, secrets, name), Some(Ok(Preview::Found(_))));
    let is_known = |name: &String| matches!(source(provider, secrets, name), Some(Ok(_)));
    if provider.methods.is_empty() {
        return console.line("  nobody signs in to it");
    }
    let is_meant = |method: &&PlannedMethod| provider.method.as_ref().is_none_or(|name| *name == method.name);
    let first = |has: &dyn Fn(&String) -> bool| {
        let mut methods = provider.methods.iter().filter(is_meant);
        methods.find(|method| method.required.iter().all(has)).map(|method| &method.name)
    };
    match (first(&is_found), first(&is_known)) {
        (Some(method), _) => console.line(format!("  signs in by `{method}`")),
        (None, Some(method)) => console.line(format!("  signs in by `{method}`, if somebody answers")),
        (None, None) => {
            let login = console.command("login", &provider.name);
            console.line(format!("  cannot sign in; `{login}` keeps credentials"))
        }
    }
}
