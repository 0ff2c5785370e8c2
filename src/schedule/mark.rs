//! How a file or an entry says that it was made here, and that nobody has changed it since.

use super::job::JobId;
use super::text::one_line;
use crate::model::hex::hex;
use sha2::{Digest, Sha256};

const BEGIN: &str = "# made by runner schedule: ";

/// What the first line of a file or an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Whose it is.
    pub id: JobId,
    /// The playbook, in one line.
    pub playbook: String,
}

/// Whose a text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It was made here and is as it was made.
    Made(Mark),
    /// It was made here, and changed by somebody.
    Edited(Mark),
    /// It has nothing to do with us.
    Foreign,
}

/// A text with its mark before it.
pub fn marked(id: &JobId, playbook: &str, text: &str) -> String {
    let checksum = checksum(id, playbook, text);
    format!("{BEGIN}{} {checksum} {}\n{text}", id.as_str(), one_line(playbook))
}

/// Whose a text is.
pub fn origin(text: &str) -> Origin {
    let Some((line, rest)) = text.split_once('\n') else { return Origin::Foreign };
    let Some((mark, written)) = read_mark(line) else { return Origin::Foreign };
    match checksum(&mark.id, &mark.playbook, rest) == written {
        true => Origin::Made(mark),
        false => Origin::Edited(mark),
    }
}

/// The mark in a line, and its checksum.
pub(super) fn read_mark(line: &str) -> Option<(Mark, &str)> {
    let mut words = line.strip_prefix(BEGIN)?.splitn(3, ' ');
    let id = JobId::read(words.next()?)?;
    let checksum = words.next()?;
    Some((Mark { id, playbook: words.next()?.to_owned() }, checksum))
}

fn checksum(id: &JobId, playbook: &str, text: &str) -> String {
    let whole = format!("{} {}\n{text}", id.as_str(), one_line(playbook));
    hex(&Sha256::digest(whole)[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_known_and_what_was_changed_too() {
        let id = JobId::of("/srv/a b\n.yaml");
        let text = marked(&id, "/srv/a b\n.yaml", "[Unit]\n");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(matches!(origin(&text), Origin::Made(mark) if mark.id == id));
        for changed in [text.replace("Unit", "Timer"), format!("{text}\n"), text.replace("/srv", "/tmp")] {
            assert!(matches!(origin(&changed), Origin::Edited(_)), "{changed}");
        }
        for foreign in ["", "[Unit]\n", "# made by hand\n[Unit]\n", "# made by runner schedule: x y z\n"] {
            assert_eq!(origin(foreign), Origin::Foreign, "{foreign}");
        }
    }
}
