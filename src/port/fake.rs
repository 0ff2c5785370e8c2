//! A world made by hand: a clock that moves when told, chance without chance, a person with prepared answers.

mod clock;
mod files;
mod prompt;
mod sign_ins;
mod store;
mod surroundings;
mod transport;
mod world;

pub use clock::FakeClock;
pub use files::FakeFiles;
pub use prompt::FakePrompt;
pub use sign_ins::FakeSignIns;
pub use store::FakeStore;
pub use surroundings::FakeSurroundings;
pub use transport::{Reply, ScriptedTransport, Sent};
pub use world::FakeWorld;

use super::Random;

/// Chance that always says one half.
pub struct FakeRandom;

impl Random for FakeRandom {
    fn fraction(&self) -> f64 {
        0.5
    }

    fn uuid(&self) -> String {
        "00000000-0000-4000-8000-000000000000".to_owned()
    }

    fn run_id(&self) -> String {
        "01JD8Y3K000000000000000000".to_owned()
    }
}
