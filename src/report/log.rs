//! The events as log lines, for those who ask for them.

use crate::event::{Event, EventKind, EventSink, Failure};
use crate::model::redacted::Redacted;
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// The log knows only the program, not its parts.
const TARGET: &str = "runner";

/// Logs every event: failures as `error`, warnings as `warn`, requests, sessions and ends as `info`, the rest as `debug`.
#[derive(Debug, Default)]
pub struct EventLog;

impl EventSink for EventLog {
    fn receive(&mut self, event: &Event) {
        match &event.kind {
            EventKind::RunStarted { run, playbook, file, is_simulated, is_resumed: _ } => {
                info!(target: TARGET, run, %playbook, %file, is_simulated, "run started");
            }
            EventKind::Warning { text, .. } => warn!(target: TARGET, "{text}"),
            EventKind::StepStarted { step } => {
                debug!(target: TARGET, step = %step.label, item = step.item, "step started")
            }
            EventKind::StepProgress { page, round, rows, .. } => {
                debug!(target: TARGET, page = page.map(|(page, _)| page), round, rows, "step goes on");
            }
            EventKind::AttemptFinished {
                purpose,
                method,
                address,
                attempt,
                was_sent,
                status,
                problem,
                took,
                retry_after,
                ..
            } => {
                let problem = problem.as_ref().map(tracing::field::display);
                let retry_after_ms = retry_after.map(milliseconds);
                let took_ms = milliseconds(*took);
                let purpose = tracing::field::debug(purpose);
                info!(
                    target: TARGET,
                    %method, %address, status, took_ms, attempt, was_sent, retry_after_ms, problem, purpose, "request"
                );
            }
            EventKind::SessionOpened { session, took } => {
                info!(target: TARGET, provider = %session.provider, took_ms = milliseconds(*took), "session opened");
            }
            EventKind::SessionRefreshed { session } => {
                info!(target: TARGET, provider = %session.provider, "session refreshed")
            }
            EventKind::SessionClosed { provider, end, took } => {
                info!(target: TARGET, %provider, ?end, took_ms = milliseconds(*took), "session closed");
            }
            EventKind::StepFinished { step, result } => {
                let took_ms = milliseconds(result.took);
                info!(target: TARGET, step = %step.label, item = step.item, status = ?result.status, took_ms, "step finished");
                result.failure.iter().for_each(log_failure);
            }
            EventKind::SimulatorsCounted { counts } => debug!(target: TARGET, %counts, "simulators counted"),
            EventKind::CleanupStarted { blocks, .. } => debug!(target: TARGET, blocks, "cleanup started"),
            EventKind::RunFinished { verdict } => {
                verdict.failures.iter().for_each(log_failure);
                info!(target: TARGET, exit_code = verdict.exit_code(), "run finished")
            }
        }
    }
}

fn log_failure(failure: &Failure) {
    let Failure { headline, cause, request, place, notes, advice } = failure;
    let [request, place, advice] =
        [request, place, advice].map(|text| text.as_ref().map(tracing::field::display));
    let notes = notes.iter().map(Redacted::as_str).collect::<Vec<_>>().join("; ");
    error!(target: TARGET, ?cause, request, place, notes, advice, "{headline}");
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
