use super::{FakeClock, FakePrompt, FakeRandom, FakeSignIns, FakeStore, FakeSurroundings};
use crate::port::{
    Cancellation, MemoryJournal, OutputFile, OutputFiles, PromptError, Request, Response, Transport,
    TransportError, World,
};
use futures_util::future::LocalBoxFuture;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// The parts of a world by their own types, so that a test can look at them afterwards.
pub struct FakeWorld {
    /// The time: 2026-11-22T06:00:00Z.
    pub clock: Rc<FakeClock>,
    /// The store: empty.
    pub store: Rc<FakeStore>,
    /// What earlier runs have left about signing in: nothing.
    pub sign_ins: Rc<FakeSignIns>,
    /// The person at the terminal: nobody.
    pub prompt: Rc<FakePrompt>,
    /// Environment and files: nothing.
    pub surroundings: Rc<FakeSurroundings>,
}

impl Default for FakeWorld {
    fn default() -> Self {
        Self {
            clock: Rc::new(FakeClock::at("2026-11-22T06:00:00Z")),
            store: Rc::default(),
            sign_ins: Rc::default(),
            prompt: Rc::new(FakePrompt::nobody(PromptError::NoTerminal)),
            surroundings: Rc::default(),
        }
    }
}

impl FakeWorld {
    /// The world of these parts, without a network and without files to write.
    pub fn world(&self) -> World {
        let cancellation = Cancellation::default();
        World {
            clock: self.clock.clone(),
            random: Arc::new(FakeRandom),
            transport: Rc::new(NoNetwork),
            store: self.store.clone(),
            sign_ins: self.sign_ins.clone(),
            prompt: self.prompt.clone(),
            surroundings: self.surroundings.clone(),
            output: Rc::new(NoOutput),
            journal: Rc::new(MemoryJournal::new(self.clock.clone(), cancellation.clone())),
            cancellation,
        }
    }
}

/// A network on which sending anything is a mistake of the test.
struct NoNetwork;

impl Transport for NoNetwork {
    fn send<'a>(&'a self, request: &'a Request) -> LocalBoxFuture<'a, Result<Response, TransportError>> {
        panic!("{} {} was sent in a world without network", request.method, request.url)
    }
}

struct NoOutput;

impl OutputFiles for NoOutput {
    fn create(&self, _: &Path) -> io::Result<Box<dyn OutputFile>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn locate(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }
}
