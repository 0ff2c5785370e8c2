//! What a dry run shows of each request, what it counts, and what it finds.

use super::support::fleet::Fleet;
use super::support::keyring::Keyring;
use super::support::runner::{Output, Runner};
use insta::assert_snapshot;
use runner::simulate::Provider;

/// A dry run of a playbook in a folder of its own.
fn dry_run(room: Runner, playbook: &str) -> Output {
    room.env("LANG", "C.UTF-8").file("p.yaml", playbook).args(["apply", "--dry-run", "p.yaml"]).run()
}

/// What is below the title and the secrets.
fn requests(output: &Output) -> &str {
    &output.stdout[output.stdout.find("  requests").expect("a heading")..]
}

#[test]
fn a_request_is_shown_with_host_headers_and_cookies() {
    let playbook = r#"
version: 1
name: x
secrets: { key: { from: [{ env: KEY }] } }
providers:
  a: { base_url: https://prod.example.com/v1, headers: { X-Env: prod } }
  b: { base_url: https://stage.example.com/v1 }
steps:
  - { delete: /all, provider: a, headers: { X-Key: "k ${{ secrets.key }}", x-env: other }, cookies: { mode: force } }
  - { delete: /all, provider: b }
  - { post: "https://elsewhere.example.org/hook", text: hi }
"#;
    let key = "a-key-of-one's-own";
    let output = dry_run(Runner::new().env("KEY", key).plant(key), playbook).exits(0);
    assert_snapshot!(requests(&output), @r#"
    requests
      DELETE /all                              DELETE https://prod.example.com/v1/all     write
                                                      X-Key: k ‹secrets.key›
                                                      x-env: other
                                                      Cookie: mode=force
      DELETE /all                              DELETE https://stage.example.com/v1/all    write
      POST https://elsewhere.example.org/hook  POST   https://elsewhere.example.org/hook  hi  write

  3 requests, none depends on answers, 3 writes; nothing was sent
"#);
}

#[test]
fn what_the_session_adds_is_shown_by_name() {
    let playbook = r#"
version: 1
name: x
providers:
  shop:
    base_url: https://shop.example.com
    credentials: { key: { from: [{ env: KEY }] } }
    auth: { use: api_key, with: { query: api_key } }
  depot:
    base_url: https://shop.example.com
    credentials: { username: { secret: false, from: [{ env: WHO }] }, password: { from: [{ env: KEY }] } }
    auth:
      login: { post: /sign-in, form: { name: "${{ credentials.username }}", scope: a b, password: "${{ credentials.password }}" } }
      session: { token: $.token }
      send: { headers: { Authorization: "Bearer ${{ session.token }}" }, cookies: { sid: "${{ session.token }}" } }
      logout: { auth: session, delete: /sign-in }
      expires: [{ after: 1h }]
steps:
  - { get: /orders, provider: shop }
  - { get: /boxes, provider: depot }
"#;
    let key = "0penSesame-77";
    let output = dry_run(Runner::new().env("KEY", key).env("WHO", "demo-user").plant(key), playbook).exits(0);
    assert_snapshot!(requests(&output), @r#"
    requests to https://shop.example.com
      GET /orders         GET    /orders?api_key=‹shop.key›
      authenticate depot  POST   /sign-in                    name=demo-user&scope=a+b&password=‹depot.password›
      GET /boxes          GET    /boxes
                                 Authorization: Bearer ‹depot.session.token›
                                 Cookie: sid=‹depot.session.token›
      logout depot        DELETE /sign-in
                                 Authorization: Bearer ‹depot.session.token›
                                 Cookie: sid=‹depot.session.token›

  4 requests, none depends on answers, no writes; nothing was sent
"#);
}

#[test]
fn the_question_about_a_lost_write_is_shown_and_not_counted() {
    let playbook = r#"
version: 1
name: x
providers: { shop: { base_url: https://shop.example.com, headers: { X-Env: prod } } }
steps:
  - id: order
    post: /orders
    json: { reference: "${{ run.id }}" }
    verify:
      get: /orders
      query: { reference: "${{ run.id }}" }
      paginate: { by: page, param: page }
      done: row_count == 1
  - { post: /payments, idempotency_key: "${{ run.id }}" }
"#;
    let output = dry_run(Runner::new(), playbook).exits(0);
    assert_snapshot!(requests(&output), @r#"
    requests to https://shop.example.com
      order           POST   /orders                                            {"reference":"‹run.id›"}  write
                             X-Env: prod
      verify order    GET    /orders?reference=%E2%80%B9run.id%E2%80%BA&page=1  if nobody knows whether it was done · then as many pages as there are
                             X-Env: prod
      POST /payments  POST   /payments                                          write
                             X-Env: prod
                             Idempotency-Key: ‹run.id›

  2 requests, none depends on answers, 2 writes; nothing was sent
"#);
}

#[test]
fn the_pings_are_shown_and_where_their_address_comes_from() {
    let playbook = |ping: &str| {
        format!(
            "version: 1
name: x
secrets: {{ switch: {{ from: [{{ env: SWITCH }}] }}, lost: {{ from: [{{ env: LOST }}] }} }}
providers: {{ a: {{ base_url: https://a.example.com }} }}
report: {{ ping: '{ping}' }}
steps: [{{ get: /x }}]
"
        )
    };
    let switch = "a1b2c3d4-switch";
    let room = Runner::new().env("SWITCH", switch).plant(switch);
    let shown = dry_run(room.clone(), &playbook("https://hc.example.com/${{ secrets.switch }}")).exits(0);
    assert_snapshot!(&shown.stdout[shown.stdout.find("  secrets").expect("a heading")..], @r#"
    secrets
      secrets.switch  env SWITCH  → https://hc.example.com

    requests to https://a.example.com
      GET /x  GET    /x

    pings
      start  GET    https://hc.example.com/‹secrets.switch›/start
      end    GET    https://hc.example.com/‹secrets.switch›        with /EXIT_CODE behind its path where the run has not ended well

  1 request, none depends on answers, no writes; nothing was sent
"#);
    // A secret that is missing is told; a switch that cannot be told of the run fails nothing else.
    let lost = dry_run(room, &playbook("https://hc.example.com/${{ secrets.lost }}")).exits(0);
    assert!(lost.stdout.contains("secrets.lost  no source has it"), "{}", lost.stdout);
}

/// The last lines, from the counts on.
fn counts(output: &Output) -> Vec<&str> {
    output
        .stdout
        .lines()
        .skip_while(|line| !line.ends_with("nothing was sent") && !line.starts_with("cleanup"))
        .collect()
}

const A: &str = "version: 1\nname: x\nproviders: { a: { base_url: https://a.example.com } }\nsteps:\n";

#[test]
fn cleanup_that_runs_in_any_case_is_counted() {
    let steps = "
  - put: /always
    cleanup: [ { delete: /undo } ]
  - id: win
    post: /open
    outputs: { id: $.token }
    cleanup: [ { if: steps.win.outputs.id is not none, delete: \"/close/${{ steps.win.outputs.id }}\" } ]
cleanup:
  - delete: /all/${{ steps.win.outputs.id }}
";
    let output = dry_run(Runner::new(), &format!("{A}{steps}")).exits(0);
    let expected = [
        "cleanup may add up to 1 request, 1 write",
        "4 requests, 1 depends on answers, 4 writes; nothing was sent",
    ];
    assert_eq!(counts(&output), expected, "{}", output.stdout);
}

#[test]
fn the_end_of_a_session_that_cleanup_opens_is_counted() {
    let playbook = "
version: 1
name: x
providers:
  a: { base_url: https://a.example.com }
  depot:
    base_url: https://depot.example.com
    credentials: { password: { from: [{ env: KEY }] } }
    auth:
      login: { post: /sign-in, json: { password: \"${{ credentials.password }}\" } }
      session: { token: $.token }
      send: { headers: { Authorization: \"Bearer ${{ session.token }}\" } }
      logout: { delete: /sign-in, auth: session }
      expires: [{ after: 1h }]
steps: [{ get: /x, provider: a, cleanup: [{ delete: /boxes, provider: depot }] }]
";
    let output = dry_run(Runner::new().env("KEY", "0penSesame-77"), playbook).exits(0);
    let expected = ["4 requests, none depends on answers, 1 write; nothing was sent"];
    assert_eq!(counts(&output), expected, "{}", output.stdout);
}

#[test]
fn each_item_of_a_known_list_is_rendered_and_counted() {
    let steps = "  - { post: \"/w/${{ item.id }}\", for_each: [{ id: 1 }, { nid: 2 }] }\n";
    let output = dry_run(Runner::new(), &format!("{A}{steps}")).exits(1);
    assert!(output.stdout.contains("/w/1"), "{}", output.stdout);
    assert!(
        output.stdout.contains("cannot be done: evaluate `item.id`: it yields nothing"),
        "{}",
        output.stdout
    );

    let items: Vec<String> = (1..=40).map(|id| format!("{{ id: {id} }}")).collect();
    let list = items.join(", ");
    let steps = format!(
        "  - {{ post: \"/w/${{{{ item.id }}}}\", for_each: [{list}], cleanup: [{{ delete: \"/w/${{{{ item.id }}}}\" }}] }}\n"
    );
    let output = dry_run(Runner::new(), &format!("{A}{steps}")).exits(0);
    assert!(output.stdout.contains("  POST   /w/5  write · item 5 of 40\n"), "{}", output.stdout);
    assert!(!output.stdout.contains("/w/6 "), "{}", output.stdout);
    assert_eq!(output.stdout.matches("… 35 more like these").count(), 2, "{}", output.stdout);
    let expected = ["80 requests, none depends on answers, 80 writes; nothing was sent"];
    assert_eq!(counts(&output), expected, "{}", output.stdout);

    // One that cannot be rendered shows wherever it stands.
    let steps = steps.replace("id: 33 }", "nid: 33 }");
    let output = dry_run(Runner::new(), &format!("{A}{steps}")).exits(1);
    assert!(output.stdout.contains(" · item 33 of 40\n"), "{}", output.stdout);
}

#[test]
fn each_secret_names_the_hosts_that_it_goes_to() {
    let playbook = "
version: 1
name: x
secrets: { key: { from: [{ env: KEY }] }, unread: { from: [{ env: KEY }] } }
providers:
  a: { base_url: https://a.example.com }
  depot:
    base_url: https://depot.example.com
    auth_base_url: https://sign-in.example.com
    credentials: { password: { from: [{ env: KEY }] }, app: { from: [{ env: APP }] } }
    auth:
      login: { post: /, json: { password: \"${{ credentials.password }}\", app: \"${{ credentials.app }}\" } }
      session: { token: $.token }
      send: { headers: { X-App: \"${{ credentials.app }}\", Authorization: \"${{ session.token }}\" } }
      expires: [{ after: 1h }]
steps:
  - { get: /x, provider: depot }
  - { post: /x, provider: a, json: { key: \"${{ secrets.key | upper }}\" } }
  - { post: \"https://c.example.com/x\", text: \"key ${{ secrets.key }}\" }
";
    let room = Runner::new().env("KEY", "0penSesame-77").env("APP", "app-of-one's-own");
    let output = dry_run(room, playbook).exits(0);
    let secrets = output.stdout.split("  requests").next().unwrap().split_once("  secrets\n").unwrap().1;
    assert_snapshot!(secrets, @r#"
        depot.password  env KEY  → https://sign-in.example.com
        depot.app       env APP  → https://sign-in.example.com, https://depot.example.com
        secrets.key     env KEY  → https://a.example.com, https://c.example.com
    "#);
}

const KEEPS: &str = "
version: 1
name: x
providers: { emnify: { method: user, credentials: { password: { from: [{ env: KEY }] } } } }
secrets: { kept: { from: [stored] } }
steps: [{ call: emnify.list_application_tokens }, { store: kept, value: a-value-to-keep }]
";

#[test]
fn what_surely_cannot_be_kept_is_found_before_anything_is_sent() {
    let emnify = Fleet::of(Provider::Emnify);
    let password = emnify.demo("plain", "password");
    let room = Runner::new().env("KEY", password).env("EMNIFY_USERNAME", emnify.demo("plain", "username"));
    let room = room.plant(password);
    let reason = "cannot be kept: no keychain on this machine: there is no D-Bus session";

    let output = dry_run(room.clone(), KEEPS).exits(0);
    assert!(output.stdout.contains(&format!("  {reason}\n")), "{}", output.stdout);

    let address = format!("emnify={}", emnify.base_url());
    let room = room.file("p.yaml", KEEPS);
    let apply = |flags: &[&str]| {
        room.clone().args(["apply", "--base-url", &address]).args(flags.iter().copied()).args(["p.yaml"])
    };
    let output = apply(&[]).run().exits(8);
    assert!(output.stderr.contains(&format!("error: `kept` {reason}\n")), "{}", output.stderr);
    assert_eq!(emnify.stats().logins, 0);
    assert!(emnify.requests().is_empty(), "something was sent");

    // Steps that are not chosen keep nothing.
    apply(&["--only", "list_application_tokens"]).run().exits(0);
    // Where there is a store, nothing is put into it to find that out.
    let keyring = Keyring::open();
    dry_run(room.clone().keyring(&keyring), KEEPS).exits(0);
}

#[test]
fn a_setting_without_a_value_says_what_to_set() {
    let of = |provider: &str| {
        format!(
            "version: 1\nname: x\nproviders: {{ {provider}: {{ allow_http: true }} }}\nsteps: [{{ authenticate: {provider} }}]\n"
        )
    };
    let errors = |room: Runner, provider: &str| dry_run(room, &of(provider)).exits(2).stderr;
    let stderr = errors(Runner::new(), "simpleiot");
    let expected = "set IOT_TEAM, which names the profile, or write it under `settings` of the provider\n";
    assert!(stderr.contains(expected), "{stderr}");
    let stderr = errors(Runner::new().env("IOT_TEAM", "myteam"), "simpleiot");
    assert!(!stderr.contains("IOT_TEAM"), "{stderr}");
    let stderr = errors(Runner::new(), "echome");
    assert!(stderr.contains("(env ECHOME_SERVER not set); set ECHOME_SERVER, or write it under"), "{stderr}");
    let stderr = errors(Runner::new().env("ECHOME_SERVER", "http://x"), "echome");
    assert!(stderr.contains("; wanted: host name of the server, with the port"), "{stderr}");
}
