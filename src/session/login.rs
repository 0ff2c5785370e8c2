//! Signing in, prolonging and signing out: what is asked, and what is made of the answers.

use super::freshness::{Life, Receipt};
use super::intent::Intent;
use super::names;
use super::seat::Session;
use super::values::{self, SessionValues};
use super::visit::{Asked, HTML_PAGE, Trouble, Visit, no_answer_words};
use crate::document::{AuthRequest, Challenge, Named, Reader};
use crate::event::SessionEnd;
use crate::exchange::{Answer, Breaker, Said, status_text};
use crate::model::secret::SecretText;
use crate::model::words;
use crate::port::StoreError;
use crate::template::{Data, Scope, Template, json_to_text};
use jiff::Timestamp;

/// How many questions in a row a login may ask.
const MOST_CHALLENGES: usize = 5;

/// What a login or refresh brought.
pub struct Grant {
    pub values: SessionValues,
    pub life: Life,
    /// New values of credentials that have to be kept before the session is used.
    pub to_keep: Vec<(String, SecretText)>,
}

impl Visit<'_> {
    /// What a login has brought before it begins.
    pub fn no_grant(&self) -> Grant {
        Grant { values: SessionValues::default(), life: self.unknown_life(), to_keep: Vec::new() }
    }

    /// Signs in: all requests of the login, and its questions. `grant` gets what they bring; what is in it after a
    /// failure may be a session that is open all the same.
    pub async fn login(&self, grant: &mut Grant) -> Result<(), Trouble> {
        let auth = &self.method.auth;
        let readers = auth.session.as_ref();
        let mut last = None;
        for request in &auth.login.0 {
            let scope = self.scope(self.templates(request), self.session_data(&grant.values)).await?;
            let asked = self.ask(request, &scope).await?;
            let asked = self.answer_challenges(asked, grant).await?;
            self.read(&asked.answer, readers, &mut grant.values);
            grant.life = self.life(&grant.values, &asked.answer);
            last = Some(asked);
        }
        let missing = readers.map(|readers| grant.values.complete(readers)).unwrap_or_default();
        if let (Some(asked), false) = (last, missing.is_empty()) {
            return Err(incomplete(asked, &missing, readers));
        }
        self.collect_to_keep(grant).await
    }

    /// The values among those of a login that failed which belong to a session: those that requests or the logout carry.
    pub fn tokens_of<'v>(&self, values: &'v SessionValues) -> Vec<&'v str> {
        let auth = &self.method.auth;
        let logout = auth.logout.iter().flat_map(|requests| &requests.0);
        let templates = auth.send.iter().flat_map(names::of_send).chain(logout.flat_map(names::of_request));
        let named = names::below("session", templates);
        values.names().filter(|name| named.iter().any(|known| known == name)).collect()
    }

    /// Whether the values are enough for the logout, or there is none to be sent.
    pub async fn may_log_out(&self, values: &SessionValues) -> bool {
        let Some(requests) = &self.method.auth.logout else { return true };
        for request in &requests.0 {
            if self.is_possible(request, values).await {
                return true;
            }
        }
        requests.0.is_empty()
    }

    /// Prolongs a session. What the answer does not bring stays; it has to bring something that requests carry.
    pub async fn refresh(&self, request: &AuthRequest, old: &SessionValues) -> Result<Grant, Trouble> {
        let auth = &self.method.auth;
        let scope = self.scope(self.templates(request), self.session_data(old)).await?;
        let asked = self.ask(request, &scope).await?;
        let mut values = old.clone();
        let found = self.read(&asked.answer, auth.session.as_ref(), &mut values);
        let carried = names::below("session", auth.send.iter().flat_map(names::of_send));
        if !found.iter().any(|name| carried.contains(name)) {
            return Err(incomplete(asked, &carried, auth.session.as_ref()));
        }
        let life = self.life(&values, &asked.answer);
        let mut grant = Grant { values, life, to_keep: Vec::new() };
        self.collect_to_keep(&mut grant).await?;
        Ok(grant)
    }

    /// Whether a request names nothing that is null: a refresh token that never came, a credential that is not there.
    pub async fn is_possible(&self, request: &AuthRequest, values: &SessionValues) -> bool {
        self.lacks(request, values).await.is_empty()
    }

    /// The names in a request that are null: `session.refresh_token`.
    async fn lacks(&self, request: &AuthRequest, values: &SessionValues) -> Vec<String> {
        let templates = self.templates(request);
        let of_session = names::below("session", templates.iter().copied()).into_iter();
        let of_session = of_session.filter(|name| values.get(name).is_none());
        let mut lacking: Vec<String> = of_session.map(|name| format!("session.{name}")).collect();
        for name in names::below("credentials", templates) {
            if !self.account.wallet.is_one_time(&name) && self.credential_text(&name).await.is_none() {
                lacking.push(format!("credentials.{name}"));
            }
        }
        lacking
    }

    /// Signs out. `valid_until` is the end of the session's life, if known. Of a session that has ended, only what does
    /// not carry it is sent: the revocation of a refresh token. `None`: it has ended, and there is no such thing.
    pub async fn logout(&self, session: &Session, valid_until: Option<Timestamp>) -> Option<SessionEnd> {
        let Session { values, has_ended, .. } = session;
        let Some(requests) = self.method.auth.logout.as_ref().filter(|requests| !requests.0.is_empty())
        else {
            return (!has_ended).then_some(SessionEnd::Forgotten { valid_until });
        };
        let failed =
            |reason: String| SessionEnd::Failed { reason: self.exchange.events().clean(reason), valid_until };
        let (mut is_asked, mut is_over_before) = (false, true);
        let mut lacking = Vec::new();
        for request in requests.0.iter().filter(|request| !has_ended || request.auth.is_none()) {
            let lacks = self.lacks(request, values).await;
            if !lacks.is_empty() {
                lacking.extend(lacks);
                continue;
            }
            is_asked = true;
            match self.logout_request(request, values).await {
                Ok(()) => is_over_before = false,
                Err(Trouble::WrongAnswer { answer, .. }) if self.is_over(&answer, *has_ended) => {}
                Err(trouble) => return Some(failed(self.logout_problem(&trouble))),
            }
        }
        Some(match (is_asked, is_over_before) {
            (false, _) if *has_ended => return None,
            (false, _) => failed(format!("its logout lacks {}", lacking.join(" and "))),
            (true, true) => SessionEnd::AlreadyOver,
            (true, false) => SessionEnd::Closed,
        })
    }

    async fn logout_request(&self, request: &AuthRequest, values: &SessionValues) -> Result<(), Trouble> {
        let scope = self.scope(self.templates(request), self.session_data(values)).await?;
        self.ask(request, &scope).await.map(|_| ())
    }

    /// Whether an answer to a logout says that there is no session any more. To one that has ended, any refusal does.
    fn is_over(&self, answer: &Answer, has_ended: bool) -> bool {
        let is_refused = matches!(answer.status, 400..=499) && !matches!(answer.status, 408 | 429);
        matches!(answer.status, 401 | 403) || (has_ended && is_refused) || self.is_expired(answer)
    }

    /// Whether an answer bears the provider's sign of an expired session; default 401.
    pub fn is_expired(&self, answer: &Answer) -> bool {
        match &self.method.auth.expired {
            Some(expired) => expired.holds(&self.plain_scope(answer)).unwrap_or_else(|error| {
                self.exchange.events().warn(format!("failed to {error}; taken as not expired"));
                false
            }),
            None => answer.status == 401,
        }
    }

    fn logout_problem(&self, trouble: &Trouble) -> String {
        match trouble {
            Trouble::WrongAnswer { answer, reason: Some(reason), .. } => {
                format!("answered {}, but {reason}", status_text(answer.status))
            }
            Trouble::WrongAnswer { answer, .. } => {
                let said = Said::read(answer, self.account.provider().errors.as_ref());
                let said = said.words().map(|words| format!(": {words}"));
                format!("answered {}{}", status_text(answer.status), said.unwrap_or_default())
            }
            Trouble::NoAnswer { error, .. } => no_answer_words(error),
            Trouble::AskedToWait { wish, .. } => {
                format!("asks to be left alone for {}", words::duration(*wish))
            }
            Trouble::OwnRate { wait } => {
                format!("the rate limit allows the next request in {} only", words::duration(*wait))
            }
            Trouble::Unsendable(error) => error.to_string(),
            Trouble::Missing(missing) => missing.to_string(),
            Trouble::Question(text) => text.clone(),
            Trouble::LeftAlone(origin) => Breaker::words(origin),
            Trouble::Unannounced(error) => error.to_string(),
            Trouble::RunEnds => "the run ends".to_owned(),
        }
    }

    fn session_data(&self, values: &SessionValues) -> Data {
        values.data(&self.account.provider().name)
    }

    fn read(
        &self,
        answer: &Answer,
        readers: Option<&Named<Reader>>,
        values: &mut SessionValues,
    ) -> Vec<String> {
        let events = self.exchange.events();
        let provider = &self.account.provider().name;
        readers.map(|readers| values.read(readers, answer, provider, events)).unwrap_or_default()
    }

    fn unknown_life(&self) -> Life {
        Life { received: self.exchange.world().clock.elapsed(), lasts: None }
    }

    fn life(&self, values: &SessionValues, answer: &Answer) -> Life {
        let clock = &self.exchange.world().clock;
        let receipt = Receipt { elapsed: clock.elapsed(), now: clock.now() };
        let expires = self.method.auth.expires.as_deref().unwrap_or_default();
        Life::read(expires, values, answer, receipt)
    }

    /// Answers the questions that an answer asks, until one asks none.
    async fn answer_challenges(&self, mut asked: Asked, grant: &mut Grant) -> Result<Asked, Trouble> {
        let challenges = self.method.auth.challenges.as_deref().unwrap_or_default();
        for _ in 0..MOST_CHALLENGES {
            let seen = self.plain_scope(&asked.answer);
            let mut question = None;
            for challenge in challenges {
                if question.is_none() && challenge.condition.holds(&seen)? {
                    question = Some(challenge);
                }
            }
            let Some(challenge) = question else { return Ok(asked) };
            asked = self.answer_challenge(challenge, &asked.answer, &seen, grant).await?;
        }
        Err(Trouble::Question(format!("it asked {MOST_CHALLENGES} questions in a row and then another one")))
    }

    async fn answer_challenge(
        &self,
        challenge: &Challenge,
        answer: &Answer,
        seen: &Scope,
        grant: &mut Grant,
    ) -> Result<Asked, Trouble> {
        if let Some(refuse) = &challenge.refuse {
            let text = json_to_text(&refuse.evaluate(seen)?.value).unwrap_or_default();
            return Err(Trouble::Question(text));
        }
        // An answer that asks something opens nothing, and a person may take a while.
        self.intent.iter().for_each(Intent::withdraw);
        let provider = &self.account.provider().name;
        let templates = self.templates(&challenge.request);
        let stored = challenge.store.iter().map(|(_, template)| template);
        let scope = self.scope(templates.into_iter().chain(stored), self.session_data(&grant.values)).await?;
        let scope = scope.with("response", answer.secret_data(&format!("{provider}.challenge")));
        let next = self.ask(&challenge.request, &scope).await?;
        grant.to_keep.extend(self.values_to_keep(&challenge.store, &scope)?);
        Ok(next)
    }

    /// Adds what the definition keeps after each login and refresh.
    async fn collect_to_keep(&self, grant: &mut Grant) -> Result<(), Trouble> {
        if let Some(store) = &self.method.auth.store {
            let templates: Vec<&Template> = store.iter().map(|(_, template)| template).collect();
            let scope = self.scope(templates, self.session_data(&grant.values)).await?;
            grant.to_keep.extend(self.values_to_keep(store, &scope)?);
        }
        Ok(())
    }

    fn values_to_keep(
        &self,
        store: &Named<Template>,
        scope: &Scope,
    ) -> Result<Vec<(String, SecretText)>, Trouble> {
        let mut values = Vec::new();
        for (name, template) in store.iter() {
            let evaluated = template.evaluate(scope)?;
            evaluated.teach(self.exchange.events().redactor());
            if let Some(text) = json_to_text(&evaluated.value).filter(|text| !text.is_empty()) {
                values.push((name.value.clone(), SecretText::from(text)));
            }
        }
        Ok(values)
    }

    /// Keeps new values of credentials, before the session is used.
    ///
    /// # Errors
    /// The credential and why the store did not take it; the others are kept.
    pub async fn keep(&self, to_keep: &[(String, SecretText)]) -> Result<(), (String, StoreError)> {
        let mut failure = None;
        for (name, value) in to_keep {
            match self.account.wallet.keep(name, value).await {
                Ok(advice) => advice.iter().for_each(|advice| self.exchange.events().warn(advice)),
                Err(error) => failure = failure.or(Some((name.clone(), error))),
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Who signs in: the first credential of the method that is no secret.
    pub async fn account_name(&self) -> Option<String> {
        let name = self.method.required.iter().find(|name| !self.account.wallet.is_secret(name))?;
        self.credential_text(name).await.map(|text| text.expose().clone())
    }
}

/// An answer lacks what makes a session.
fn incomplete(asked: Asked, missing: &[String], readers: Option<&Named<Reader>>) -> Trouble {
    let Asked { answer, shot } = asked;
    let is_empty = |name: &String| {
        let value = readers.and_then(|readers| readers.get(name)).and_then(|reader| answer.read(reader));
        value.is_some_and(|value| values::is_empty(&value))
    };
    let names = missing.join(", ");
    let reason = if answer.is_html() {
        HTML_PAGE.to_owned()
    } else if missing.iter().all(is_empty) {
        format!("nothing stands in its {names}")
    } else {
        format!("it has no {names}")
    };
    Trouble::WrongAnswer { shot, answer: Box::new(answer), is_refusal: false, reason: Some(reason) }
}
