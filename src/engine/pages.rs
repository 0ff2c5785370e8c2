//! From one page of a list to the next, and whether the list is complete.

use crate::document::{PageKind, PagePlace, Paginate, Reader};
use crate::exchange::Rendered;
use crate::source::Spanned;
use crate::template::json_to_text;
use serde_json::Value as Json;
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use thiserror::Error;

const MAX_PAGES: u32 = 10_000;

/// A list is not complete, or cannot be known to be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PageProblem {
    /// A reader that the author declared found nothing, or no number.
    #[error("page {page} does not say {what}, which `{key}` reads")]
    Silent {
        /// The page, 1-based.
        page: u32,
        /// What is missing: `how many pages there are`.
        what: &'static str,
        /// The key of the reader.
        key: &'static str,
    },
    /// The next page's cursor is a list or map.
    #[error("page {page} names the next one by something that is neither text nor number")]
    OddCursor {
        /// The page, 1-based.
        page: u32,
    },
    /// A cursor came again: the pages would never end.
    #[error("page {page} names a next page that was fetched before")]
    RepeatedCursor {
        /// The page, 1-based.
        page: u32,
    },
    /// The page has the rows of the page before.
    #[error("page {page} repeats the rows of page {before}", before = page - 1)]
    RepeatedPage {
        /// The page, 1-based.
        page: u32,
    },
    /// There are more pages than `max_pages`.
    #[error("there are more than {max} pages (`max_pages`)")]
    TooMany {
        /// The limit.
        max: u32,
    },
    /// The rows are not as many as the provider said.
    #[error("{rows} rows came, but the provider says that there are {total}")]
    Miscounted {
        /// How many came.
        rows: u64,
        /// How many there should be.
        total: u64,
    },
}

/// The position that the first request of a list carries; `None` = none.
pub fn first_position(keys: &Paginate) -> Option<String> {
    match keys.by.value {
        PageKind::Page => Some(number(keys, 0).to_string()),
        PageKind::Cursor => None,
    }
}

fn number(keys: &Paginate, pages_before: u32) -> u64 {
    let value = |key: &Option<Spanned<u32>>| key.as_ref().map_or(1, |key| u64::from(key.value));
    value(&keys.start) + u64::from(pages_before) * value(&keys.step)
}

/// Puts a position on a request. Returns false when it belongs into the body and that is no JSON map.
#[must_use]
pub fn put_position(rendered: &mut Rendered, keys: &Paginate, position: String) -> bool {
    match keys.place {
        Some(PagePlace::Json) => rendered.set_json(&keys.param.value, number_or_text(position)),
        Some(PagePlace::Query) | None => {
            rendered.set_query(&keys.param.value, position);
            true
        }
    }
}

/// A number in a JSON body is written as one, unless that would change its digits.
fn number_or_text(position: String) -> Json {
    match position.parse::<u64>() {
        Ok(number) if number.to_string() == position => number.into(),
        _ => position.into(),
    }
}

/// Walks the pages of one list.
pub struct Pager<'a> {
    keys: &'a Paginate,
    page: u32,
    rows: u64,
    pages: Option<u64>,
    total: Option<u64>,
    seen_cursors: HashSet<String>,
    last_page: Option<u64>,
}

impl<'a> Pager<'a> {
    /// Before the first page.
    pub fn new(keys: &'a Paginate) -> Self {
        Self {
            keys,
            page: 0,
            rows: 0,
            pages: None,
            total: None,
            seen_cursors: HashSet::new(),
            last_page: None,
        }
    }

    /// The pages that were taken.
    pub fn page(&self) -> u32 {
        self.page
    }

    /// How many pages there are, if the provider has said so.
    pub fn pages(&self) -> Option<u32> {
        self.pages.map(|pages| u32::try_from(pages).unwrap_or(u32::MAX))
    }

    /// Takes a page. `read` reads from its answer. Returns the position of the next page; `None` = this was the last.
    ///
    /// # Errors
    /// A [`PageProblem`]: the list is not complete, or nobody can tell.
    pub fn take(
        &mut self,
        rows: &[Json],
        read: &dyn Fn(&Reader) -> Option<Json>,
    ) -> Result<Option<String>, PageProblem> {
        self.page += 1;
        self.rows += rows.len() as u64;
        self.refuse_repetition(rows)?;
        self.pages = self.number_of(&self.keys.pages, "how many pages there are", "pages", read)?;
        self.total = self.number_of(&self.keys.total, "how many rows there are", "total", read)?;
        let next = match self.keys.by.value {
            PageKind::Page => self.next_number(rows.is_empty()),
            PageKind::Cursor => self.next_cursor(read)?,
        };
        match next {
            None => self.refuse_miscount().map(|()| None),
            Some(_) if self.page >= self.max_pages() => Err(PageProblem::TooMany { max: self.max_pages() }),
            next => Ok(next),
        }
    }

    fn max_pages(&self) -> u32 {
        self.keys.max_pages.as_ref().map_or(MAX_PAGES, |max| max.value)
    }

    fn refuse_repetition(&mut self, rows: &[Json]) -> Result<(), PageProblem> {
        let fingerprint = (!rows.is_empty()).then(|| fingerprint(rows));
        match fingerprint.is_some() && fingerprint == self.last_page {
            true => Err(PageProblem::RepeatedPage { page: self.page }),
            false => {
                self.last_page = fingerprint;
                Ok(())
            }
        }
    }

    fn refuse_miscount(&self) -> Result<(), PageProblem> {
        match self.total {
            Some(total) if total != self.rows => Err(PageProblem::Miscounted { rows: self.rows, total }),
            _ => Ok(()),
        }
    }

    fn number_of(
        &self,
        reader: &Option<Reader>,
        what: &'static str,
        key: &'static str,
        read: &dyn Fn(&Reader) -> Option<Json>,
    ) -> Result<Option<u64>, PageProblem> {
        let Some(reader) = reader else { return Ok(None) };
        let text = read(reader).and_then(|value| json_to_text(&value));
        match text.and_then(|text| text.trim().parse().ok()) {
            Some(number) => Ok(Some(number)),
            None => Err(PageProblem::Silent { page: self.page, what, key }),
        }
    }

    /// Where the provider says how many pages or rows there are, it is believed; else an empty page is the end, never a
    /// short one.
    fn next_number(&self, is_empty: bool) -> Option<String> {
        let is_last = match (self.pages, self.total) {
            (Some(pages), _) => u64::from(self.page) >= pages,
            (None, Some(total)) => is_empty || self.rows >= total,
            (None, None) => is_empty,
        };
        (!is_last).then(|| number(self.keys, self.page).to_string())
    }

    fn next_cursor(&mut self, read: &dyn Fn(&Reader) -> Option<Json>) -> Result<Option<String>, PageProblem> {
        let cursor = match self.keys.next.as_ref().and_then(read) {
            None | Some(Json::Null) => return Ok(None),
            Some(value) => json_to_text(&value).ok_or(PageProblem::OddCursor { page: self.page })?,
        };
        if cursor.is_empty() {
            return Ok(None);
        }
        match self.seen_cursors.insert(cursor.clone()) {
            true => Ok(Some(cursor)),
            false => Err(PageProblem::RepeatedCursor { page: self.page }),
        }
    }
}

fn fingerprint(rows: &[Json]) -> u64 {
    let mut hasher = DefaultHasher::new();
    rows.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::lower::{FromNode, Lower};
    use crate::document::{ReaderPlace, parse};
    use crate::source::{Diagnostics, SourceMap};
    use serde_json::json;

    fn paginate(yaml: &str) -> Paginate {
        let mut sources = SourceMap::default();
        let file = sources.add("t.yaml", yaml);
        let mut mistakes = Diagnostics::default();
        let node = parse(&sources, file, &mut mistakes).unwrap();
        Paginate::from_node(&node, &mut Lower::new(&mut mistakes)).unwrap()
    }

    /// Feeds pages: how many rows of which value, and the body that the readers read. Returns the positions that were
    /// asked for, and how it ended.
    fn walk(yaml: &str, pages: &[(&[i32], Json)]) -> (Vec<String>, Result<(), String>) {
        let keys = paginate(yaml);
        let mut pager = Pager::new(&keys);
        let mut asked = vec![first_position(&keys).unwrap_or_default()];
        for (rows, body) in pages {
            let read = |reader: &Reader| match &reader.place {
                ReaderPlace::Path(path) => path.read(body),
                _ => None,
            };
            let rows: Vec<Json> = rows.iter().map(|row| json!(row)).collect();
            match pager.take(&rows, &read) {
                Ok(Some(position)) => asked.push(position),
                Ok(None) => return (asked, Ok(())),
                Err(problem) => return (asked, Err(problem.to_string())),
            }
        }
        (asked, Err("another page is wanted".to_owned()))
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    const BY_PAGE: &str = "{ by: page, param: page, pages: $.pages, total: $.total }";
    const BY_CURSOR: &str = "{ by: cursor, param: after, next: $.next }";

    #[test]
    fn pages_are_fetched_up_to_the_declared_number() {
        let body = json!({"pages": 3, "total": "4"});
        // An empty page in the middle is not the end.
        let pages = [(&[1, 2][..], body.clone()), (&[], body.clone()), (&[3, 4], body)];
        assert_eq!(walk(BY_PAGE, &pages), (texts(&["1", "2", "3"]), Ok(())));
        let none = [(&[][..], json!({"pages": 0, "total": 0}))];
        assert_eq!(walk(BY_PAGE, &none), (texts(&["1"]), Ok(())));
    }

    #[test]
    fn start_and_step_make_the_numbers() {
        let keys = "{ by: page, param: p, start: 0, step: 50 }";
        let pages = [(&[1][..], json!({})), (&[2], json!({})), (&[], json!({}))];
        assert_eq!(walk(keys, &pages), (texts(&["0", "50", "100"]), Ok(())));
    }

    #[test]
    fn a_total_alone_ends_the_list() {
        let keys = "{ by: page, param: page, total: $.total }";
        let pages = [(&[1, 2][..], json!({"total": 3})), (&[3], json!({"total": 3}))];
        assert_eq!(walk(keys, &pages), (texts(&["1", "2"]), Ok(())));
    }

    #[test]
    fn cursors_lead_on_until_there_is_none() {
        let pages =
            [(&[1][..], json!({"next": "a"})), (&[], json!({"next": 7})), (&[2], json!({"next": null}))];
        assert_eq!(walk(BY_CURSOR, &pages), (texts(&["", "a", "7"]), Ok(())));
        assert_eq!(walk(BY_CURSOR, &[(&[1][..], json!({"next": ""}))]).1, Ok(()));
        assert_eq!(walk(BY_CURSOR, &[(&[1][..], json!({}))]).1, Ok(()));
    }

    #[test]
    fn a_list_that_is_not_complete_is_a_problem() {
        let says = |yaml, pages: &[(&[i32], Json)]| walk(yaml, pages).1.unwrap_err();
        let count = |pages, total| json!({"pages": pages, "total": total});
        assert_eq!(
            says(BY_PAGE, &[(&[1], count(2, 2)), (&[1], count(2, 2))]),
            "page 2 repeats the rows of page 1"
        );
        assert_eq!(
            says(BY_PAGE, &[(&[1], count(1, 2))]),
            "1 rows came, but the provider says that there are 2"
        );
        assert_eq!(
            says(BY_PAGE, &[(&[1], json!({"total": 1}))]),
            "page 1 does not say how many pages there are, which `pages` reads"
        );
        assert_eq!(
            says(BY_PAGE, &[(&[1], json!({"pages": 1, "total": "many"}))]),
            "page 1 does not say how many rows there are, which `total` reads"
        );
        let looped =
            [(&[1][..], json!({"next": "a"})), (&[2], json!({"next": "b"})), (&[3], json!({"next": "a"}))];
        assert_eq!(says(BY_CURSOR, &looped), "page 3 names a next page that was fetched before");
        assert_eq!(
            says(BY_CURSOR, &[(&[1], json!({"next": ["a"]}))]),
            "page 1 names the next one by something that is neither text nor number"
        );
        let capped = "{ by: cursor, param: after, next: $.next, max_pages: 1 }";
        assert_eq!(
            says(capped, &[(&[1], json!({"next": "a"}))]),
            "there are more than 1 pages (`max_pages`)"
        );
    }
}
