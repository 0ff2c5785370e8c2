//! A keychain of its own for a test: gnome-keyring on a private D-Bus session.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use super::PATIENCE;
use super::process::Process;
use super::runner::Runner;

const SECRET_SERVICE: &str = "org.freedesktop.secrets";

/// A D-Bus session and what answers there for the Secret Service; both end when this is dropped.
///
/// A machine without any D-Bus is what a [`Runner`] sees that is not given a keyring.
pub struct Keyring {
    address: String,
    // Dropped in this order: the folders go last.
    _daemon: Option<Process>,
    _bus: Process,
    folders: TempDir,
}

impl Keyring {
    /// An empty keyring that is unlocked, as after a login at the desktop.
    pub fn open() -> Self {
        let mut keyring = Self::absent();
        keyring._daemon = Some(keyring.start_daemon(&["--unlock"]));
        keyring
    }

    /// A keyring that is locked, on a machine where nobody can be asked for its password.
    pub fn locked() -> Self {
        Self::open().lock()
    }

    /// The keyring with all that is in it, locked: a new daemon finds it and has no password.
    pub fn lock(mut self) -> Self {
        self._daemon = None;
        self._daemon = Some(self.start_daemon(&[]));
        self
    }

    /// The keyring with a daemon that is there and answers no more.
    pub fn hanging(mut self) -> Self {
        self._daemon.as_mut().expect("a daemon runs").signal(Signal::STOP);
        self
    }

    /// A D-Bus session where no Secret Service runs and none can be started.
    pub fn absent() -> Self {
        let folders = tempfile::tempdir().expect("a temporary folder can be made");
        for folder in ["home", "runtime", "data"] {
            fs::DirBuilder::new()
                .mode(0o700)
                .create(folders.path().join(folder))
                .expect("the folder is writable");
        }
        let (bus, address) = start_bus(folders.path());
        Self { address, _daemon: None, _bus: bus, folders }
    }

    /// The variables that lead a program to this keyring.
    pub fn variables(&self) -> [(&'static str, &str); 1] {
        [("DBUS_SESSION_BUS_ADDRESS", &self.address)]
    }

    /// Starts gnome-keyring and returns when it is to be found on the bus.
    fn start_daemon(&self, options: &[&str]) -> Process {
        let watch = self.watch_names();
        let mut command = Command::new("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]).args(options);
        let path = self.folders.path();
        command.env_clear().envs(self.variables()).env("HOME", path.join("home"));
        command.env("XDG_RUNTIME_DIR", path.join("runtime")).env("XDG_DATA_HOME", path.join("data"));
        let daemon = Process::start(&mut command, b"the password of the keyring".to_vec());
        let found = watch.stdout.wait_for(SECRET_SERVICE, 0, PATIENCE);
        assert!(found.is_some(), "gnome-keyring does not answer:\n{}", daemon.stderr.text());
        daemon
    }

    /// A program that prints the names that come and go on the bus, and has begun to do so.
    fn watch_names(&self) -> Process {
        let rule = format!("type='signal',member='NameOwnerChanged',arg0='{SECRET_SERVICE}'");
        let mut command = Command::new("dbus-monitor");
        command.arg("--address").arg(&self.address).arg(rule);
        let watch = Process::start(&mut command, Vec::new());
        // It gives its own name back when it turns into a monitor: from then on it misses nothing.
        let monitoring = watch.stdout.wait_for("NameLost", 0, PATIENCE);
        assert!(monitoring.is_some(), "dbus-monitor does not start:\n{}", watch.stderr.text());
        watch
    }
}

impl Runner {
    /// Gives the program this keyring.
    pub fn keyring(self, keyring: &Keyring) -> Self {
        keyring.variables().into_iter().fold(self, |runner, (name, value)| runner.env(name, value))
    }
}

/// Starts a message bus in `folder` that starts no services by itself, and returns its address.
fn start_bus(folder: &Path) -> (Process, String) {
    let configuration = folder.join("bus.conf");
    let socket = folder.join("bus");
    let text = format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>"#,
        socket.display()
    );
    fs::write(&configuration, text).expect("the folder is writable");
    let mut command = Command::new("dbus-daemon");
    command.arg("--config-file").arg(&configuration).args(["--nofork", "--print-address=1"]);
    let bus = Process::start(&mut command, Vec::new());
    let end = bus.stdout.wait_for("\n", 0, PATIENCE);
    assert!(end.is_some(), "dbus-daemon does not start:\n{}", bus.stderr.text());
    let address = bus.stdout.text().trim_end().to_owned();
    (bus, address)
}

#[cfg(test)]
mod tests {
    use super::super::runner::Output;
    use super::*;

    const ATTRIBUTES: [&str; 4] = ["service", "runner/emnify", "user", "default/password"];

    fn store(keyring: &Keyring) -> Output {
        let tool = Runner::of("secret-tool").keyring(keyring).stdin("correct horse");
        tool.args(["store", "--label=test"]).args(ATTRIBUTES).run()
    }

    fn look_up(keyring: &Keyring) -> Output {
        Runner::of("secret-tool").keyring(keyring).args(["lookup"]).args(ATTRIBUTES).run()
    }

    #[test]
    fn an_open_keyring_keeps_secrets() {
        let keyring = Keyring::open();
        store(&keyring).exits(0);
        assert_eq!(look_up(&keyring).exits(0).stdout, "correct horse");
    }

    #[test]
    fn two_keyrings_are_strangers() {
        let (mine, yours) = (Keyring::open(), Keyring::open());
        store(&mine).exits(0);
        look_up(&yours).exits(1);
    }

    #[test]
    fn a_locked_keyring_takes_nothing() {
        let output = store(&Keyring::locked()).exits(1);
        assert!(output.stderr.contains("locked collection"), "{}", output.stderr);
    }

    #[test]
    fn an_absent_keyring_does_not_answer() {
        let output = look_up(&Keyring::absent()).exits(1);
        assert!(output.stderr.contains(SECRET_SERVICE), "{}", output.stderr);
    }
}
