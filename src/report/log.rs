//! The events as log lines, for those who ask for them.

use crate::event::{Event, EventKind, EventSink};
use std::time::Duration;
use tracing::{debug, info, warn};

/// Logs every event: requests, sessions and ends as `info`, the rest as `debug`.
#[derive(Debug, Default)]
pub struct EventLog;

impl EventSink for EventLog {
    fn receive(&mut self, event: &Event) {
        match &event.kind {
            EventKind::RunStarted { run, playbook, file, is_simulated } => {
                info!(run, %playbook, %file, is_simulated, "run started");
            }
            EventKind::Warning { text } => warn!("{text}"),
            EventKind::StepStarted { step } => debug!(step = %step.label, item = step.item, "step started"),
            EventKind::StepProgress { page, rows, .. } => {
                debug!(page = page.map(|(page, _)| page), rows, "step goes on");
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
            } => {
                let problem = problem.as_ref().map(tracing::field::display);
                let retry_after_ms = retry_after.map(milliseconds);
                let took_ms = milliseconds(*took);
                let purpose = tracing::field::debug(purpose);
                info!(
                    %method, %address, status, took_ms, attempt, was_sent, retry_after_ms, problem, purpose, "request"
                );
            }
            EventKind::SessionOpened { session, took } => {
                info!(provider = %session.provider, took_ms = milliseconds(*took), "session opened");
            }
            EventKind::SessionRefreshed { session } => {
                info!(provider = %session.provider, "session refreshed")
            }
            EventKind::SessionClosed { provider, end, took } => {
                info!(%provider, ?end, took_ms = milliseconds(*took), "session closed");
            }
            EventKind::StepFinished { step, result } => {
                let took_ms = milliseconds(result.took);
                info!(step = %step.label, item = step.item, status = ?result.status, took_ms, "step finished");
            }
            EventKind::CleanupStarted { blocks } => debug!(blocks, "cleanup started"),
            EventKind::RunFinished { verdict } => info!(exit_code = verdict.exit_code(), "run finished"),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
