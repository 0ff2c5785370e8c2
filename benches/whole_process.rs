//! `runner` as whole processes, each beside something that does the same with less: `cargo bench --bench whole_process`.
//!
//! The pairs run in turn, so that a slow phase of the machine hits both; what is printed are medians and the median of the
//! ratios. The other side of each pair is this program itself, called with a word that says what to do.
#![expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a benchmark measures and prints")]

use axum::Router;
use axum::body::Bytes;
use runner::engine::{self, RunOptions, Selection};
use runner::event::{Event, EventSink, Events};
use runner::model::redaction::Redactor;
use runner::plan;
use runner::port::{Cancellation, Forgetful, MemoryJournal, World};
use runner::simulate::{Options, Provider, Simulator};
use runner::system::{
    HttpTransport, MemoryStore, SystemClock, SystemOutput, SystemRandom, SystemSurroundings, TerminalPrompt,
};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often each pair runs; the first few runs warm up and are not counted.
const ROUNDS: usize = 41;
const WARM_UP: usize = 3;

/// The same for pairs that take long.
const LONG_ROUNDS: usize = 7;

/// Four steps, four requests: what the bare client below does, too.
const CHAIN: &str = "\
version: 1
providers:
  soracom: { method: auth_key }
steps:
  - authenticate: soracom
  - id: sims
    get: /sims
    query: { limit: 10 }
    outputs: { first: \"$[0].simId\" }
  - put: /sims/${{ steps.sims.outputs.first }}/tags
    json: [{ tagName: bench, tagValue: x }]
  - logout: soracom
";

fn main() {
    let arguments: Vec<String> = env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("empty") => {}
        Some("bare") => bare_client(&arguments[2]),
        Some("memory") => run_without_disk(Path::new(&arguments[2])),
        _ => measure(),
    }
}

fn measure() {
    measure_runs();
    measure_journal();
}

fn measure_runs() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let options = Options { devices: 10, ..Options::default() };
    let simulator = runtime.block_on(Simulator::start(Provider::Soracom, &options)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("chain.yaml"), CHAIN).unwrap();

    let runner = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
        command.args(arguments).current_dir(folder.path());
        command.env("XDG_STATE_HOME", folder.path());
        for value in simulator.demo() {
            command.envs(value.variable.map(|variable| (variable, &value.value)));
        }
        command
    };
    let myself = |arguments: &[&str]| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(arguments);
        for value in simulator.demo() {
            command.envs(value.variable.map(|variable| (variable, &value.value)));
        }
        command
    };
    let base_url = format!("soracom={}", simulator.base_url());
    println!("| pair | runner ms | other ms | ratio | runner cpu ms | other cpu ms |");
    println!("|---|---|---|---|---|---|");
    compare(ROUNDS, "validate 4 steps / an empty process", &|| runner(&["validate", "chain.yaml"]), &|| {
        myself(&["empty"])
    });
    compare(
        ROUNDS,
        "apply 4 requests / bare reqwest",
        &|| runner(&["apply", "--base-url", &base_url, "chain.yaml"]),
        &|| myself(&["bare", simulator.base_url()]),
    );
}

/// One run of a process.
struct Run {
    wall: Duration,
    cpu: Duration,
}

/// 1,000 requests with a journal on disk, and with one on a disk in memory, beside the same with a journal in the memory of
/// the process; and how often the journal was made durable.
fn measure_journal() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = |_: Bytes| async { axum::Json(json!({ "id": "x" })) };
    let server = Router::new().fallback(answer);
    runtime.spawn(async { axum::serve(listener, server).await.unwrap() });
    for (what, verb) in [("reads", "get"), ("writes", "post")] {
        let folder = tempfile::tempdir().unwrap();
        let playbook = format!(
            "version: 1
providers: {{ own: {{ base_url: 'http://{address}' }} }}
steps: [{{ for_each: '${{{{ range(1000) }}}}', {verb}: '/things/${{{{ item }}}}' }}]
"
        );
        let file = folder.path().join("p.yaml");
        fs::write(&file, playbook).unwrap();
        let memory = || {
            let mut command = Command::new(env::current_exe().unwrap());
            command.arg("memory").arg(&file);
            command
        };
        for (place, state) in [("on disk", folder.path()), ("in /dev/shm", Path::new("/dev/shm"))] {
            let Ok(state) = tempfile::tempdir_in(state) else { continue };
            let apply = |program: &str, before: &[&str]| {
                let mut command = Command::new(program);
                command.args(before).args(["apply", "--state-dir"]).arg(state.path()).arg(&file);
                command
            };
            let runner = env!("CARGO_BIN_EXE_runner");
            compare(
                LONG_ROUNDS,
                &format!("1,000 {what}, journal {place} / in memory"),
                &|| apply(runner, &[]),
                &memory,
            );
            let counts = folder.path().join("counts");
            let trace =
                ["-f", "-c", "-qq", "-e", "trace=fsync,fdatasync", "-o", counts.to_str().unwrap(), runner];
            run(apply("strace", &trace));
            println!("{}", fs::read_to_string(&counts).unwrap());
        }
    }
}

/// What `runner apply` does, with a journal that ends with the process, and told to nobody.
fn run_without_disk(file: &Path) {
    let surroundings = Rc::new(SystemSurroundings::new(file.parent().unwrap(), None).unwrap());
    let checked = plan::check_file(file, &plan::Options::default(), &*surroundings);
    let plan = Rc::new(checked.plan.expect("a playbook without mistakes"));
    let selection = Selection::of(&plan, &[], None).unwrap();
    let options = RunOptions { selection, ..RunOptions::default() };
    let (clock, cancellation) = (Rc::new(SystemClock::default()), Cancellation::default());
    let world = World {
        clock: clock.clone(),
        random: Arc::new(SystemRandom),
        transport: Rc::new(HttpTransport::default()),
        store: Rc::new(MemoryStore::default()),
        sign_ins: Rc::new(Forgetful),
        prompt: Rc::new(TerminalPrompt::new(true, cancellation.clone())),
        surroundings,
        output: Rc::new(SystemOutput),
        journal: Rc::new(MemoryJournal::new(clock, cancellation.clone())),
        cancellation,
    };
    let events = Events::new(Rc::new(RefCell::new(Nobody)), world.clock.clone(), Redactor::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = engine::run(plan, &checked.sources, &options, &world, &events);
    assert_eq!(runtime.block_on(run).exit_code(), 0);
}

/// Who listens to no event.
struct Nobody;

impl EventSink for Nobody {
    fn receive(&mut self, _: &Event) {}
}

fn compare(rounds: usize, name: &str, ours: &dyn Fn() -> Command, theirs: &dyn Fn() -> Command) {
    let runs: Vec<(Run, Run)> =
        (0..WARM_UP + rounds).map(|_| (run(ours()), run(theirs()))).skip(WARM_UP).collect();
    let median = |mut numbers: Vec<f64>| {
        numbers.sort_by(f64::total_cmp);
        numbers[numbers.len() / 2]
    };
    let milliseconds = |duration: &Duration| duration.as_secs_f64() * 1000.0;
    println!(
        "| {name} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
        median(runs.iter().map(|(a, _)| milliseconds(&a.wall)).collect()),
        median(runs.iter().map(|(_, b)| milliseconds(&b.wall)).collect()),
        median(runs.iter().map(|(a, b)| a.wall.as_secs_f64() / b.wall.as_secs_f64()).collect()),
        median(runs.iter().map(|(a, _)| milliseconds(&a.cpu)).collect()),
        median(runs.iter().map(|(_, b)| milliseconds(&b.cpu)).collect()),
    );
}

fn run(mut command: Command) -> Run {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

    let started = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_child(&child);
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    let wall = started.elapsed();
    // Ended but not yet reaped: the kernel still knows the time on the processor, in nanoseconds.
    let schedule = fs::read_to_string(format!("/proc/{}/schedstat", child.id())).unwrap_or_default();
    let cpu = schedule.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
    let mut words = String::new();
    std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut words).unwrap();
    assert!(child.wait().unwrap().success(), "{command:?} failed: {words}");
    Run { wall, cpu: Duration::from_nanos(cpu) }
}

/// The same four requests with nothing but reqwest.
fn bare_client(base: &str) {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().build().unwrap();
        let send = |request: reqwest::RequestBuilder, body: Value| async move {
            let request = request.header("content-type", "application/json").body(body.to_string());
            let response = request.send().await.unwrap().error_for_status().unwrap();
            let body = response.bytes().await.unwrap();
            serde_json::from_slice::<Value>(&body).unwrap_or_default()
        };
        let demo = |name: &str| env::var(name).unwrap();
        let login = json!({
            "authKeyId": demo("SORACOM_AUTH_KEY_ID"), "authKey": demo("SORACOM_AUTH_KEY"), "tokenTimeoutSeconds": 3600
        });
        let session = send(client.post(format!("{base}/auth")), login).await;
        let signed = |request: reqwest::RequestBuilder| {
            request
                .header("X-Soracom-API-Key", session["apiKey"].as_str().unwrap())
                .header("X-Soracom-Token", session["token"].as_str().unwrap())
        };
        let sims = send(signed(client.get(format!("{base}/sims?limit=10"))), Value::Null).await;
        let tags = format!("{base}/sims/{}/tags", sims[0]["simId"].as_str().unwrap());
        send(signed(client.put(tags)), json!([{ "tagName": "bench", "tagValue": "x" }])).await;
        send(signed(client.post(format!("{base}/auth/logout"))), Value::Null).await;
    });
}
