//! A simulated provider that tests look into while `runner` talks to it.

use std::ops::Deref;
use std::sync::{Arc, mpsc};
use std::thread;

use runner::simulate::{Options, Provider, Simulator};
use tokio::sync::oneshot;

use super::runner::Runner;

/// A simulator on a thread of its own. It ends when this is dropped.
pub struct Simulated {
    simulator: Arc<Simulator>,
    _end: oneshot::Sender<()>,
}

impl Simulated {
    /// Starts a provider with the demo accounts.
    pub fn start(provider: Provider) -> Self {
        let (ready, started) = mpsc::channel();
        let (end, ended) = oneshot::channel::<()>();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(async {
                let simulator = Simulator::start(provider, &Options::default()).await;
                let simulator = Arc::new(simulator.expect("loopback has free ports"));
                ready.send(simulator.clone()).expect("the test waits");
                // The sender is dropped, never used: the error is the sign.
                let _ = ended.await;
            });
        });
        Self { simulator: started.recv().expect("the simulator starts"), _end: end }
    }

    /// The value of the demo account with this label.
    ///
    /// # Panics
    /// If there is none.
    pub fn demo(&self, account: &str, name: &str) -> String {
        let account = self.accounts().iter().find(|known| known.label == account);
        let value = account.and_then(|account| account.get(name));
        value.unwrap_or_else(|| panic!("no demo value {name}")).to_owned()
    }
}

impl Deref for Simulated {
    type Target = Simulator;

    fn deref(&self) -> &Simulator {
        &self.simulator
    }
}

impl Runner {
    /// Sends the requests of `runner login` to a simulator.
    pub fn at(self, simulated: &Simulated) -> Self {
        let runner = self.args(["--base-url", simulated.base_url()]);
        match simulated.auth_base_url() {
            Some(url) => runner.args(["--auth-base-url", url]),
            None => runner,
        }
    }
}
