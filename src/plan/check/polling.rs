//! Asking again until a condition holds: `until`, `every` and the `within` that they need.

use super::context::Context;
use super::request;
use crate::document::{Effect, Step};
use crate::plan::{PlannedRequest, Until};
use crate::source::{Code, Diagnostic};
use crate::template::Condition;
use std::time::Duration;

/// How long it is waited before it is asked again, unless someone says otherwise.
const EVERY: Duration = Duration::from_secs(5);

/// What of an answer may change from one round to the next.
const CHANGING: [&str; 4] = ["response", "outputs", "rows", "row_count"];

/// Checks that the keys stand together and can come to an end.
pub(super) fn check_keys(context: &Context<'_>, step: &Step) {
    request::check_time(context, step.every.as_ref());
    if !context.has_key(step.span, "until") {
        if context.has_key(step.span, "every") {
            let message = "`every` says how often `until` is asked, and there is no `until`";
            let span = context.key(step.span, "every");
            let diagnostic = Diagnostic::new(Code::ConflictingKeys, span, message);
            context.report(
                diagnostic.help("write the condition that ends it: `until: outputs.state == \"done\"`"),
            );
        }
        return;
    }
    if !context.has_key(step.span, "within") {
        let message = "`until` needs an end: how long may it be asked again?";
        let diagnostic = Diagnostic::new(Code::MissingKey, context.key(step.span, "until"), message);
        context.report(diagnostic.help("write `within: 15m` beside it"));
    }
    if let (Some(every), Some(within)) = (&step.every, &step.within)
        && every.value.0 >= within.value.0
    {
        let message = "`every` leaves no time to ask a second time";
        let diagnostic = Diagnostic::new(Code::InvalidValue, every.span, message);
        context.report(diagnostic.also(within.span, "the time for all rounds"));
    }
    if let Some(until) = &step.until {
        refuse_fixed(context, until, "to ask again changes nothing");
    }
}

/// A condition that reads nothing of the answer stays what it is. `so` says what follows from that.
pub(super) fn refuse_fixed(context: &Context<'_>, condition: &Condition, so: &str) {
    let expression = condition.expression();
    let changes = |name: Option<&str>| name.is_some_and(|name| CHANGING.contains(&name));
    if expression.references().iter().any(|reference| changes(reference.name(0)))
        || context.has_error_in(expression.span())
    {
        return;
    }
    let message = format!("this reads nothing of the answer: {so}");
    let diagnostic = Diagnostic::new(Code::InvalidValue, expression.span(), message);
    context.report(diagnostic.help("here one can read `response`, `outputs`, `rows` and `row_count`"));
}

/// A write would be done again in each round.
pub(super) fn refuse_write(context: &Context<'_>, step: &Step, request: &PlannedRequest) {
    if step.until.is_none() || request.effect == Effect::Read {
        return;
    }
    let message = "`until` would do this write again in every round";
    let diagnostic = Diagnostic::new(Code::ConflictingKeys, context.key(step.span, "until"), message);
    let help = "write a step behind it that reads until it is done; or `effect: read`, if the request changes nothing";
    context.report(diagnostic.help(help));
}

/// What the step says, with its defaults.
pub(super) fn planned(step: &Step) -> Option<Until> {
    let condition = step.until.clone()?;
    Some(Until { condition, every: step.every.as_ref().map_or(EVERY, |every| every.value.0) })
}
