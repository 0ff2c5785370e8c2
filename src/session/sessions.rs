use super::account::Preparation;
use super::failure;
use super::freshness::{Freshness, Life};
use super::login::Grant;
use super::names;
use super::run_end::RunEnd;
use super::seat::{Generation, Login, Seat, Session};
use super::values;
use super::visit::{CLOSING_TIME, Trouble, Visit};
use super::wallet::Given;
use super::{Account, PlannedLogin, SignInFailure};
use crate::credential::FoundIn;
use crate::event::{EventKind, Events, Failure, Purpose, SessionEnd, SessionNote};
use crate::exchange::{Answer, Exchange, Rendered};
use crate::model::secret::SecretText;
use crate::plan::{Plan, ProviderIndex};
use crate::port::RefusedLogin;
use crate::template::{Data, Moment, Scope};
use jiff::Timestamp;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

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
    /// The run's identity, for those who read of its sessions later.
    pub run: String,
}

/// The sessions of a run: one for each provider at most.
pub struct Sessions {
    pub(super) exchange: Exchange,
    pub(super) seats: Vec<Seat>,
    is_preview: bool,
    /// Where credentials come from that are given to a login.
    pub(super) given_place: FoundIn,
    /// Grows with each session that is opened, so that they can be closed in reverse order.
    opened: Cell<u64>,
    pub(super) run_end: RunEnd,
    has_failed_to_close: Cell<bool>,
    pub(super) run: String,
    /// The refusals that this process has left word of.
    pub(super) own_refusals: RefCell<Vec<RefusedLogin>>,
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

    /// The same sessions for somebody who types the credentials of a login.
    #[must_use]
    pub fn given_by_a_person(self) -> Self {
        Self { given_place: FoundIn::Prompt, ..self }
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
        if let Some(failure) = seat.refusal_of_open() {
            return Err(failure);
        }
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
        let visit = self.visit(seat, session.method, &session.given, Purpose::Step);
        if let Some(send) = &visit.method.auth.send {
            let data = session.values.data(&seat.account.provider().name);
            let carried = match visit.scope(names::of_send(send), data).await {
                Ok(scope) => rendered.carry(send, &scope, self.events().redactor()).map_err(Trouble::from),
                Err(missing) => Err(missing.into()),
            };
            match carried {
                Ok(()) => {}
                Err(Trouble::Unsendable(error)) => {
                    return Err(visit.describe_uncarried(&error, seat.has_login(&session)).into());
                }
                Err(trouble) => return Err(visit.describe(&trouble).await.into()),
            }
        }
        Ok(session.generation)
    }

    /// Whether an answer to an authorized request says that the session has ended, or refuses the credentials that are the
    /// session themselves. To be asked about every answer (unless
    /// the step expects its status), since an answer that does not say so proves that the session works.
    pub fn is_expired(&self, provider: ProviderIndex, generation: Generation, answer: &Answer) -> bool {
        let seat = self.seat(provider);
        let mut session = seat.session.borrow_mut();
        let Some(session) = &mut *session else { return false };
        let nothing_given = Given::new();
        let visit = self.visit(seat, session.method, &nothing_given, Purpose::Step);
        let is_expired = visit.is_expired(answer);
        if !is_expired && session.generation == generation {
            session.is_on_trial = false;
        }
        is_expired
    }

    /// Renews a session that an answer refuses: one refresh or one login for all who saw the same generation refused. Then
    /// the request is authorized and sent once more.
    ///
    /// # Errors
    /// When the provider does not let us in, refuses a session that it has just given, or there is nothing to renew: the
    /// credentials themselves are refused.
    pub async fn renew(
        &self,
        provider: ProviderIndex,
        seen: Generation,
        answer: &Answer,
    ) -> Result<(), SignInFailure> {
        let seat = self.seat(provider);
        let _gate = seat.gate.lock().await;
        let open = seat.session.borrow().clone();
        match open {
            Some(session) if session.generation != seen => Ok(()),
            Some(session) if !seat.has_login(&session) => {
                Err(self.refuse_credentials(seat, &session, answer))
            }
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

    /// Says that the steps are over, however that came: what is sent from now on is cleanup.
    pub fn begin_cleanup(&self) {
        self.run_end.begin_cleanup();
    }

    /// Closes all open sessions in reverse order of opening, each within 10 s of its own, and emits how each ended. Those
    /// whose closing was cut off before are among them.
    pub async fn close_all(&self) -> Vec<SessionEnd> {
        let mut open: Vec<(u64, &Seat)> = Vec::new();
        for seat in &self.seats {
            seat.retire();
            open.extend(seat.retired.borrow().iter().map(|session| (session.order, seat)));
        }
        open.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
        let mut ends = Vec::new();
        for (_, seat) in open {
            let _gate = seat.gate.lock().await;
            ends.extend(self.close(seat, true).await);
        }
        ends
    }

    /// Whether the closing of any session has failed, whoever asked for it.
    pub fn has_failed_to_close(&self) -> bool {
        self.has_failed_to_close.get()
    }

    /// The sessions that are open now.
    pub fn open_sessions(&self) -> Vec<SessionNote> {
        let is_open = |seat: &&Seat| {
            let session = seat.session.borrow();
            session.as_ref().is_some_and(|session| !seat.method(session.method).auth.login.0.is_empty())
        };
        self.seats.iter().filter(is_open).map(|seat| self.note_of_open(seat)).collect()
    }

    /// The failure of credentials that nobody signs in with. If no answer has shown that they work, they are not sent again
    /// in this run.
    fn refuse_credentials(&self, seat: &Seat, session: &Session, answer: &Answer) -> SignInFailure {
        let visit = self.visit(seat, session.method, &session.given, Purpose::Step);
        let failure = SignInFailure::from(visit.describe_refused_credentials(answer));
        if session.is_on_trial {
            seat.remember_refusal(session.method, &session.given, &failure);
        }
        failure
    }

    pub(super) async fn ready_accounts(setup: &Setup, is_preview: bool) -> Result<Self, Vec<Failure>> {
        let Setup { plan, inputs, exchange, run, .. } = setup;
        let run_end = RunEnd::of_run(exchange.world(), plan.deadline);
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
        Ok(Self {
            exchange: exchange.clone(),
            seats,
            is_preview,
            given_place: FoundIn::Step,
            opened: Cell::new(0),
            run_end,
            has_failed_to_close: Cell::new(false),
            run: run.clone(),
            own_refusals: RefCell::default(),
        })
    }

    pub(super) fn seat(&self, provider: ProviderIndex) -> &Seat {
        &self.seats[provider.0]
    }

    pub(super) fn events(&self) -> &Events {
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

    pub(super) fn visit<'a>(
        &'a self,
        seat: &'a Seat,
        method: usize,
        given: &'a Given,
        purpose: Purpose,
    ) -> Visit<'a> {
        Visit {
            account: &seat.account,
            exchange: &self.exchange,
            method: seat.method(method),
            given,
            given_place: &self.given_place,
            purpose,
            run_end: &self.run_end,
            has_begun: Cell::new(false),
            // Two logins whose answers are lost may be two open sessions already; a refresh opens none.
            most_lost: if purpose == Purpose::Login { 2 } else { 3 },
            started: self.elapsed(),
            time: (purpose == Purpose::Logout).then_some(CLOSING_TIME),
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
        let _lock = self.lock_credentials(seat, method, &given).await?;
        self.sign_in(seat, Login { method, given, is_implicit, is_on_trial: false, is_proven: false }).await
    }

    async fn sign_in(&self, seat: &Seat, login: Login) -> Result<Generation, SignInFailure> {
        let (method, given) = (login.method, &login.given);
        if let Some(failure) = seat.refusal(method, given) {
            return Err(failure);
        }
        let visit = self.visit(seat, method, given, Purpose::Login);
        if !login.is_proven
            && let Err(failure) = self.heed_earlier_refusal(&visit).await
        {
            seat.remember_refusal(method, given, &failure);
            return Err(failure);
        }
        let mut grant = visit.no_grant();
        if let Err(trouble) = visit.login(&mut grant).await {
            let failure = visit.failure(&trouble).await;
            if !trouble.is_passing() {
                seat.remember_refusal(method, given, &failure);
            }
            self.remember_refusal(&visit, &trouble).await;
            self.give_back(seat, &visit, &login, grant).await;
            return Err(failure);
        }
        self.forget_refusal(&visit).await;
        self.begin(seat, &visit, &login, grant).await
    }

    /// Makes what a login has brought the session in use: written down, announced, its credentials kept.
    async fn begin(
        &self,
        seat: &Seat,
        visit: &Visit<'_>,
        login: &Login,
        mut grant: Grant,
    ) -> Result<Generation, SignInFailure> {
        let took = self.elapsed().saturating_sub(visit.started);
        let to_keep = std::mem::take(&mut grant.to_keep);
        let mut session = self.session(seat, visit, login, grant).await;
        let generation = session.generation;
        let written = self.write_down(seat, &mut session);
        *seat.session.borrow_mut() = Some(session);
        if let Err(failure) = written {
            return Err(self.undo(seat, visit, login, &to_keep, failure).await);
        }
        let is_sent = !visit.method.auth.login.0.is_empty();
        if login.is_implicit && is_sent {
            self.events().emit(EventKind::SessionOpened { session: self.note_of_open(seat), took });
        }
        self.keep_closing_values(seat).await;
        self.keep(visit, &to_keep).await?;
        Ok(generation)
    }

    /// Closes a session again that could not be written down: nobody would know of it after a crash. The disk will not be
    /// better at the next step, so nobody signs in again. The new values of credentials are kept all the same.
    async fn undo(
        &self,
        seat: &Seat,
        visit: &Visit<'_>,
        login: &Login,
        to_keep: &[(String, SecretText)],
        failure: SignInFailure,
    ) -> SignInFailure {
        seat.remember_refusal(login.method, &login.given, &failure);
        let kept = self.keep(visit, to_keep).await;
        self.close(seat, true).await;
        kept.err().unwrap_or(failure)
    }

    /// The session that a login has brought.
    async fn session(&self, seat: &Seat, visit: &Visit<'_>, login: &Login, grant: Grant) -> Session {
        self.opened.set(self.opened.get() + 1);
        Session {
            method: login.method,
            given: login.given.clone(),
            values: grant.values,
            life: grant.life,
            generation: seat.next_generation(),
            order: self.opened.get(),
            account_name: visit.account_name().await,
            is_on_trial: login.is_on_trial || visit.method.auth.login.0.is_empty(),
            has_ended: false,
            record: None,
        }
    }

    /// Closes the session that a login has opened although it failed, or tells of it. The gate is held.
    async fn give_back(&self, seat: &Seat, visit: &Visit<'_>, login: &Login, grant: Grant) {
        let tokens = visit.tokens_of(&grant.values).join(", ");
        if tokens.is_empty() {
            return;
        }
        if visit.may_log_out(&grant.values).await {
            let session = self.session(seat, visit, login, grant).await;
            seat.retired.borrow_mut().push(session);
            self.close_retired(seat, true).await;
        } else {
            let name = &seat.account.provider().name;
            self.events().warn(format!(
                "{name} gave {tokens} in a login that failed, too little to log out: a session may be left open there"
            ));
        }
    }

    /// Prolongs a session by its refresh, if it has one that can help; else signs in again. The gate is held.
    async fn prolong(
        &self,
        seat: &Seat,
        session: Session,
        is_refused: bool,
    ) -> Result<Generation, SignInFailure> {
        let lock = self.lock_credentials(seat, session.method, &session.given).await?;
        let visit = self.visit(seat, session.method, &session.given, Purpose::Refresh);
        let has_ended = is_refused || session.life.freshness(self.elapsed()) == Freshness::Ended;
        if let Some(refresh) = &visit.method.auth.refresh
            // Whoever has changed the stored credential meanwhile has used up what this session would be prolonged by.
            && !lock.is_credential_new
            && !(has_ended && refresh.only_before_expiry == Some(true))
            && visit.is_possible(&refresh.request, &session.values).await
            && let Ok(Grant { values, life, to_keep }) =
                visit.refresh(&refresh.request, &session.values).await
        {
            let generation = seat.next_generation();
            let mut prolonged =
                Session { values, life, generation, is_on_trial: is_refused, ..session.clone() };
            let written = self.write_down(seat, &mut prolonged);
            *seat.session.borrow_mut() = Some(prolonged);
            self.events().emit(EventKind::SessionRefreshed { session: self.note_of_open(seat) });
            self.keep_closing_values(seat).await;
            self.keep(&visit, &to_keep).await?;
            return written.map(|()| generation);
        }
        if self.run_end.has_come(self.exchange.world()) {
            // The old session stays where it will be closed.
            return Err(visit.describe(&Trouble::RunEnds).await.into());
        }
        let login = Login {
            method: session.method,
            given: session.given.clone(),
            is_implicit: true,
            is_on_trial: is_refused,
            is_proven: true,
        };
        *seat.session.borrow_mut() = Some(Session { has_ended, ..session });
        seat.retire();
        let generation = self.sign_in(seat, login).await?;
        self.close_retired(seat, true).await;
        Ok(generation)
    }

    /// Keeps new values of credentials before the session is used.
    async fn keep(&self, visit: &Visit<'_>, to_keep: &[(String, SecretText)]) -> Result<(), SignInFailure> {
        visit.keep(to_keep).await.map_err(|(credential, error)| {
            failure::unkept(&credential, &error, visit.account, self.events()).into()
        })
    }

    /// Closes the session, if one is open, else the newest that is not used any more. The gate is held.
    async fn close(&self, seat: &Seat, is_implicit: bool) -> Option<SessionEnd> {
        seat.retire();
        self.close_retired(seat, is_implicit).await
    }

    /// Closes the newest session that is not used any more. One for which nothing was sent, and one that has ended by
    /// itself and leaves nothing behind, ends without a word.
    async fn close_retired(&self, seat: &Seat, is_implicit: bool) -> Option<SessionEnd> {
        let session = seat.retired.borrow().last().cloned()?;
        let end = self.end(seat, &session, is_implicit).await;
        seat.retired.borrow_mut().pop();
        match end {
            Some(SessionEnd::Failed { .. }) => self.has_failed_to_close.set(true),
            _ => self.strike_off(session.record.as_ref()).await,
        }
        end
    }

    async fn end(&self, seat: &Seat, session: &Session, is_implicit: bool) -> Option<SessionEnd> {
        let visit = self.visit(seat, session.method, &session.given, Purpose::Logout);
        if visit.method.auth.login.0.is_empty() {
            return None;
        }
        let valid_until = self.valid_until(&session.life).filter(|_| !session.has_ended);
        let end = visit.logout(session, valid_until).await?;
        if is_implicit {
            let provider = self.events().clean(&seat.account.provider().name);
            let took = self.elapsed().saturating_sub(visit.started);
            self.events().emit(EventKind::SessionClosed { provider, end: end.clone(), took });
        }
        Some(end)
    }

    pub(super) fn valid_until(&self, life: &Life) -> Option<Timestamp> {
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
