//! One request and its answer: templates rendered, sent within the origins that are allowed, the answer decoded and read.
//!
//! [`render`] makes a [`Rendered`] of what was written, [`Exchange::send`] is the one function that sends, and an
//! [`Answer`] is what came back. Imports `credential`, `plan`, `event` and what lies below.

mod answer;
mod aside;
mod breaker;
mod budget;
mod errors;
mod flight;
mod json;
mod limit;
mod origin;
mod part;
mod realm;
mod render;
mod rendered;
pub mod retry;
mod send;
mod shown;
mod value;
mod wire;

pub use answer::{Answer, BodyError, UNDECLARED_JSON};
pub use aside::{send_aside, shown_aside};
pub use breaker::Breaker;
pub use errors::{SOMEONE_IN_FRONT, Said, hint, status_text};
pub use limit::Limiter;
pub use origin::Origin;
pub use realm::{Realm, Realms};
pub use render::{Parts, render};
pub use rendered::Rendered;
pub use send::{Attempt, AttemptRecord, Exchange, SendError, Sending, Turn, is_redirect};
pub use shown::RenderError;
pub use value::Value;
