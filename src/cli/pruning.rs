//! The removal of journals that nobody needs any more.

use super::refusal::Refusal;
use crate::journal::{Prunable, RunFile, StateDir, outdated, runs};
use crate::model::exit::Cause;
use crate::port::{SecretStore, World};
use futures_util::future::select;
use std::pin::pin;
use std::time::Duration;

/// How many journals a run looks at.
const MOST_AT_ONCE: usize = 100;
/// How long that may take.
const TIME: Duration = Duration::from_secs(1);

/// Removes the journal of a run, and the secrets that were kept for those who would have taken it up.
///
/// # Errors
/// As the operating system says.
pub(super) async fn remove(
    prunable: Prunable<'_>,
    run: &RunFile,
    store: &dyn SecretStore,
) -> Result<(), Refusal> {
    for key in prunable.kept_secrets() {
        // What cannot be deleted stays where only its owner reads it.
        let _ = store.delete(&key).await;
    }
    prunable.remove().map_err(|error| Refusal {
        cause: Cause::Machine,
        reasons: vec![format!("{} cannot be removed: {error}", run.path.display())],
    })
}

/// Removes at the end of a run the journals of earlier ones that are outdated. What may be gone on with, or leaves a question
/// open, stays; what cannot be removed now is left to the next run.
pub(super) async fn prune_outdated(state: &StateDir, world: &World) {
    let removing = async {
        let Ok(all) = runs(state) else { return };
        let mut outdated = outdated(all, world.clock.now());
        if outdated.len() > MOST_AT_ONCE {
            // Those that stay are not to be in the way of the others for ever.
            let first = outdated.len() as f64 * world.random.fraction();
            outdated.rotate_left(first as usize);
            outdated.truncate(MOST_AT_ONCE);
        }
        for run in &outdated {
            let Ok(prunable) = Prunable::of(run) else { continue };
            if !prunable.summary().is_open() {
                // The next run tries again.
                let _ = remove(prunable, run, &*world.store).await;
            }
            // Between two journals the time may be over.
            tokio::task::yield_now().await;
        }
    };
    select(pin!(removing), world.clock.sleep(TIME)).await;
}
