//! `runner` in a clean room: folders of its own, an environment of its own, a time limit, and a search for
//! leaks.
//!
//! ```ignore
//! Runner::new()
//!     .file("fleet.yaml", PLAYBOOK)
//!     .env("EMNIFY_PASSWORD", "correct horse")
//!     .plant("correct horse")
//!     .args(["apply", "fleet.yaml"])
//!     .run()
//!     .exits(0);
//! ```

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use super::PATIENCE;
use super::planted::find_any_planted;
use super::process::Process;
use super::pty::{Size, Terminal};

/// The folders of the sandbox that an XDG variable names.
const XDG_FOLDERS: [(&str, &str); 5] = [
    ("XDG_CONFIG_HOME", "config"),
    ("XDG_DATA_HOME", "data"),
    ("XDG_STATE_HOME", "state"),
    ("XDG_CACHE_HOME", "cache"),
    ("XDG_RUNTIME_DIR", "runtime"),
];

/// A run to be started. Clones share the folders, so that one run finds what the one before has left there.
#[derive(Clone)]
pub struct Runner {
    program: PathBuf,
    arguments: Vec<OsString>,
    variables: BTreeMap<String, OsString>,
    input: Vec<u8>,
    limit: Duration,
    watch: Watch,
}

impl Runner {
    /// `runner` itself, in new empty folders, with no environment but `PATH`, `HOME`, `TMPDIR` and `XDG_*`:
    /// no D-Bus, no terminal, no standard input.
    pub fn new() -> Self {
        Self::of(env!("CARGO_BIN_EXE_runner"))
    }

    /// Another program in the same clean room, to prove what the room itself does.
    pub fn of(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            variables: BTreeMap::new(),
            input: Vec::new(),
            limit: PATIENCE,
            watch: Watch::new(),
        }
    }

    /// Adds arguments.
    pub fn args<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Another program with other arguments, in the same folders and environment.
    pub fn program(mut self, program: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        self.program = program.into();
        self.arguments = arguments.iter().map(OsString::from).collect();
        self
    }

    /// Lets another program start this one: `strace` and its options.
    pub fn under<'a>(mut self, starter: impl IntoIterator<Item = &'a str>) -> Self {
        let mut words = starter.into_iter().map(OsString::from);
        let starter = words.next().expect("the name of a program");
        let program = std::mem::replace(&mut self.program, starter.into());
        self.arguments = words.chain([program.into()]).chain(self.arguments).collect();
        self
    }

    /// Sets an environment variable, over those of the clean room too.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// Gives what the program can read from its standard input.
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Writes a file below the working folder, readable by its owner only, with the folders it needs.
    pub fn file(self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) -> Self {
        self.watch.sandbox.create(&self.dir().join(path), text.as_ref());
        self
    }

    /// Writes a file below the home folder, as [`Runner::file`] does.
    pub fn home_file(self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) -> Self {
        self.watch.sandbox.create(&self.watch.sandbox.folder("home").join(path), text.as_ref());
        self
    }

    /// Declares a text that no run may show: not on its outputs, not in a file or the name of a file it
    /// writes.
    pub fn plant(mut self, secret: impl Into<String>) -> Self {
        let secret = secret.into();
        if !self.watch.secrets.contains(&secret) {
            self.watch.secrets.push(secret);
        }
        self
    }

    /// Names a file or folder, relative to the working folder, that may hold planted secrets: an output that
    /// the playbook asked for.
    pub fn may_hold(mut self, path: impl AsRef<Path>) -> Self {
        self.watch.allowed.push(self.dir().join(path));
        self
    }

    /// Replaces the time after which a run is killed and its test fails.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Where the runs of this room leave their journals, unless they are told otherwise.
    pub fn journals(&self) -> PathBuf {
        self.watch.sandbox.folder("state").join("runner/runs")
    }

    /// The working folder.
    pub fn dir(&self) -> PathBuf {
        self.watch.sandbox.folder("work")
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    /// If it does not end in time, or if a planted secret shows.
    pub fn run(&self) -> Output {
        self.spawn().finish()
    }

    /// Starts the program and returns at once, for what a test does meanwhile.
    pub fn spawn(&self) -> Running {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        self.furnish(&mut command);
        let process = Process::start(&mut command, self.input.clone());
        Running { process, seen: 0, limit: self.limit, watch: self.watch.clone() }
    }

    /// Starts the program on a terminal of its own, which is also its controlling terminal.
    pub fn open_terminal(&self, size: Size) -> Terminal {
        // Needs no unsafe code, unlike a session made between fork and exec here. It replaces itself by the
        // program.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(&self.program).args(&self.arguments);
        self.furnish(&mut command);
        if !self.variables.contains_key("TERM") {
            command.env("TERM", "xterm-256color");
        }
        Terminal::open(command, size, self.limit, self.watch.clone())
    }

    /// Puts the command into the working folder and the clean environment.
    fn furnish(&self, command: &mut Command) {
        let sandbox = &self.watch.sandbox;
        command.current_dir(self.dir()).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("HOME", sandbox.folder("home")).env("TMPDIR", sandbox.folder("tmp"));
        command.envs(XDG_FOLDERS.map(|(variable, folder)| (variable, sandbox.folder(folder))));
        command.envs(&self.variables);
    }
}

/// A run under way. Dropping it kills the program.
pub struct Running {
    process: Process,
    seen: usize,
    limit: Duration,
    watch: Watch,
}

impl Running {
    /// Waits until `text` appears on standard output, behind what was waited for before.
    ///
    /// # Panics
    /// If it does not appear in time.
    pub fn wait_for(&mut self, text: &str) -> &mut Self {
        let end = self.process.stdout.wait_for(text, self.seen, self.limit);
        self.seen = end.unwrap_or_else(|| {
            let (stdout, stderr) = (self.process.stdout.text(), self.process.stderr.text());
            panic!("{text:?} did not appear\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
        });
        self
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.pid().as_raw_nonzero().get().unsigned_abs()
    }

    /// The process.
    pub fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// Lets so much time pass, or less if the program ends before. Returns whether it has ended.
    pub fn ends_within(&mut self, limit: Duration) -> bool {
        self.process.wait(limit).is_some()
    }

    /// What has come to standard output so far.
    pub fn stdout(&self) -> String {
        self.process.stdout.text()
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) -> &mut Self {
        self.process.signal(signal);
        self
    }

    /// Sends a signal while the program waits for something, and returns when it knows of it.
    pub fn signal_while_it_waits(&mut self, signal: Signal) -> &mut Self {
        self.process.signal_while_it_waits(signal);
        self
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// If it does not come in time, or if a planted secret shows.
    pub fn finish(mut self) -> Output {
        let exit = self.process.wait(self.limit);
        let stdout = self.process.stdout.wait_for_end(self.limit);
        let stderr = self.process.stderr.wait_for_end(self.limit);
        let (Some(exit), Some(stdout), Some(stderr)) = (exit, stdout, stderr) else {
            let (stdout, stderr) = (self.process.stdout.text(), self.process.stderr.text());
            panic!("no end after {:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}", self.limit);
        };
        self.watch.assert_nothing_shows(&[("stdout", &stdout), ("stderr", &stderr)]);
        Output::new(exit, &stdout, &stderr, self.watch.sandbox)
    }
}

/// What a run left behind. The folders live as long as this or the [`Runner`] does.
pub struct Output {
    /// The exit code, or `None` if a signal ended the program.
    pub code: Option<i32>,
    /// The number of the signal that ended the program, or `None` if it exited.
    pub signal: Option<i32>,
    /// Standard output; on a terminal, all that came to the screen.
    pub stdout: String,
    /// Standard error; on a terminal empty, for both go to the screen.
    pub stderr: String,
    /// The working folder.
    pub dir: PathBuf,
    _sandbox: Arc<Sandbox>,
}

impl Output {
    pub(super) fn new(exit: ExitStatus, stdout: &[u8], stderr: &[u8], sandbox: Arc<Sandbox>) -> Self {
        Self {
            code: exit.code(),
            signal: exit.signal(),
            stdout: String::from_utf8_lossy(stdout).into_owned(),
            stderr: String::from_utf8_lossy(stderr).into_owned(),
            dir: sandbox.folder("work"),
            _sandbox: sandbox,
        }
    }

    /// Asserts the exit code; a failure shows both outputs.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        let Self { stdout, stderr, signal, .. } = &self;
        assert_eq!(
            self.code,
            Some(code),
            "exit code (signal {signal:?})\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        );
        self
    }

    /// Both outputs, one behind the other.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The text of a file below the working folder.
    #[track_caller]
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        let path = self.dir.join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }
}

/// What must not show, and where it is looked for.
#[derive(Clone)]
pub(super) struct Watch {
    pub(super) sandbox: Arc<Sandbox>,
    secrets: Vec<String>,
    allowed: Vec<PathBuf>,
}

impl Watch {
    fn new() -> Self {
        Self { sandbox: Arc::new(Sandbox::new()), secrets: Vec::new(), allowed: Vec::new() }
    }

    /// Searches the given outputs and everything the run wrote for every planted secret.
    pub(super) fn assert_nothing_shows(&self, outputs: &[(&str, &[u8])]) {
        let written = self.sandbox.written();
        let written =
            written.iter().filter(|(path, _)| !self.allowed.iter().any(|allowed| path.starts_with(allowed)));
        for (path, bytes) in written {
            self.assert_not_in(path.as_os_str().as_bytes(), "the name of a file");
            self.assert_not_in(bytes, &path.display().to_string());
        }
        for (name, bytes) in outputs {
            self.assert_not_in(bytes, name);
        }
    }

    fn assert_not_in(&self, bytes: &[u8], place: &str) {
        if let Some((secret, form)) = find_any_planted(bytes, &self.secrets) {
            panic!(
                "the planted secret {secret:?} shows in {place} ({form})\n{}",
                String::from_utf8_lossy(bytes)
            );
        }
    }
}

/// The folders of a run, removed at the end, and what the test itself has put there.
pub(super) struct Sandbox {
    root: TempDir,
    created: Mutex<HashMap<PathBuf, Vec<u8>>>,
}

impl Sandbox {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        for folder in ["work", "home", "tmp"].into_iter().chain(XDG_FOLDERS.map(|(_, folder)| folder)) {
            create_folder(&root.path().join(folder));
        }
        Self { root, created: Mutex::default() }
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn create(&self, path: &Path, bytes: &[u8]) {
        create_folder(path.parent().expect("a file lies in a folder"));
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
        file.and_then(|mut file| file.write_all(bytes)).expect("the sandbox is writable");
        self.created.lock().expect("no holder panics").insert(path.to_owned(), bytes.to_owned());
    }

    /// Every file that is new, or differs from what the test has put there.
    fn written(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let created = self.created.lock().expect("no holder panics");
        let mut files = Vec::new();
        collect_files(self.root.path(), &mut files);
        files.retain(|(path, bytes)| created.get(path) != Some(bytes));
        files
    }
}

fn create_folder(path: &Path) {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).expect("the sandbox is writable");
}

fn collect_files(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("folders of the sandbox are readable") {
        let entry = entry.expect("folders of the sandbox are readable");
        let kind = entry.file_type().expect("entries of the sandbox have a type");
        if kind.is_dir() {
            collect_files(&entry.path(), files);
        } else if kind.is_file() {
            files.push((entry.path(), fs::read(entry.path()).expect("files of the sandbox are readable")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "tr0ub4dor-and-3";

    /// A shell in the clean room that holds a secret.
    fn shell(script: &str) -> Runner {
        Runner::of("sh").args(["-c", script]).env("SECRET", SECRET).plant(SECRET)
    }

    #[test]
    fn the_program_sees_only_the_clean_room() {
        let output = Runner::of("env").env("WANTED", "yes").run().exits(0);
        let mut names: Vec<&str> = output.stdout.lines().filter_map(|line| line.split('=').next()).collect();
        names.sort_unstable();
        let xdg = ["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"];
        assert_eq!(names, [&["HOME", "PATH", "TMPDIR", "WANTED"][..], &xdg].concat());
    }

    #[test]
    fn the_program_of_this_package_is_found() {
        Runner::new().args(["--help"]).run().exits(0);
    }

    #[test]
    fn files_input_and_exit_code_reach_the_test() {
        let runner = Runner::of("sh").file("in/a.txt", "from a file").stdin("from stdin");
        let output = runner.args(["-c", "cat in/a.txt > out.txt; cat; exit 4"]).run().exits(4);
        assert_eq!(output.read("out.txt"), "from a file");
        assert_eq!(output.stdout, "from stdin");
    }

    #[test]
    fn clones_share_their_folders() {
        let shell = Runner::of("sh");
        shell.clone().args(["-c", "echo kept > $XDG_STATE_HOME/kept"]).run().exits(0);
        assert_eq!(shell.args(["-c", "cat $XDG_STATE_HOME/kept"]).run().exits(0).stdout, "kept\n");
    }

    #[test]
    fn a_secret_that_stays_inside_is_no_leak() {
        let runner = shell("cat .env ~/config.json > wanted.txt; echo ready").may_hold("wanted.txt");
        runner.file(".env", SECRET).home_file("config.json", SECRET).run().exits(0);
    }

    #[test]
    #[should_panic = "shows in stdout"]
    fn a_secret_on_stdout_is_found() {
        shell("echo a${SECRET}b").run();
    }

    #[test]
    #[should_panic = "shows in stderr"]
    fn a_secret_on_stderr_is_found() {
        shell("echo $SECRET >&2").run();
    }

    #[test]
    #[should_panic = "shows in /"]
    fn a_secret_in_a_written_file_is_found() {
        shell("mkdir $XDG_STATE_HOME/deep; echo $SECRET > $XDG_STATE_HOME/deep/journal").run();
    }

    #[test]
    #[should_panic = "shows in the name of a file"]
    fn a_secret_in_a_file_name_is_found() {
        shell("touch $TMPDIR/$SECRET").run();
    }

    #[test]
    #[should_panic = "shows in /"]
    fn a_secret_in_a_changed_file_is_found() {
        shell("echo >> .env").file(".env", SECRET).run();
    }

    #[test]
    #[should_panic = "no end after 1ms"]
    fn a_run_without_end_is_killed() {
        Runner::of("sleep").args(["600"]).limit(Duration::from_millis(1)).run();
    }

    #[test]
    fn a_signal_reaches_a_run_under_way() {
        let sleeper =
            "sleep 600 >/dev/null 2>&1 & trap 'kill $!; echo caught; exit 130' INT; echo ready; wait";
        let mut running = shell(sleeper).spawn();
        running.wait_for("ready").signal(Signal::INT);
        let output = running.finish().exits(130);
        assert_eq!(output.stdout, "ready\ncaught\n");
    }

    #[test]
    fn the_signal_that_ended_a_run_is_known() {
        let mut running = Runner::of("sleep").args(["600"]).spawn();
        running.signal(Signal::TERM);
        let output = running.finish();
        assert_eq!((output.code, output.signal), (None, Some(15)));
    }
}
