//! The dead-man switch, on a scripted network.

use crate::engine::{Ping, RunOptions};
use crate::event::{Event, EventSink, Events};
use crate::model::redaction::Redactor;
use crate::plan::{Options, check_text};
use crate::port::fake::{FakeSurroundings, FakeWorld, Reply, ScriptedTransport, Sent};
use crate::port::{Clock, World};
use std::cell::RefCell;
use std::future::ready;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

const PING: &str = "https://hc.test/a-b-c";

struct Deaf;

impl EventSink for Deaf {
    fn receive(&mut self, _: &Event) {}
}

/// A playbook with a switch at an address, on a network.
struct Bench {
    address: String,
    fake: FakeWorld,
    network: Rc<ScriptedTransport>,
    redactor: Redactor,
}

impl Bench {
    fn new(address: &str, network: ScriptedTransport) -> Self {
        let fake = FakeWorld {
            surroundings: Rc::new(FakeSurroundings::default().variable("SWITCH", PING)),
            ..FakeWorld::default()
        };
        Self { address: address.to_owned(), fake, network: Rc::new(network), redactor: Redactor::default() }
    }

    fn answering(answer: impl Fn(&Sent) -> Reply + 'static) -> Self {
        Self::new(PING, ScriptedTransport::new(answer))
    }

    /// What comes of a use of the switch.
    async fn using<T>(&self, work: impl AsyncFnOnce(Ping<'_>) -> T) -> T {
        let playbook = format!(
            "version: 1\nsecrets: {{ switch: {{ from: [{{ env: SWITCH }}] }}, lost: {{ from: [prompt, {{ env: LOST }}] }} }}\n\
             report: {{ ping: '{}' }}\nsteps: [{{ get: https://api.test/ }}]\n",
            self.address
        );
        let checked =
            check_text(Path::new("t.yaml"), &playbook, &Options::default(), &*self.fake.surroundings);
        let plan = checked.plan.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
        let world = World { transport: self.network.clone(), ..self.fake.world() };
        let events = Events::new(Rc::new(RefCell::new(Deaf)), world.clock.clone(), self.redactor.clone());
        let options = RunOptions::default();
        work(Ping::of(&plan, &options, &world, &events).expect("there is a switch")).await
    }

    async fn start(&self) -> Result<(), String> {
        self.using(async |ping| ping.start().await).await
    }

    async fn end(&self, exit_code: i32) -> Result<(), String> {
        self.using(async |ping| ping.end(exit_code, ready(())).await).await
    }
}

#[tokio::test]
async fn start_success_and_failure_have_an_address_each() {
    for address in [PING, "${{ secrets.switch }}", "https://hc.test/a-b-c/"] {
        let bench = Bench::new(address, ScriptedTransport::new(|_| Reply::text(200, "text/plain", "OK")));
        bench.start().await.unwrap();
        bench.end(75).await.unwrap();
        assert_eq!(bench.network.lines(), [format!("GET {PING}/start"), format!("GET {PING}/75")]);
        bench.end(0).await.unwrap();
        let last = bench.network.lines().pop().unwrap();
        assert_eq!(last.trim_end_matches('/'), format!("GET {PING}"));
    }
}

#[tokio::test]
async fn an_address_has_its_query_whether_it_is_written_out_or_a_secret() {
    for address in ["https://hc.test/a-b-c?create=1", "${{ secrets.switch }}"] {
        let mut bench = Bench::new(address, ScriptedTransport::new(|_| Reply::status(200)));
        let secret = FakeSurroundings::default().variable("SWITCH", "https://hc.test/a-b-c?create=1");
        bench.fake.surroundings = Rc::new(secret);
        bench.start().await.unwrap();
        bench.end(0).await.unwrap();
        assert_eq!(
            bench.network.lines(),
            [format!("GET {PING}/start?create=1"), format!("GET {PING}?create=1")]
        );
    }
}

#[tokio::test]
async fn the_address_is_redacted_once_it_is_known_as_a_secret() {
    let bench = Bench::new("${{ secrets.switch }}", ScriptedTransport::new(|_| Reply::status(404)));
    let why = bench.start().await.unwrap_err();
    assert_eq!(why, "the ping of the start failed: hc.test: answered 404 Not Found");
    assert_eq!(bench.redactor.redact(PING), "‹secrets.switch›");
}

#[tokio::test]
async fn what_is_not_heard_is_said_again_and_then_left() {
    let bench = Bench::answering(|_| Reply::unsent());
    assert_eq!(bench.end(0).await.unwrap_err(), "the ping of the end failed: hc.test: connection refused");
    assert_eq!(bench.network.lines().len(), 3);
    let failures = RefCell::new(vec![Reply::status(502)]);
    let bench = Bench::answering(move |_| failures.borrow_mut().pop().unwrap_or_else(|| Reply::status(200)));
    bench.end(0).await.unwrap();
    assert_eq!(bench.network.lines().len(), 2);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_a_doubtful_answer_is_no_success() {
    let elsewhere = |_: &Sent| Reply::status(302).header("location", "https://evil.test/");
    let bench = Bench::answering(elsewhere);
    assert!(bench.start().await.unwrap_err().ends_with("answered 302 Found"));
    assert!(bench.network.lines().iter().all(|line| line.starts_with("GET https://hc.test/")));
    let bench = Bench::answering(|_| Reply::text(200, "text/plain", "OK (not found)\n"));
    assert!(bench.start().await.unwrap_err().ends_with("answered \"not found\""));
}

#[tokio::test]
async fn a_secret_that_nobody_has_sends_nothing_and_asks_nobody() {
    let bench = Bench::new("${{ secrets.lost }}", ScriptedTransport::new(|_| Reply::status(200)));
    let why = bench.start().await.unwrap_err();
    assert_eq!(why, "the ping of the start failed: no source has the secret `secrets.lost`");
    assert!(bench.network.lines().is_empty());
}

#[tokio::test]
async fn a_secret_leads_to_no_place_that_is_not_encrypted() {
    let mut bench = Bench::new("${{ secrets.switch }}", ScriptedTransport::new(|_| Reply::status(200)));
    bench.fake.surroundings = Rc::new(FakeSurroundings::default().variable("SWITCH", "http://hc.test/a-b-c"));
    let why = bench.start().await.unwrap_err();
    assert!(why.contains("http://hc.test is not encrypted; write https"), "{why}");
    assert!(bench.network.lines().is_empty());
}

#[tokio::test]
async fn the_end_is_told_behind_the_start_or_without_it_and_waits_five_seconds_at_most() {
    let bench = Bench::answering(|_| Reply::status(200));
    let clock = bench.fake.clock.clone();
    let told = bench.using(async |ping| ping.end(0, std::future::pending()).await).await;
    // A start that hangs is given up after a second.
    told.unwrap();
    assert_eq!(clock.elapsed(), Duration::from_secs(1));
    assert_eq!(bench.network.lines().len(), 1);
    let network = ScriptedTransport::new(|_| Reply::status(200)).slow(clock.clone(), |_| 60);
    let bench = Bench { network: Rc::new(network), ..bench };
    let told = bench.using(async |ping| ping.end(0, ready(())).await).await;
    assert_eq!(told.unwrap_err(), "the ping of the end failed: no answer in time");
    assert_eq!(clock.elapsed(), Duration::from_secs(6));
}
