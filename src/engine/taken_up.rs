//! What earlier processes have left of a run that is taken up again, and how that is told.

use super::call::Call;
use super::core::Engine;
use super::course::Course;
use super::run::RunOptions;
use crate::event::{Event, EventKind, Events, Failure, FailureDraft, StepStatus, Verdict};
use crate::model::exit::Cause;
use crate::model::redacted::Redacted;
use crate::model::redaction::Redactor;
use crate::model::words;
use crate::port::{Place, WritesLeft};
use crate::source::SourceMap;
use jiff::Timestamp;
use std::collections::HashMap;

/// What an earlier process has left of a run that is taken up again.
#[derive(Debug, Clone, Default)]
pub struct TakenUp {
    /// Its cleanup had begun: the verdict is fixed, and no step begins any more.
    pub is_in_cleanup: bool,
    /// What had ended or marred it by then.
    pub causes: Vec<Cause>,
    /// The failures that it had told by then.
    pub failures: Vec<Failure>,
    /// What it has left of its writes.
    pub writes: WritesLeft,
    /// How its steps failed that stand in no other one.
    pub failed: HashMap<Place, Redacted>,
}

impl TakenUp {
    /// What the processes before have fixed, as their events tell it: once cleanup has begun, the verdict. What was in doubt
    /// by then is told with that, unless a person has spoken since: then what is in doubt still is told anew.
    pub fn of<'e>(events: impl Iterator<Item = &'e Event> + Clone, mut writes: WritesLeft) -> Self {
        let begun = events.clone().filter_map(|event| match &event.kind {
            EventKind::CleanupStarted { verdict, .. } => Some((event.at, verdict)),
            _ => None,
        });
        let failed = failed_steps(events.clone());
        let (Some((begun_at, _)), Some((_, verdict))) = (begun.clone().next(), begun.last()) else {
            return Self { writes, failed, ..Self::default() };
        };
        let Verdict { mut causes, mut failures, .. } = verdict.clone();
        // What failed is told again: the report of this process is the last one.
        let told: Vec<_> = failures_of_steps(events).filter(|failure| !failures.contains(failure)).collect();
        failures.extend(told);
        if writes.are_resolved {
            failures.retain(|failure| failure.cause != Cause::Unknown);
            if writes.in_doubt.is_empty() {
                // What a doubt has ended has not come to its end, whatever is known now.
                let is_ended_by_doubt = causes == [Cause::Unknown];
                causes.retain(|cause| *cause != Cause::Unknown);
                causes.extend(is_ended_by_doubt.then_some(Cause::Step));
            }
        } else {
            writes.in_doubt.retain(|doubt| doubt.since >= begun_at);
        }
        Self { is_in_cleanup: true, causes, failures, writes, failed }
    }

    /// Gives the run up: only its cleanup is left to do. Where nothing has fixed its verdict, that is what it has failed for,
    /// or what is in doubt. `last` are the events of the process before.
    pub fn give_up<'e>(self, last: impl Iterator<Item = &'e Event> + Clone, redactor: &Redactor) -> Self {
        if self.is_in_cleanup {
            return self;
        }
        if !self.writes.in_doubt.is_empty() {
            return Self { is_in_cleanup: true, causes: vec![Cause::Unknown], ..self };
        }
        let end = last.clone().find_map(|event| match &event.kind {
            EventKind::RunFinished { verdict } => Some(verdict),
            _ => None,
        });
        let headline = match end {
            Some(_) => "the run was given up: it had failed before its end",
            None => "the run was given up: its process had ended in the middle of it",
        };
        let draft = FailureDraft::new(Cause::Step, headline).advice("run the playbook anew");
        let of_run = end.into_iter().flat_map(|verdict| verdict.failures.clone());
        let told = failures_of_steps(last).chain(of_run);
        // A doubt that is none any more is no news.
        let told = told.filter(|failure| failure.cause != Cause::Unknown);
        let draft = told.fold(draft, |draft, failure| draft.note(format!("before: {}", failure.headline)));
        let failures = vec![draft.finish(redactor)];
        Self { is_in_cleanup: true, causes: vec![Cause::Step], failures, ..self }
    }

    /// Whether another item of the step at a place was sent under an idempotency key.
    pub fn has_used_elsewhere(&self, key: &Redacted, place: &Place) -> bool {
        let mut uses = self.writes.keys.get(key.as_str()).into_iter().flatten();
        uses.any(|other| other != place && other.of_all_items() == place.of_all_items())
    }

    /// Tells the writes of which nobody knows whether they were done, but for those that are told already.
    fn tell_doubts(&self, teller: &Teller<'_>, course: &Course, events: &Events, sources: &SourceMap) {
        for doubt in self.writes.in_doubt.iter().filter(|doubt| !course.was_asked(&doubt.place)) {
            let trouble =
                teller.doubt(&format!("`{}`", doubt.step), &doubt.step, doubt.since, "look at the provider");
            course.note_asked(&doubt.place);
            course.wait_for_person();
            course.note_unknown();
            course.fail_without_step(trouble.into_failure(events, sources, None));
        }
    }
}

/// Why steps have failed, as the last process tells it that has come to them.
fn failures_of_steps<'e>(events: impl Iterator<Item = &'e Event>) -> impl Iterator<Item = Failure> {
    let mut process = 0;
    let (mut last, mut failed) = (HashMap::new(), Vec::new());
    for event in events {
        match &event.kind {
            EventKind::RunStarted { .. } => process += 1,
            EventKind::StepFinished { step, result }
                if !step.is_cleanup && result.status != StepStatus::NotStarted =>
            {
                last.insert(step.key, process);
                if matches!(result.status, StepStatus::Failed | StepStatus::Unknown) {
                    failed.push((step.key, process, result.failure.clone()));
                }
            }
            _ => {}
        }
    }
    let told = failed.into_iter().filter(move |(key, process, _)| last.get(key) == Some(process));
    told.filter_map(|(_, _, failure)| failure)
}

/// How the steps failed that stand in no other one: each as it was told first.
fn failed_steps<'e>(events: impl Iterator<Item = &'e Event>) -> HashMap<Place, Redacted> {
    let mut failed = HashMap::new();
    for event in events {
        if let EventKind::StepFinished { step, result } = &event.kind
            && let (false, Some(failure)) = (step.is_cleanup, &result.failure)
        {
            let item = step.item.map(|item| format!("[{item}]")).unwrap_or_default();
            let place = Place(format!("{}{item}", step.label.as_str()));
            failed.entry(place).or_insert_with(|| failure.headline.clone());
        }
    }
    failed
}

/// Who tells the writes of which nobody knows whether they were done.
struct Teller<'a> {
    taken_up: Option<&'a TakenUp>,
    run: &'a str,
    now: Timestamp,
}

impl Teller<'_> {
    /// A write of an earlier process of which nobody knows whether it was done. `look` says where that is to be seen.
    fn doubt(&self, what: &str, step: &Place, since: Timestamp, look: &str) -> FailureDraft {
        let Self { taken_up, run, now } = *self;
        let mut known = taken_up.into_iter().flat_map(|taken_up| &taken_up.writes.in_doubt);
        let how = match known.find(|doubt| doubt.step == *step) {
            Some(doubt) if doubt.was_cut_off => "the process before ended while it was on its way",
            _ => "the process before sent it and could not find out",
        };
        let (when, step) = (words::moment(since, now), words::shell_quoted(&step.0));
        let headline = format!("nobody knows whether {what} was done: {how}, {when}");
        let advice = match taken_up.is_some_and(|taken_up| taken_up.is_in_cleanup) {
            true => format!("{look} whether it was done, and undo it by hand"),
            false => format!(
                "{look} whether it was done, say so with `runner resolve {run} {step} --done` or `--retry`, then \
                 `runner resume {run}` goes on"
            ),
        };
        FailureDraft::new(Cause::Unknown, headline).advice(advice)
    }
}

/// The course of a run that does not begin its steps, for these reasons. What an earlier process has left in doubt is told
/// again: nobody has answered it.
pub fn unbegun(
    failures: Vec<Failure>,
    options: &RunOptions,
    run: &str,
    now: Timestamp,
    events: &Events,
    sources: &SourceMap,
) -> Course {
    let course = Course::default();
    failures.into_iter().for_each(|failure| course.fail_without_step(failure));
    if let Some(taken_up) = &options.taken_up {
        if taken_up.writes.have_harmful {
            course.note_written_before();
        }
        // What was in doubt before its cleanup began stands in the verdict of that.
        let unknown = taken_up.failures.iter().filter(|failure| failure.cause == Cause::Unknown);
        for failure in unknown {
            course.note_unknown();
            course.fail_without_step(failure.clone());
        }
        let teller = Teller { taken_up: Some(taken_up), run, now };
        taken_up.tell_doubts(&teller, &course, events, sources);
    }
    course
}

impl Engine<'_> {
    /// A write that an earlier process was about to send, and nobody knows whether it did.
    pub fn unclear(&self, call: &Call<'_>, at: Timestamp) -> FailureDraft {
        self.course.wait_for_person();
        let (what, provider) = (call.subject.request(), &call.subject.provider);
        let run = self.names.run_id_text();
        self.teller(&run).doubt(&what, &call.place, at, &format!("look at {provider}"))
    }

    /// Tells the writes of earlier processes of which nobody knows whether they were done, and to which this one has not
    /// come. A run that has begun to clean up waits for nobody.
    pub fn tell_doubts(&self) {
        if let Some(taken_up) = self.taken_up {
            let run = self.names.run_id_text();
            taken_up.tell_doubts(&self.teller(&run), &self.course, self.events, self.sources);
        }
    }

    fn teller<'t>(&'t self, run: &'t str) -> Teller<'t> {
        Teller { taken_up: self.taken_up, run, now: self.world.clock.now() }
    }
}
