//! The ports made real: clock, chance, network, files, environment, keychain, terminal, signals.
//!
//! Only this folder and `cli` touch the world. Imports `port` and `model`.
#![expect(clippy::disallowed_methods, reason = "this is where clock, environment and files are asked")]

mod clock;
mod dotenv;
mod file;
mod keychain;
mod memory_store;
mod output;
mod own_file;
mod process;
mod prompt;
mod random;
mod signals;
mod surroundings;
mod transport;
mod transport_body;
mod transport_connect;
mod transport_error;
mod transport_proxy;
mod world;

pub use clock::SystemClock;
pub use dotenv::DotenvError;
pub use keychain::Keychain;
pub use memory_store::MemoryStore;
pub use output::SystemOutput;
pub use own_file::{create_private, is_foreign, is_open_to_others, open_lock, open_own, sync_folder_of};
pub use process::harden;
pub use prompt::{TerminalPrompt, restore_terminal};
pub use random::SystemRandom;
pub use signals::cancel_on_signals;
pub use surroundings::SystemSurroundings;
pub use transport::HttpTransport;
pub use world::passing_world;
