//! What to expect: the next times, and what happens where clocks are changed.

use super::text::duration_text;
use crate::calendar::{Clockwork, changes_matter, times};
use crate::plan::PlannedSchedule;
use jiff::Timestamp;

const COUNT: usize = 5;

/// The next five times for people, a line each, with what they should know about them.
pub fn upcoming(schedule: &PlannedSchedule, now: Timestamp, clockwork: Clockwork) -> Vec<String> {
    let zone = &schedule.zone;
    let mut lines = vec![format!("next times ({}):", zone.name())];
    let next = times(&schedule.cron, zone, now, clockwork).take(COUNT);
    lines.extend(next.map(|time| {
        let local = time.to_zoned(zone.rules().clone());
        format!("  {}", local.strftime("%a %Y-%m-%d %H:%M %:z"))
    }));
    if !schedule.jitter.is_zero() {
        lines.push(format!("each begins up to {} later", duration_text(schedule.jitter)));
    }
    if changes_matter(&schedule.cron, zone, now) {
        lines.push(format!("where clocks are changed: {}", at_changes(schedule, clockwork)));
    }
    lines
}

/// What happens to a time that is left out or doubled.
fn at_changes(schedule: &PlannedSchedule, clockwork: Clockwork) -> &'static str {
    match clockwork {
        Clockwork::Systemd => "a time that is left out is skipped, a doubled one counts once",
        Clockwork::Cron if schedule.cron.goes_by_clock() => {
            "a time that is left out is skipped, a doubled one counts twice"
        }
        Clockwork::Cron => "a time that is left out comes right after, a doubled one counts once",
        Clockwork::Kubernetes => "a time that is left out is skipped, a doubled one counts twice",
        Clockwork::Github => {
            "a time that is left out comes right after; what a doubled one does, GitHub does not say"
        }
    }
}
