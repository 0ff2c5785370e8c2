//! Files that are read: whether a playbook may read where a path leads, and why one was not read.

use super::context::Context;
use crate::port::{OutOfReach, Reach};
use crate::source::{Code, Diagnostic, Span};
use crate::template::Template;
use std::io;
use std::path::Path;

/// Reports a path that leads where a playbook must not read, as far as it is known. What was downloaded must not read
/// others' files and send them.
pub(super) fn check(context: &Context<'_>, path: &Template) {
    let reach = of_playbook(context);
    let checked = match path.as_literal() {
        Some(literal) => reach.locate(literal).map(|_| ()),
        None => reach.check_start(path.literal_start()),
    };
    if let Err(error) = checked {
        report(context, path.span(), &error);
    }
}

/// What paths of the playbook can lead to.
pub(super) fn of_playbook<'c>(context: &'c Context<'_>) -> Reach<'c> {
    Reach { surroundings: context.surroundings, folder: &context.folder }
}

/// Says that a path is out of reach. What else keeps a file from being read shows when it is read.
pub(super) fn report(context: &Context<'_>, span: Span, error: &OutOfReach) {
    let OutOfReach::NotAllowed { folder } = error else { return };
    let message = "files are read from the playbook's folder and below";
    let help = format!("allow it with `--allow-read {}`, or move the file", folder.display());
    context.report(Diagnostic::new(Code::FileOutOfReach, span, message).help(help));
}

/// Why a file was not read, without the numbers of the operating system.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> String {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission is missing".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::InvalidData => "it is no text in UTF-8".to_owned(),
        _ => error.to_string(),
    };
    format!("{} cannot be read: {reason}", path.display())
}
