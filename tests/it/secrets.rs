//! Secrets show nowhere, whatever the server, the playbook or the environment does with them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::json;

use crate::support::pty::Size;
use crate::support::runner::{Output, Runner};
use crate::support::scripted::{Reply, Request, ScriptedServer};

const PASSWORD: &str = "pass \"word\" & geheim/1+ü";
const TOKEN: &str = "token-geheim-4711";
const KEY: &str = "key-geheim-0815=";

/// All that a request holds, as a careless server sends it back.
fn echo(request: &Request) -> String {
    let head: Vec<String> = request.head.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{}\n{}\n\n{}", request.line, head.join("\n"), request.body)
}

/// A server that signs everybody in and refuses everything else with an echo.
fn echoing(make: fn(String) -> Reply) -> ScriptedServer {
    ScriptedServer::start(move |request| match request.line.as_str() {
        "POST /login" | "POST /token" => {
            Reply::json(200, &json!({ "access_token": TOKEN })).header("set-cookie", format!("sid={TOKEN}"))
        }
        _ => make(echo(request)),
    })
}

/// The program at its most talkative, with all that it knows planted.
fn runner(server: &ScriptedServer, yaml: &str, log_format: &str) -> Runner {
    let variables = [
        ("API_USERNAME", "ops@example.com"),
        ("API_PASSWORD", PASSWORD),
        ("API_TOKEN", TOKEN),
        ("API_KEY", KEY),
        ("API_CLIENT_ID", "client-1"),
        ("API_CLIENT_SECRET", PASSWORD),
    ];
    let runner = variables.into_iter().fold(Runner::new(), |runner, (name, value)| runner.env(name, value));
    let runner = runner.plant(PASSWORD).plant(TOKEN).plant(KEY).file("case.yaml", yaml);
    let runner = runner.args(["apply", "case.yaml", "-vvv", "--log-format", log_format]);
    runner.args(["--report", "json=report.json", "--base-url", &format!("api={}", server.base_url())])
}

const CASES: [&str; 8] = [
    include_str!("../cases/sayable/login-json.yaml"),
    include_str!("../cases/sayable/login-form.yaml"),
    include_str!("../cases/sayable/token-in-query.yaml"),
    include_str!("../cases/sayable/token-in-cookie.yaml"),
    include_str!("../cases/sayable/preset-basic.yaml"),
    include_str!("../cases/sayable/preset-bearer.yaml"),
    include_str!("../cases/sayable/preset-api-key-in-query.yaml"),
    include_str!("../cases/sayable/basic-credentials-form-encoded.yaml"),
];

#[test]
fn a_refusal_that_echoes_the_request_shows_no_secret() {
    for yaml in CASES {
        // The shapes that error readers look into, and those that they do not.
        let readable =
            yaml.replace("    auth:\n", "    errors: { code: $.code, message: $.message }\n    auth:\n");
        assert_ne!(readable, yaml);
        let json = echoing(|echo| Reply::json(400, &json!({ "code": &echo, "message": &echo })));
        runner(&json, &readable, "text").run().exits(1);
        runner(&json, &readable, "json").run().exits(1);
        assert!(json.lines().len() >= 2, "it was asked");
        let html =
            echoing(|echo| Reply::text(404, "text/html", format!("<pre>{echo}</pre>")).header("x-echo", "1"));
        runner(&html, yaml, "text").run().exits(1);
    }
}

#[test]
fn a_refused_login_that_echoes_the_password_shows_none() {
    let yaml =
        CASES[0].replace("    auth:\n", "    errors: { code: $.code, message: $.message }\n    auth:\n");
    for status in [400, 401, 403] {
        let answer = move |request: &Request| {
            Reply::json(status, &json!({ "code": request.body, "message": echo(request) }))
        };
        let server = ScriptedServer::start(answer);
        runner(&server, &yaml, "text").run().exits(3);
        assert_eq!(server.lines(), ["POST /login"], "sent once");
    }
}

#[test]
fn a_device_that_is_named_like_the_secret_shows_only_where_the_playbook_puts_it() {
    let yaml = CASES[0].to_owned()
        + "    rows: $
    save: devices.ndjson
    outputs: { name: '$[0].name' }
  - get: /devices/${{ steps.first.outputs.name }}
    query: { q: '${{ steps.first.outputs.name }}' }
";
    let yaml = yaml.replace("  - get: /devices\n", "  - id: first\n    get: /devices\n");
    let server = ScriptedServer::start(|request| match request.line.as_str() {
        "POST /login" => Reply::json(200, &json!({ "access_token": TOKEN })),
        "GET /devices" => Reply::json(200, &json!([{ "name": TOKEN }])),
        _ => Reply::json(404, &json!({ "message": TOKEN })),
    });
    let output = runner(&server, &yaml, "text").may_hold("devices.ndjson").run().exits(1);
    assert_eq!(server.lines()[2], format!("GET /devices/{TOKEN}?q={TOKEN}"), "sent as it is");
    assert!(output.read("devices.ndjson").contains(TOKEN), "data stays data");
}

#[test]
fn an_output_marked_secret_is_hidden_from_its_answer_on() {
    let yaml = CASES[5].replace("  - get: /devices\n", "  - id: issue\n    post: /keys\n    outputs: { key: { path: $.key, secret: true } }\n  - get: /keys/${{ steps.issue.outputs.key }}\n");
    let server = ScriptedServer::replying([
        Reply::json(201, &json!({ "key": "issued-geheim-99" })),
        Reply::json(404, &json!({ "message": "no key issued-geheim-99" })),
    ]);
    runner(&server, &yaml, "json").plant("issued-geheim-99").run().exits(1);
    assert_eq!(server.lines(), ["POST /keys", "GET /keys/issued-geheim-99"]);
}

#[test]
fn a_literal_secret_is_a_finding_that_does_not_show_it() {
    let yaml = CASES[5].replace("[{ env: API_TOKEN }]", "[{ value: \"sk_live_geheim_1234567890\" }]")
        + "    retires: 3\n";
    for format in ["human", "json"] {
        let runner = Runner::new().plant("sk_live_geheim_1234567890").file("case.yaml", &yaml);
        let output = runner.args(["validate", "case.yaml", "--format", format]).run().exits(2);
        assert!(output.text().contains("literal-secret"), "{}", output.text());
        assert!(output.text().contains("unknown-key"), "{}", output.text());
    }
}

/// A playbook with a token from the given sources.
fn token_from(sources: &str) -> String {
    CASES[5].replace("[{ env: API_TOKEN }]", sources)
}

/// One read that asks for the token, in front of a server that takes whatever comes.
fn read_with(runner: Runner, sources: &str) -> (Output, Vec<String>) {
    let server = ScriptedServer::replying([Reply::json(200, &json!([]))]);
    let runner = runner.plant(TOKEN).file("case.yaml", token_from(sources));
    let output =
        runner.args(["apply", "case.yaml", "--base-url", &format!("api={}", server.base_url())]).run();
    let sent = server.requests().iter().map(|request| request.header("authorization").to_owned()).collect();
    (output, sent)
}

fn bearer() -> Vec<String> {
    vec![format!("Bearer {TOKEN}")]
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}

#[test]
fn a_dotenv_that_others_can_write_is_refused_and_one_that_others_can_read_is_told() {
    let env = format!("API_TOKEN={TOKEN}\n");
    for (mode, code, said) in [
        (0o600, 0, ""),
        (0o640, 0, "can be read by others"),
        (0o620, 2, "can be written by others"),
        (0o602, 2, "can be written by others"),
    ] {
        let runner = Runner::new().file(".env", &env);
        set_mode(&runner.dir().join(".env"), mode);
        let (output, sent) = read_with(runner, "[{ env: API_TOKEN }]");
        let output = output.exits(code);
        assert!(output.stderr.contains(said), "{mode:o}\n{}", output.text());
        assert_eq!(output.stderr.contains("by others"), !said.is_empty(), "{mode:o}\n{}", output.text());
        assert_eq!(sent, if code == 0 { bearer() } else { Vec::new() }, "{mode:o}");
    }
}

#[test]
fn the_environment_comes_before_the_dotenv_and_what_is_empty_is_missing() {
    let env = format!("API_TOKEN={TOKEN}\n");
    let (output, sent) =
        read_with(Runner::new().env("API_TOKEN", "").file(".env", &env), "[{ env: API_TOKEN }]");
    output.exits(0);
    assert_eq!(sent, bearer(), "an empty variable is none");

    let other = "API_TOKEN=other-token-geheim\n";
    let runner = Runner::new().env("API_TOKEN", TOKEN).file(".env", other).plant("other-token-geheim");
    let (output, sent) = read_with(runner, "[{ env: API_TOKEN }]");
    output.exits(0);
    assert_eq!(sent, bearer());

    let (output, sent) = read_with(Runner::new().file(".env", "API_TOKEN=\n"), "[{ env: API_TOKEN }]");
    let output = output.exits(3);
    assert!(output.text().contains("API_TOKEN"), "{}", output.text());
    assert!(sent.is_empty());
}

#[test]
fn a_secret_in_a_file_loses_the_newline_at_its_end_and_this_is_said() {
    for (text, is_cut) in
        [(TOKEN.to_owned(), false), (format!("{TOKEN}\n"), true), (format!("{TOKEN}\r\n"), true)]
    {
        let (output, sent) =
            read_with(Runner::new().file("secrets/token", &text), "[{ file: secrets/token }]");
        let output = output.exits(0);
        assert_eq!(sent, bearer());
        assert_eq!(output.stderr.contains("the newline at the end"), is_cut, "{text:?}\n{}", output.text());
    }
}

#[test]
fn a_secret_is_one_value_of_a_json_file() {
    let tool = json!({ "profiles": [{ "token": TOKEN }] }).to_string();
    let sources = "[{ file: secrets/tool.json, path: \"$.profiles[0].token\" }]";
    let (output, sent) = read_with(Runner::new().file("secrets/tool.json", tool), sources);
    output.exits(0);
    assert_eq!(sent, bearer());
}

/// Another folder than the playbook's, with a token in it.
fn elsewhere(runner: Runner) -> (Runner, String) {
    let runner = runner.home_file("keys/token", TOKEN);
    let folder = runner.dir().parent().expect("the sandbox").join("home/keys");
    (runner, folder.display().to_string())
}

#[test]
fn a_file_elsewhere_is_read_only_where_that_is_allowed() {
    let (runner, folder) = elsewhere(Runner::new());
    let path = format!("[{{ file: {folder}/token }}]");
    for sources in [path.as_str(), "[{ file: ~/keys/token }]", "[{ file: ../home/keys/token }]"] {
        let (output, sent) = read_with(runner.clone(), sources);
        let output = output.exits(2);
        assert!(output.stderr.contains("error[file-out-of-reach]"), "{sources}: {}", output.text());
        assert!(output.stderr.contains("allow it with `--allow-read "), "{sources}: {}", output.text());
        assert!(sent.is_empty());
        let validate = runner.clone().args(["validate", "case.yaml"]);
        validate.clone().run().exits(2);
        validate.args(["--allow-read", &folder]).run().exits(0);
        let (output, sent) = allowed(runner.clone(), &folder, sources);
        output.exits(0);
        assert_eq!(sent, bearer(), "{sources}");
    }
}

/// As [`read_with`], with a folder that is allowed.
fn allowed(runner: Runner, folder: &str, sources: &str) -> (Output, Vec<String>) {
    let server = ScriptedServer::replying([Reply::json(200, &json!([]))]);
    let runner = runner.plant(TOKEN).file("case.yaml", token_from(sources));
    let base_url = format!("api={}", server.base_url());
    let output = runner.args(["apply", "case.yaml", "--allow-read", folder, "--base-url", &base_url]).run();
    let sent = server.requests().iter().map(|request| request.header("authorization").to_owned()).collect();
    (output, sent)
}

#[test]
fn a_link_does_not_lead_out_of_the_folder() {
    let (runner, folder) = elsewhere(Runner::new());
    symlink(&folder, runner.dir().join("keys")).expect("the sandbox is writable");
    let (output, sent) = read_with(runner.clone(), "[{ file: keys/token }]");
    let output = output.exits(2);
    assert!(output.stderr.contains("error[file-out-of-reach]"), "{}", output.text());
    assert!(sent.is_empty());
    let (output, _) = allowed(runner, &folder, "[{ file: keys/token }]");
    output.exits(0);

    // A link that only a template leads to shows when the secret is looked up.
    let (runner, folder) = elsewhere(Runner::new().env("RUNNER_INPUT_NAME", "token"));
    symlink(format!("{folder}/token"), runner.dir().join("token")).expect("the sandbox is writable");
    let yaml = token_from("[{ file: \"${{ inputs.name }}\" }]") + "inputs: { name: { type: string } }\n";
    let output = runner.file("case.yaml", yaml).args(["apply", "case.yaml"]).run().exits(3);
    let real = Path::new(&folder).canonicalize().expect("the folder is there");
    let reason = format!(
        "file token: it is not below the playbook's folder; allow it with `--allow-read {}`",
        real.display()
    );
    assert!(output.stderr.contains(&reason), "{}", output.text());
}

#[test]
fn a_folder_that_kubernetes_mounts_is_full_of_links() {
    let runner = Runner::new().file("mount/..2026_11_22/token", TOKEN);
    symlink("..2026_11_22", runner.dir().join("mount/..data")).expect("the sandbox is writable");
    symlink("..data/token", runner.dir().join("mount/token")).expect("the sandbox is writable");
    let (output, sent) = read_with(runner, "[{ file: mount/token }]");
    output.exits(0);
    assert_eq!(sent, bearer());
    let runner = Runner::new().home_file("mount/..2026_11_22/token", TOKEN);
    let folder = runner.dir().parent().expect("the sandbox").join("home/mount");
    symlink("..2026_11_22", folder.join("..data")).expect("the sandbox is writable");
    symlink("..data/token", folder.join("token")).expect("the sandbox is writable");
    let (output, sent) = allowed(runner, &folder.display().to_string(), "[{ file: ~/mount/token }]");
    output.exits(0);
    assert_eq!(sent, bearer());
}

#[test]
fn what_systemd_gives_is_read() {
    let sources = "[{ file: $CREDENTIALS_DIRECTORY/token }]";
    let (runner, folder) = elsewhere(Runner::new());
    let (output, sent) = read_with(runner.clone().env("CREDENTIALS_DIRECTORY", folder.as_str()), sources);
    output.exits(0);
    assert_eq!(sent, bearer());

    let (output, _) = read_with(runner.clone(), sources);
    let output = output.exits(3);
    let expected = "file $CREDENTIALS_DIRECTORY/token: CREDENTIALS_DIRECTORY is not set";
    assert!(output.stderr.contains(expected), "{}", output.text());

    // A `.env` file beside a playbook from elsewhere must not open a folder.
    let runner = runner.file(".env", format!("CREDENTIALS_DIRECTORY={folder}\n"));
    read_with(runner, sources).0.exits(3);
}

#[test]
fn a_body_is_read_from_below_the_folder_whatever_its_links_say() {
    let (runner, folder) = elsewhere(Runner::new().plant(TOKEN));
    symlink(format!("{folder}/token"), runner.dir().join("firmware.bin")).expect("the sandbox is writable");
    for body in ["file: firmware.bin", "multipart: { image: { file: firmware.bin } }"] {
        let server = ScriptedServer::start(|_| Reply::json(200, &json!({})));
        let yaml = format!(
            "version: 1\nproviders: {{ api: {{ base_url: \"{}\" }} }}\nsteps: [{{ put: /x, {body} }}]\n",
            server.base_url()
        );
        let runner = runner.clone().file("case.yaml", yaml).args(["apply", "case.yaml"]);
        let output = runner.run().exits(2);
        assert!(output.stderr.contains("error[file-out-of-reach]"), "{}", output.text());
        assert!(server.lines().is_empty());
        runner.args(["--allow-read", &folder]).run().exits(0);
        assert!(server.requests().last().expect("it was sent").body.contains(TOKEN));
    }
}

#[test]
fn a_secret_that_is_nowhere_is_one_error_that_names_every_source() {
    let sources = "[{ env: API_TOKEN }, { file: secrets/token }, stored, { prompt: the token of acme }]";
    let (output, sent) = read_with(Runner::new(), sources);
    let output = output.exits(3);
    for named in ["API_TOKEN", "secrets/token", "keychain", "prompt"] {
        assert!(output.text().contains(named), "{named} is missing\n{}", output.text());
    }
    assert!(sent.is_empty());
}

#[test]
fn nobody_is_asked_where_that_is_forbidden_even_at_a_terminal() {
    let server = ScriptedServer::replying([]);
    let runner = Runner::new().file("case.yaml", token_from("[{ prompt: the token of acme }]"));
    let runner = runner.args([
        "apply",
        "--no-prompt",
        "case.yaml",
        "--base-url",
        &format!("api={}", server.base_url()),
    ]);
    let output = runner.open_terminal(Size { columns: 120, rows: 40 }).finish().exits(3);
    assert!(output.stdout.contains("--no-prompt"), "{}", output.stdout);
    assert!(!output.stdout.contains("the token of acme: "), "{}", output.stdout);
    assert!(server.lines().is_empty());
}

#[test]
fn an_answer_at_the_terminal_does_not_show_however_early_it_is_typed() {
    let server = ScriptedServer::replying([Reply::json(200, &json!([]))]);
    let runner = Runner::new().plant(TOKEN).file("case.yaml", token_from("[{ prompt: the token of acme }]"));
    let runner = runner.args(["apply", "case.yaml", "--base-url", &format!("api={}", server.base_url())]);
    let mut terminal = runner.open_terminal(Size { columns: 120, rows: 40 });
    // The first letter of the question is enough: from there on nothing that is typed may show.
    terminal.wait_for("the tok").send(&format!("{TOKEN}\r"));
    terminal.finish().exits(0);
    assert_eq!(server.requests()[0].header("authorization"), format!("Bearer {TOKEN}"));
}

#[test]
fn a_secret_that_is_too_short_to_be_found_is_warned_of_wherever_it_comes_from() {
    let playbook = r#"
version: 1
providers:
  api:
    base_url: BASE
    credentials: { key: { from: [{ env: KEY }] } }
    auth:
      login: { post: /login, json: { key: "${{ credentials.key }}" } }
      session: { token: $.token }
      send: { headers: { Authorization: "${{ session.token }}" } }
secrets: { pin: { from: [{ env: PIN }] } }
steps:
  - { id: a, post: /a, json: { pin: "${{ secrets.pin }}" }, outputs: { codes: { path: $.codes, secret: true } } }
"#;
    let api = ScriptedServer::start(|request| match request.line.as_str() {
        "POST /login" => Reply::json(200, &json!({ "token": "t1" })),
        _ => Reply::json(200, &json!({ "codes": ["c1", "c2"] })),
    });
    let runner = Runner::new().file("p.yaml", playbook.replace("BASE", &api.base_url()));
    let output = runner.env("KEY", "k1").env("PIN", "p1").args(["apply", "p.yaml"]).run().exits(0);
    for name in ["api.key", "secrets.pin", "api.session.token", "steps.a.outputs.codes"] {
        let warning = format!("{name} has fewer than 4 characters, too short to be found in other texts");
        assert_eq!(output.stderr.matches(&warning).count(), 1, "{name}\n{}", output.stderr);
    }
}
