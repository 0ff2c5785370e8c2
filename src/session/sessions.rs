use super::account::{Preparation, moment};
use super::choice::{choose, look_up_all};
use super::failure;
use super::freshness::{Freshness, Life};
use super::login::Grant;
use super::names;
use super::values::{self, SessionValues};
use super::visit::{Trouble, Visit};
use super::wallet::{Given, Looked};
use super::{Account, PlannedLogin, SignInFailure};
use crate::credential::{Missing, Preview};
use crate::document::{AuthKeys, AuthRequest};
use crate::event::{EventKind, Events, Failure, Purpose, SessionEnd, SessionNote};
use crate::exchange::retry::REQUEST_TIME;
use crate::exchange::{Answer, Exchange, RenderError, Rendered};
use crate::model::secret::SecretText;
use crate::plan::{Plan, PlannedMethod, ProviderIndex};
use crate::template::{Data, Moment, Scope};
use jiff::Timestamp;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long the closing of one session may take.
const CLOSING_TIME: Duration = Duration::from_secs(10);

/// What sessions are made from.
#[derive(Clone)]
pub struct Setup {
    /// The plan.
    pub plan: Rc<Plan>,
    /// What templates under `providers` see as `inputs`.
    pub inputs: Data,
    /// The logins that the selected steps may ask for: see [`planned_logins`](super::planned_logins).
    pub logins: Vec<PlannedLogin>,
    /// What sends.
    pub exchange: Exchange,
}

/// The number of a session's tokens: it grows with each login and refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(u64);

/// Where a credential would come from, and where it would go: a line of a dry run.
#[derive(Debug, Clone)]
pub struct SecretPreview {
    /// `emnify.password`
    pub name: String,
    /// Where it would come from. An optional credential that nobody has is not listed.
    pub source: Result<Preview, Missing>,
    /// The origins that it would be sent to.
    pub origins: Vec<String>,
}

/// The sessions of a run: one for each provider at most.
pub struct Sessions {
    exchange: Exchange,
    seats: Vec<Seat>,
    is_preview: bool,
    /// Grows with each session that is opened, so that they can be closed in reverse order.
    opened: Cell<u64>,
}

/// The place of one provider's session.
struct Seat {
    account: Account,
    /// Whoever opens, prolongs or closes the session holds it; the others wait and then find it done.
    gate: Mutex<()>,
    session: RefCell<Option<Session>>,
    generations: Cell<u64>,
    /// Logins that were refused: never sent again in this run.
    refused: RefCell<Vec<Refused>>,
}

struct Refused {
    method: String,
    given: Given,
    failure: SignInFailure,
}

/// A login that is wanted.
struct Login {
    /// The method's place in the provider's list.
    method: usize,
    given: Given,
    /// No step asked for it.
    is_implicit: bool,
    /// It replaces a session that was refused.
    is_on_trial: bool,
}

/// An open session.
#[derive(Clone)]
struct Session {
    /// The method's place in the provider's list.
    method: usize,
    given: Given,
    values: SessionValues,
    life: Life,
    generation: Generation,
    order: u64,
    account_name: Option<String>,
    /// These tokens replace refused ones, and no answer has shown yet that they work.
    is_on_trial: bool,
}

impl Sessions {
    /// Makes all providers of the plan ready: settings, addresses, and the credentials of the planned logins, which are
    /// looked up and asked for here.
    ///
    /// # Errors
    /// All that is missing or does not fit, provider by provider; nothing was sent.
    pub async fn prepare(setup: Setup) -> Result<Self, Vec<Failure>> {
        let sessions = Self::ready_accounts(&setup, false).await?;
        let mut failures: Vec<Failure> = Vec::new();
        for login in &setup.logins {
            let seat = sessions.seat(login.provider);
            let found = seat.prepare(login.method.as_deref(), &login.given, sessions.events()).await;
            let new = found.err().unwrap_or_default().into_iter();
            failures.extend(new.filter(|failure| !failures.contains(failure)).collect::<Vec<_>>());
        }
        if failures.is_empty() { Ok(sessions) } else { Err(failures) }
    }

    /// As [`Sessions::prepare`], without asking anybody: what a dry run says about secrets, in the order of the plan. What
    /// nobody has is no failure here, but a `Missing` in the list.
    ///
    /// # Errors
    /// As [`Sessions::prepare`], but for missing credentials.
    pub async fn preview(setup: Setup) -> Result<(Self, Vec<SecretPreview>), Vec<Failure>> {
        let sessions = Self::ready_accounts(&setup, true).await?;
        let mut secrets: Vec<SecretPreview> = Vec::new();
        for login in &setup.logins {
            let seat = sessions.seat(login.provider);
            let wallet = &seat.account.wallet;
            for name in seat.named_by_login(login, sessions.events()).await {
                let public_name = wallet.public_name(&name);
                if secrets.iter().any(|known| known.name == public_name) {
                    continue;
                }
                let source = match wallet.get(&name).await {
                    Looked::Found(found) => Ok(Preview::Found(found)),
                    Looked::WouldAsk => Ok(Preview::WouldAsk { notes: Vec::new() }),
                    Looked::Missing(_) if wallet.is_optional(&name) => continue,
                    Looked::Missing(missing) => Err(missing),
                };
                secrets.push(SecretPreview { name: public_name, source, origins: wallet.origins().to_vec() });
            }
        }
        Ok((sessions, secrets))
    }

    /// For a dry run: the requests of a login, as far as they can be rendered. `given` are the credentials that the step
    /// gives, perhaps unknown ones. Empty when there is nothing to send.
    ///
    /// # Errors
    /// When a template cannot be evaluated.
    pub async fn login_shapes(
        &self,
        provider: ProviderIndex,
        method: Option<&str>,
        given: &[(String, Data)],
    ) -> Result<Vec<Rendered>, RenderError> {
        self.shapes(provider, method, given, |auth| &auth.login.0).await
    }

    /// For a dry run: the requests that end a session of a method. Empty where the provider has no logout.
    ///
    /// # Errors
    /// When a template cannot be evaluated.
    pub async fn logout_shapes(
        &self,
        provider: ProviderIndex,
        method: Option<&str>,
        given: &[(String, Data)],
    ) -> Result<Vec<Rendered>, RenderError> {
        self.shapes(provider, method, given, logout_requests).await
    }

    async fn shapes(
        &self,
        provider: ProviderIndex,
        method: Option<&str>,
        given: &[(String, Data)],
        requests: impl Fn(&AuthKeys) -> &[AuthRequest],
    ) -> Result<Vec<Rendered>, RenderError> {
        let seat = self.seat(provider);
        let names: Vec<String> = given.iter().map(|(name, _)| name.clone()).collect();
        let (planned, wallet) = (seat.account.provider(), &seat.account.wallet);
        let Some(index) = choose(planned, method, &names, wallet, self.events()).await else {
            return Ok(Vec::new());
        };
        let nothing_given = Given::new();
        let visit = self.visit(seat, index, &nothing_given, Purpose::Login, REQUEST_TIME);
        let session = values::unknown(visit.method.auth.session.as_ref(), &seat.account.provider().name);
        let mut shapes = Vec::new();
        for request in requests(&visit.method.auth) {
            let mut credentials = Vec::new();
            for name in names::below("credentials", visit.templates(request)) {
                let data = match given.iter().find(|(given, _)| *given == name) {
                    Some((_, data)) => data.clone(),
                    None => wallet.preview_data(&name).await,
                };
                credentials.push((name, data));
            }
            let scope = seat.account.scope(&moment(self.exchange.world()));
            let scope = scope.with("session", session.clone()).with("credentials", Data::Map(credentials));
            shapes.push(visit.render(request, &scope)?);
        }
        Ok(shapes)
    }

    /// A provider made ready.
    pub fn account(&self, provider: ProviderIndex) -> &Account {
        &self.seat(provider).account
    }

    /// What templates of a definition see: `settings`, `profile` and, while it is open, `session`. In a preview the values
    /// of the session are unknown.
    pub fn scope(&self, provider: ProviderIndex, moment: &Moment) -> Scope {
        let seat = self.seat(provider);
        let name = &seat.account.provider().name;
        let session = match &*seat.session.borrow() {
            Some(session) => session.values.data(name),
            None if self.is_preview => {
                let methods = &seat.account.provider().methods;
                values::unknown(methods.iter().find_map(|method| method.auth.session.as_ref()), name)
            }
            None => Data::Map(Vec::new()),
        };
        seat.account.scope(moment).with("session", session)
    }

    /// Opens the session unless it is open, and prolongs it when it ends soon. To be called before a request is rendered
    /// whose templates name `session`; [`Sessions::authorize`] calls it anyway.
    ///
    /// # Errors
    /// When the provider does not let us in.
    pub async fn ready(&self, provider: ProviderIndex) -> Result<Generation, SignInFailure> {
        let seat = self.seat(provider);
        if let Some(generation) = self.fresh_generation(seat) {
            return Ok(generation);
        }
        let _gate = seat.gate.lock().await;
        if let Some(generation) = self.fresh_generation(seat) {
            return Ok(generation);
        }
        let open = seat.session.borrow().clone();
        match open {
            Some(session) => self.prolong(seat, session, false).await,
            None => self.open(seat, None, Given::new(), true).await,
        }
    }

    /// Puts the session on a request, opened or prolonged first where needed. Doing it again replaces what was put there.
    ///
    /// # Errors
    /// When the provider does not let us in.
    pub async fn authorize(
        &self,
        provider: ProviderIndex,
        rendered: &mut Rendered,
    ) -> Result<Generation, SignInFailure> {
        let seat = self.seat(provider);
        self.ready(provider).await?;
        // No one else runs between here and the end of `carry`, unless a credential has to be fetched for it.
        let Some(session) = seat.session.borrow().clone() else { return Ok(Generation(0)) };
        let visit = self.visit(seat, session.method, &session.given, Purpose::Step, REQUEST_TIME);
        if let Some(send) = &visit.method.auth.send {
            let data = session.values.data(&seat.account.provider().name);
            let carried = match visit.scope(names::of_send(send), data).await {
                Ok(scope) => rendered.carry(send, &scope, self.events().redactor()).map_err(Trouble::from),
                Err(missing) => Err(missing.into()),
            };
            if let Err(trouble) = carried {
                return Err(visit.describe(&trouble).await.into());
            }
        }
        Ok(session.generation)
    }

    /// Whether an answer to an authorized request says that the session has ended. To be asked about every answer (unless
    /// the step expects its status), since an answer that does not say so proves that the session works.
    pub fn is_expired(&self, provider: ProviderIndex, generation: Generation, answer: &Answer) -> bool {
        let seat = self.seat(provider);
        let mut session = seat.session.borrow_mut();
        let Some(session) = &mut *session else { return false };
        let nothing_given = Given::new();
        let visit = self.visit(seat, session.method, &nothing_given, Purpose::Step, REQUEST_TIME);
        let is_expired = !visit.method.auth.login.0.is_empty() && visit.is_expired(answer);
        if !is_expired && session.generation == generation {
            session.is_on_trial = false;
        }
        is_expired
    }

    /// Renews a session that was refused: one refresh or one login for all who saw the same generation refused. Then the
    /// request is authorized and sent once more.
    ///
    /// # Errors
    /// When the provider does not let us in, or refuses a session that it has just given.
    pub async fn renew(&self, provider: ProviderIndex, seen: Generation) -> Result<(), SignInFailure> {
        let seat = self.seat(provider);
        let _gate = seat.gate.lock().await;
        let open = seat.session.borrow().clone();
        match open {
            Some(session) if session.generation != seen => Ok(()),
            Some(session) if session.is_on_trial => {
                Err(failure::refused_when_new(&seat.account, self.events()).into())
            }
            Some(session) => self.prolong(seat, session, true).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Opens a session for an `authenticate` step: with `given` credentials, an open one is closed and replaced; without
    /// any, an open one stays unless another method is asked for.
    ///
    /// # Errors
    /// When the provider does not let us in.
    pub async fn authenticate(
        &self,
        provider: ProviderIndex,
        method: Option<&str>,
        given: Given,
    ) -> Result<SessionNote, SignInFailure> {
        let seat = self.seat(provider);
        let gate = seat.gate.lock().await;
        let open = seat.session.borrow().clone();
        if let Some(session) = open {
            let is_as_wanted = method.is_none_or(|method| method == seat.method(session.method).name);
            if given.is_empty() && is_as_wanted {
                drop(gate);
                self.ready(provider).await?;
                return Ok(self.note_of_open(seat));
            }
            self.close(seat, true).await;
        }
        self.open(seat, method, given, false).await?;
        Ok(self.note_of_open(seat))
    }

    /// Closes a session for a `logout` step. `None`: there was none.
    pub async fn logout(&self, provider: ProviderIndex) -> Option<SessionEnd> {
        let seat = self.seat(provider);
        let _gate = seat.gate.lock().await;
        self.close(seat, false).await
    }

    /// Closes all open sessions in reverse order of opening, each within 10 s of its own, and emits how each ended.
    pub async fn close_all(&self) -> Vec<SessionEnd> {
        let mut open: Vec<(u64, &Seat)> = Vec::new();
        for seat in &self.seats {
            open.extend(seat.session.borrow().as_ref().map(|session| (session.order, seat)));
        }
        open.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
        let mut ends = Vec::new();
        for (_, seat) in open {
            let _gate = seat.gate.lock().await;
            ends.extend(self.close(seat, true).await);
        }
        ends
    }

    async fn ready_accounts(setup: &Setup, is_preview: bool) -> Result<Self, Vec<Failure>> {
        let Setup { plan, inputs, exchange, .. } = setup;
        let preparation = Preparation { plan, inputs, exchange, is_preview };
        let (mut seats, mut failures) = (Vec::new(), Vec::new());
        for index in 0..plan.providers.len() {
            match Account::prepare(&preparation, ProviderIndex(index)).await {
                Ok(account) => seats.push(Seat::new(account)),
                Err(reasons) => {
                    let events = exchange.events();
                    failures.extend(reasons.into_iter().map(|reason| failure::unprepared(reason, events)));
                }
            }
        }
        if !failures.is_empty() {
            return Err(failures);
        }
        Ok(Self { exchange: exchange.clone(), seats, is_preview, opened: Cell::new(0) })
    }

    fn seat(&self, provider: ProviderIndex) -> &Seat {
        &self.seats[provider.0]
    }

    fn events(&self) -> &Events {
        self.exchange.events()
    }

    fn elapsed(&self) -> Duration {
        self.exchange.world().clock.elapsed()
    }

    fn fresh_generation(&self, seat: &Seat) -> Option<Generation> {
        if seat.account.provider().methods.is_empty() {
            return Some(Generation(0));
        }
        let session = seat.session.borrow();
        let session = session.as_ref()?;
        (session.life.freshness(self.elapsed()) == Freshness::Fresh).then_some(session.generation)
    }

    fn visit<'a>(
        &'a self,
        seat: &'a Seat,
        method: usize,
        given: &'a Given,
        purpose: Purpose,
        time: Duration,
    ) -> Visit<'a> {
        Visit {
            account: &seat.account,
            exchange: &self.exchange,
            method: seat.method(method),
            given,
            purpose,
            // Two logins whose answers are lost may be two open sessions already; a refresh opens none.
            most_lost: if purpose == Purpose::Login { 2 } else { 3 },
            time,
            started: self.elapsed(),
        }
    }

    /// Signs in and keeps the session. The gate is held.
    async fn open(
        &self,
        seat: &Seat,
        method: Option<&str>,
        given: Given,
        is_implicit: bool,
    ) -> Result<Generation, SignInFailure> {
        let names: Vec<String> = given.iter().map(|(name, _)| name.clone()).collect();
        let method = seat.choose(method, &names, self.events()).await?;
        self.sign_in(seat, Login { method, given, is_implicit, is_on_trial: false }).await
    }

    async fn sign_in(&self, seat: &Seat, login: Login) -> Result<Generation, SignInFailure> {
        let Login { method, given, is_implicit, is_on_trial } = login;
        if let Some(failure) = seat.refusal(method, &given) {
            return Err(failure);
        }
        let visit = self.visit(seat, method, &given, Purpose::Login, REQUEST_TIME);
        let grant = match visit.login().await {
            Ok(grant) => grant,
            Err(trouble) => {
                let failure = SignInFailure::from(visit.describe(&trouble).await);
                if !trouble.is_passing() {
                    seat.remember_refusal(method, &given, &failure);
                }
                return Err(failure);
            }
        };
        let took = self.elapsed().saturating_sub(visit.started);
        let account_name = visit.account_name().await;
        self.opened.set(self.opened.get() + 1);
        let (order, generation) = (self.opened.get(), seat.next_generation());
        let Grant { values, life, to_keep } = grant;
        let session = Session {
            method,
            given: given.clone(),
            values,
            life,
            generation,
            order,
            account_name,
            is_on_trial,
        };
        *seat.session.borrow_mut() = Some(session);
        let is_sent = !visit.method.auth.login.0.is_empty();
        if is_implicit && is_sent {
            self.events().emit(EventKind::SessionOpened { session: self.note_of_open(seat), took });
        }
        self.keep(&visit, &to_keep).await?;
        Ok(generation)
    }

    /// Prolongs a session by its refresh, if it has one that can help; else signs in again. The gate is held.
    async fn prolong(
        &self,
        seat: &Seat,
        session: Session,
        is_refused: bool,
    ) -> Result<Generation, SignInFailure> {
        let visit = self.visit(seat, session.method, &session.given, Purpose::Refresh, REQUEST_TIME);
        let has_ended = is_refused || session.life.freshness(self.elapsed()) == Freshness::Ended;
        if let Some(refresh) = &visit.method.auth.refresh
            && !(has_ended && refresh.only_before_expiry == Some(true))
            && visit.is_possible(&refresh.request, &session.values).await
            && let Ok(Grant { values, life, to_keep }) =
                visit.refresh(&refresh.request, &session.values).await
        {
            let generation = seat.next_generation();
            let prolonged = Session { values, life, generation, is_on_trial: is_refused, ..session.clone() };
            *seat.session.borrow_mut() = Some(prolonged);
            self.events().emit(EventKind::SessionRefreshed { session: self.note_of_open(seat) });
            self.keep(&visit, &to_keep).await?;
            return Ok(generation);
        }
        seat.session.borrow_mut().take();
        let Session { method, given, .. } = session;
        self.sign_in(seat, Login { method, given, is_implicit: true, is_on_trial: is_refused }).await
    }

    /// Keeps new values of credentials before the session is used.
    async fn keep(&self, visit: &Visit<'_>, to_keep: &[(String, SecretText)]) -> Result<(), SignInFailure> {
        visit.keep(to_keep).await.map_err(|(credential, error)| {
            failure::unkept(&credential, &error, visit.account, self.events()).into()
        })
    }

    /// Closes the session, if one is open. The gate is held. A session for which nothing was sent ends without a word.
    async fn close(&self, seat: &Seat, is_implicit: bool) -> Option<SessionEnd> {
        let session = seat.session.borrow_mut().take()?;
        let visit = self.visit(seat, session.method, &session.given, Purpose::Logout, CLOSING_TIME);
        if visit.method.auth.login.0.is_empty() {
            return None;
        }
        let valid_until = self.valid_until(&session.life);
        let end = visit.logout(&session.values, valid_until).await;
        if is_implicit {
            let provider = self.events().clean(&seat.account.provider().name);
            let took = self.elapsed().saturating_sub(visit.started);
            self.events().emit(EventKind::SessionClosed { provider, end: end.clone(), took });
        }
        Some(end)
    }

    fn valid_until(&self, life: &Life) -> Option<Timestamp> {
        let remaining = life.remaining(self.elapsed())?;
        self.exchange.world().clock.now().checked_add(remaining).ok()
    }

    /// The session of a seat for those who read reports.
    fn note_of_open(&self, seat: &Seat) -> SessionNote {
        let events = self.events();
        let provider = seat.account.provider();
        let session = seat.session.borrow();
        let session = session.as_ref();
        let method = session.map(|session| &seat.method(session.method).name);
        let account_name = session.and_then(|session| session.account_name.as_ref());
        let remaining = session.and_then(|session| session.life.remaining(self.elapsed()));
        SessionNote {
            provider: events.clean(&provider.name),
            account: account_name.map(|name| events.clean(name)),
            method: method.filter(|_| provider.methods.len() > 1).map(|name| events.clean(name)),
            valid_until: session.and_then(|session| self.valid_until(&session.life)),
            valid_for_ms: remaining.map(|remaining| u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

impl Seat {
    fn new(account: Account) -> Self {
        Self {
            account,
            gate: Mutex::new(()),
            session: RefCell::default(),
            generations: Cell::new(0),
            refused: RefCell::default(),
        }
    }

    fn method(&self, index: usize) -> &PlannedMethod {
        &self.account.provider().methods[index]
    }

    fn next_generation(&self) -> Generation {
        self.generations.set(self.generations.get() + 1);
        Generation(self.generations.get())
    }

    /// The method that is taken, its credentials looked up.
    ///
    /// # Errors
    /// The first credential that is missing, or that there is no such method.
    async fn choose(
        &self,
        wanted: Option<&str>,
        given: &[String],
        events: &Events,
    ) -> Result<usize, SignInFailure> {
        let missing = match self.prepare(wanted, given, events).await {
            Ok(method) => return Ok(method),
            Err(failures) => failures,
        };
        let first = missing.into_iter().next();
        Err(first.unwrap_or_else(|| failure::no_method(wanted, &self.account, events)).into())
    }

    /// As [`Seat::choose`], with all that is missing.
    async fn prepare(
        &self,
        wanted: Option<&str>,
        given: &[String],
        events: &Events,
    ) -> Result<usize, Vec<Failure>> {
        let (provider, wallet) = (self.account.provider(), &self.account.wallet);
        let Some(method) = choose(provider, wanted, given, wallet, events).await else {
            return Err(vec![failure::no_method(wanted, &self.account, events)]);
        };
        let missing = look_up_all(self.method(method), given, wallet).await;
        match missing.is_empty() {
            true => Ok(method),
            false => {
                Err(missing.iter().map(|missing| failure::missing(missing, &self.account, events)).collect())
            }
        }
    }

    /// The credentials that a login would use. Those that it may do without are in it only if they are there.
    async fn named_by_login(&self, login: &PlannedLogin, events: &Events) -> Vec<String> {
        let (provider, wallet) = (self.account.provider(), &self.account.wallet);
        let method = choose(provider, login.method.as_deref(), &login.given, wallet, events).await;
        let Some(method) = method.map(|method| self.method(method)) else { return Vec::new() };
        let mut names = Vec::new();
        for name in method.required.iter().chain(&method.used) {
            let is_new = !names.contains(name) && !login.given.contains(name);
            let is_needed = method.required.contains(name);
            if is_new && (is_needed || !matches!(wallet.get(name).await, Looked::Missing(_))) {
                names.push(name.clone());
            }
        }
        names
    }

    fn refusal(&self, method: usize, given: &Given) -> Option<SignInFailure> {
        let method = &self.method(method).name;
        let refused = self.refused.borrow();
        let known = refused.iter().find(|known| known.method == *method && known.given == *given);
        known.map(|known| known.failure.clone())
    }

    fn remember_refusal(&self, method: usize, given: &Given, failure: &SignInFailure) {
        let method = self.method(method).name.clone();
        self.refused.borrow_mut().push(Refused { method, given: given.clone(), failure: failure.clone() });
    }
}

fn logout_requests(auth: &AuthKeys) -> &[AuthRequest] {
    auth.logout.as_ref().map_or(&[], |requests| &requests.0)
}
