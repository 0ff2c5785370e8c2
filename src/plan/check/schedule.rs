//! When a playbook is run by itself.

use super::context::Context;
use crate::calendar::{Clockwork, Zone, times};
use crate::document::Schedule;
use crate::plan::PlannedSchedule;
use crate::source::{Code, Diagnostic};
use jiff::Timestamp;
use std::time::Duration;

/// Checks and plans a schedule.
pub(super) fn plan(context: &Context<'_>, schedule: &Schedule) -> PlannedSchedule {
    let planned = PlannedSchedule {
        cron: schedule.cron.0.clone(),
        zone: schedule.timezone.as_ref().map_or_else(Zone::utc, |timezone| timezone.0.clone()),
        jitter: schedule.jitter.as_ref().map_or(Duration::ZERO, |jitter| jitter.value.0),
        overlap: schedule.overlap.unwrap_or_default(),
    };
    if let Some(jitter) = schedule.jitter.as_ref().filter(|jitter| jitter.value.0 >= shortest_pause(&planned))
    {
        let message = "the jitter is as long as the time between two runs, or longer";
        let diagnostic = Diagnostic::new(Code::Suspicious, jitter.span, message);
        context.report(diagnostic.also(schedule.cron.span, "it is to run so often"));
    }
    planned
}

/// The shortest time between two runs, clock changes apart.
fn shortest_pause(schedule: &PlannedSchedule) -> Duration {
    // More than the minutes of a day: what comes after them repeats the distances.
    const TIMES: usize = 1_500;
    let zone = Zone::utc();
    let times = times(&schedule.cron, &zone, Timestamp::UNIX_EPOCH, Clockwork::Systemd);
    let times: Vec<Timestamp> = times.take(TIMES).collect();
    let pauses = times.windows(2).map(|pair| pair[1].duration_since(pair[0]).unsigned_abs());
    pauses.min().unwrap_or(Duration::MAX)
}
