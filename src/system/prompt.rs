use crate::model::secret::SecretText;
use crate::model::visible::visible;
use crate::port::{Cancellation, Prompt, PromptError, Question};
use futures_util::future::{FutureExt, LocalBoxFuture};
use std::io::{self, IsTerminal, Write};
use std::thread;
use tokio::sync::oneshot;

/// The person at the terminal: asked on standard error, answers come from the keyboard.
pub struct TerminalPrompt {
    is_forbidden: bool,
    cancellation: Cancellation,
}

impl TerminalPrompt {
    /// A prompt that gives up when the end of the run is asked for. `is_forbidden` is `--no-prompt`.
    pub fn new(is_forbidden: bool, cancellation: Cancellation) -> Self {
        Self { is_forbidden, cancellation }
    }

    async fn read(&self, question: &Question) -> io::Result<String> {
        // Before the question is there: whoever answers at once must not see the answer.
        let _saved = terminal::save(question.is_secret);
        let (sender, answer) = oneshot::channel();
        let question = question.clone();
        // Nothing can end the wait for a key. So it has a thread of its own, which the process leaves behind if it ends.
        thread::spawn(move || sender.send(read_answer(&question)));
        let answer = async {
            match answer.await {
                // Ctrl-C at a hidden answer: the signal is on its way.
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => std::future::pending().await,
                Ok(answer) => answer,
                Err(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            }
        };
        tokio::select! {
            answer = answer => answer,
            _ = self.cancellation.cancelled() => Err(io::ErrorKind::Interrupted.into()),
        }
    }
}

impl Prompt for TerminalPrompt {
    fn availability(&self) -> Result<(), PromptError> {
        match self.is_forbidden {
            true => Err(PromptError::Forbidden),
            false if io::stdin().is_terminal() && io::stderr().is_terminal() => Ok(()),
            false => Err(PromptError::NoTerminal),
        }
    }

    fn ask<'a>(&'a self, question: &'a Question) -> LocalBoxFuture<'a, Result<SecretText, PromptError>> {
        async move {
            self.availability()?;
            self.read(question).await.map(SecretText::from).map_err(|_| PromptError::NoAnswer)
        }
        .boxed_local()
    }
}

fn read_answer(question: &Question) -> io::Result<String> {
    let mut stderr = io::stderr();
    write!(stderr, "{}: ", visible(&question.text))?;
    stderr.flush()?;
    if question.is_secret {
        return rpassword::read_password();
    }
    let mut line = String::new();
    if io::stdin().read_line(&mut line)? == 0 {
        writeln!(stderr)?;
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Puts the terminal back as it was before a question that is still open, before the process ends at once.
pub fn restore_terminal() {
    terminal::restore();
}

#[cfg(unix)]
mod terminal {
    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
    use std::io;
    use std::sync::Mutex;

    static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

    /// Restores the terminal when it is dropped.
    pub(super) struct Saved;

    /// Remembers how the terminal is now, and hides what is typed from then on if that is wanted.
    pub(super) fn save(hides_typing: bool) -> Saved {
        let before = tcgetattr(io::stdin()).ok();
        if let Some(mut hiding) = before.clone().filter(|_| hides_typing) {
            // In lines, a terminal holds 4095 characters at most: too few for some tokens.
            hiding.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
            // The reader of the answer does the same, and says so if it cannot.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &hiding);
        }
        *BEFORE.lock().expect("no holder panics") = before;
        Saved
    }

    pub(super) fn restore() {
        if let Some(before) = BEFORE.lock().expect("no holder panics").take() {
            // A terminal that is gone needs no restoring.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
        }
    }

    impl Drop for Saved {
        fn drop(&mut self) {
            restore();
        }
    }
}

#[cfg(not(unix))]
mod terminal {
    pub(super) fn save(_: bool) {}

    pub(super) fn restore() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_asked_when_that_is_forbidden() {
        let prompt = TerminalPrompt::new(true, Cancellation::default());
        let question = Question { text: "Password".into(), is_secret: true };
        assert_eq!(prompt.availability(), Err(PromptError::Forbidden));
        assert_eq!(prompt.ask(&question).now_or_never().unwrap().unwrap_err(), PromptError::Forbidden);
    }
}
