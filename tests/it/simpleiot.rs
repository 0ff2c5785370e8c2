//! SimpleIOT: Cognito signs in, another host answers, and errors are teapots.

use std::time::Duration;

use runner::simulate::{Fault, Options, Provider};
use serde_json::{Value, json};

use crate::support::fleet::Fleet;
use crate::support::pty::Size;
use crate::support::raw_server::RawServer;
use crate::support::runner::{Output, Runner};

const INITIATE: &str = "InitiateAuth";
const RESPOND: &str = "RespondToAuthChallenge";
const REVOKE: &str = "RevokeToken";
const PROJECTS: &str = "GET /iotcli/v1/project?all=true";

const SIZE: Size = Size { columns: 120, rows: 40 };

/// The settings in the playbook, and two lists.
const TWO_LISTS: &str = "
version: 1
name: two lists
providers:
  simpleiot:
    settings:
      region: us-east-1
      client_id: 7democlientid4simulated0ab
      api_endpoint: https://a1b2c3.execute-api.us-east-1.amazonaws.com/dev/
steps:
  - call: simpleiot.list_projects
  - call: simpleiot.list_projects
";

/// The settings in the team's file, and all that the shipped playbook does.
const INVENTORY: &str = include_str!("../../playbooks/simpleiot/device-inventory.yaml");

/// An installation and the program in front of it, as one of the demo users.
struct Team {
    server: Fleet,
    runner: Runner,
}

impl Team {
    fn start(account: &str) -> Self {
        let server = Fleet::of(Provider::Simpleiot);
        let password = server.demo(account, "password");
        let auth_base_url = server.auth_base_url().expect("it signs in elsewhere").to_owned();
        let runner = Runner::new()
            .env("IOT_USERNAME", server.demo(account, "username"))
            .env("IOT_PASSWORD", password)
            .plant(password)
            .args(["apply", "-vv", "--base-url", &format!("simpleiot={}", server.base_url())])
            .args(["--auth-base-url", &format!("simpleiot={auth_base_url}")]);
        Self { server, runner }
    }

    /// With the secret of the demo user's second factor.
    fn with_totp(mut self, account: &str) -> Self {
        let secret = self.server.demo(account, "mfa_secret");
        self.runner = self.runner.env("IOT_MFA_SECRET", secret).plant(secret);
        self
    }

    fn playbook(&self, playbook: &str) -> Runner {
        self.runner.clone().file("team.yaml", playbook).args(["team.yaml"])
    }

    fn run(&self, playbook: &str) -> Output {
        self.checked(self.playbook(playbook).run())
    }

    /// No token and no private part of a challenge shows.
    fn checked(&self, output: Output) -> Output {
        let text = output.text();
        for request in self.server.requests() {
            let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
            let values =
                ["/Session", "/Token", "/AuthParameters/REFRESH_TOKEN"].map(|path| body.pointer(path));
            let sent =
                values.into_iter().flatten().filter_map(Value::as_str).chain(request.header("authorization"));
            for secret in sent {
                assert!(!text.contains(secret), "{secret} shows in\n{text}");
            }
        }
        output
    }

    /// The actions at Cognito and the paths at the API, in their order.
    fn lines(&self) -> Vec<String> {
        let requests = self.server.requests();
        let lines = requests.iter().map(|request| {
            let action = request.header("x-amz-target").and_then(|target| target.split_once('.'));
            action.map_or_else(|| format!("{} {}", request.method, request.path), |(_, name)| name.to_owned())
        });
        lines.collect()
    }

    /// The body of a request, by its place.
    fn body(&self, index: usize) -> Value {
        serde_json::from_str(&self.server.requests()[index].body).expect("it is JSON")
    }

    fn refuse(&self, path: &str, skip: u64, status: u16, body: &Value) {
        self.server.inject(Fault {
            path: Some(path.to_owned()),
            skip,
            status,
            headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
            body: body.to_string(),
            ..Fault::default()
        });
    }

    /// Logins, refused logins, refreshes, logouts, open sessions.
    #[track_caller]
    fn counts(&self, wanted: [u64; 4]) {
        let stats = self.server.stats();
        assert_eq!([stats.logins, stats.refused_logins, stats.refreshes, stats.logouts], wanted, "{stats:?}");
    }
}

#[test]
fn a_login_brings_the_id_token_which_goes_raw_and_is_revoked_at_the_end() {
    let team = Team::start("plain");
    team.run(TWO_LISTS).exits(0);
    assert_eq!(team.lines(), [INITIATE, PROJECTS, PROJECTS, REVOKE]);
    let requests = team.server.requests();
    assert_eq!(requests[0].header("content-type"), Some("application/x-amz-json-1.1"));
    let wanted = json!({
        "AuthFlow": "USER_PASSWORD_AUTH",
        "ClientId": "7democlientid4simulated0ab",
        "AuthParameters": { "USERNAME": "demo-admin", "PASSWORD": team.server.demo("plain", "password") },
    });
    assert_eq!(team.body(0), wanted);
    let token = requests[1].header("authorization").expect("a token");
    assert_eq!((token.split('.').count(), token.contains(' ')), (3, false), "a JWT, and nothing before it");
    assert_eq!(team.body(3)["ClientId"], "7democlientid4simulated0ab");
    team.counts([1, 0, 0, 1]);
    assert_eq!(team.server.stats().open_sessions, 0);
}

#[test]
fn the_shipped_inventory_reads_the_settings_from_the_file_of_the_team() {
    let team = Team::start("plain");
    let settings = json!({
        "team": "demo-team",
        "region": "us-east-1",
        "cognitoClientId": "7democlientid4simulated0ab",
        "apiEndpoint": "https://a1b2c3.execute-api.us-east-1.amazonaws.com/dev/",
        "use_sso": false,
    });
    let runner = team.playbook(INVENTORY).env("IOT_TEAM", "demo-team");
    let runner = runner.home_file(".simpleiot/demo-team/config.json", settings.to_string());
    let output = team.checked(runner.run().exits(0));
    let rows = output.read("devices.ndjson");
    assert_eq!(rows.lines().count(), 25, "the devices of all projects");
    let first: Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    assert_eq!((&first["project"], &first["serial"]), (&json!("Sunshine"), &json!("TP-0001")));
    let lines = team.lines();
    assert_eq!(lines[..2], [INITIATE, PROJECTS]);
    assert!(lines[2].starts_with("GET /iotcli/v1/device?project_name=Sunshine&all=true"), "{}", lines[2]);
    assert_eq!(lines.last().map(String::as_str), Some(REVOKE));
    team.counts([1, 0, 0, 1]);
}

#[test]
fn a_team_without_its_file_is_named_before_anything_is_sent() {
    let team = Team::start("plain");
    let output = team.checked(team.playbook(INVENTORY).env("IOT_TEAM", "other-team").run().exits(2));
    assert!(output.text().contains(".simpleiot/other-team/config.json"), "{}", output.text());
    assert!(team.lines().is_empty());
}

#[test]
fn an_ended_id_token_is_refreshed_once_and_the_refresh_token_stays() {
    let team = Team::start("plain");
    let ended = json!({ "message": "The incoming token has expired" });
    team.refuse("/iotcli/v1/project", 0, 401, &ended);
    team.refuse("/iotcli/v1/project", 1, 401, &ended);
    team.run(TWO_LISTS).exits(0);
    let wanted = [INITIATE, PROJECTS, INITIATE, PROJECTS, PROJECTS, INITIATE, PROJECTS, REVOKE];
    assert_eq!(team.lines(), wanted);
    assert_eq!(team.body(2)["AuthFlow"], "REFRESH_TOKEN_AUTH");
    assert_eq!(team.body(2)["AuthParameters"], team.body(5)["AuthParameters"], "Cognito gives no new one");
    let token = |index: usize| team.server.requests()[index].header("authorization").map(str::to_owned);
    assert_ne!(token(1), token(3));
    assert_eq!(team.body(7)["Token"], team.body(5)["AuthParameters"]["REFRESH_TOKEN"]);
    team.counts([1, 0, 2, 1]);
}

#[test]
fn a_revoked_id_token_is_replaced() {
    let team = Team::start("plain");
    team.refuse("/iotcli/v1/project", 0, 401, &json!({ "message": "Unauthorized" }));
    let revoked = json!({ "__type": "NotAuthorizedException", "message": "Refresh Token has been revoked" });
    team.refuse("/", 1, 400, &revoked);
    team.run(TWO_LISTS).exits(0);
    let wanted = [INITIATE, PROJECTS, INITIATE, INITIATE, REVOKE, PROJECTS, PROJECTS, REVOKE];
    assert_eq!(team.lines(), wanted, "the first refresh token is given back too");
    assert_eq!(team.body(2)["AuthFlow"], "REFRESH_TOKEN_AUTH");
    assert_eq!(team.body(3)["AuthFlow"], "USER_PASSWORD_AUTH");
    team.counts([2, 0, 0, 2]);
}

#[test]
fn a_session_that_ends_soon_is_refreshed_before_the_gateway_says_so() {
    let life = Some(Duration::from_secs(8));
    let team = Fleet::start(Provider::Simpleiot, &Options { devices: 1, token_life: life, port: None });
    let slow = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let (_, provider) = TWO_LISTS.split_once("providers:\n  ").expect("it has providers");
    let (provider, _) = provider.split_once("\nsteps:").expect("it has steps");
    // The last quarter of eight seconds begins after six.
    let playbook = slow.between(provider, "simpleiot.list_projects", "6100ms");
    let runner = team.apply(playbook).account(&team, "plain", &["username", "password"]);
    let output = runner.run().exits(0);
    let stats = team.stats();
    assert_eq!((stats.logins, stats.refreshes, stats.logouts), (1, 1, 1));
    assert_eq!(stats.requests["GET /iotcli/v1/project"], [("200".to_owned(), 2)].into());
    let lists = team.requests_of("GET", "/iotcli/v1/project");
    assert_ne!(lists[0].header("authorization"), lists[1].header("authorization"));
    team.stayed_silent(&output);
}

#[test]
fn a_wrong_password_is_sent_once() {
    let mut team = Team::start("plain");
    team.runner = team.runner.env("IOT_PASSWORD", "wrong-password-geheim").plant("wrong-password-geheim");
    let output = team.run(TWO_LISTS).exits(3);
    assert_eq!(team.lines(), [INITIATE]);
    assert!(output.text().contains("Incorrect username or password"), "{}", output.text());
    team.counts([0, 1, 0, 0]);
}

#[test]
fn a_busy_user_pool_is_asked_again_although_its_answer_is_400() {
    let team = Team::start("plain");
    team.refuse("/", 0, 400, &json!({ "__type": "TooManyRequestsException", "message": "Rate exceeded" }));
    team.run(TWO_LISTS).exits(0);
    assert_eq!(team.lines(), [INITIATE, INITIATE, PROJECTS, PROJECTS, REVOKE]);
    team.counts([1, 0, 0, 1]);
}

#[test]
fn a_code_is_computed_where_its_secret_is_known() {
    let team = Team::start("mfa").with_totp("mfa");
    team.run(TWO_LISTS).exits(0);
    assert_eq!(team.lines(), [INITIATE, RESPOND, PROJECTS, PROJECTS, REVOKE]);
    assert_eq!(team.body(1)["ChallengeName"], "SOFTWARE_TOKEN_MFA");
    assert_eq!(team.body(1)["ChallengeResponses"]["USERNAME"], "demo-mfa");
    team.counts([1, 0, 0, 1]);
}

#[test]
fn a_wrong_code_is_sent_once() {
    let team = Team::start("mfa");
    let mut terminal = team.playbook(TWO_LISTS).open_terminal(SIZE);
    terminal.wait_for("code of your authenticator").send("000000\r");
    let output = team.checked(terminal.finish().exits(3));
    assert!(output.text().contains("the code was not right"), "{}", output.text());
    assert_eq!(team.lines(), [INITIATE, RESPOND]);
    team.counts([0, 1, 0, 0]);
}

#[test]
fn a_code_is_missing_in_plain_words_where_nobody_is_there() {
    let team = Team::start("mfa");
    let output = team.run(TWO_LISTS).exits(3);
    assert!(output.text().contains("mfa_code"), "{}", output.text());
    assert!(output.text().contains("no terminal"), "{}", output.text());
    assert_eq!(team.lines(), [INITIATE]);
}

#[test]
fn an_invited_member_chooses_a_password_at_the_terminal() {
    let team = Team::start("new-password");
    let mut terminal = team.playbook(TWO_LISTS).plant("chosen-password-1").open_terminal(SIZE);
    terminal.wait_for("new password").send("chosen-password-1\r");
    let output = team.checked(terminal.finish().exits(0));
    assert_eq!(team.lines(), [INITIATE, RESPOND, PROJECTS, PROJECTS, REVOKE]);
    assert_eq!(team.body(1)["ChallengeName"], "NEW_PASSWORD_REQUIRED");
    assert_eq!(team.body(1)["ChallengeResponses"]["NEW_PASSWORD"], "chosen-password-1");
    // The password came from the environment, where runner cannot write.
    assert!(output.text().contains("IOT_PASSWORD"), "{}", output.text());
    team.counts([1, 0, 0, 1]);
}

#[test]
fn an_invited_member_is_refused_in_plain_words_where_nobody_is_there() {
    for never_asks in [false, true] {
        let team = Team::start("new-password");
        let mut runner = team.playbook(TWO_LISTS);
        if never_asks {
            runner = runner.args(["--no-prompt"]);
        }
        let output = team.checked(runner.run().exits(3));
        assert!(output.text().contains("new_password"), "{}", output.text());
        assert_eq!(team.lines(), [INITIATE]);
        assert_eq!(team.server.stats().logins, 0);
    }
}

#[test]
fn a_new_password_and_a_code_are_answered_in_a_row() {
    let team = Team::start("new-password-mfa").with_totp("new-password-mfa");
    let mut terminal = team.playbook(TWO_LISTS).plant("chosen-password-2").open_terminal(SIZE);
    terminal.wait_for("new password").send("chosen-password-2\r");
    team.checked(terminal.finish().exits(0));
    assert_eq!(team.lines(), [INITIATE, RESPOND, RESPOND, PROJECTS, PROJECTS, REVOKE]);
    assert_eq!(team.body(1)["ChallengeName"], "NEW_PASSWORD_REQUIRED");
    assert_eq!(team.body(2)["ChallengeName"], "SOFTWARE_TOKEN_MFA");
    assert_ne!(team.body(1)["Session"], team.body(2)["Session"], "each answer has its own session");
    team.counts([1, 0, 0, 1]);
}

#[test]
fn a_challenge_that_runner_cannot_answer_is_named() {
    let team = Team::start("plain");
    team.refuse("/", 0, 200, &json!({ "ChallengeName": "SMS_MFA", "Session": "session-geheim" }));
    let output = team.run(TWO_LISTS).exits(3);
    let words = "this account asks for SMS_MFA, which runner cannot answer";
    assert!(output.text().contains(words), "{}", output.text());
    assert!(!output.text().contains("session-geheim"), "{}", output.text());
    assert_eq!(team.lines(), [INITIATE]);
}

#[test]
fn a_teapot_is_a_refusal_whose_reason_is_told_and_which_is_not_sent_again() {
    let team = Team::start("plain");
    let playbook = TWO_LISTS.replace(
        "  - call: simpleiot.list_projects\n  - call: simpleiot.list_projects\n",
        "  - { call: simpleiot.list_devices, with: { project: Atlantis } }\n",
    );
    let output = team.run(&playbook).exits(1);
    assert!(output.text().contains("Project not found"), "{}", output.text());
    assert!(output.text().contains("418"), "{}", output.text());
    assert_eq!(team.lines(), [INITIATE, "GET /iotcli/v1/device?project_name=Atlantis&all=true", REVOKE]);
}

#[test]
fn every_read_of_the_definition_is_one_that_the_api_has() {
    let team = Team::start("plain");
    let playbook = TWO_LISTS.replace(
        "  - call: simpleiot.list_projects\n  - call: simpleiot.list_projects\n",
        "  - { call: simpleiot.list_projects, expect: { that: row_count > 1 } }
  - { call: simpleiot.get_project, with: { project: Sunshine }, outputs: { name: $.name } }
  - { call: simpleiot.list_devices, with: { project: Sunshine, model: Probe-1 }, expect: { that: row_count > 0 } }
  - { call: simpleiot.get_device, with: { project: Sunshine, serial: TP-0001 }, outputs: { serial: $.serial } }
",
    );
    team.run(&playbook).exits(0);
    let wanted = [
        INITIATE,
        PROJECTS,
        "GET /iotcli/v1/project?project_name=Sunshine",
        "GET /iotcli/v1/device?project_name=Sunshine&model=Probe-1",
        "GET /iotcli/v1/device?project_name=Sunshine&serial=TP-0001",
        REVOKE,
    ];
    assert_eq!(team.lines(), wanted);
}

#[test]
fn one_address_alone_is_refused_for_sign_in_would_be_at_the_real_one() {
    let team = Team::start("plain");
    let url = format!("simpleiot={}", team.server.base_url());
    let runner = Runner::new().env("IOT_USERNAME", "demo-admin").env("IOT_PASSWORD", "password-geheim");
    let runner = runner.plant("password-geheim").file("team.yaml", TWO_LISTS);
    let output = runner.args(["apply", "team.yaml", "--base-url", &url]).run().exits(2);
    assert!(output.text().contains("two addresses"), "{}", output.text());
    assert!(team.lines().is_empty());
}
