//! The file that a step writes, from its beginning to its name.

use super::call::{Call, Settled};
use super::core::Engine;
use super::error::StepError;
use super::outlets::unwritable;
use super::save::{SavedFile, partial_name};
use super::scope::{Scopes, StepRecord};
use super::stage::Stage;
use super::tally::Tally;
use crate::document::Field;
use crate::event::{FailureDraft, FileNote};
use crate::exchange::Value;
use crate::model::exit::Cause;
use crate::model::words::counted;
use crate::plan::{PlannedSave, PlannedStep, SaveForm, StepKind};
use crate::template::{Moment, Template};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::path::Path;

impl Engine<'_> {
    /// Begins the file of a step before anything is sent, so that a place where nothing can be written does no harm.
    ///
    /// # Errors
    /// When it cannot be written there.
    pub async fn begin_file(
        &self,
        step: &PlannedStep,
        stage: &Stage,
    ) -> Result<Option<SavedFile>, StepError> {
        let StepKind::Request(request) = &step.kind else { return Ok(None) };
        let Some(PlannedSave { file, form, .. }) = &request.save else { return Ok(None) };
        let expressions: Vec<_> = file.expressions().collect();
        let scope = self.scope(stage, &Moment::of(self.world), &expressions).await?;
        let path = file.evaluate(&scope).map_err(|error| self.evaluation_error(&error))?;
        let path = path.value.as_str().unwrap_or_default().to_owned();
        let created = SavedFile::create(&*self.world.output, path.as_ref(), *form);
        created.map(Some).map_err(|error| self.file_error(path.as_ref(), &error))
    }

    /// Gives the file its name if all is in it; else what is there stays as `FILE.partial`, and the failure says so.
    ///
    /// # Errors
    /// The step's own, or that of the file.
    pub fn end_file(
        &self,
        file: SavedFile,
        end: Result<StepRecord, StepError>,
        tally: &mut Tally,
    ) -> Result<StepRecord, StepError> {
        let path = file.path().to_owned();
        let error = match end {
            Ok(record) => {
                file.commit().map_err(|error| self.file_error(&path, &error))?;
                let path = self.events.clean(path.display().to_string());
                tally.file = Some(FileNote { path, is_complete: true });
                return Ok(record);
            }
            Err(error) => error,
        };
        let name = partial_name(&path);
        match (file.has_content(), file.leave_partial()) {
            (false, _) => Err(error),
            (true, Ok(())) => {
                tally.file = Some(FileNote { path: self.events.clean(&name), is_complete: false });
                Err(self.with_partial(error, &name, tally))
            }
            (true, Err(problem)) => {
                self.events.warn(format!("failed to leave {name}: {problem}"));
                Err(error)
            }
        }
    }

    fn with_partial(&self, error: StepError, name: &str, tally: &Tally) -> StepError {
        let Some(mut failure) = error.failure else { return error };
        let what = match (tally.rows, tally.pages) {
            (Some(rows), Some(pages)) => {
                format!("{} of {}", counted(rows, "row"), counted(pages.into(), "page"))
            }
            (Some(rows), None) => counted(rows, "row"),
            (None, _) => "what came before".to_owned(),
        };
        let first = failure.advice.take().map(|advice| format!("{advice}. ")).unwrap_or_default();
        failure.advice = Some(self.events.clean(format!("{first}{what} are in {name}")));
        StepError { failure: Some(failure), ..error }
    }

    /// Writes an answer, or its rows, into the step's file.
    ///
    /// # Errors
    /// As the operating system says, or when a column cannot be computed.
    pub fn save(
        &self,
        call: &Call<'_>,
        settled: &Settled,
        rows: Option<&[Json]>,
        scopes: &Scopes,
        file: &mut Option<SavedFile>,
    ) -> Result<(), StepError> {
        let (Some(save), Some(file)) = (&call.request.save, file) else { return Ok(()) };
        let written = match (save.form, &settled.answer) {
            (SaveForm::Body, Some(answer)) => file.push_body(&answer.bytes),
            (SaveForm::Body, None) => Ok(()),
            (SaveForm::Rows(_), _) => {
                let rows = rows.unwrap_or_default().iter();
                let rows = rows.map(|row| self.columns(save, row, scopes)).collect::<Result<Vec<_>, _>>()?;
                rows.iter().try_for_each(|row| file.push_row(row))
            }
        };
        written.map_err(|error| self.file_error(file.path(), &error))
    }

    /// The failure of a file.
    pub fn file_error(&self, path: &Path, error: &std::io::Error) -> StepError {
        self.error(unwritable(path, error))
    }

    /// A row reduced to the columns that are wanted. A path that finds nothing gives null.
    fn columns<'r>(
        &self,
        save: &PlannedSave,
        row: &'r Json,
        scopes: &Scopes,
    ) -> Result<Cow<'r, Json>, StepError> {
        if save.fields.is_empty() {
            return Ok(Cow::Borrowed(row));
        }
        let mut columns = serde_json::Map::new();
        for (name, field) in save.fields.iter() {
            let value = match field {
                Field::Path(path) => path.read(row).unwrap_or(Json::Null),
                Field::Template(template) => self.column(&name.value, template, row, scopes)?,
            };
            columns.insert(name.value.clone(), value);
        }
        Ok(Cow::Owned(Json::Object(columns)))
    }

    fn column(
        &self,
        name: &str,
        template: &Template,
        row: &Json,
        scopes: &Scopes,
    ) -> Result<Json, StepError> {
        let scope = scopes.playbook.clone().with("row", row.clone());
        let value = Value::of_template(template, &scope, self.events.redactor());
        let value = value.map_err(|error| self.evaluation_error(&error))?;
        match value.secrets.is_empty() {
            true => Ok(value.json),
            false => {
                let headline = format!("the column `{name}` would hold a secret");
                Err(self.error(FailureDraft::new(Cause::Step, headline).at(template.span())))
            }
        }
    }
}
