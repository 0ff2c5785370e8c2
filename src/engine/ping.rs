//! The dead-man switch: someone outside who is told that a run begins and how it has ended, and who raises the alarm when
//! nothing is heard. The protocol is that of healthchecks.io (<https://healthchecks.io/docs/http_api/>): `ADDRESS/start`, then
//! `ADDRESS` after a success or `ADDRESS/EXIT_CODE` after a failure.

use super::references::names_below;
use super::run::{RunOptions, names};
use super::secrets;
use crate::document::Named;
use crate::event::Events;
use crate::exchange::{Parts, Rendered, SendError, render, send_aside, status_text};
use crate::plan::{Plan, PlannedBody, PlannedPath};
use crate::port::{Reach, Response, World};
use crate::template::{Data, Moment, Scope};
use futures_util::future::{Either, select};
use http::Method;
use serde_json::Value as Json;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::OnceCell;
use url::Url;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(4);
/// How often a ping is tried, and the wait before the next try.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// How long the end of a run waits for the ping of its start, which is given up then.
const LATE_START: Duration = Duration::from_secs(1);
/// How long a run waits at its end until its pings are delivered.
const LAST_WORD: Duration = Duration::from_secs(5);

/// The dead-man switch of a run. What it does is no part of the run: it has no place in the counts of requests, and that it
/// fails changes no verdict.
pub struct Ping<'a> {
    plan: &'a Plan,
    address: &'a PlannedPath,
    options: &'a RunOptions,
    world: &'a World,
    events: &'a Events,
    request: OnceCell<Result<Rendered, String>>,
}

impl<'a> Ping<'a> {
    /// The switch that a playbook names; `None` where it names none. `world` is asked for the secrets in the address:
    /// nobody should sit at its terminal.
    pub fn of(plan: &'a Plan, options: &'a RunOptions, world: &'a World, events: &'a Events) -> Option<Self> {
        let address = plan.report.ping.as_ref()?;
        Some(Self { plan, address, options, world, events, request: OnceCell::new() })
    }

    /// Says that the run begins.
    ///
    /// # Errors
    /// A sentence on why nobody has heard it.
    pub async fn start(&self) -> Result<(), String> {
        self.tell(Some("start")).await.map_err(|reason| format!("the ping of the start failed: {reason}"))
    }

    /// Says how the run has ended, when `start` is done. Gives up after a few seconds, or when the user insists on the end.
    ///
    /// # Errors
    /// A sentence on why nobody has heard it.
    pub async fn end(&self, exit_code: i32, start: impl Future<Output = ()>) -> Result<(), String> {
        let failure = (exit_code != 0).then(|| exit_code.to_string());
        let work = async {
            // Who does not hear of the start may hear of the end.
            select(pin!(start), self.world.journal.sleep(LATE_START)).await;
            self.tell(failure.as_deref()).await
        };
        let given_up = async {
            let insisted = pin!(self.world.cancellation.insisted());
            select(self.world.journal.sleep(LAST_WORD), insisted).await;
        };
        let told = match select(pin!(work), pin!(given_up)).await {
            Either::Left((told, _)) => told,
            Either::Right(_) => Err("no answer in time".to_owned()),
        };
        told.map_err(|reason| format!("the ping of the end failed: {reason}"))
    }

    async fn tell(&self, what: Option<&str>) -> Result<(), String> {
        let request = self.request.get_or_init(|| self.prepare()).await.as_ref().map_err(Clone::clone)?;
        let mut attempt = 1;
        loop {
            let told = match send_aside(self.world, request, what).await {
                Ok(response) => heard(&response),
                Err(refused @ SendError::Refused(_)) => return Err(refused.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match told {
                Err(_) if attempt < ATTEMPTS => self.world.journal.sleep(PAUSE).await,
                told => return told.map_err(|reason| format!("{}{reason}", place(request))),
            }
            attempt += 1;
        }
    }

    /// The request without what it says at its end.
    async fn prepare(&self) -> Result<Rendered, String> {
        let names = names(self.options, Json::Null, Json::Null);
        let expressions: Vec<_> = self.address.template().expressions().collect();
        let read = names_below("secrets", &expressions);
        let mut found = Vec::new();
        for secret in self.plan.secrets.iter().filter(|secret| read.contains(secret.name.as_str())) {
            let value = secrets::fetch(self.world, self.events, secret, &self.plan.folder, &names).await;
            found.push((secret.name.clone(), value.map_err(|missing| missing.headline)?));
        }
        let mut scope = names.source_scope(&Moment::of(self.world));
        scope.set("secrets", Data::Map(found));
        request(self.plan, self.address, self.world, self.events, &scope)
    }
}

/// The request to the address of a switch, as far as it is known.
///
/// # Errors
/// A sentence on why it cannot be made.
pub fn request(
    plan: &Plan,
    address: &PlannedPath,
    world: &World,
    events: &Events,
    scope: &Scope,
) -> Result<Rendered, String> {
    let nowhere = Url::parse("https://invalid.").expect("an address");
    let parts = Parts {
        method: &Method::GET,
        path: address,
        base: &nowhere,
        query: &Named::default(),
        headers: Vec::new(),
        cookies: &Named::default(),
        body: &PlannedBody::Empty,
        scope,
        reach: Reach { surroundings: &*world.surroundings, folder: &plan.folder },
        timeout: TIMEOUT,
    };
    render(&parts, events.redactor()).map_err(|error| error.to_string())
}

/// The host, which is no secret; the rest of the address may be.
fn place(request: &Rendered) -> String {
    let host = request.address().and_then(Url::host_str);
    host.map_or_else(String::new, |host| format!("{host}: "))
}

/// Whether a ping was taken. A check of an unknown identity answers 200, and says only in the body that it is none.
fn heard(response: &Response) -> Result<(), String> {
    let body = String::from_utf8_lossy(&response.body);
    let doubt = body.trim().strip_prefix("OK (").and_then(|rest| rest.strip_suffix(')'));
    match (response.status, doubt) {
        (200..=299, None) => Ok(()),
        (200..=299, Some(doubt)) if doubt.chars().all(|c| c.is_ascii_alphabetic() || c == ' ') => {
            Err(format!("answered \"{doubt}\""))
        }
        (200..=299, Some(_)) => Err("answered that it was not taken".to_owned()),
        (status, _) => Err(format!("answered {}", status_text(status))),
    }
}
