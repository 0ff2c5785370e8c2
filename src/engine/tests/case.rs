//! A playbook, a network, and what came of it.

use crate::engine::{DryRun, RunOptions, Selection, dry_run, run};
use crate::event::{Event, EventKind, EventSink, Events, Failure, StepResult, StepStatus, Verdict};
use crate::model::redaction::Redactor;
use crate::plan::{Options, Plan, check_text, resolve_inputs};
use crate::port::World;
use crate::port::fake::{
    FakeClock, FakeFiles, FakePrompt, FakeStore, FakeSurroundings, FakeWorld, Reply, ScriptedTransport, Sent,
};
use crate::source::SourceMap;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// A provider without a session, for steps that are about something else.
const API: &str = "version: 1\nproviders:\n  api: { description: a test, base_url: https://api.test }\n";

/// The provider `acme`, which needs a session.
pub const PROVIDER: &str = "version: 1
providers:
  acme:
    base_url: https://acme.test
    credentials: { key: { from: [{ env: ACME_KEY }] } }
    auth:
      login: { post: /login, json: { key: '${{ credentials.key }}' } }
      session: { token: $.token }
      send: { headers: { Authorization: 'Bearer ${{ session.token }}' } }
      logout: { auth: session, delete: /login }
";

/// What signs in there.
pub const KEY: &[(&str, &str)] = &[("ACME_KEY", "geheimer-schluessel")];

/// What a run is made of.
pub struct Case {
    playbook: String,
    fake: FakeWorld,
    only: Vec<String>,
    from: Option<String>,
    is_simulated: bool,
}

/// What came of a run.
pub struct Ran {
    pub verdict: Verdict,
    pub events: Vec<EventKind>,
    pub network: Rc<ScriptedTransport>,
    pub files: Rc<FakeFiles>,
    pub store: Rc<FakeStore>,
    pub fake_elapsed: std::time::Duration,
}

impl Case {
    /// The steps of a playbook with the provider `api`, which needs no session.
    pub fn of_steps(steps: &str) -> Self {
        Self::of(&format!("{API}{steps}"))
    }

    /// The steps of a playbook with the provider `acme`, which needs a session, and the key to that.
    pub fn signed_in(steps: &str) -> Self {
        Self::of(&format!("{PROVIDER}{steps}")).env(KEY)
    }

    /// A whole playbook.
    pub fn of(playbook: &str) -> Self {
        Self {
            playbook: playbook.to_owned(),
            fake: FakeWorld::default(),
            only: Vec::new(),
            from: None,
            is_simulated: false,
        }
    }

    /// With environment variables.
    pub fn env(self, variables: &[(&str, &str)]) -> Self {
        variables
            .iter()
            .fold(self, |case, (name, value)| case.surroundings(|known| known.variable(name, value)))
    }

    /// With a file.
    pub fn file(self, path: &str, text: &str) -> Self {
        self.surroundings(|known| known.file(path, text))
    }

    fn surroundings(mut self, change: impl FnOnce(FakeSurroundings) -> FakeSurroundings) -> Self {
        let known =
            Rc::try_unwrap(std::mem::take(&mut self.fake.surroundings)).ok().expect("nobody else has it");
        self.fake.surroundings = Rc::new(change(known));
        self
    }

    /// With a person at the terminal who gives these answers.
    pub fn person<const N: usize>(mut self, answers: [&str; N]) -> Self {
        self.fake.prompt = Rc::new(FakePrompt::answering(answers));
        self
    }

    /// Its clock.
    pub fn clock(&self) -> Rc<FakeClock> {
        self.fake.clock.clone()
    }

    /// From this step on.
    pub fn from(mut self, step: &str) -> Self {
        self.from = Some(step.to_owned());
        self
    }

    /// With providers that end with it.
    pub fn simulated(mut self) -> Self {
        self.is_simulated = true;
        self
    }

    /// What is said when the steps cannot be chosen so.
    pub fn choice_error(self) -> String {
        let (plan, _) = self.plan();
        Selection::of(&plan, &self.only, self.from.as_deref()).expect_err("no such choice").to_string()
    }

    /// Only these steps.
    pub fn only(mut self, steps: &[&str]) -> Self {
        self.only = steps.iter().map(|&step| step.to_owned()).collect();
        self
    }

    fn plan(&self) -> (Rc<Plan>, SourceMap) {
        let checked =
            check_text(Path::new("t.yaml"), &self.playbook, &Options::default(), &*self.fake.surroundings);
        let complaints: Vec<String> = checked
            .diagnostics
            .iter()
            .map(|found| format!("{} {}", checked.sources.place(found.primary.span), found.message))
            .collect();
        let plan = checked.plan.unwrap_or_else(|| panic!("the playbook is wrong: {complaints:#?}"));
        (Rc::new(plan), checked.sources)
    }

    fn options(&self, plan: &Plan) -> RunOptions {
        let inputs = resolve_inputs(plan, &[], &*self.fake.surroundings).expect("inputs with defaults");
        let selection = Selection::of(plan, &self.only, self.from.as_deref()).expect("known steps");
        RunOptions { inputs, selection, is_simulated: self.is_simulated, ..RunOptions::default() }
    }

    /// Runs on a network that answers by a function and takes so many seconds.
    pub fn answer_slowly(
        self,
        seconds: impl Fn(&Sent) -> u64 + 'static,
        answer: impl Fn(&Sent) -> Reply + 'static,
    ) -> Ran {
        let clock = self.fake.clock.clone();
        self.run(ScriptedTransport::new(answer).slow(clock, seconds), |_| {})
    }

    /// Runs on a network that answers by a function.
    pub fn answer(self, answer: impl Fn(&Sent) -> Reply + 'static) -> Ran {
        self.run(ScriptedTransport::new(answer), |_| {})
    }

    /// Runs on a network that answers everything, and moves the clock on by so much each time where no limit looks.
    pub fn late(self, by: Duration) -> Ran {
        let clock = self.fake.clock.clone();
        self.answer(move |_| {
            clock.advance(by);
            Reply::status(200)
        })
    }

    /// Runs on a network that expects these requests in this order.
    pub fn script<const N: usize>(self, script: [(&'static str, Reply); N]) -> Ran {
        let ran = self.run(ScriptedTransport::script(script), |_| {});
        assert_eq!(
            ran.network.lines().len(),
            N,
            "every expected request was sent: {:?}",
            ran.network.lines()
        );
        ran
    }

    /// Runs on a network, the world changed before.
    pub fn run(self, network: ScriptedTransport, change: impl FnOnce(&World)) -> Ran {
        let (plan, sources) = self.plan();
        let options = self.options(&plan);
        let (network, files) = (Rc::new(network), Rc::new(FakeFiles::default()));
        let world = World { transport: network.clone(), output: files.clone(), ..self.fake.world() };
        change(&world);
        let sink = Rc::new(RefCell::new(Recorder::default()));
        let events = Events::new(sink.clone(), world.clock.clone(), Redactor::default());
        let verdict = block_on(run(plan, &sources, &options, &world, &events));
        let events = std::mem::take(&mut sink.borrow_mut().0);
        let fake_elapsed = world.clock.elapsed();
        Ran { verdict, events, network, files, store: self.fake.store, fake_elapsed }
    }

    /// Says what a run would do, in a world without a network.
    pub fn dry_run(self) -> DryRun {
        let (plan, sources) = self.plan();
        let options = self.options(&plan);
        let world = self.fake.world();
        let sink = Rc::new(RefCell::new(Recorder::default()));
        let events = Events::new(sink, world.clock.clone(), Redactor::default());
        block_on(dry_run(&plan, &sources, &options, &world, &events))
            .expect("providers that can be made ready")
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(work)
}

#[derive(Default)]
struct Recorder(Vec<EventKind>);

impl EventSink for Recorder {
    fn receive(&mut self, event: &Event) {
        self.0.push(event.kind.clone());
    }
}

impl Ran {
    /// The exit code.
    pub fn exit_code(&self) -> i32 {
        self.verdict.exit_code()
    }

    /// How each step ended, in the order in which they ended: `list done`, `item 2 of revoke failed`.
    pub fn steps(&self) -> Vec<String> {
        let ended = self.events.iter().filter_map(|event| match event {
            EventKind::StepFinished { step, result } => Some((step, result)),
            _ => None,
        });
        let words = ended.map(|(step, result)| {
            let item = step.item.map(|item| format!("#{item}")).unwrap_or_default();
            let cleanup = if step.is_cleanup { "cleanup " } else { "" };
            format!("{cleanup}{}{item} {}", step.label, status(result.status))
        });
        words.collect()
    }

    /// The result of the first step of that label that is no item.
    pub fn step(&self, label: &str) -> &StepResult {
        let found = self.events.iter().find_map(|event| match event {
            EventKind::StepFinished { step, result }
                if step.label.as_str() == label && step.item.is_none() =>
            {
                Some(&**result)
            }
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no step {label} in {:?}", self.steps()))
    }

    /// The failure of a step.
    pub fn failure(&self, label: &str) -> &Failure {
        self.step(label).failure.as_ref().unwrap_or_else(|| panic!("{label} has not failed"))
    }

    /// The failures of all steps and of the run, in their order.
    pub fn headlines(&self) -> Vec<String> {
        let of_steps = self.events.iter().filter_map(|event| match event {
            EventKind::StepFinished { result, .. } => result.failure.as_ref(),
            _ => None,
        });
        of_steps.chain(&self.verdict.failures).map(|failure| failure.headline.to_string()).collect()
    }

    /// Headline and advice of the first failure of a step.
    pub fn headline_and_advice(&self) -> (String, String) {
        let failure = self.events.iter().find_map(|event| match event {
            EventKind::StepFinished { result, .. } => result.failure.as_ref(),
            _ => None,
        });
        let failure = failure.expect("a step that failed");
        (failure.headline.to_string(), failure.advice.as_ref().map(ToString::to_string).unwrap_or_default())
    }

    /// All warnings.
    pub fn warnings(&self) -> Vec<String> {
        let warnings = self.events.iter().filter_map(|event| match event {
            EventKind::Warning { text, .. } => Some(text.to_string()),
            _ => None,
        });
        warnings.collect()
    }

    /// The waits between attempts, in milliseconds.
    pub fn waits(&self) -> Vec<u128> {
        let waits = self.events.iter().filter_map(|event| match event {
            EventKind::AttemptFinished { retry_after, .. } => *retry_after,
            _ => None,
        });
        waits.map(|wait| wait.as_millis()).collect()
    }

    /// The text of a file that was written.
    pub fn file(&self, name: &str) -> Option<String> {
        self.files.text(name)
    }
}

fn status(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Done => "done",
        StepStatus::Skipped => "skipped",
        StepStatus::Failed => "failed",
        StepStatus::Unknown => "unknown",
        StepStatus::NotStarted => "not started",
    }
}
