//! The terminal under the moving line.

use indicatif::TermLike;
use std::io;

/// So many columns at the end of the line stay free: the terminal itself writes `^C` there.
const FREE: u16 = 4;

/// A terminal on which the cursor stays behind the text of the moving line. At the end of the line, where it is put
/// otherwise, what the terminal echoes would begin a new one and leave the moving line behind for ever.
#[derive(Debug)]
pub(super) struct MovingLine<T>(pub(super) T);

impl<T: TermLike> TermLike for MovingLine<T> {
    fn width(&self) -> u16 {
        self.0.width().saturating_sub(FREE).max(1)
    }

    fn height(&self) -> u16 {
        self.0.height()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        const ERASE_THE_REST: &str = "\u{1b}[K";
        let is_filler = !text.is_empty() && text.bytes().all(|byte| byte == b' ');
        self.0.write_str(if is_filler { ERASE_THE_REST } else { text })
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A terminal of eighty columns that keeps what is written.
    #[derive(Debug, Default)]
    struct Written(Mutex<String>);

    impl TermLike for &Written {
        fn width(&self) -> u16 {
            80
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            self.write_str("\n")
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_cursor_stays_behind_the_text() {
        let written: &'static Written = Box::leak(Box::default());
        let target = indicatif::ProgressDrawTarget::term_like(Box::new(MovingLine(written)));
        let style = indicatif::ProgressStyle::with_template("{wide_msg}").unwrap();
        let bar = indicatif::ProgressBar::with_draw_target(None, target).with_style(style);
        bar.set_message("GET /slow");
        bar.tick();
        assert!(written.0.lock().unwrap().ends_with("GET /slow\u{1b}[K"), "{written:?}");
        bar.set_message("x".repeat(100));
        bar.tick();
        assert!(!written.0.lock().unwrap().contains(&"x".repeat(77)), "there is room for what is echoed");
    }
}
