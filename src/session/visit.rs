//! One conversation with a provider's sign-in: its requests rendered, sent, repeated where that does no harm, and judged.

use super::account::Account;
use super::intent::Intent;
use super::names;
use super::run_end::RunEnd;
use super::wallet::{Given, Looked};
use crate::credential::{FoundIn, Missing};
use crate::document::{AuthRequest, Named, StatusPattern, StatusSet};
use crate::event::Purpose;
use crate::exchange::retry::{self, Bounds, Ending, Next, REQUEST_TIME, TIME_TO_ANSWER};
use crate::exchange::{Answer, Exchange, Origin, Parts, RenderError, Rendered, SendError, Sending, render};
use crate::model::secret::SecretText;
use crate::plan::{PlannedBody, PlannedMethod, PlannedPath};
use crate::port::{Reach, SendFailure};
use crate::template::{Data, EvaluationError, Moment, Scope, Template};
use futures_util::future::{self, Either};
use http::Method;
use std::cell::Cell;
use std::io;
use std::pin::pin;
use std::time::Duration;

/// How long one sign-in request may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a logout may take, and how long a sign-in of cleanup waits for its turn at most.
pub const CLOSING_TIME: Duration = Duration::from_secs(10);
/// What is wrong with an answer that something in front of the provider has given.
pub const HTML_PAGE: &str = "it is an HTML page";
/// How often one is tried where nothing was done.
const ATTEMPTS: u32 = 3;

/// A conversation with the sign-in of an account, by one method.
pub struct Visit<'a> {
    pub account: &'a Account,
    pub exchange: &'a Exchange,
    pub method: &'a PlannedMethod,
    pub given: &'a Given,
    /// Where the given ones come from.
    pub given_place: &'a FoundIn,
    pub purpose: Purpose,
    /// When no conversation may begin any more.
    pub run_end: &'a RunEnd,
    /// Whether anything was sent.
    pub has_begun: Cell<bool>,
    /// How often a request is sent whose answer may get lost.
    pub most_lost: u32,
    /// When the conversation began, by the clock.
    pub started: Duration,
    /// How long all of it may take, for a logout, which is sent when the run has ended too. `None`: each request has its own
    /// time, as a person may be asked in between.
    pub time: Option<Duration>,
    /// What the ledger has of it, where it may open or prolong a session.
    pub intent: Option<Intent<'a>>,
}

/// A request that was sent, for those who read of its failure.
#[derive(Debug, Clone)]
pub struct Shot {
    pub method: Method,
    pub shown_address: String,
    pub attempts: u32,
    pub took: Duration,
    /// The credentials that it was made of.
    pub credentials: Box<[String]>,
}

/// An answer and the request that it answers.
#[derive(Debug)]
pub struct Asked {
    pub answer: Answer,
    pub shot: Shot,
}

/// What is wrong with an answer.
struct Fault {
    /// It refuses the credentials.
    is_refusal: bool,
    reason: Option<String>,
}

/// Why a conversation came to no good end.
#[derive(Debug)]
pub enum Trouble {
    /// A request could not be made of its templates.
    Unsendable(RenderError),
    /// A credential is missing.
    Missing(Missing),
    /// The answer is not what was asked for.
    WrongAnswer { shot: Shot, answer: Box<Answer>, is_refusal: bool, reason: Option<String> },
    /// There was no answer.
    NoAnswer { shot: Shot, error: Box<SendError> },
    /// The server asks to be left alone for longer than there is time.
    AskedToWait { shot: Option<Shot>, wish: Duration },
    /// Our own rate allows the next request only when there is no time left.
    OwnRate { wait: Duration },
    /// The provider asks what cannot be answered.
    Question(String),
    /// It was not sent, because nothing more is sent to this origin.
    LeftAlone(Origin),
    /// It was not sent, because it could not be written down.
    Unannounced(io::Error),
    /// It was not sent, because the run ends.
    RunEnds,
}

impl Trouble {
    /// True when trying again later may help: the provider was not reached, or is not well.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NoAnswer { error, .. } => is_of_network(error),
            Self::AskedToWait { .. } | Self::OwnRate { .. } | Self::LeftAlone(_) | Self::RunEnds => true,
            Self::WrongAnswer { answer, is_refusal, .. } => {
                !is_refusal && matches!(answer.status, 408 | 429 | 500..=599)
            }
            Self::Unsendable(_) | Self::Missing(_) | Self::Question(_) | Self::Unannounced(_) => false,
        }
    }
}

impl From<RenderError> for Trouble {
    fn from(error: RenderError) -> Self {
        Self::Unsendable(error)
    }
}

impl From<EvaluationError> for Trouble {
    fn from(error: EvaluationError) -> Self {
        Self::Unsendable(error.into())
    }
}

impl From<Missing> for Trouble {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}

impl Visit<'_> {
    /// What templates of a sign-in request see, `response` left out: the credentials that `templates` name are fetched.
    pub async fn scope<'t>(
        &self,
        templates: impl IntoIterator<Item = &'t Template>,
        session: Data,
    ) -> Result<Scope, Missing> {
        let mut credentials = Vec::new();
        for name in names::below("credentials", templates) {
            let data = self.credential(&name).await?;
            credentials.push((name, data));
        }
        let moment = Moment::of(self.exchange.world());
        Ok(self.account.scope(&moment).with("session", session).with("credentials", Data::Map(credentials)))
    }

    /// The text of a credential that is given or was found.
    pub async fn credential_text(&self, name: &str) -> Option<SecretText> {
        match self.given.iter().find(|(given, _)| given == name) {
            Some((_, value)) => Some(value.clone()),
            None => match self.account.wallet.get_beside(name, self.given).await {
                Looked::Found(found) => Some(found.value),
                Looked::WouldAsk(_) | Looked::Missing(_) => None,
            },
        }
    }

    async fn credential(&self, name: &str) -> Result<Data, Missing> {
        let wallet = &self.account.wallet;
        match self.given.iter().find(|(given, _)| given == name) {
            Some((_, value)) => Ok(wallet.value(name, value)),
            None => wallet.data(name, wallet.get_beside(name, self.given).await),
        }
    }

    /// All templates that a request is made of, those that it has in common with others too.
    pub fn templates<'t>(&'t self, request: &'t AuthRequest) -> Vec<&'t Template> {
        let auth = &self.method.auth;
        let common = self.account.provider().headers.iter().chain(auth.headers.iter().flat_map(Named::iter));
        let send = auth.send.iter().filter(|_| request.auth.is_some()).flat_map(names::of_send);
        names::of_request(request).into_iter().chain(common.map(|(_, header)| header)).chain(send).collect()
    }

    /// Renders a request.
    pub fn render(&self, request: &AuthRequest, scope: &Scope) -> Result<Rendered, RenderError> {
        let keys = &request.request;
        let Some((verb, path)) = keys.verbs().next() else {
            let reason = "a sign-in request needs a verb".to_owned();
            return Err(RenderError::Value { reason, span: request.span });
        };
        let method = Method::from_bytes(verb.to_ascii_uppercase().as_bytes()).unwrap_or_default();
        let path = PlannedPath::Path(path.clone());
        let body = planned_body(request);
        let auth = &self.method.auth;
        let layers = [Some(&self.account.provider().headers), auth.headers.as_ref(), Some(&keys.headers)];
        let parts = Parts {
            method: &method,
            path: &path,
            base: self.account.auth_base_url(),
            query: &keys.query,
            headers: layers.into_iter().flatten().map(|layer| (layer, scope)).collect(),
            cookies: &keys.cookies,
            body: &body,
            scope,
            reach: Reach {
                surroundings: &*self.exchange.world().surroundings,
                folder: self.account.folder(),
            },
            timeout: TIMEOUT,
        };
        let redactor = self.exchange.events().redactor();
        let mut rendered = render(&parts, redactor)?;
        if let (Some(_), Some(send)) = (&request.auth, &auth.send) {
            rendered.carry(send, scope, redactor)?;
        }
        Ok(rendered)
    }

    /// Sends a request until there is an answer that can be judged, and judges it.
    pub async fn ask(&self, request: &AuthRequest, scope: &Scope) -> Result<Asked, Trouble> {
        let rendered = self.render(request, scope)?;
        let (asked, is_throttled) = self.deliver(request, rendered).await?;
        match self.fault(request, &asked.answer, is_throttled)? {
            None => Ok(asked),
            Some(Fault { is_refusal, reason }) => Err(Trouble::WrongAnswer {
                shot: asked.shot,
                answer: Box::new(asked.answer),
                is_refusal,
                reason,
            }),
        }
    }

    /// What is wrong with an answer, if something is.
    fn fault(
        &self,
        request: &AuthRequest,
        answer: &Answer,
        is_throttled: bool,
    ) -> Result<Option<Fault>, EvaluationError> {
        let fault = |is_refusal, reason| Ok(Some(Fault { is_refusal, reason }));
        if is_throttled {
            return fault(false, None);
        }
        if !expected(request).contains(answer.status) {
            return fault(self.is_refusal(answer)?, None);
        }
        if let Some(problem) = &answer.problem {
            return fault(false, Some(problem.to_string()));
        }
        // Of a login or a refresh more is wanted than an answer.
        if self.purpose == Purpose::Logout && answer.is_foreign() {
            return fault(false, Some(HTML_PAGE.to_owned()));
        }
        let seen = self.plain_scope(answer);
        if let Some(success) = &self.account.provider().success
            && !success.holds(&seen)?
        {
            return fault(self.purpose == Purpose::Login, None);
        }
        for condition in request.expect.iter().flat_map(|expect| &expect.that.0) {
            if !condition.holds(&seen)? {
                return fault(false, Some(format!("`{}` does not hold", condition.expression().code())));
            }
        }
        Ok(None)
    }

    /// What conditions about an answer see. Conditions show nothing, so the answer is not marked as secret.
    pub fn plain_scope(&self, answer: &Answer) -> Scope {
        let moment = Moment::of(self.exchange.world());
        self.account.scope(&moment).with("response", answer.data())
    }

    fn is_refusal(&self, answer: &Answer) -> Result<bool, EvaluationError> {
        match &self.method.auth.refused {
            Some(refused) => refused.holds(&self.plain_scope(answer)),
            None => Ok(matches!(answer.status, 400 | 401 | 403)),
        }
    }

    /// Tries a request until it is answered, or should not be tried again. Says of an answer whether it is throttled.
    async fn deliver(&self, request: &AuthRequest, mut rendered: Rendered) -> Result<(Asked, bool), Trouble> {
        self.refuse_left_alone(&rendered)?;
        let expected = expected(request);
        let clock = &self.exchange.world().clock;
        let began = clock.elapsed();
        let mut paced = Duration::ZERO;
        let (mut number, mut lost) = (1, 0);
        loop {
            self.check_pause(began, paced, rendered.origin().as_ref())?;
            let turn = self.exchange.turn(self.account.realm(), &rendered, None, self.latest_start()).await;
            self.check_run(number)?;
            let mut intent = self.intent.iter();
            let announced = intent.try_for_each(|intent| intent.announce(turn.departure()));
            announced.map_err(Trouble::Unannounced)?;
            rendered.limit_time(self.flight_time(began, paced + turn.paced()));
            let attempt = self.exchange.send(turn, &rendered, Sending::attempt(self.purpose, number)).await;
            let ending = attempt.ending(|status| expected.contains(status));
            lost += u32::from(ending.is_lost());
            self.intent.iter().for_each(|intent| intent.conclude(ending));
            paced += attempt.paced;
            let remaining = self.time_for_more(began, paced);
            let bounds = Bounds { attempt: number, attempts: ATTEMPTS, remaining, server_wish: attempt.wish };
            let next = self.next(ending, lost, bounds);
            let wait = match next {
                Next::Wait(wait) if self.exchange.may_repeat(&rendered, ending) => Some(wait),
                _ => None,
            };
            if wait.is_none() {
                self.exchange.note_settled(&rendered, Some(&attempt), ending);
            }
            self.exchange.report(attempt.record, wait);
            if let Some(wait) = wait
                && self.rest(wait).await
            {
                number += 1;
                continue;
            }
            let shot = Shot {
                method: rendered.method().clone(),
                shown_address: rendered.shown_address(),
                attempts: number,
                took: clock.elapsed().saturating_sub(began),
                credentials: names::below("credentials", self.templates(request)).into(),
            };
            return match (attempt.outcome, next) {
                (_, Next::AskedToWait(wish)) => Err(Trouble::AskedToWait { shot: Some(shot), wish }),
                (Ok(answer), _) => Ok((Asked { answer, shot }, attempt.is_throttled)),
                (Err(error), _) => Err(Trouble::NoAnswer { shot, error: Box::new(error) }),
            };
        }
    }

    /// Whether another attempt follows. `lost` is how often nobody knows what became of the request.
    fn next(&self, ending: Ending, lost: u32, bounds: Bounds) -> Next {
        let may_repeat = match ending {
            Ending::Done | Ending::Rejected | Ending::DoneUnreadable | Ending::Unreadable => false,
            Ending::NotSent | Ending::Throttled => true,
            Ending::Unknown | Ending::DoneBodyCut => lost < self.most_lost,
        };
        match may_repeat {
            true => retry::next(bounds, self.exchange.world().random.fraction()),
            false => Next::Spent,
        }
    }

    /// The time that the repetitions of a request have, which began then and was kept waiting by our own rate for so long.
    fn request_time(&self, began: Duration, paced: Duration) -> Duration {
        (began + REQUEST_TIME + paced).saturating_sub(self.exchange.world().clock.elapsed())
    }

    /// The time up to which anything may be sent at all: a logout has its own, whatever becomes of the run.
    fn sending_time(&self) -> Option<Duration> {
        let world = self.exchange.world();
        match self.time {
            Some(time) => Some((self.started + time).saturating_sub(world.clock.elapsed())),
            None => self.run_end.remaining(world),
        }
    }

    /// The time in which another attempt has to begin.
    fn time_for_more(&self, began: Duration, paced: Duration) -> Duration {
        let own = self.request_time(began, paced);
        self.sending_time().map_or(own, |time| time.min(own))
    }

    /// How long an attempt may take that begins now. What is in flight when the run ends is not cut off here.
    fn flight_time(&self, began: Duration, paced: Duration) -> Duration {
        let own = self.request_time(began, paced);
        self.sending_time().filter(|_| self.time.is_some()).map_or(own, |time| time.min(own))
    }

    /// Refuses to begin where nothing more is sent. What closes a session is tried all the same.
    fn refuse_left_alone(&self, rendered: &Rendered) -> Result<(), Trouble> {
        let is_closing = self.time.is_some() || self.run_end.is_cleanup() || self.has_begun.get();
        match self.exchange.left_alone(rendered.origin()) {
            Some(origin) if !is_closing => Err(Trouble::LeftAlone(origin)),
            _ => Ok(()),
        }
    }

    /// Refuses to send when the run has ended, but for the next request of a conversation that has begun: only at its end
    /// there is a session that can be closed.
    fn check_run(&self, number: u32) -> Result<(), Trouble> {
        let goes_on = number == 1 && self.has_begun.get();
        if self.time.is_none() && !goes_on && self.run_end.has_come(self.exchange.world()) {
            return Err(Trouble::RunEnds);
        }
        self.has_begun.set(true);
        Ok(())
    }

    /// The time up to which a request of cleanup waits for its turn and is then sent anyway: a provider that refuses it does
    /// no harm, and what is not tried is surely not closed. `None`: it waits for as long as [`Visit::check_pause`] allows.
    fn latest_start(&self) -> Option<Duration> {
        let time = self.time.or(self.run_end.is_cleanup().then_some(CLOSING_TIME))?;
        Some(self.started + time.saturating_sub(TIME_TO_ANSWER))
    }

    /// Refuses to wait for a pause that is longer than there is time. Waiting for our own rate takes nothing from the time
    /// of the request.
    fn check_pause(&self, began: Duration, paced: Duration, origin: Option<&Origin>) -> Result<(), Trouble> {
        if self.latest_start().is_some() {
            return Ok(());
        }
        let now = self.exchange.world().clock.elapsed();
        let realm = self.account.realm();
        let asked = realm.pause_end(origin).saturating_sub(now);
        let wait = realm.earliest(now, origin, None).saturating_sub(now);
        let is_too_late = self.sending_time().is_some_and(|time| wait > time);
        match is_too_late || asked > self.request_time(began, paced) {
            true if asked >= wait => Err(Trouble::AskedToWait { shot: None, wish: wait }),
            true => Err(Trouble::OwnRate { wait }),
            false => Ok(()),
        }
    }

    /// Waits, unless the end of the run is asked for meanwhile. Returns whether to go on.
    async fn rest(&self, wait: Duration) -> bool {
        let world = self.exchange.world();
        let signalled = async {
            match self.time {
                None => self.run_end.signalled(world).await,
                Some(_) => future::pending().await,
            }
        };
        matches!(future::select(world.clock.sleep(wait), pin!(signalled)).await, Either::Left(_))
    }
}

/// Whether it is the network that failed, not an answer that is of no use.
fn is_of_network(error: &SendError) -> bool {
    match error {
        SendError::Transport(error) => !matches!(error.failure, SendFailure::Unreadable { .. }),
        SendError::Refused(_) | SendError::Redirect { .. } => false,
    }
}

/// Why there was no answer, behind "the login was".
pub fn no_answer_words(error: &SendError) -> String {
    match error {
        SendError::Transport(_) if !is_of_network(error) => format!("answered, but {error}"),
        _ => error.to_string(),
    }
}

/// The statuses that an author expects, else all of success.
fn expected(request: &AuthRequest) -> StatusSet {
    let written = request.expect.as_ref().and_then(|expect| expect.status.as_ref());
    written.map_or_else(|| StatusSet(vec![StatusPattern::Class(2)]), |status| status.value.clone())
}

fn planned_body(request: &AuthRequest) -> PlannedBody {
    let keys = &request.request;
    let body = keys.json.clone().map(PlannedBody::Json);
    body.or_else(|| keys.form.clone().map(PlannedBody::Form))
        .or_else(|| keys.multipart.clone().map(PlannedBody::Multipart))
        .or_else(|| keys.text.clone().map(PlannedBody::Text))
        .or_else(|| keys.file.clone().map(PlannedBody::File))
        .unwrap_or(PlannedBody::Empty)
}
