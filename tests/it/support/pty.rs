//! The program on a pseudo-terminal, as a person at the keyboard has it.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::process::Process;
use super::runner::{Output, Watch};
use super::stream::Stream;

/// The size of a terminal, in characters.
#[derive(Clone, Copy)]
pub struct Size {
    pub columns: u16,
    pub rows: u16,
}

/// A program that runs on a terminal of its own, made by
/// [`Runner::open_terminal`](super::runner::Runner::open_terminal).
pub struct Terminal {
    process: Process,
    keyboard: File,
    screen: Stream,
    seen: usize,
    limit: Duration,
    watch: Watch,
}

impl Terminal {
    /// Starts `command`, which takes its standard input as its controlling terminal, on a new terminal.
    pub(super) fn open(mut command: Command, size: Size, limit: Duration, watch: Watch) -> Self {
        let (master, slave) = open_pair(size).expect("the machine has pseudo-terminals");
        let duplicate = |fd: &OwnedFd| fd.try_clone().expect("a file descriptor can be duplicated");
        command.stdin(duplicate(&slave)).stdout(duplicate(&slave)).stderr(slave);
        let keyboard = File::from(duplicate(&master));
        let process = Process::start_on_own_streams(&mut command);
        // The command holds the program's side of the terminal: as long as it lives, the screen has no end.
        drop(command);
        Self { process, keyboard, screen: Stream::collect(File::from(master)), seen: 0, limit, watch }
    }

    /// Waits until `text` comes to the screen, behind what was waited for before.
    ///
    /// # Panics
    /// If it does not come in time.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> &mut Self {
        let end = self.screen.wait_for(text, self.seen, self.limit);
        self.seen =
            end.unwrap_or_else(|| panic!("{text:?} did not appear on the screen:\n{}", self.screen.text()));
        self
    }

    /// Presses keys: `"\r"` is Enter, `"\x03"` Ctrl-C, `"\x04"` Ctrl-D.
    pub fn send(&mut self, keys: &str) -> &mut Self {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal is open");
        self
    }

    /// Waits for the end; the screen becomes `stdout`, with the control sequences in it.
    ///
    /// # Panics
    /// If it does not come in time, or if a planted secret shows.
    pub fn finish(mut self) -> Output {
        let exit = self.process.wait(self.limit);
        let screen = self.screen.wait_for_end(self.limit);
        let (Some(exit), Some(screen)) = (exit, screen) else {
            panic!("no end after {:?}; the screen:\n{}", self.limit, self.screen.text());
        };
        self.watch.assert_nothing_shows(&[("the screen", &screen)]);
        Output::new(exit, &screen, &[], self.watch.sandbox)
    }
}

/// The user's side and the program's side of a new terminal.
fn open_pair(size: Size) -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let slave = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    let winsize = Winsize { ws_col: size.columns, ws_row: size.rows, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&slave, winsize)?;
    Ok((master, slave))
}

#[cfg(test)]
mod tests {
    use super::super::runner::Runner;
    use super::*;

    const SIZE: Size = Size { columns: 96, rows: 31 };

    fn shell(script: &str) -> Terminal {
        Runner::of("sh").args(["-c", script]).plant("hunter22").open_terminal(SIZE)
    }

    #[test]
    fn the_program_has_a_terminal_of_the_given_size() {
        let output =
            shell("test -t 0 && test -t 1 && test -t 2 && echo $TERM && stty size").finish().exits(0);
        assert_eq!(output.stdout, "xterm-256color\r\n31 96\r\n");
    }

    #[test]
    fn keys_without_echo_do_not_show() {
        let mut terminal = shell("stty -echo < /dev/tty; printf 'Password: '; read p; echo ${#p} characters");
        terminal.wait_for("Password: ").send("hunter22\r").wait_for("8 characters");
        terminal.finish().exits(0);
    }

    #[test]
    #[should_panic = "shows in the screen"]
    fn keys_with_echo_are_found() {
        let mut terminal = shell("printf 'Password: '; read p");
        terminal.wait_for("Password: ").send("hunter22\r");
        terminal.finish();
    }

    #[test]
    fn ctrl_c_is_a_signal() {
        let mut terminal = shell("trap 'exit 130' INT; echo ready; while :; do read _; done");
        terminal.wait_for("ready").send("\x03");
        terminal.finish().exits(130);
    }

    #[test]
    #[should_panic = "did not appear on the screen"]
    fn a_text_that_never_comes_fails() {
        shell("echo something else").wait_for("Password");
    }
}
