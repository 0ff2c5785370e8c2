//! What the layers above ask of the world. The world's side is in `system`; `fake` is a world made by hand for tests.

mod cancellation;
mod clock;
#[cfg(test)]
pub mod fake;
mod journal;
mod known;
mod memory_journal;
mod output;
mod prompt;
mod random;
mod reach;
mod secret_store;
mod sign_ins;
mod surroundings;
mod transport;
mod world;
mod writes_left;

pub use cancellation::{Cancellation, GRACE};
pub use clock::Clock;
pub use journal::{Class, Deed, Earlier, End, IdempotencyKey, Journal, JournalError, Outcome, Place, Ran};
pub use known::{Begin, Known, Memory, Resolution};
pub use memory_journal::MemoryJournal;
pub use output::{OutputFile, OutputFiles};
pub use prompt::{Prompt, PromptError, Question};
pub use random::Random;
pub use reach::{CREDENTIALS_PREFIX, OutOfReach, Reach, without_dots};
pub use secret_store::{SecretStore, StoreError, StoreKey};
pub use sign_ins::{Closing, Forgetful, LedgerEntry, LoginKey, Noted, OpenSession, RefusedLogin, SignIns};
pub use surroundings::{Surroundings, VariableOrigin};
pub use transport::{Body, BodyPart, Departure, Request, Response, SendFailure, Transport, TransportError};
pub use world::World;
pub use writes_left::{InDoubt, SentBefore, WritesLeft};
