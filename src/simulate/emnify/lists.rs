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
        let rows = Rows::selected(kind, call, self.options.devices)?;
        let (default_size, max_size) = kind.page_sizes();
        let page = Page::read(call, rows.count(), default_size, max_size)?;
        let row = |place: usize| if is_descending { rows.count() - 1 - place } else { place };
        let records = (page.start()..page.end()).map(|place| kind.record(rows.index(row(place))));
        Ok(page.answer(records.collect(), if is_descending { "-id" } else { "id" }))
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

/// The records that a list goes through, in the order of their ids.
enum Rows {
    /// All of this many; kept as a number, because a large fleet is listed in a thousand pages.
    All(usize),
    /// Those at these indexes.
    Chosen(Vec<usize>),
}

impl Rows {
    /// The rows that `q` asks for; the simulator knows the fields `id` and `status`.
    fn selected(kind: Kind, call: &Call, total: usize) -> Result<Self, Answer> {
        let query = call.query("q").unwrap_or_default();
        let criteria = query.split(',').filter(|criterion| !criterion.is_empty());
        criteria.map(read_criterion).try_fold(Self::All(total), |rows, criterion| {
            let (field, wanted) = criterion?;
            Ok(rows.retained(|index| match field {
                Field::Id => kind.id(index) == wanted,
                Field::Status => kind.status(index) as u64 == wanted,
            }))
        })
    }

    fn retained(self, is_wanted: impl Fn(usize) -> bool) -> Self {
        Self::Chosen((0..self.count()).map(|row| self.index(row)).filter(|&index| is_wanted(index)).collect())
    }

    fn count(&self) -> usize {
        match self {
            Self::All(total) => *total,
            Self::Chosen(indexes) => indexes.len(),
        }
    }

    fn index(&self, row: usize) -> usize {
        match self {
            Self::All(_) => row,
            Self::Chosen(indexes) => indexes[row],
        }
    }
}

/// What one can filter by.
#[derive(Clone, Copy)]
enum Field {
    Id,
    Status,
}

/// Reads `field:number`.
fn read_criterion(criterion: &str) -> Result<(Field, u64), Answer> {
    let read = || {
        let (field, wanted) = criterion.split_once(':')?;
        let field = match field {
            "id" => Field::Id,
            "status" => Field::Status,
            _ => return None,
        };
        Some((field, wanted.parse().ok()?))
    };
    let message = || format!("Criterion '{criterion}' is not supported.");
    read().ok_or_else(|| error(StatusCode::UNPROCESSABLE_ENTITY, INVALID_QUERY, &message()))
}
