//! `runner logout`: closes what killed runs have left open, and forgets the credentials of a provider where that is asked for.

use super::args::LogoutArgs;
use super::console::Console;
use super::login::listed;
use super::refusal::Refusal;
use super::subject::PROVIDER;
use crate::model::exit::Cause;
use crate::port::StoreKey;
use crate::session::{LedgerNote, Sessions, Standing, profile_of};

/// Closes what was left open, and says what is open still; forgets the credentials. Returns the exit code.
///
/// # Errors
/// Why it was not done.
pub(super) async fn logout(args: &LogoutArgs, console: &mut Console<'_>) -> Result<i32, Refusal> {
    // No credential is sent, so it does not matter how safe the way would be.
    let subject = console.subject("logout", &args.provider, true)?;
    let (plan, provider) = (&subject.plan, subject.provider());
    let profile = profile_of(plan, PROVIDER, &subject.inputs, &console.world).await;
    let profile = profile.map_err(|why| console.stop(Cause::Invalid, &why, None))?;
    let place = format!("{}/{profile}", provider.name);
    let (setup, _) = console.setup(&subject, Vec::new());
    let left_open = match Sessions::preview(setup).await {
        Ok((sessions, _)) => sessions.close_left_open().await.map_err(|failure| console.fail(&[failure])),
        // Where not all settings are there, no session can be closed.
        Err(_) => Ok(Vec::new()),
    };
    for note in left_open.iter().flatten() {
        console.line(&note.text)?;
    }
    if args.clear {
        let kept = provider.credentials.iter().filter(|credential| !credential.is_one_time);
        let names: Vec<&str> = kept.map(|credential| credential.name.as_str()).collect();
        forget(&provider.name, &profile, &names, console).await?;
        return Ok(exit_code(&left_open?));
    }
    let left_open = left_open?;
    if left_open.is_empty() {
        console.line(format!("no session of {place} is open: a session ends with its run"))?;
    }
    let clear = format!("{} --clear", console.command("logout", &provider.name));
    let store = console.world.store.name().to_owned();
    console.line(format!("`{clear}` forgets the credentials of {place} in the {store}"))?;
    Ok(exit_code(&left_open))
}

/// That of a failed cleanup, where a session was to be closed and is open still.
fn exit_code(notes: &[LedgerNote]) -> i32 {
    let is_open = notes.iter().any(|note| note.standing == Standing::NotClosed);
    if is_open { Cause::Cleanup.exit_code() } else { 0 }
}

/// Tries to forget every credential; one that fails does not save the others.
async fn forget(
    provider: &str,
    profile: &str,
    names: &[&str],
    console: &mut Console<'_>,
) -> Result<(), Refusal> {
    let (mut forgotten, mut failed) = (Vec::new(), Vec::new());
    let mut first_failure = None;
    for &name in names {
        match console.world.store.delete(&StoreKey::credential(provider, profile, name)).await {
            Ok(true) => forgotten.push(name.replace('_', " ")),
            Ok(false) => {}
            Err(failure) => {
                failed.push(name.replace('_', " "));
                first_failure.get_or_insert(failure);
            }
        }
    }
    let place = format!("{provider}/{profile} in the {}", console.world.store.name());
    if !forgotten.is_empty() {
        console.line(format!("forgot {} of {place}", listed(&forgotten)))?;
    }
    match first_failure {
        None if forgotten.is_empty() => console.line(format!("nothing was kept as {place}"))?,
        None => {}
        Some(failure) => {
            let which =
                if failed.len() == names.len() { "whatever is kept".to_owned() } else { listed(&failed) };
            let why = format!("{which} as {place} could not be forgotten: {failure}");
            return Err(console.stop(Cause::Machine, &why, None));
        }
    }
    Ok(())
}
