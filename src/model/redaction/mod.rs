//! Takes secrets out of text before it leaves the engine: [`Redactor`] knows them, [`RedactingWriter`] stands
//! before every sink.
//!
//! A secret may reach a text in many spellings, and two ways find them. An encoding that hides the whole
//! value (base64, hex) is spelled out beforehand: `forms`. An encoding that escapes single characters (`%2F`,
//! `\u00e9`, `&quot;`, a wrapped line) has too many spellings for that, so it is undone in the text: `views`.
//! `matcher` looks for all forms in all views and maps what it finds back to the text. Encodings nest, and
//! both ways nest with them.
mod forms;
mod matcher;
mod redactor;
mod views;
mod writer;

pub use redactor::{Learned, Redactor, each_text, placeholder};
pub use writer::RedactingWriter;
