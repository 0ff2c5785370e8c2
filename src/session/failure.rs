//! Sign-in failures in words: what happened, which request, where the credentials came from, what now.

use super::account::Account;
use super::names;
use super::visit::{Shot, Trouble, Visit, no_answer_words};
use crate::credential::{FoundIn, Missing};
use crate::event::{Events, Failure, FailureDraft};
use crate::exchange::{Answer, Breaker, RenderError, SOMEONE_IN_FRONT, Said, hint, is_redirect, status_text};
use crate::model::exit::Cause;
use crate::model::redacted::Redacted;
use crate::model::words;
use crate::port::{RefusedLogin, StoreError};
use jiff::Timestamp;
use std::io;
use std::time::Duration;

/// Why a session could not be had. It reads like any other failure; the step adds its place.
#[derive(Debug, Clone)]
pub struct SignInFailure {
    failure: Box<Failure>,
    is_not_begun: bool,
}

impl SignInFailure {
    /// The failure for the report.
    pub fn into_failure(self) -> Failure {
        *self.failure
    }

    /// True when nothing was sent, since nothing more is sent to where the provider signs in.
    pub fn is_not_begun(&self) -> bool {
        self.is_not_begun
    }

    /// The failure for the report.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// What later steps are told that need this login: it is not sent for each of them anew.
    pub fn for_later_steps(&self, account: &Account, events: &Events) -> Self {
        let provider = &account.provider().name;
        let headline = format!("{provider} is not asked again to sign in: {}", self.failure.headline);
        let draft = FailureDraft::new(self.failure.cause, headline).advice(LATER);
        Self { failure: Box::new(draft.finish(events.redactor())), is_not_begun: true }
    }

    /// The same failure with one more note.
    #[must_use]
    pub fn with_note(mut self, note: Redacted) -> Self {
        self.failure.notes.push(note);
        self
    }

    /// The same failure with the request that showed it, unless it has one of its own.
    #[must_use]
    pub fn of_request(mut self, request: Redacted) -> Self {
        self.failure.request.get_or_insert(request);
        self
    }
}

impl From<Failure> for SignInFailure {
    fn from(failure: Failure) -> Self {
        Self { failure: Box::new(failure), is_not_begun: false }
    }
}

/// What is half done, the run itself adds.
const LATER: &str = "run it again later";

/// What could not be made ready before the first step.
pub fn unprepared(reason: String, events: &Events) -> Failure {
    FailureDraft::new(Cause::Invalid, reason).finish(events.redactor())
}

/// A credential that no source has.
pub fn missing(missing: &Missing, account: &Account, events: &Events) -> Failure {
    let provider = &account.provider().name;
    let name = missing.name.strip_prefix(provider.as_str()).and_then(|name| name.strip_prefix('.'));
    let is_code = name.is_some_and(|name| account.wallet.is_one_time(name));
    let headline = match is_code {
        true => format!("{provider} asks for {}, and no source has it", missing.name),
        false => format!("no source has {}", missing.name),
    };
    let advice = match name.is_some_and(|name| account.wallet.may_be_stored(name)) {
        true => format!("set it in one of these, or keep it once with `{}`", account.login_command()),
        false if is_code => "run it at a terminal, where it can be asked for".to_owned(),
        false => "set it in one of these".to_owned(),
    };
    FailureDraft::new(Cause::SignIn, headline).notes(tried(missing)).advice(advice).finish(events.redactor())
}

/// No method has its credentials, though nothing specific is missing: the provider has no such method.
pub fn no_method(wanted: Option<&str>, account: &Account, events: &Events) -> Failure {
    let provider = &account.provider().name;
    let headline = match wanted {
        Some(wanted) => format!("{provider} has no method `{wanted}` to sign in"),
        None => format!("{provider} has no way to sign in"),
    };
    FailureDraft::new(Cause::Invalid, headline).finish(events.redactor())
}

/// A new value of a credential that the store did not take.
pub fn unkept(credential: &str, error: &StoreError, account: &Account, events: &Events) -> Failure {
    let name = account.wallet.public_name(credential);
    FailureDraft::new(Cause::Machine, format!("the new value of {name} could not be kept: {error}"))
        .notes(["the old one may not work any more".to_owned()])
        .advice(format!("see to the store, then sign in anew with `{}`", account.login_command()))
        .finish(events.redactor())
}

/// A credential that each login replaces, and that the store does not give any more.
pub fn unread(credential: &str, error: &StoreError, account: &Account, events: &Events) -> Failure {
    let name = account.wallet.public_name(credential);
    FailureDraft::new(Cause::Machine, format!("{name} could not be read again before the login: {error}"))
        .note("another process may have used up the value that was read before; nothing was sent")
        .advice("see to the store, then run it again")
        .finish(events.redactor())
}

/// What runs tell each other cannot be read or written.
pub fn no_state(error: &io::Error, consequence: &str, events: &Events) -> Failure {
    FailureDraft::new(Cause::Machine, format!("what runs leave for each other cannot be kept: {error}"))
        .note(consequence)
        .advice("see to that folder, or name another one with `--state-dir`")
        .finish(events.redactor())
}

/// Other processes have signed in with the same credential for too long.
pub fn credential_in_use(account: &Account, events: &Events) -> Failure {
    let provider = &account.provider().name;
    let headline = format!("another process keeps signing in to {provider} with the same stored credential");
    FailureDraft::new(Cause::Unavailable, headline).advice(LATER).finish(events.redactor())
}

/// A session that is refused though it is new.
pub fn refused_when_new(account: &Account, events: &Events) -> Failure {
    let provider = &account.provider().name;
    FailureDraft::new(Cause::SignIn, format!("{provider} refuses a session that it has just given"))
        .advice("look at the provider's definition: what `send` puts on requests, and what `expired` says")
        .finish(events.redactor())
}

impl Visit<'_> {
    /// The failure that a login's trouble leads to.
    pub async fn failure(&self, trouble: &Trouble) -> SignInFailure {
        let failure = Box::new(self.describe(trouble).await);
        SignInFailure { failure, is_not_begun: matches!(trouble, Trouble::LeftAlone(_)) }
    }

    /// A login's trouble in words.
    pub async fn describe(&self, trouble: &Trouble) -> Failure {
        let events = self.exchange.events();
        let provider = &self.account.provider().name;
        match trouble {
            Trouble::Missing(reason) => missing(reason, self.account, events),
            Trouble::Unsendable(error) => {
                let headline = format!("the sign-in request for {provider} cannot be made: {error}");
                let advice = "see what its credentials and settings hold: one of them does not fit there";
                FailureDraft::new(Cause::SignIn, headline).advice(advice).finish(events.redactor())
            }
            Trouble::Question(text) => FailureDraft::new(
                Cause::SignIn,
                format!("{provider} did not sign in {}: {text}", self.who().await),
            )
            .finish(events.redactor()),
            Trouble::NoAnswer { shot, error } => {
                let reason = no_answer_words(error);
                let (cause, headline, advice) = match trouble.is_passing() {
                    true => (
                        Cause::Unavailable,
                        format!("{provider} could not be reached to sign in: {reason}"),
                        Some(error.advice().unwrap_or_else(|| LATER.to_owned())),
                    ),
                    false => (Cause::SignIn, format!("the login at {provider} was {reason}"), error.advice()),
                };
                let draft = FailureDraft::new(cause, headline).request(request_line(shot));
                FailureDraft { advice, ..draft }.finish(events.redactor())
            }
            Trouble::Unannounced(error) => {
                no_state(error, "a sign-in that is not written down is not sent", events)
            }
            Trouble::RunEnds => {
                let headline = format!("there was no time left to sign in at {provider}");
                FailureDraft::new(Cause::Unavailable, headline).advice(LATER).finish(events.redactor())
            }
            Trouble::LeftAlone(origin) => {
                let draft = FailureDraft::new(Cause::Unavailable, Breaker::words(origin));
                draft.advice(LATER).finish(events.redactor())
            }
            Trouble::AskedToWait { shot, wish } => {
                let headline = format!("{provider} asks to be left alone for {}", words::duration(*wish));
                self.describe_wait(headline, shot.as_ref(), *wish)
            }
            Trouble::OwnRate { wait } => {
                let wait_words = words::duration(*wait);
                let headline =
                    format!("the rate limit of {provider} allows the next request in {wait_words} only");
                self.describe_wait(headline, None, *wait)
            }
            Trouble::WrongAnswer { shot, answer, is_refusal: true, reason: _ } => {
                self.describe_refusal(shot, answer).await
            }
            Trouble::WrongAnswer { shot, answer, is_refusal: false, reason } => {
                self.describe_wrong_answer(shot, answer, reason.as_deref(), trouble.is_passing())
            }
        }
    }

    /// The failure of a session that cannot be put on a request, be it one that a login has opened.
    pub fn describe_uncarried(&self, error: &RenderError, is_opened: bool) -> Failure {
        let provider = &self.account.provider().name;
        let (headline, advice) = match is_opened {
            true => (
                format!("the login at {provider} was done, but no request can carry what it gave: {error}"),
                "compare `session` and `send` in the provider's definition with what the login answers",
            ),
            false => (
                format!("no request can carry the credentials of {provider}: {error}"),
                "correct what does not fit there where it comes from; `runner status` says where that is",
            ),
        };
        let logout = self.method.auth.logout.iter().flat_map(|requests| &requests.0);
        let is_left = is_opened && logout.into_iter().any(|request| request.auth.is_some());
        let left = is_left.then(|| "its logout cannot carry it either: the session is left open".to_owned());
        let redactor = self.exchange.events().redactor();
        FailureDraft::new(Cause::SignIn, headline).notes(left).advice(advice).finish(redactor)
    }

    async fn describe_refusal(&self, shot: &Shot, answer: &Answer) -> Failure {
        let provider = self.account.provider();
        let name = &provider.name;
        let what = format!("{name} refused to sign in {}", self.who().await);
        let mut request = request_line(shot);
        if let Some(lockout) = &self.method.auth.lockout {
            request += &format!(": {name} locks the account after {} refusals", lockout.after);
        }
        let mut draft = self.draft_refusal(&what, answer, &shot.credentials);
        draft.request = Some(request);
        if let Some(lockout) = self.method.auth.lockout.as_ref().filter(|_| !self.is_typed()) {
            let (time, login) = (words::duration(lockout.duration.0), self.account.login_command());
            draft =
                draft.note(format!("no run repeats this login for {time}, unless `{login}` succeeds before"));
        }
        draft.finish(self.exchange.events().redactor())
    }

    /// The failure of a login that is not sent, since an earlier run was refused: until then.
    pub fn describe_earlier_refusal(&self, refusal: &RefusedLogin, until: Timestamp) -> Failure {
        let provider = &self.account.provider().name;
        let RefusedLogin { login, run, at, answer, places, .. } = refusal;
        let now = self.exchange.world().clock.now();
        let (at, until) = (words::moment(*at, now), words::moment(until, now));
        let headline = format!("{provider} refused to sign in {} at {at} ({answer})", login.account);
        let lockout = self.method.auth.lockout.as_ref().map_or(0, |lockout| lockout.after);
        let login = self.account.login_command();
        FailureDraft::new(Cause::SignIn, headline)
            .note(format!(
                "not tried again before {until}: {provider} locks the account after {lockout} refusals (run {run})"
            ))
            .notes(places.iter().map(ToString::to_string))
            .advice(format!("correct the wrong one there, then `{login}`, or run it again after {until}"))
            .finish(self.exchange.events().redactor())
    }

    /// Where credentials came from, a line for each.
    pub fn places(&self, credentials: &[String]) -> Vec<String> {
        self.origins(credentials).iter().map(|(credential, place)| origin_words(credential, place)).collect()
    }

    /// What a refusal says: `401, empty body`.
    pub fn answer_words(&self, answer: &Answer) -> String {
        let said = Said::read(answer, self.account.provider().errors.as_ref());
        let words = said.words().unwrap_or_else(|| answer.describe_body().to_owned());
        format!("{}, {words}", answer.status)
    }

    /// The failure of a request that carried nothing but credentials, which its answer refuses.
    pub fn describe_refused_credentials(&self, answer: &Answer) -> Failure {
        let send = self.method.auth.send.iter().flat_map(names::of_send);
        let headers = self.account.provider().headers.iter().map(|(_, header)| header);
        let credentials = names::below("credentials", send.chain(headers));
        let what = format!("{} refused its credentials", self.account.provider().name);
        self.draft_refusal(&what, answer, &credentials).finish(self.exchange.events().redactor())
    }

    fn draft_refusal(&self, what: &str, answer: &Answer, credentials: &[String]) -> FailureDraft {
        let said = Said::read(answer, self.account.provider().errors.as_ref());
        let origins = self.origins(credentials);
        let mut draft = FailureDraft::new(Cause::SignIn, format!("{what} ({})", self.answer_words(answer)))
            .notes(origins.iter().map(|(credential, place)| origin_words(credential, place)))
            .notes(self.hint(&said, answer.status));
        draft.advice = self.correction(&origins);
        draft
    }

    /// Where each of these credentials came from, and behind a code the secret that it was computed from.
    fn origins(&self, credentials: &[String]) -> Vec<(String, FoundIn)> {
        let mut origins = Vec::new();
        for name in credentials {
            let Some(place) = self.place_of(name) else { continue };
            let secret = match &place {
                FoundIn::Totp(secret) if !credentials.contains(secret) => Some(secret.clone()),
                _ => None,
            };
            origins.push((name.clone(), place));
            origins.extend(secret.and_then(|name| self.place_of(&name).map(|place| (name, place))));
        }
        origins
    }

    /// What to do about credentials that were refused, of which nobody knows which one is wrong.
    fn correction(&self, origins: &[(String, FoundIn)]) -> Option<String> {
        let wallet = &self.account.wallet;
        let login = self.account.login_command();
        let written: Vec<_> =
            origins.iter().filter(|(_, place)| !matches!(place, FoundIn::Totp(_))).collect();
        let all = |is_so: fn(&FoundIn) -> bool| written.iter().all(|(_, place)| is_so(place));
        let (it, wrong, right) = match written.as_slice() {
            [] => return None,
            [_] => ("it", "it", "one"),
            _ => ("them", "the wrong one", "ones"),
        };
        let is_typed = |place: &FoundIn| matches!(place, FoundIn::Prompt);
        let is_kept = |place: &FoundIn| matches!(place, FoundIn::Stored { .. } | FoundIn::Prompt);
        let is_given = |place: &FoundIn| matches!(place, FoundIn::Step | FoundIn::Value);
        let may_be_kept = written.iter().all(|(name, place)| !is_given(place) && wallet.may_be_stored(name));
        let advice = if all(is_typed) {
            format!("run it again and type {it} anew")
        } else if all(is_kept) {
            format!("keep the right {right} with `{login}`")
        } else if may_be_kept {
            format!("correct {wrong} there, or keep {it} once with `{login}`")
        } else if written.iter().any(|(_, place)| matches!(place, FoundIn::Stored { .. })) {
            format!("correct {wrong} there; `{login}` replaces what is kept")
        } else {
            format!("correct {wrong} there")
        };
        let clock =
            if written.len() < origins.len() { "; see that this machine's clock is right" } else { "" };
        Some(format!("{advice}{clock}"))
    }

    fn describe_wrong_answer(
        &self,
        shot: &Shot,
        answer: &Answer,
        reason: Option<&str>,
        is_passing: bool,
    ) -> Failure {
        let provider = self.account.provider();
        let said = Said::read(answer, provider.errors.as_ref());
        let headline = match reason {
            Some(reason) => {
                format!(
                    "{} answered the login with {}, but {reason}",
                    provider.name,
                    status_text(answer.status)
                )
            }
            None => {
                let said = said.words().unwrap_or_else(|| answer.describe_body().to_owned());
                format!("{} answered the login with {} ({said})", provider.name, status_text(answer.status))
            }
        };
        let (cause, advice) = match is_passing {
            true => (Cause::Unavailable, LATER.to_owned()),
            false => (Cause::SignIn, advice_on_wrong_answer(answer)),
        };
        FailureDraft::new(cause, headline)
            .request(request_line(shot))
            .notes(self.hint(&said, answer.status))
            .advice(advice)
            .finish(self.exchange.events().redactor())
    }

    fn describe_wait(&self, headline: String, shot: Option<&Shot>, wish: Duration) -> Failure {
        let now = self.exchange.world().clock.now();
        let again = now
            .checked_add(wish)
            .map_or_else(|_| "later".to_owned(), |again| format!("after {}", words::moment(again, now)));
        let mut draft = FailureDraft::new(Cause::Unavailable, headline);
        draft.request = shot.map(request_line);
        draft.advice(format!("run it again {again}")).finish(self.exchange.events().redactor())
    }

    async fn who(&self) -> String {
        self.account_name().await.unwrap_or_else(|| match self.method.name.as_str() {
            "default" => "with these credentials".to_owned(),
            name => format!("by `{name}`"),
        })
    }

    /// Where a credential came from, if it was looked for.
    pub fn place_of(&self, credential: &str) -> Option<FoundIn> {
        match self.given.iter().any(|(given, _)| given == credential) {
            true => Some(self.given_place.clone()),
            false => self.account.wallet.found_in(credential),
        }
    }

    fn hint(&self, said: &Said, status: u16) -> Option<String> {
        let hints = &self.account.provider().errors.as_ref()?.hints;
        let mut hints: Vec<(&str, &str)> =
            hints.iter().map(|(key, text)| (key.value.as_str(), text.as_str())).collect();
        hints.sort_by_key(|(key, _)| key.parse::<u16>().is_ok());
        hint(&hints, said.code.as_deref(), status).map(|text| format!("hint: {text}"))
    }
}

/// What to do about an answer to a login that neither lets in nor refuses.
fn advice_on_wrong_answer(answer: &Answer) -> String {
    match answer.is_html() || is_redirect(answer.status) {
        true => format!("{SOMEONE_IN_FRONT}; see to that, then run it again"),
        false => "compare the login in the provider's definition with what it answers".to_owned(),
    }
}

/// `POST https://cdn.emnify.net/api/v1/authenticate · sent once`
fn request_line(shot: &Shot) -> String {
    let times = match shot.attempts {
        1 => "sent once".to_owned(),
        attempts => format!("tried {attempts} times in {}", words::duration(shot.took)),
    };
    format!("{} {} · {times}", shot.method, shot.shown_address)
}

/// `password came from env EMNIFY_PASSWORD`
fn origin_words(credential: &str, place: &FoundIn) -> String {
    match place {
        FoundIn::Prompt => format!("you typed {credential}"),
        FoundIn::Totp(secret) => format!("{credential} was computed from {secret} and the time"),
        place => format!("{credential} came from {place}"),
    }
}

fn tried(missing: &Missing) -> Vec<String> {
    missing.tried.iter().map(|tried| format!("{}: {}", tried.source, tried.reason)).collect()
}
