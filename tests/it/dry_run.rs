//! What a dry run shows of each request, what it counts, and what it finds.

use super::support::runner::{Output, Runner};
use insta::assert_snapshot;

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
      logout shop         nothing: no logout on this API: tokens are forgotten here

  4 requests, none depends on answers, no writes; nothing was sent
"#);
}
