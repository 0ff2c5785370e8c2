//! The pages of a request, one after the other.

use super::call::{Call, Settled};
use super::core::Engine;
use super::error::StepError;
use super::pages::{Pager, first_position, put_position};
use super::rows;
use super::save::SavedFile;
use super::scope::Scopes;
use super::tally::Tally;
use crate::document::{Paginate, Reader};
use crate::event::{EventKind, FailureDraft};
use crate::exchange::{Answer, Rendered, UNDECLARED_JSON};
use crate::model::exit::Cause;
use crate::plan::PlannedRequest;
use crate::template::{Data, SharedJson};
use serde_json::{Value as Json, json};

/// What the pages of a request have brought together.
pub struct Pages {
    /// The last of them.
    pub last: Settled,
    /// The rows of all, if they are kept.
    pub kept: Vec<Json>,
    /// How many rows there are; `None` where none are read.
    pub row_count: Option<u64>,
}

impl Pages {
    /// The rows for templates, if one of them reads them.
    pub fn take_kept(&mut self, request: &PlannedRequest) -> Option<SharedJson> {
        // The file may still want the rows of a round.
        let kept = request.rows.are_kept.then(|| match &request.until {
            Some(_) => self.kept.clone(),
            None => std::mem::take(&mut self.kept),
        });
        kept.map(|kept| SharedJson::from(Json::Array(kept)))
    }

    /// Sets what can be read once the answer is there.
    pub fn set_answer(&self, scopes: &mut Scopes, rows: Option<&SharedJson>) {
        let response = self.last.answer.as_ref().map_or(Data::Json(Json::Null), Answer::data);
        scopes.set("response", &response);
        scopes.set("row_count", &json!(self.row_count).into());
        scopes.set("rows", &rows.cloned().map_or(Data::Json(Json::Null), Data::Shared));
    }
}

impl Engine<'_> {
    /// Fetches all pages; without paging, the one answer. Rows are saved page by page, unless it may have to be asked again
    /// for all of them.
    ///
    /// # Errors
    /// When a page cannot be had, or the list is not complete.
    pub async fn pages(
        &self,
        call: &mut Call<'_>,
        rendered: &mut Rendered,
        scopes: &Scopes,
        tally: &mut Tally,
        file: &mut Option<SavedFile>,
    ) -> Result<Pages, StepError> {
        let request = call.request;
        let mut pager = request.paginate.as_ref().map(Pager::new);
        if let Some(keys) = &request.paginate
            && let Some(position) = first_position(keys)
        {
            self.set_position(rendered, keys, position, call)?;
        }
        let mut kept = Vec::new();
        loop {
            call.subject.page = pager.as_ref().map(|pager| pager.page() + 1);
            let settled = self.fetch(call, rendered, tally).await?;
            self.judge(call, &settled, scopes)?;
            let rows = self.take_rows(call, &settled)?;
            if request.until.is_none() {
                self.save(call, &settled, rows.as_deref(), scopes, file)?;
            }
            if let Some(rows) = &rows {
                tally.rows = Some(tally.rows.unwrap_or(0) + rows.len() as u64);
            }
            let next = self.next_position(call, pager.as_mut(), &settled, rows.as_deref(), tally)?;
            kept.extend(rows.filter(|_| keeps_rows(request)).into_iter().flatten());
            let (Some(position), Some(keys)) = (next, &request.paginate) else {
                return Ok(Pages { last: settled, kept, row_count: tally.rows });
            };
            self.set_position(rendered, keys, position, call)?;
        }
    }

    fn set_position(
        &self,
        rendered: &mut Rendered,
        keys: &Paginate,
        position: String,
        call: &Call<'_>,
    ) -> Result<(), StepError> {
        if put_position(rendered, keys, position) {
            return Ok(());
        }
        let headline =
            format!("the body of `{}` has no place for the page: it is no JSON map", call.subject.what);
        Err(self.error(FailureDraft::new(Cause::Step, headline).at(keys.param.span)))
    }

    fn next_position(
        &self,
        call: &Call<'_>,
        pager: Option<&mut Pager<'_>>,
        settled: &Settled,
        rows: Option<&[Json]>,
        tally: &mut Tally,
    ) -> Result<Option<String>, StepError> {
        let Some(pager) = pager else { return Ok(None) };
        let read = |reader: &Reader| settled.answer.as_ref()?.read(reader);
        let next = pager.take(rows.unwrap_or_default(), &read);
        tally.pages = Some(pager.page());
        self.events.emit(EventKind::StepProgress {
            page: Some((pager.page(), pager.pages())),
            item: None,
            round: None,
            rows: tally.rows.unwrap_or(0),
        });
        next.map_err(|problem| self.error(call.subject.incomplete(&problem).request(&settled.request_line)))
    }

    /// Takes the rows out of an answer, if the step wants them.
    fn take_rows(&self, call: &Call<'_>, settled: &Settled) -> Result<Option<Vec<Json>>, StepError> {
        if !call.request.rows.are_read {
            return Ok(None);
        }
        let body = settled.answer.as_ref().map_or(&Json::Null, |answer| &answer.body);
        rows::extract(&call.request.rows, body).map(Some).map_err(|problem| {
            let trouble = call.subject.no_rows(&problem).request(&settled.request_line);
            let undeclared = settled.answer.as_ref().and_then(Answer::undeclared_json);
            let trouble = match undeclared {
                Some(words) => trouble.note(words).advice(UNDECLARED_JSON),
                None => trouble,
            };
            self.error(self.minding_done(trouble, call))
        })
    }
}

/// Whether all rows are needed at once: a template reads them, or it is not known yet whether they are what is saved.
fn keeps_rows(request: &PlannedRequest) -> bool {
    request.rows.are_kept || (request.until.is_some() && request.save.is_some())
}
