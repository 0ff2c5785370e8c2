//! Sessions on a world made by hand: a playbook, its environment, and a network that answers by a script.

use crate::event::Purpose;
use crate::event::{Event, EventKind, EventSink, Events, Failure};
use crate::exchange::{Answer, Exchange, Parts, Rendered, Sending, render};
use crate::model::redaction::Redactor;
use crate::plan::{Options, Plan, PlannedRequest, ProviderIndex, StepKind, check_text};
use crate::port::fake::{
    FakeClock, FakePrompt, FakeSignIns, FakeStore, FakeSurroundings, FakeWorld, ScriptedTransport, Sent,
};
use crate::port::{Reach, World};
use crate::session::{PlannedLogin, Sessions, Setup, SignInFailure, Standing, planned_logins};
use crate::template::{Data, Moment};
use serde_json::json;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

/// The one provider of the playbooks.
pub const API: ProviderIndex = ProviderIndex(0);
/// Every secret of these tests holds this word, in whatever form it comes.
pub const PLANTED: &str = "geheim";

#[derive(Default)]
pub struct Log(pub Vec<Event>);

impl EventSink for Log {
    fn receive(&mut self, event: &Event) {
        self.0.push(event.clone());
    }
}

/// What a test begins with.
pub struct Case {
    yaml: String,
    /// What the time is; for networks that take theirs.
    pub clock: Rc<FakeClock>,
    surroundings: FakeSurroundings,
    store: Rc<FakeStore>,
    sign_ins: Rc<FakeSignIns>,
    prompt: FakePrompt,
    options: Options,
    logins: Option<Vec<PlannedLogin>>,
}

/// A test that runs.
pub struct Bench {
    pub sessions: Sessions,
    pub transport: Rc<ScriptedTransport>,
    pub clock: Rc<FakeClock>,
    pub store: Rc<FakeStore>,
    pub sign_ins: Rc<FakeSignIns>,
    pub prompt: Rc<FakePrompt>,
    pub exchange: Exchange,
    pub log: Rc<RefCell<Log>>,
    plan: Rc<Plan>,
}

impl Case {
    /// One of `tests/cases/sayable`, with all that its environment may need.
    #[expect(clippy::disallowed_methods, reason = "the case files are read from disk")]
    pub fn sayable(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/sayable");
        let yaml = std::fs::read_to_string(folder.join(name).with_extension("yaml")).expect("a case file");
        Self::yaml(&yaml)
            .env("API_USERNAME", "ops@example.com")
            .env("API_PASSWORD", "password-geheim")
            .env("API_NEW_PASSWORD", "new-password-geheim")
            .env("API_KEY", "key-geheim")
            .env("API_TOKEN", "token-geheim")
            .env("API_CLIENT_ID", "client:1")
            .env("API_CLIENT_SECRET", "secret/geheim %")
    }

    /// A playbook with one provider, whose first step is a request.
    pub fn yaml(yaml: &str) -> Self {
        Self {
            yaml: yaml.to_owned(),
            clock: FakeWorld::default().clock,
            surroundings: FakeSurroundings::default(),
            store: Rc::default(),
            sign_ins: Rc::default(),
            prompt: FakePrompt::nobody(crate::port::PromptError::NoTerminal),
            options: Options::default(),
            logins: None,
        }
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.surroundings = self.surroundings.variable(name, value);
        self
    }

    pub fn store(mut self, store: FakeStore) -> Self {
        self.store = Rc::new(store);
        self
    }

    /// The store that another process uses, too.
    pub fn shared_store(mut self, store: Rc<FakeStore>) -> Self {
        self.store = store;
        self
    }

    /// What earlier runs have left.
    pub fn sign_ins(mut self, sign_ins: Rc<FakeSignIns>) -> Self {
        self.sign_ins = sign_ins;
        self
    }

    pub fn prompt(mut self, prompt: FakePrompt) -> Self {
        self.prompt = prompt;
        self
    }

    /// The profile that the command line names.
    pub fn profile(mut self, name: &str) -> Self {
        self.options.profiles.push((None, name.to_owned()));
        self
    }

    /// The address that the command line gives to the provider `api`.
    pub fn base_url(mut self, address: &str) -> Self {
        self.options.base_urls.push(("api".to_owned(), address.to_owned()));
        self
    }

    /// The playbook with other text in it.
    pub fn replace(mut self, from: &str, to: &str) -> Self {
        assert!(self.yaml.contains(from), "{from}");
        self.yaml = self.yaml.replace(from, to);
        self
    }

    /// The line of the playbook that has a text in it.
    pub fn line_with(&self, text: &str) -> String {
        self.yaml.lines().find(|line| line.contains(text)).expect("such a line").trim().to_owned()
    }

    pub fn logins(mut self, logins: Vec<PlannedLogin>) -> Self {
        self.logins = Some(logins);
        self
    }

    pub async fn start(self, transport: ScriptedTransport) -> Bench {
        match self.try_start(transport).await {
            Ok(bench) => bench,
            Err(failures) => panic!("{failures:#?}"),
        }
    }

    /// As [`Case::start`], for a person who types the credentials.
    pub async fn start_for_a_person(self, transport: ScriptedTransport) -> Bench {
        let (setup, parts) = self.setup(transport);
        let sessions = Sessions::prepare(setup).await.expect("all is there");
        parts.bench(sessions.given_by_a_person())
    }

    pub async fn try_start(self, transport: ScriptedTransport) -> Result<Bench, Vec<Failure>> {
        let (setup, parts) = self.setup(transport);
        let sessions = Sessions::prepare(setup).await?;
        Ok(parts.bench(sessions))
    }

    pub async fn preview(self) -> (Bench, Vec<crate::session::SecretPreview>) {
        let (setup, parts) = self.setup(ScriptedTransport::script([]));
        let (sessions, secrets) = Sessions::preview(setup).await.expect("a preview");
        (parts.bench(sessions), secrets)
    }

    pub fn setup(self, transport: ScriptedTransport) -> (Setup, BenchParts) {
        let checked = check_text(Path::new("/plays/p.yaml"), &self.yaml, &self.options, &self.surroundings);
        let Some(plan) = checked.plan else { panic!("{:#?}", checked.diagnostics) };
        let fake = FakeWorld {
            clock: self.clock,
            store: self.store,
            sign_ins: self.sign_ins,
            prompt: Rc::new(self.prompt),
            surroundings: Rc::new(self.surroundings),
        };
        let transport = Rc::new(transport);
        let world = World { transport: transport.clone(), ..fake.world() };
        let log = Rc::new(RefCell::new(Log::default()));
        let events = Events::new(log.clone(), world.clock.clone(), Redactor::default());
        let exchange = Exchange::new(world, events);
        let logins = self.logins.unwrap_or_else(|| planned_logins(&plan.steps, &|_| true));
        let plan = Rc::new(plan);
        let setup = Setup {
            plan: plan.clone(),
            inputs: Data::Json(json!({})),
            logins,
            exchange: exchange.clone(),
            run: "01RUN".to_owned(),
        };
        let FakeWorld { clock, store, sign_ins, prompt, .. } = fake;
        (setup, BenchParts { transport, clock, store, sign_ins, prompt, exchange, log, plan })
    }
}

pub struct BenchParts {
    transport: Rc<ScriptedTransport>,
    clock: Rc<FakeClock>,
    store: Rc<FakeStore>,
    sign_ins: Rc<FakeSignIns>,
    pub prompt: Rc<FakePrompt>,
    exchange: Exchange,
    log: Rc<RefCell<Log>>,
    plan: Rc<Plan>,
}

impl BenchParts {
    fn bench(self, sessions: Sessions) -> Bench {
        let Self { transport, clock, store, sign_ins, prompt, exchange, log, plan } = self;
        Bench { sessions, transport, clock, store, sign_ins, prompt, exchange, log, plan }
    }
}

impl Bench {
    fn request(&self) -> &PlannedRequest {
        match &self.plan.steps[0].kind {
            StepKind::Request(request) => request,
            other => panic!("{other:?}"),
        }
    }

    /// The request of the first step, without a session.
    pub fn rendered(&self) -> Rendered {
        let scope = self.sessions.scope(API, &Moment::of(self.exchange.world()));
        let request = self.request();
        let parts = Parts {
            method: &request.method,
            path: &request.path,
            base: self.sessions.account(API).base_url(),
            query: &request.query,
            headers: request.headers.iter().map(|layer| (&layer.value, &scope)).collect(),
            cookies: &request.cookies,
            body: &request.body,
            scope: &scope,
            reach: Reach { surroundings: &*self.exchange.world().surroundings, folder: Path::new("/plays") },
            timeout: request.timeout,
        };
        render(&parts, self.exchange.events().redactor()).expect("rendered")
    }

    /// Does the first step: its request with the session, and once more with a renewed one where that was refused.
    pub async fn step(&self) -> Result<Answer, SignInFailure> {
        let mut rendered = self.rendered();
        let mut may_renew = true;
        loop {
            let generation = self.sessions.authorize(API, &mut rendered).await?;
            let realm = self.sessions.account(API).realm();
            let turn = self.exchange.turn(realm, &rendered, None, None).await;
            let attempt = self.exchange.send(turn, &rendered, Sending::attempt(Purpose::Step, 1)).await;
            self.exchange.report(attempt.record, None);
            let answer = attempt.outcome.expect("an answer");
            let is_expired = self.sessions.is_expired(API, generation, &answer);
            if may_renew && is_expired {
                self.sessions.renew(API, generation, &answer).await?;
                may_renew = false;
                continue;
            }
            return Ok(answer);
        }
    }

    /// The last request that was sent.
    pub fn last(&self) -> Sent {
        self.transport.sent().pop().expect("something was sent")
    }

    /// What is told of sessions that others have left open.
    pub async fn left_open(&self) -> Vec<String> {
        let notes = self.sessions.close_left_open().await.expect("a ledger");
        notes.into_iter().filter(|note| note.standing != Standing::InUse).map(|note| note.text).collect()
    }

    /// All warnings.
    pub fn warnings(&self) -> Vec<String> {
        self.kinds(|kind| match kind {
            EventKind::Warning { text, .. } => Some(text.to_string()),
            _ => None,
        })
    }

    /// What the events say about sessions, in a word each.
    pub fn session_events(&self) -> Vec<String> {
        self.kinds(|kind| match kind {
            EventKind::SessionOpened { .. } => Some("opened".to_owned()),
            EventKind::SessionRefreshed { .. } => Some("refreshed".to_owned()),
            EventKind::SessionClosed { end, .. } => Some(format!("{end:?}")),
            _ => None,
        })
    }

    fn kinds(&self, word: impl Fn(&EventKind) -> Option<String>) -> Vec<String> {
        self.log.borrow().0.iter().filter_map(|event| word(&event.kind)).collect()
    }
}

/// No event of any test shows a secret.
impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let shown = format!("{:?}", self.log.borrow().0);
            assert!(!shown.to_lowercase().contains(PLANTED), "{shown}");
        }
    }
}

/// All texts of a failure; it shows no secret either.
pub fn texts(failure: &Failure) -> Vec<String> {
    let notes = failure.notes.iter().map(ToString::to_string);
    let texts: Vec<String> = std::iter::once(failure.headline.to_string())
        .chain(failure.request.iter().map(ToString::to_string))
        .chain(notes)
        .chain(failure.advice.iter().map(|advice| format!("what now: {advice}")))
        .collect();
    assert!(!texts.join("\n").to_lowercase().contains(PLANTED), "{texts:?}");
    texts
}
