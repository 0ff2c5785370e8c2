//! What is looked up and asked for before anything is sent, and which method is taken.

use super::bench::{API, Case, texts};
use super::server::{LOGIN, Server, count};
use crate::model::exit::Cause;
use crate::port::StoreKey;
use crate::port::fake::{FakePrompt, FakeStore, Reply, ScriptedTransport};
use crate::session::{Given, PlannedLogin, Sessions};
use serde_json::json;

#[tokio::test]
async fn nothing_is_sent_before_all_credentials_are_there() {
    let case =
        Case::sayable("login-json").replace("[{ env: API_PASSWORD }]", "[{ env: NOT_SET }, stored, prompt]");
    let failures = match case.try_start(ScriptedTransport::script([])).await {
        Ok(_) => panic!("prepared"),
        Err(failures) => failures,
    };
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].cause, Cause::SignIn);
    assert_eq!(
        texts(&failures[0]),
        [
            "no source has api.password",
            "env NOT_SET: not set",
            "keychain, runner/api default/password: nothing is kept there",
            "prompt: no terminal to ask at",
            "what now: set it in one of these, or keep it once with `runner login api --playbook /plays/p.yaml`"
        ]
    );
}

#[tokio::test]
async fn a_person_is_asked_once_and_before_the_first_request() {
    let server = Server::default();
    let bench = Case::sayable("login-json")
        .replace("[{ env: API_PASSWORD }]", "[prompt]")
        .prompt(FakePrompt::answering(["typed-geheim"]))
        .start(server.transport())
        .await;
    assert_eq!(bench.prompt.asked().len(), 1);
    assert_eq!(bench.prompt.asked()[0].text, "Password of api");
    bench.step().await.unwrap();
    server.expire();
    bench.step().await.unwrap();
    assert_eq!((bench.prompt.asked().len(), count(&bench, LOGIN)), (1, 2));
}

const TWO_METHODS: &str = r#"
version: 1
providers:
  api:
    base_url: https://api.example.com
    credentials:
      key:      { from: [{ env: API_KEY }] }
      username: { secret: false, from: [{ env: API_USERNAME }, prompt] }
      password: { from: [{ env: API_PASSWORD }, prompt] }
    auth:
      methods:
        key:  { login: { post: /login, json: { key: "${{ credentials.key }}" } } }
        user: { login: { post: /login, json: { username: "${{ credentials.username }}", password: "${{ credentials.password }}" } } }
      session: { access_token: $.access_token }
      send: { headers: { Authorization: "Bearer ${{ session.access_token }}" } }
steps:
  - get: /devices
"#;

#[tokio::test]
async fn the_first_method_whose_credentials_are_there_is_taken() {
    let method = async |case: Case| {
        let bench = case.start(Server::default().transport()).await;
        let note = bench.sessions.authenticate(API, None, Vec::new()).await.unwrap();
        (note.method.unwrap().to_string(), bench.warnings(), bench.prompt.asked().len())
    };
    let user = || Case::yaml(TWO_METHODS).env("API_USERNAME", "ops").env("API_PASSWORD", "p-geheim");
    assert_eq!(method(user()).await, ("user".to_owned(), vec![], 0));
    assert_eq!(method(user().env("API_KEY", "k-geheim")).await, ("key".to_owned(), vec![], 0));
    let asked = Case::yaml(TWO_METHODS).prompt(FakePrompt::answering(["ops", "p-geheim"]));
    assert_eq!(method(asked).await, ("user".to_owned(), vec![], 2));
    let half = Case::yaml(TWO_METHODS).env("API_KEY", "k-geheim").env("API_USERNAME", "ops");
    assert_eq!(method(half).await.0, "key");
    let reversed = Case::yaml(TWO_METHODS).env("API_KEY", "k-geheim").env("API_USERNAME", "ops").replace(
        "        key:  { login: { post: /login, json: { key: \"${{ credentials.key }}\" } } }\n",
        "",
    );
    let reversed = reversed.replace(
        "      session:",
        "        key:  { login: { post: /login, json: { key: \"${{ credentials.key }}\" } } }\n      session:",
    );
    let (chosen, warnings, _) = method(reversed).await;
    assert_eq!(chosen, "key");
    assert_eq!(
        warnings,
        ["api does not sign in by `user`, though some of its credentials are there: api.password is missing"]
    );
}

#[tokio::test]
async fn what_a_step_gives_is_sent_whichever_other_method_is_complete() {
    let given: Given = vec![("password".to_owned(), "new-geheim".into())];
    let names = given.iter().map(|(name, _)| name.clone()).collect();
    let login = PlannedLogin { provider: API, method: None, given: names };
    let case = Case::yaml(TWO_METHODS).env("API_KEY", "k-geheim").env("API_USERNAME", "ops");
    let bench = case.logins(vec![login]).start(Server::default().transport()).await;
    let note = bench.sessions.authenticate(API, None, given).await.unwrap();
    assert_eq!(note.method.unwrap().as_str(), "user", "though the credentials of `key` are there");
    assert_eq!(bench.last().json()["password"], "new-geheim");
}

#[tokio::test]
async fn the_other_ways_to_sign_in_are_named_with_what_they_need() {
    let failures = async |case: Case| {
        let failed = case.try_start(ScriptedTransport::script([])).await.err().unwrap();
        failed.iter().map(texts).collect::<Vec<_>>()
    };
    let unasked = Case::yaml(TWO_METHODS).replace("env: API_USERNAME }, prompt", "env: API_USERNAME }");
    let missing = failures(unasked).await;
    assert_eq!(missing[0][0], "no source has api.key");
    let other = "or sign in with method user: env API_USERNAME and env API_PASSWORD".to_owned();
    assert!(missing[0].contains(&other), "{missing:#?}");
    let asked = failures(Case::yaml(TWO_METHODS)).await;
    assert_eq!(
        (asked[0][0].as_str(), asked[1][0].as_str()),
        ("no source has api.username", "no source has api.password")
    );
    let said: Vec<&String> = asked.iter().flatten().filter(|text| text.starts_with("or sign in")).collect();
    assert_eq!(said, ["or sign in with method key: env API_KEY"]);
    let named = Case::yaml(TWO_METHODS).replace("    auth:\n", "    method: user\n    auth:\n");
    assert!(!failures(named).await.concat().iter().any(|text| text.contains("or sign in")));
}

#[tokio::test]
async fn a_named_profile_has_credentials_of_its_own() {
    let kept = |name: &str| StoreKey::credential("emnify", "tokyo", name);
    let store = FakeStore::default()
        .with(kept("username"), "tokyo@example.com", &["https://cdn.emnify.net"])
        .with(kept("password"), "tokyo-geheim", &["https://cdn.emnify.net"]);
    let bench = Case::yaml("version: 1\nproviders: { emnify: { method: user } }\nsteps: [get: /devices]\n")
        .env("EMNIFY_USERNAME", "ops@example.com")
        .env("EMNIFY_PASSWORD", "password-geheim")
        .profile("tokyo")
        .store(store)
        .start(ScriptedTransport::new(|_| Reply::json(200, json!({"auth_token": "token-geheim"}))))
        .await;
    let note = bench.sessions.authenticate(API, None, Vec::new()).await.unwrap();
    assert_eq!(note.account.unwrap().as_str(), "tokyo@example.com");
    let digest = bench.transport.sent()[0].json()["password"].as_str().unwrap().to_owned();
    assert_eq!(bench.exchange.events().clean(digest).as_str(), "‹emnify.password›");
    assert_eq!(
        bench.warnings(),
        [
            "env EMNIFY_USERNAME is set, but passed over, for the profile tokyo was named",
            "env EMNIFY_PASSWORD is set, but passed over, for the profile tokyo was named"
        ]
    );
}

#[tokio::test]
async fn an_address_of_the_environment_is_looked_at_before_anything_is_sent() {
    let case = || {
        Case::sayable("login-json").replace(
            "    base_url: https://api.example.com",
            "    settings: { host: { from: [{ env: API_HOST }] } }\n    base_url: ${{ settings.host }}",
        )
    };
    let prepare = async |host: &str| {
        let result = case().env("API_HOST", host).try_start(ScriptedTransport::script([])).await;
        result.err().map(|failures| texts(&failures[0])[0].clone()).unwrap_or_default()
    };
    assert_eq!(prepare("https://a.example").await, "");
    assert_eq!(prepare("http://127.0.0.1:9").await, "");
    assert_eq!(prepare("a.example").await, "base_url of api is `a.example`, which is no address");
    assert_eq!(
        prepare("ftp://a.example").await,
        "base_url of api is `ftp://a.example`; an address begins with https://"
    );
    assert_eq!(
        prepare("https://a:b@a.example").await,
        "base_url of api has a user name or password, which have no place in it"
    );
    let missing = case().try_start(ScriptedTransport::script([])).await.err().unwrap();
    assert_eq!(
        texts(&missing[0])[0],
        "setting api.host has no value (env API_HOST not set); set API_HOST, or write it under `settings` of the provider"
    );
}

#[tokio::test]
async fn a_setting_of_an_address_that_is_replaced_is_not_looked_up() {
    let case = || {
        let case = Case::sayable("login-json").replace(
            "    base_url: https://api.example.com",
            "    settings: { host: { from: [{ env: API_HOST }] } }\n    base_url: https://${{ settings.host }}",
        );
        case.base_url("https://b.example")
    };
    let bench = case().start(ScriptedTransport::script([])).await;
    assert_eq!(bench.sessions.account(API).base_url().as_str(), "https://b.example/");
    let header = "    headers: { X-Host: \"${{ settings.host }}\" }\n    auth:\n";
    let failures = case().replace("    auth:\n", header).try_start(ScriptedTransport::script([])).await;
    assert!(texts(&failures.err().unwrap()[0])[0].starts_with("setting api.host has no value"));
}

#[tokio::test]
async fn a_dry_run_knows_where_secrets_are_and_what_a_login_looks_like() {
    let login = PlannedLogin { provider: API, method: None, given: Vec::new() };
    let case = Case::sayable("login-json").replace("[{ env: API_PASSWORD }]", "[{ env: NOT_SET }]");
    let (bench, secrets) = case.logins(vec![login]).preview().await;
    let seen: Vec<_> = secrets.iter().map(|secret| (secret.name.as_str(), secret.source.is_ok())).collect();
    assert_eq!(seen, [("api.username", true), ("api.password", false)]);
    assert_eq!(secrets[0].origins, ["https://api.example.com"]);
    let shapes = bench.sessions.login_shapes(API, None, &[]).await.unwrap();
    assert_eq!(shapes[0].shown_target(), "/login");
    assert_eq!(
        shapes[0].shown_body().unwrap(),
        r#"{"username":"ops@example.com","password":‹api.password›}"#
    );
    assert_eq!(bench.transport.lines(), [""; 0]);
}

#[tokio::test]
async fn who_leaves_a_question_unanswered_is_asked_no_other_one() {
    for answers in [FakePrompt::answering([]), FakePrompt::answering(["\n"])] {
        let case = Case::sayable("login-json")
            .replace("from: [{ env: API_USERNAME }]", "from: [prompt]")
            .replace("from: [{ env: API_PASSWORD }]", "from: [prompt]")
            .prompt(answers);
        let (setup, parts) = case.setup(ScriptedTransport::script([]));
        let failures = Sessions::prepare(setup).await.err().expect("nothing was answered");
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert_eq!(texts(&failures[0])[..2], ["no source has api.username", "prompt: no answer was given"]);
        assert_eq!(parts.prompt.asked().len(), 1);
    }
}
