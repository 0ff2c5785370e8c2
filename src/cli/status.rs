//! `runner status`: which credentials would be found where, never their values. Nothing is sent and nobody is asked.

use super::args::StatusArgs;
use super::console::Console;
use super::refusal::Refusal;
use crate::credential::{Missing, Preview};
use crate::plan::{BUILT_IN, BuiltIn, Options, PlannedProvider, ProviderIndex};
use crate::session::{PlannedLogin, SecretPreview, Sessions};
use std::io;

/// The only provider of each plan.
const PROVIDER: ProviderIndex = ProviderIndex(0);

/// Shows one provider, or all that are built in. Returns the exit code.
///
/// # Errors
/// Why it was not done.
pub(super) async fn status(args: &StatusArgs, console: &mut Console<'_>) -> Result<i32, Refusal> {
    let profile = args.profile.as_deref();
    match &args.provider {
        Some(name) => {
            let provider = console.built_in(name)?;
            show(provider, profile, console).await?;
        }
        None => {
            for (index, provider) in BUILT_IN.iter().enumerate() {
                if index > 0 {
                    writeln!(console.out)?;
                }
                show(provider, profile, console).await?;
            }
        }
    }
    Ok(0)
}

async fn show(built_in: &BuiltIn, profile: Option<&str>, console: &mut Console<'_>) -> Result<(), Refusal> {
    let profiles = profile.iter().map(|&profile| (None, profile.to_owned())).collect();
    let plan = console.plan(built_in, &Options { profiles, ..Options::default() })?;
    let provider = plan.provider(PROVIDER);
    let login = |method: &str| PlannedLogin {
        provider: PROVIDER,
        method: Some(method.to_owned()),
        given: Vec::new(),
    };
    let logins = provider.methods.iter().map(|method| login(&method.name)).collect();
    let (setup, warnings) = console.setup(plan.clone(), profile, logins);
    let preview = Sessions::preview(setup).await;
    match preview {
        Ok((sessions, secrets)) => {
            let account = sessions.account(PROVIDER);
            writeln!(console.out, "{}, profile {}", provider.name, account.profile())?;
            write_secrets(provider, &secrets, console)?;
        }
        Err(failures) => {
            writeln!(console.out, "{}", provider.name)?;
            for failure in &failures {
                writeln!(console.out, "  {}", failure.headline)?;
            }
        }
    }
    console.say(&warnings)?;
    Ok(())
}

fn write_secrets(
    provider: &PlannedProvider,
    secrets: &[SecretPreview],
    console: &mut Console<'_>,
) -> io::Result<()> {
    let known = |name: &str| {
        let public_name = format!("{}.{name}", provider.name);
        secrets.iter().find(|secret| secret.name == public_name)
    };
    let width = provider.credentials.iter().map(|credential| credential.name.len()).max().unwrap_or(0);
    for credential in provider.credentials.iter().filter(|credential| !credential.is_one_time) {
        let place = match known(&credential.name).map(|secret| &secret.source) {
            Some(Ok(Preview::Found(found))) => found.found_in.to_string(),
            Some(Ok(Preview::WouldAsk { .. })) => "would be asked at the terminal".to_owned(),
            Some(Err(missing)) => format!("not found: {}", reasons(missing)),
            None => "not found, and not needed".to_owned(),
        };
        writeln!(console.out, "  {:width$}  {place}", credential.name)?;
    }
    let is_found =
        |name: &String| matches!(known(name).map(|secret| &secret.source), Some(Ok(Preview::Found(_))));
    let is_known = |name: &String| matches!(known(name).map(|secret| &secret.source), Some(Ok(_)));
    let methods = &provider.methods;
    let ready = methods.iter().find(|method| method.required.iter().all(is_found));
    let with_person = || methods.iter().find(|method| method.required.iter().all(is_known));
    match (ready, with_person()) {
        (Some(method), _) => writeln!(console.out, "  → signs in by `{}`", method.name),
        (None, Some(method)) => {
            writeln!(console.out, "  → signs in by `{}`, with a person's help", method.name)
        }
        (None, None) => {
            writeln!(console.out, "  → cannot sign in; `runner login {}` keeps credentials", provider.name)
        }
    }
}

/// `env EMNIFY_PASSWORD not set; keychain, runner/emnify default/password: nothing is kept there`
fn reasons(missing: &Missing) -> String {
    let reasons: Vec<String> =
        missing.tried.iter().map(|tried| format!("{}: {}", tried.source, tried.reason)).collect();
    reasons.join("; ")
}
