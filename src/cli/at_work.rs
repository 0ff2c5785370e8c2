//! Who is told by those who find a run at work.

use super::refusal::Refusal;
use crate::journal::{Holder, Recording, RunFile};
use crate::model::exit::Cause;
use crate::model::words::moment;
use jiff::Timestamp;

/// `process 4711, since 14:02 UTC, run 01JD8Y3K`
pub(super) fn holder_words(holder: &Holder, now: Timestamp) -> String {
    let Holder { pid, since, run } = holder;
    let run = run.as_ref().map_or_else(String::new, |run| format!(", run {run}"));
    format!("process {pid}, since {}{run}", moment(*since, now))
}

/// Refuses what can be asked of a run only when it has ended. Its journal says which process is at work on it.
pub(super) fn refuse_at_work(run: &RunFile, recording: Option<&Recording>) -> Refusal {
    #[expect(clippy::disallowed_methods, reason = "the words say how long ago")]
    let now = Timestamp::now();
    let begun = recording.and_then(|recording| recording.processes().next_back());
    let holder = begun.map(|begun| Holder { pid: begun.pid, since: begun.at, run: None });
    let who = holder.map(|holder| format!(" ({})", holder_words(&holder, now))).unwrap_or_default();
    let reason = format!("run {}{who} is at work; ask again when it has ended", run.run);
    Refusal { cause: Cause::Busy, reasons: vec![reason] }
}
