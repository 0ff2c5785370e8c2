use super::account::Preparation;
use super::failure;
use super::freshness::{Freshness, Life};
use super::intent::Intent;
use super::ledger::IntentDraft;
use super::login::Grant;
use super::names;
use super::run_end::RunEnd;
use super::seat::{Generation, Holds, Login, Seat, Session};
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
use futures_util::future::FutureExt;
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

/// The sessions of a run: one for each provider at most. What opens and closes them is rare and deep: it lies on the heap, not in
/// the future of each step that may need it.
pub struct Sessions {
    pub(super) exchange: Exchange,
    pub(super) seats: Vec<Seat>,
    is_preview: bool,
    /// Where credentials come from that are given to a login.
    pub(super) given_place: FoundIn,
    /// Grows with each session that is opened, so that they can be closed in reverse order.
    opened: Cell<u64>,
    pub(super) run_end: RunEnd,
    /// Why sessions were not closed that no step was to close.
    not_closed: RefCell<Vec<Failure>>,
    pub(super) run: String,
    /// How much was written into the ledger.
    pub(super) noted: Cell<u64>,
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
            Some(session) => self.prolong(seat, session, false).boxed_local().await,
            None => self.open(seat, None, Given::new(), true).boxed_local().await,
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
            Some(session) => self.prolong(seat, session, true).boxed_local().await.map(|_| ()),
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
            self.close(seat, true).boxed_local().await;
        }
        self.open(seat, method, given, false).boxed_local().await?;
        Ok(self.note_of_open(seat))
    }

    /// Closes a session for a `logout` step. `None`: there was none.
    pub async fn logout(&self, provider: ProviderIndex) -> Option<SessionEnd> {
        let seat = self.seat(provider);
        let _gate = seat.gate.lock().await;
        self.close(seat, false).boxed_local().await
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
            ends.extend(self.close(seat, true).boxed_local().await);
        }
        ends
    }

    /// Why sessions could not be closed, but for those that a step was to close: that step says it.
    pub fn not_closed(&self) -> Vec<Failure> {
        self.not_closed.borrow().clone()
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
            seat.remember_refusal(session.method, &session.given, failure.clone(), Holds::Always);
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
            not_closed: RefCell::default(),
            run: run.clone(),
            noted: Cell::new(0),
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
            intent: None,
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
        let lasts = Life::foreseen(seat.method(method).auth.expires.as_deref().unwrap_or_default());
        let login = Login { method, given, is_implicit, is_on_trial: false, is_proven: false, lasts };
        self.sign_in(seat, login).await
    }

    async fn sign_in(&self, seat: &Seat, login: Login) -> Result<Generation, SignInFailure> {
        let (method, given) = (login.method, &login.given);
        if let Some(failure) = seat.refusal(method, given, self.run_end.is_cleanup()) {
            return Err(failure);
        }
        let visit = self.visit(seat, method, given, Purpose::Login);
        let draft = IntentDraft {
            purpose: Purpose::Login,
            method: visit.method,
            account_name: visit.account_name().await,
            lasts: login.lasts,
        };
        let visit = Visit { intent: Some(self.intent(seat, draft)), ..visit };
        if !login.is_proven
            && let Err(failure) = self.heed_earlier_refusal(&visit).await
        {
            seat.remember_refusal(method, given, failure.clone(), Holds::Always);
            return Err(failure);
        }
        let mut grant = visit.no_grant();
        if let Err(trouble) = visit.login(&mut grant).await {
            let failure = visit.failure(&trouble).await;
            let failure = self.suspect(seat, &visit, &trouble, failure);
            self.remember_failure(seat, &visit, &login, &trouble, &failure);
            self.remember_refusal(&visit, &trouble).await;
            self.give_back(seat, &visit, &login, grant).await;
            return Err(failure);
        }
        self.forget_refusal(&visit).await;
        self.begin(seat, &visit, &login, grant).await
    }

    /// Keeps in mind what must not be tried again: a login that is of no use, and one whose answers are lost, for each may
    /// open one more session.
    fn remember_failure(
        &self,
        seat: &Seat,
        visit: &Visit<'_>,
        login: &Login,
        trouble: &Trouble,
        failure: &SignInFailure,
    ) {
        let is_lost = visit.intent.as_ref().is_some_and(Intent::has_lost_answers);
        let (failure, holds) = match (trouble.is_passing(), self.run_end.is_cleanup()) {
            (false, _) => (failure.clone(), Holds::Always),
            (true, _) if !is_lost => return,
            (true, true) => (failure.clone(), Holds::InCleanup),
            (true, false) => (failure.for_later_steps(&seat.account, self.events()), Holds::InSteps),
        };
        seat.remember_refusal(login.method, &login.given, failure, holds);
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
        let written = self.write_down(&mut session);
        *seat.session.borrow_mut() = Some(session);
        if let Err(failure) = written {
            return Err(self.undo(seat, visit, login, &to_keep, failure).await);
        }
        let is_sent = !visit.method.auth.login.0.is_empty();
        if login.is_implicit && is_sent {
            self.events().emit(EventKind::SessionOpened { session: self.note_of_open(seat), took });
        }
        // What replaces a spent credential comes first: a process that ends in between has lost the only good one.
        let kept = self.keep(visit, &to_keep).await;
        self.keep_closing_values(seat).await;
        kept.map(|()| generation)
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
        seat.remember_refusal(login.method, &login.given, failure.clone(), Holds::Always);
        let kept = self.keep(visit, to_keep).await;
        self.close(seat, true).await;
        kept.err().unwrap_or(failure)
    }

    /// The session that a login has brought.
    async fn session(&self, seat: &Seat, visit: &Visit<'_>, login: &Login, grant: Grant) -> Session {
        self.opened.set(self.opened.get() + 1);
        let intent = visit.intent.as_ref().and_then(Intent::take);
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
            record: intent.map(|intent| self.record_of_session(seat, login, intent)),
            unanswered_refresh: None,
        }
    }

    /// Closes the session that a login has opened although it failed, or tells of it. The gate is held.
    async fn give_back(&self, seat: &Seat, visit: &Visit<'_>, login: &Login, grant: Grant) {
        let tokens = visit.tokens_of(&grant.values).join(", ");
        if tokens.is_empty() {
            visit.intent.iter().for_each(Intent::withdraw);
            return;
        }
        if visit.may_log_out(&grant.values).await {
            let session = self.session(seat, visit, login, grant).await;
            seat.retired.borrow_mut().push(session);
            self.close_retired(seat, true).await;
        } else {
            visit.intent.iter().for_each(|intent| drop(intent.take()));
            let name = &seat.account.provider().name;
            self.events().alert(format!(
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
        let has_ended = is_refused || session.life.freshness(self.elapsed()) == Freshness::Ended;
        // Whoever has changed the stored credential meanwhile has used up what this session would be prolonged by.
        if !lock.is_credential_new
            && let Some(generation) = self.refresh(seat, &session, is_refused, has_ended).await?
        {
            return Ok(generation);
        }
        if self.run_end.has_come(self.exchange.world()) {
            // The old session stays where it will be closed.
            let visit = self.visit(seat, session.method, &session.given, Purpose::Refresh);
            return Err(visit.describe(&Trouble::RunEnds).await.into());
        }
        if let Some(open) = &mut *seat.session.borrow_mut() {
            open.has_ended = has_ended;
        }
        seat.retire();
        let login = Login {
            method: session.method,
            given: session.given,
            is_implicit: true,
            is_on_trial: is_refused,
            is_proven: true,
            lasts: session.life.lasts,
        };
        let generation = self.sign_in(seat, login).await?;
        self.close_retired(seat, true).await;
        Ok(generation)
    }

    /// Sends the refresh of a session, if it has one that can help. `None`: it is not prolonged.
    async fn refresh(
        &self,
        seat: &Seat,
        session: &Session,
        is_refused: bool,
        has_ended: bool,
    ) -> Result<Option<Generation>, SignInFailure> {
        let visit = self.visit_to_refresh(seat, session);
        let Some(refresh) = &visit.method.auth.refresh else { return Ok(None) };
        let is_too_late = has_ended && refresh.only_before_expiry == Some(true);
        if is_too_late || !visit.is_possible(&refresh.request, &session.values).await {
            return Ok(None);
        }
        let Ok(Grant { values, life, to_keep }) = visit.refresh(&refresh.request, &session.values).await
        else {
            self.note_unanswered(seat, &visit);
            return Ok(None);
        };
        // The token that the refresh has used up is replaced before anything else.
        let kept = self.keep(&visit, &to_keep).await;
        let generation = seat.next_generation();
        let mut prolonged = Session {
            values,
            life,
            generation,
            is_on_trial: is_refused,
            unanswered_refresh: None,
            ..session.clone()
        };
        let written = self.write_down(&mut prolonged);
        *seat.session.borrow_mut() = Some(prolonged);
        visit.intent.iter().for_each(Intent::withdraw);
        self.strike_off(session.unanswered_refresh.as_ref()).await;
        self.events().emit(EventKind::SessionRefreshed { session: self.note_of_open(seat) });
        self.keep_closing_values(seat).await;
        kept?;
        written.map(|()| Some(generation))
    }

    /// Keeps in mind that a refresh may have prolonged the session, if its answer was lost.
    fn note_unanswered(&self, seat: &Seat, visit: &Visit<'_>) {
        let intent = visit.intent.as_ref().filter(|intent| intent.may_be_done());
        if let (Some(record), Some(session)) =
            (intent.and_then(Intent::take), &mut *seat.session.borrow_mut())
        {
            session.unanswered_refresh = Some(record);
        }
    }

    fn visit_to_refresh<'a>(&'a self, seat: &'a Seat, session: &'a Session) -> Visit<'a> {
        let visit = self.visit(seat, session.method, &session.given, Purpose::Refresh);
        let draft = IntentDraft {
            purpose: Purpose::Refresh,
            method: visit.method,
            account_name: session.account_name.clone(),
            lasts: session.life.lasts,
        };
        // What no request has opened is in no ledger.
        let intent = session.record.as_ref().map(|_| self.intent(seat, draft));
        Visit { intent, ..visit }
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
        match &end {
            Some(SessionEnd::Failed { .. }) if is_implicit => self.note_not_closed(seat, &end),
            Some(SessionEnd::Failed { .. }) => {}
            _ => self.strike_off(session.record.as_ref()).await,
        }
        self.settle_refresh(&session, end.as_ref(), seat.method(session.method).has_logout()).await;
        end
    }

    fn note_not_closed(&self, seat: &Seat, end: &Option<SessionEnd>) {
        let now = self.exchange.world().clock.now();
        let failure = end.as_ref().and_then(|end| end.failure(&seat.account.provider().name, now));
        let failure = failure.map(|draft| draft.finish(self.events().redactor()));
        self.not_closed.borrow_mut().extend(failure);
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
