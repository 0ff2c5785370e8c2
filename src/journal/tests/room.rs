//! A run, all processes that work on it, and the network and files that outlive them.

use super::mortal::{Death, Fate, Mortal};
use crate::engine::{RunIdentity, RunOptions, Selection, TakenUp, displaced, run};
use crate::event::{Event, EventKind, EventSink, Events, Verdict};
use crate::journal::{
    Begun, FileJournal, Finding, JournalPorts, LeftJournal, StateDir, StateFolder, TakeUpError, VERSION,
    open, path_of, resolve, writes_left,
};
use crate::model::redaction::Redactor;
use crate::plan::{Options, Plan, check_text};
use crate::port::fake::{FakeFiles, FakeStore, FakeWorld, Reply, ScriptedTransport, Sent};
use crate::port::{
    Cancellation, Clock, Journal, MemoryJournal, Place, Random, Resolution, World, WritesLeft,
};
use crate::source::SourceMap;
use futures_util::future::{FutureExt, LocalBoxFuture, pending, ready};
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};
use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// The run's identity.
pub const RUN: &str = "01JD8Y3K000000000000000000";
const API: &str = "version: 1
providers:
  api: { description: a test, base_url: https://api.test, idempotency: { valid_for: 90m } }
";

/// Which journal a run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Memory,
    File,
}

/// What keeps the journal between two processes.
enum Keeper {
    Memory { journal: Option<MemoryJournal>, events: Rc<RefCell<Vec<Event>>> },
    File(TempDir),
}

pub struct Room {
    keeper: Keeper,
    plan: Rc<Plan>,
    sources: SourceMap,
    clock: Rc<StillClock>,
    random: Arc<Counter>,
    processes: usize,
    pub network: Rc<ScriptedTransport>,
    pub files: Rc<FakeFiles>,
    /// Where secrets are kept between two processes.
    pub store: Rc<FakeStore>,
}

/// How a process has ended.
#[derive(Debug)]
pub enum End {
    /// With the run.
    Ran(Ran),
    /// Before it.
    Died(Death),
}

/// A run that has come to its end.
#[derive(Debug)]
pub struct Ran {
    pub verdict: Verdict,
    pub kinds: Vec<EventKind>,
    /// Of how many deeds the journal on disk still knows something.
    pub remembered: usize,
}

impl Ran {
    /// The failures of all steps and of the run, with their advice.
    pub fn failures(&self) -> Vec<String> {
        let of_steps = self.kinds.iter().filter_map(|kind| match kind {
            EventKind::StepFinished { result, .. } => result.failure.as_ref(),
            _ => None,
        });
        let all = of_steps.chain(&self.verdict.failures);
        all.map(|failure| {
            let advice = failure.advice.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{}; {advice}", failure.headline)
        })
        .collect()
    }
}

impl End {
    #[track_caller]
    pub fn ran(self) -> Ran {
        match self {
            Self::Ran(ran) => ran,
            Self::Died(death) => panic!("it ended before the run: {death:?}"),
        }
    }
}

impl Room {
    /// The steps of a playbook on a network that answers each request with what its path says.
    pub fn new(kind: Kind, steps: &str) -> Self {
        let (plan, sources) = planned(steps);
        let keeper = match kind {
            Kind::Memory => Keeper::Memory { journal: None, events: Rc::default() },
            Kind::File => Keeper::File(tempfile::tempdir().unwrap()),
        };
        Self {
            keeper,
            plan: Rc::new(plan),
            sources,
            clock: Rc::new(StillClock(Cell::default())),
            random: Arc::default(),
            processes: 0,
            network: Rc::new(ScriptedTransport::new(answer)),
            files: Rc::default(),
            store: Rc::default(),
        }
    }

    /// Gives the playbook other steps.
    pub fn change(&mut self, steps: &str) {
        let (plan, sources) = planned(steps);
        (self.plan, self.sources) = (Rc::new(plan), sources);
    }

    /// What earlier processes have left of the writes of the run.
    pub fn writes_left(&self) -> WritesLeft {
        writes_left(&open(&self.path()).unwrap())
    }

    /// The writes that have no place in these steps.
    pub fn displaced(&self, steps: &str) -> Vec<String> {
        displaced(&planned(steps).0, &Selection::default(), &self.writes_left())
    }

    /// Lets a process work on the run until it has passed so many points; `None` = until the run is over.
    ///
    /// # Errors
    /// When the journal cannot be taken up.
    pub fn process(&mut self, points: Option<usize>) -> Result<End, TakeUpError> {
        self.clock.0.set(self.clock.0.get() + Duration::from_secs(3600));
        self.processes += 1;
        let fate = Fate::after(points);
        let opened = self.open(&Cancellation::default())?;
        let mortal = Mortal { journal: opened.journal, fate: fate.clone() };
        let world = World {
            clock: self.clock.clone(),
            random: self.random.clone(),
            transport: self.network.clone(),
            output: self.files.clone(),
            store: self.store.clone(),
            journal: Rc::new(mortal),
            ..FakeWorld::default().world()
        };
        let sink = Rc::new(RefCell::new(Sink {
            file: opened.file.clone(),
            memory: opened.events,
            fate: fate.clone(),
            kinds: Vec::new(),
        }));
        let events = Events::new(sink.clone(), world.clock.clone(), Redactor::default());
        let options = self.options(opened.taken_up);
        let work = run(self.plan.clone(), &self.sources, &options, &world, &events);
        let end = block_on(fate.live(work));
        let kinds = std::mem::take(&mut sink.borrow_mut().kinds);
        let remembered = opened.file.as_ref().map_or(0, FileJournal::remembered);
        if let (Some(file), Ok(verdict)) = (opened.file, &end)
            && verdict.causes.is_empty()
        {
            block_on(file.forget_secrets());
        }
        Ok(match end {
            Ok(verdict) => End::Ran(Ran { verdict, kinds, remembered }),
            Err(death) => End::Died(death),
        })
    }

    /// Says of the writes of a step what they are.
    pub fn resolve(&self, step: &str, resolution: Resolution) {
        self.tell(step, resolution, Json::Null);
    }

    /// As [`Room::resolve`], with what the step has brought.
    pub fn tell(&self, step: &str, resolution: Resolution, told: Json) {
        match &self.keeper {
            Keeper::Memory { journal, .. } => {
                let place = Place(format!("{step}/request"));
                journal.as_ref().expect("it has begun").resolve(&place, resolution);
            }
            Keeper::File(_) => {
                let left = LeftJournal::open(&self.path()).unwrap();
                let finding = Finding { step, resolution, told, at: self.clock.now() };
                assert_eq!(resolve(left, &finding).unwrap(), 1);
            }
        }
    }

    /// The journal's file.
    pub fn path(&self) -> PathBuf {
        path_of(&self.state().folder(StateFolder::Runs).unwrap(), RUN)
    }

    /// How often a request was sent: `POST /orders`.
    pub fn count(&self, request: &str) -> usize {
        self.sent().iter().filter(|sent| line(sent) == request).count()
    }

    /// All requests so far.
    pub fn sent(&self) -> Vec<Sent> {
        self.network.sent()
    }

    fn state(&self) -> StateDir {
        let Keeper::File(folder) = &self.keeper else { panic!("it has no file") };
        StateDir::locate(Some(folder.path()), &|_| None).unwrap()
    }

    fn options(&self, taken_up: Option<TakenUp>) -> RunOptions {
        let identity = RunIdentity { id: RUN.to_owned(), started_at: Timestamp::UNIX_EPOCH };
        let selection = Selection::of(&self.plan, &[], None).unwrap();
        RunOptions { identity: Some(identity), taken_up, selection, ..RunOptions::default() }
    }

    fn open(&mut self, cancellation: &Cancellation) -> Result<Opened, TakeUpError> {
        let is_first = self.processes == 1;
        match &mut self.keeper {
            Keeper::Memory { journal, events } => {
                let clock = self.clock.clone();
                let journal = journal.get_or_insert_with(|| MemoryJournal::new(clock, cancellation.clone()));
                let journal = Rc::new(journal.clone());
                let taken_up =
                    (!is_first).then(|| TakenUp::of(events.borrow().iter(), WritesLeft::default()));
                Ok(Opened { journal, taken_up, file: None, events: Some(events.clone()) })
            }
            Keeper::File(_) => {
                let ports = JournalPorts {
                    clock: self.clock.clone(),
                    cancellation: cancellation.clone(),
                    store: Some(self.store.clone()),
                };
                let begun = begun(self.clock.now());
                let (file, taken_up) = match is_first {
                    true => (FileJournal::create(&self.state(), begun, ports)?, None),
                    false => {
                        let left = LeftJournal::open(&self.path())?;
                        let recording = left.recording();
                        let taken_up = TakenUp::of(recording.events(), writes_left(recording));
                        (FileJournal::take_up(left, begun, ports)?, Some(taken_up))
                    }
                };
                Ok(Opened { journal: Rc::new(file.clone()), taken_up, file: Some(file), events: None })
            }
        }
    }
}

fn planned(steps: &str) -> (Plan, SourceMap) {
    let fake = FakeWorld::default();
    let playbook = format!("{API}{steps}");
    let checked = check_text(Path::new("t.yaml"), &playbook, &Options::default(), &*fake.surroundings);
    let plan = checked.plan.unwrap_or_else(|| panic!("the playbook is wrong: {:?}", checked.diagnostics));
    (plan, checked.sources)
}

struct Opened {
    journal: Rc<dyn Journal>,
    taken_up: Option<TakenUp>,
    file: Option<FileJournal>,
    events: Option<Rc<RefCell<Vec<Event>>>>,
}

fn begun(at: Timestamp) -> Begun {
    Begun {
        version: VERSION,
        program: "0".to_owned(),
        run: RUN.to_owned(),
        started_at: at,
        at,
        pid: 1,
        playbook: "/t.yaml".to_owned(),
        name: Redactor::default().clean("t"),
        digest: String::new(),
        folder: PathBuf::from("/"),
        is_simulated: false,
        arguments: Json::Null,
        account: None,
        inputs: Map::new(),
    }
}

/// Method and path of a request.
pub fn line(sent: &Sent) -> String {
    sent.line.replace("https://api.test", "")
}

fn answer(sent: &Sent) -> Reply {
    match line(sent).as_str() {
        "POST /unsure" => Reply::status(500),
        line if line.starts_with("POST /saved/") => Reply::json(200, json!([{ "id": line }])),
        "GET /list" => Reply::json(200, json!([{ "id": 1 }, { "id": 2 }])),
        line => {
            let path = line.split_once(" /").map_or("", |(_, path)| path);
            Reply::json(200, json!({ "id": path.replace('/', "-"), "key": "geheim-4711" }))
        }
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// Who follows a run as long as its process lives.
struct Sink {
    file: Option<FileJournal>,
    memory: Option<Rc<RefCell<Vec<Event>>>>,
    fate: Rc<Fate>,
    kinds: Vec<EventKind>,
}

impl EventSink for Sink {
    fn receive(&mut self, event: &Event) {
        if self.fate.is_dead() {
            return;
        }
        if let Some(file) = &mut self.file {
            file.receive(event);
        }
        if let Some(events) = &self.memory {
            events.borrow_mut().push(event.clone());
        }
        self.kinds.push(event.kind.clone());
    }
}

/// A clock that moves between two processes only: what waits, waits for ever.
struct StillClock(Cell<Duration>);

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        "2026-11-22T06:00:00Z".parse::<Timestamp>().unwrap() + self.0.get()
    }

    fn elapsed(&self) -> Duration {
        self.0.get()
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'_, ()> {
        if duration.is_zero() { ready(()).boxed_local() } else { pending().boxed_local() }
    }
}

/// Chance that never says the same twice.
#[derive(Default)]
struct Counter(AtomicU64);

impl Random for Counter {
    fn fraction(&self) -> f64 {
        0.5
    }

    fn uuid(&self) -> String {
        format!("00000000-0000-4000-8000-{:012}", self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn run_id(&self) -> String {
        RUN.to_owned()
    }
}
