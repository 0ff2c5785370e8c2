//! `runner` as whole processes, each beside something that does the same with less: `cargo bench --bench whole_process`.
//!
//! The pairs run in turn, so that a slow phase of the machine hits both. Times are medians, the ratio is the median of the
//! ratios, processor time is a mean over all threads, memory is the most that a process ever had. The other side of each pair
//! is this program itself, called with a word that says what to do.
#![expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a benchmark measures and prints")]

use axum::Router;
use axum::body::Bytes;
use runner::engine::{self, RunOptions, Selection};
use runner::event::{Event, EventSink, Events};
use runner::model::redaction::Redactor;
use runner::plan;
use runner::port::Cancellation;
use runner::simulate::{Options, Provider, Simulator};
use runner::system::{SystemSurroundings, passing_world};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Instant;

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
    println!(
        "| pair | runner ms | other ms | ratio | runner cpu ms | other cpu ms | runner MB | other MB | syncs |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    measure_runs();
    measure_journal();
}

fn measure_runs() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let options = Options { devices: 10, ..Options::default() };
    let simulator = runtime.block_on(Simulator::start(Provider::Soracom, &options)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("chain.yaml"), CHAIN).unwrap();

    let of = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder.path()).env("XDG_STATE_HOME", folder.path());
        for value in simulator.demo() {
            command.envs(value.variable.map(|variable| (variable, &value.value)));
        }
        command
    };
    let runner = |arguments: &[&str]| of(Path::new(env!("CARGO_BIN_EXE_runner")), arguments);
    let myself = |arguments: &[&str]| of(&env::current_exe().unwrap(), arguments);
    let base_url = format!("soracom={}", simulator.base_url());
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

/// 1,000 requests with a journal on disk, and with one on a disk in memory, beside the same with a journal in the memory of
/// the process.
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
            let apply = || {
                let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
                command.args(["apply", "--state-dir"]).arg(state.path()).arg(&file);
                command
            };
            let name = format!("1,000 {what}, journal {place} / in memory");
            compare(LONG_ROUNDS, &name, &apply, &memory);
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
    let world = passing_world(surroundings, true, &Cancellation::default());
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

/// Prints a line of the table.
fn compare(rounds: usize, name: &str, ours: &dyn Fn() -> Command, theirs: &dyn Fn() -> Command) {
    let times: Vec<(f64, f64)> =
        (0..WARM_UP + rounds).map(|_| (run(&mut ours()), run(&mut theirs()))).skip(WARM_UP).collect();
    println!(
        "| {name} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} | {} |",
        median(times.iter().map(|(ours, _)| *ours).collect()),
        median(times.iter().map(|(_, theirs)| *theirs).collect()),
        median(times.iter().map(|(ours, theirs)| ours / theirs).collect()),
        processor_time(rounds, ours),
        processor_time(rounds, theirs),
        peak_memory(ours),
        peak_memory(theirs),
        syncs(&ours()),
    );
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Runs a process to its end. Returns how long that took, in milliseconds.
fn run(command: &mut Command) -> f64 {
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output().unwrap();
    let took = started.elapsed();
    assert!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    took.as_secs_f64() * 1000.0
}

/// The time that processors give to a process with all its threads, in milliseconds: the mean of so many runs, for the
/// system tells it of all children together, and in hundredths of a second.
fn processor_time(rounds: usize, side: &dyn Fn() -> Command) -> f64 {
    let before = time_of_children();
    for _ in 0..rounds {
        run(&mut side());
    }
    (time_of_children() - before) / rounds as f64
}

fn time_of_children() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // The name of the program, in brackets, is the second field and may hold blanks: see proc_pid_stat(5).
    let (_, behind_name) = stat.rsplit_once(") ").unwrap();
    let in_user_mode_and_in_the_kernel = behind_name.split(' ').skip(13).take(2);
    in_user_mode_and_in_the_kernel.map(|ticks| ticks.parse::<f64>().unwrap() * 10.0).sum()
}

/// The most memory that one of a few runs has had at a time, in megabytes, as far as it shows from outside before its end.
fn peak_memory(side: &dyn Fn() -> Command) -> f64 {
    (0..WARM_UP).map(|_| memory_of(side())).fold(0.0, f64::max)
}

fn memory_of(mut command: Command) -> f64 {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let path = format!("/proc/{}/status", child.id());
    let mut kilobytes = 0.0;
    while let Some(seen) = high_water_mark(&fs::read_to_string(&path).unwrap()) {
        kilobytes = seen;
    }
    assert!(child.wait().unwrap().success(), "{command:?} failed");
    kilobytes / 1000.0
}

/// `None`: it has come to its end.
fn high_water_mark(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// How often a process makes something durable.
fn syncs(command: &Command) -> usize {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let mut traced = Command::new("strace");
    traced.args(["-f", "-qq", "-e", "trace=fsync,fdatasync", "-o"]).arg(trace.path());
    traced.arg(command.get_program()).args(command.get_args());
    traced.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    traced.current_dir(command.get_current_dir().unwrap_or(Path::new(".")));
    run(&mut traced);
    let calls = fs::read_to_string(trace.path()).unwrap();
    calls.lines().filter(|line| line.contains("sync(")).count()
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
