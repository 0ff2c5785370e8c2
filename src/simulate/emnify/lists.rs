//! Numbered pages: their size clamped, their number too, so that behind the last page comes the last page again.

use http::StatusCode;
use serde_json::Value;

use super::api::{Emnify, number};
use super::error::{BAD_REQUEST, INVALID_QUERY, INVALID_REFERENCE, INVALID_SORT, error};
use super::records::Kind;
use crate::simulate::answer::Answer;
use crate::simulate::call::Call;
use crate::simulate::route::Params;

impl Emnify {
    pub(super) fn list(&mut self, kind: Kind, call: &Call) -> Result<Answer, Answer> {
        self.signed_in(call)?;
        let is_descending = is_descending(call)?;
        let mut indexes = selected(kind, call, self.options.devices)?;
        if is_descending {
            indexes.reverse();
        }
        let (default_size, max_size) = kind.page_sizes();
        let page = Page::read(call, indexes.len(), default_size, max_size)?;
        let rows = indexes[page.start()..page.end()].iter().map(|&index| kind.record(index));
        Ok(page.answer(rows.collect(), if is_descending { "-id" } else { "id" }))
    }

    pub(super) fn show(&mut self, kind: Kind, call: &Call, params: &Params) -> Result<Answer, Answer> {
        self.signed_in(call)?;
        let id = number(params.get("id"))?;
        match kind.index(id).filter(|&index| index < self.options.devices) {
            Some(index) => Ok(Answer::json(StatusCode::OK, &kind.record(index))),
            None => {
                let message = format!("{} with Id '{}' not found.", kind.title(), params.get("id"));
                Err(error(StatusCode::NOT_FOUND, INVALID_REFERENCE, &message))
            }
        }
    }
}

/// One page of a list that is neither filtered nor sorted.
pub(super) fn paged(
    call: &Call,
    total: usize,
    default_size: usize,
    row: impl Fn(usize) -> Value,
) -> Result<Answer, Answer> {
    let page = Page::read(call, total, default_size, default_size)?;
    Ok(page.answer((page.start()..page.end()).map(row).collect(), "id"))
}

/// Which rows of a list are asked for.
#[derive(Debug, Clone, Copy)]
struct Page {
    number: usize,
    size: usize,
    total: usize,
}

impl Page {
    fn read(call: &Call, total: usize, default_size: usize, max_size: usize) -> Result<Self, Answer> {
        let size = match integer(call, "per_page")? {
            Some(size) if size > 0 => usize::try_from(size).unwrap_or(max_size).min(max_size),
            _ => default_size,
        };
        let asked = usize::try_from(integer(call, "page")?.unwrap_or(1)).unwrap_or(1);
        let page = Self { number: 1, size, total };
        Ok(Self { number: asked.clamp(1, page.count()), ..page })
    }

    /// How many pages there are; an empty list has one.
    fn count(self) -> usize {
        self.total.div_ceil(self.size).max(1)
    }

    fn start(self) -> usize {
        (self.number - 1) * self.size
    }

    fn end(self) -> usize {
        (self.start() + self.size).min(self.total)
    }

    /// The old and the new names of the headers, as the newer recordings have them both.
    fn answer(self, rows: Vec<Value>, sort: &'static str) -> Answer {
        Answer::json(StatusCode::OK, &Value::Array(rows))
            .with("x-current-page", self.number)
            .with("x-count-per-page", self.size)
            .with("x-total-pages", self.count())
            .with("x-total-count", self.total)
            .with("x-sort", sort)
            .with("x-page", self.number)
            .with("x-per-page", self.size)
            .with("x-pages", self.count())
            .with("x-count", self.total)
    }
}

fn integer(call: &Call, name: &str) -> Result<Option<i64>, Answer> {
    let Some(text) = call.query(name) else { return Ok(None) };
    let message = || format!("Cannot parse parameter {name} as Int");
    text.parse().map(Some).map_err(|_| error(StatusCode::BAD_REQUEST, BAD_REQUEST, &message()))
}

/// The simulator sorts by id only.
fn is_descending(call: &Call) -> Result<bool, Answer> {
    match call.query("sort").as_deref() {
        None | Some("id" | "+id") => Ok(false),
        Some("-id") => Ok(true),
        Some(other) => {
            let message = format!("Sorting by '{other}' is not supported.");
            Err(error(StatusCode::UNPROCESSABLE_ENTITY, INVALID_SORT, &message))
        }
    }
}

/// The rows that `q` asks for; the simulator knows the fields `id` and `status`.
fn selected(kind: Kind, call: &Call, total: usize) -> Result<Vec<usize>, Answer> {
    let mut indexes: Vec<usize> = (0..total).collect();
    let query = call.query("q").unwrap_or_default();
    for criterion in query.split(',').filter(|criterion| !criterion.is_empty()) {
        let invalid = || {
            let message = format!("Criterion '{criterion}' is not supported.");
            error(StatusCode::UNPROCESSABLE_ENTITY, INVALID_QUERY, &message)
        };
        let (field, wanted) = criterion.split_once(':').ok_or_else(invalid)?;
        let wanted: u64 = wanted.parse().map_err(|_| invalid())?;
        match field {
            "id" => indexes.retain(|&index| kind.id(index) == wanted),
            "status" => indexes.retain(|&index| kind.status(index) as u64 == wanted),
            _ => return Err(invalid()),
        }
    }
    Ok(indexes)
}
