//! Programs that tests start: watched while they run, never left behind.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::PATIENCE;
use super::stream::Stream;

/// A running program. Dropping it kills it.
pub struct Process {
    pid: Pid,
    exits: Receiver<ExitStatus>,
    exit: Option<ExitStatus>,
    /// What it wrote to a piped standard output.
    pub stdout: Stream,
    /// What it wrote to a piped standard error.
    pub stderr: Stream,
}

impl Process {
    /// Starts `command` with both outputs piped and `input` as its standard input, which then ends.
    ///
    /// # Panics
    /// If the program cannot be started; the message says how to install it.
    pub fn start(command: &mut Command, input: Vec<u8>) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::start_as_it_is(command, Some(input))
    }

    /// As [`Process::start`], but its standard input ends only with the program of the tests itself.
    pub fn start_with_open_stdin(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::start_as_it_is(command, None)
    }

    /// As [`Process::start`], on the standard streams that the command already has.
    pub fn start_on_own_streams(command: &mut Command) -> Self {
        Self::start_as_it_is(command, None)
    }

    fn start_as_it_is(command: &mut Command, input: Option<Vec<u8>>) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("cannot start {name} ({error}); `./tests/all` installs what tests need")
        });
        let stdout = child.stdout.take().map_or_else(Stream::ended, Stream::collect);
        let stderr = child.stderr.take().map_or_else(Stream::ended, Stream::collect);
        let pid = Pid::from_child(&child);
        let (sender, exits) = mpsc::channel();
        thread::spawn(move || {
            if let (Some(input), Some(mut stdin)) = (&input, child.stdin.take_if(|_| input.is_some())) {
                // A program may end without having read its input.
                let _ = stdin.write_all(input);
            }
            // Nobody listens any more if the test has ended.
            let _ = sender.send(wait(&mut child));
        });
        Self { pid, exits, exit: None, stdout, stderr }
    }

    /// Its identity, which nobody else gets before it was waited for.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a signal; a program that has already ended does not get it.
    pub fn signal(&mut self, signal: Signal) {
        self.exit = self.exit.or_else(|| self.exits.try_recv().ok());
        if self.exit.is_none() {
            // It may end between the look and the signal.
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Sends a signal to a program that waits, and returns when it waits again and knows of it.
    pub fn signal_while_it_waits(&mut self, signal: Signal) {
        let before = self.wait_until_asleep(0);
        self.signal(signal);
        self.wait_until_asleep(before + 1);
    }

    /// Waits until the program has gone to sleep so many times and sleeps, and returns how many times it has.
    fn wait_until_asleep(&self, times: u64) -> u64 {
        let started = Instant::now();
        loop {
            let path = format!("/proc/{}/status", self.pid.as_raw_nonzero());
            let status = fs::read_to_string(path).expect("the program runs, on Linux");
            let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let slept = field("voluntary_ctxt_switches:").and_then(|text| text.parse().ok()).unwrap_or(0);
            if slept >= times && field("State:").is_some_and(|state| state.starts_with('S')) {
                return slept;
            }
            assert!(started.elapsed() < PATIENCE, "the program never waits\n{status}");
            thread::yield_now();
        }
    }

    /// Waits for the exit; `None` if `limit` passes before.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.exit = self.exit.or_else(|| self.exits.recv_timeout(limit).ok());
        self.exit
    }
}

/// Waits without closing a piped standard input, which `Child::wait` would do first.
fn wait(child: &mut Child) -> ExitStatus {
    let _open_stdin = child.stdin.take();
    child.wait().expect("a child is waited for once")
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_goes_in_and_both_outputs_come_back() {
        let mut process =
            Process::start(Command::new("sh").args(["-c", "cat; echo oh >&2; exit 3"]), b"hello".to_vec());
        assert_eq!(process.stdout.wait_for_end(PATIENCE), Some(b"hello".to_vec()));
        assert_eq!(process.stderr.wait_for_end(PATIENCE), Some(b"oh\n".to_vec()));
        assert_eq!(process.wait(PATIENCE).and_then(|exit| exit.code()), Some(3));
    }

    #[test]
    fn a_dropped_process_is_killed() {
        let process = Process::start(Command::new("sleep").arg("600"), Vec::new());
        let stdout = process.stdout.clone();
        drop(process);
        assert_eq!(stdout.wait_for_end(PATIENCE), Some(Vec::new()));
    }
}
