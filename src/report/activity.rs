//! What a run is doing now, in the words of the moving line.

use crate::event::{Event, EventKind};
use crate::model::words::{asked, counted, duration, grouped};
use std::time::Duration;

/// A rate is told only of what has gone on for so long: before, it is noise.
const RATE_AFTER: Duration = Duration::from_millis(500);

/// The steps that have begun and not ended, the outermost first.
#[derive(Debug, Default)]
pub(super) struct Activity {
    running: Vec<Running>,
}

#[derive(Debug, Default)]
struct Running {
    label: String,
    since: Duration,
    page: Option<(u32, Option<u32>)>,
    item: Option<(usize, usize)>,
    /// How often it was asked so far.
    round: Option<u32>,
    rows: u64,
    /// The next attempt and the wait before it.
    waits: Option<(u32, Duration)>,
}

impl Activity {
    /// Takes an event up.
    pub(super) fn follow(&mut self, event: &Event) {
        match &event.kind {
            EventKind::StepStarted { step } => {
                let label = step.name.as_ref().unwrap_or(&step.label).to_string();
                self.running.push(Running { label, since: event.elapsed, ..Running::default() });
            }
            EventKind::StepFinished { .. } => drop(self.running.pop()),
            EventKind::RunFinished { .. } => self.running.clear(),
            EventKind::StepProgress { page, item, round, rows } => {
                if let Some(step) = self.running.last_mut() {
                    (step.page, step.item, step.rows) = (page.or(step.page), item.or(step.item), *rows);
                    step.round = round.or(step.round);
                }
            }
            EventKind::AttemptFinished { attempt, retry_after, .. } => {
                if let Some(step) = self.running.last_mut() {
                    step.waits = retry_after.map(|wait| (attempt + 1, wait));
                }
            }
            _ => {}
        }
    }

    /// `List every device   page 2 of 2 · 1,000 rows · 310/s`; `None` when nothing runs.
    pub(super) fn message(&self, elapsed: Duration) -> Option<String> {
        let step = self.running.last()?;
        let item = self.running.iter().rev().find_map(|step| step.item);
        let facts = [
            item.map(|(item, of)| format!("item {} of {}", grouped(item as u64), grouped(of as u64))),
            step.round.map(asked),
            step.page.map(page),
            (step.rows > 0).then(|| counted(step.rows, "row")),
            rate(step.rows, elapsed.saturating_sub(step.since)),
            step.waits.map(|(attempt, wait)| format!("attempt {attempt} in {}", duration(wait))),
        ];
        let facts = facts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
        Some(format!("{}   {facts}", step.label).trim_end().to_owned())
    }
}

fn page((page, of): (u32, Option<u32>)) -> String {
    match of {
        Some(of) => format!("page {} of {}", grouped(page.into()), grouped(of.into())),
        None => format!("page {}", grouped(page.into())),
    }
}

fn rate(rows: u64, during: Duration) -> Option<String> {
    let during = u64::try_from(during.as_millis()).ok()?;
    let is_telling = rows > 0 && u128::from(during) >= RATE_AFTER.as_millis();
    is_telling.then(|| format!("{}/s", grouped(rows.saturating_mul(1000) / during)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::fake::{self, step};
    use crate::event::{Purpose, StepStatus};

    fn event(milliseconds: u64, kind: EventKind) -> Event {
        let at = "2026-11-22T14:02:00Z".parse().unwrap();
        Event { at, elapsed: Duration::from_millis(milliseconds), kind }
    }

    fn message(activity: &Activity, milliseconds: u64) -> String {
        activity.message(Duration::from_millis(milliseconds)).unwrap_or_default()
    }

    #[test]
    fn the_line_tells_pages_rows_and_their_rate() {
        let mut activity = Activity::default();
        assert_eq!(activity.message(Duration::ZERO), None);
        activity.follow(&event(1000, EventKind::StepStarted { step: step("List every device") }));
        assert_eq!(message(&activity, 1000), "List every device");
        let progress =
            EventKind::StepProgress { page: Some((2, Some(2))), item: None, round: None, rows: 1000 };
        activity.follow(&event(1100, progress));
        assert_eq!(message(&activity, 1100), "List every device   page 2 of 2 · 1,000 rows");
        assert_eq!(message(&activity, 4225), "List every device   page 2 of 2 · 1,000 rows · 310/s");
    }

    #[test]
    fn the_line_tells_how_often_it_was_asked() {
        let mut activity = Activity::default();
        activity.follow(&event(0, EventKind::StepStarted { step: step("shipped") }));
        let progress = EventKind::StepProgress { page: None, item: None, round: Some(2), rows: 0 };
        activity.follow(&event(10, progress));
        assert_eq!(message(&activity, 20), "shipped   asked 2 times");
    }

    #[test]
    fn a_wait_is_told_until_the_next_attempt() {
        let mut activity = Activity::default();
        activity.follow(&event(0, EventKind::StepStarted { step: step("order") }));
        let attempt = |retry_after| {
            fake::Attempt { status: Some(503), retry_after, ..fake::Attempt::of(Purpose::Step) }.finished()
        };
        activity.follow(&event(10, attempt(Some(Duration::from_millis(4200)))));
        assert_eq!(message(&activity, 20), "order   attempt 2 in 4.2 s");
        activity.follow(&event(4300, attempt(None)));
        assert_eq!(message(&activity, 4300), "order");
    }

    #[test]
    fn the_innermost_step_is_told_with_the_item_of_its_loop() {
        let mut activity = Activity::default();
        activity.follow(&event(0, EventKind::StepStarted { step: step("revoke all") }));
        activity.follow(&event(
            0,
            EventKind::StepProgress { page: None, item: Some((3, 1200)), round: None, rows: 0 },
        ));
        activity.follow(&event(0, EventKind::StepStarted { step: step("revoke") }));
        assert_eq!(message(&activity, 0), "revoke   item 3 of 1,200");
        activity.follow(&event(0, fake::finished(step("revoke"), fake::result(StepStatus::Done))));
        assert_eq!(message(&activity, 0), "revoke all   item 3 of 1,200");
    }
}
