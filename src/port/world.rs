use super::{
    Cancellation, Clock, Journal, OutputFiles, Prompt, Random, SecretStore, SignIns, Surroundings, Transport,
};
use std::rc::Rc;
use std::sync::Arc;

/// All ports of a run together. Clones share them.
#[derive(Clone)]
pub struct World {
    /// The time.
    pub clock: Rc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// The network.
    pub transport: Rc<dyn Transport>,
    /// The user's store of secrets.
    pub store: Rc<dyn SecretStore>,
    /// What runs tell each other about signing in.
    pub sign_ins: Rc<dyn SignIns>,
    /// The person at the terminal.
    pub prompt: Rc<dyn Prompt>,
    /// Environment and files.
    pub surroundings: Rc<dyn Surroundings>,
    /// Files that the run writes.
    pub output: Rc<dyn OutputFiles>,
    /// What keeps the run in order beyond this process.
    pub journal: Rc<dyn Journal>,
    /// The wish that the run ends.
    pub cancellation: Cancellation,
}
