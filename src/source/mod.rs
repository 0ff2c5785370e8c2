//! Text with positions: files as they were read, spans within them, and diagnostics that point at them.
//!
//! Everything here is plain data. Rendering a diagnostic as a source snippet is the task of `cli::diagnostics`.

mod code;
mod diagnostic;
mod file;
mod span;
mod suggest;
mod text;

pub use code::Code;
pub use diagnostic::{Diagnostic, Diagnostics, Label, Severity};
pub use file::{FileId, Position, SourceFile, SourceMap};
pub use span::{Span, Spanned};
pub use suggest::nearest;
pub use text::Text;
