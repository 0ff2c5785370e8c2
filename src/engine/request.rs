//! A step that sends a request: rendered once, all its pages fetched, the answer judged, read and kept.

use super::core::{Engine, moment};
use super::error::StepError;
use super::expect;
use super::failure::{Subject, Trouble};
use super::fetch::{Call, Settled};
use super::outputs::{self, OutputProblem, Outputs};
use super::pages::{Pager, first_position, put_position};
use super::references::own_expressions;
use super::rows;
use super::save::SavedFile;
use super::scope::StepRecord;
use super::stage::Stage;
use super::tally::Tally;
use super::value::Value;
use crate::document::{Field, Literal, Paginate, Reader, Tree};
use crate::event::EventKind;
use crate::exchange::{Answer, Origin, Parts, Realm, RenderError, Rendered, render};
use crate::model::exit::Cause;
use crate::model::words::counted;
use crate::plan::{
    PlannedCall, PlannedPath, PlannedRequest, PlannedSave, PlannedStep, SaveForm, Scoped, TemplateScope,
};
use crate::template::{Data, Moment, Scope, SharedJson};
use serde_json::{Value as Json, json};
use std::borrow::Cow;
use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use url::Url;

/// What the templates of a request see, by the place where they are written.
pub struct Scopes {
    /// Those of the playbook.
    pub playbook: Scope,
    /// Those of a definition's operation; as the playbook's where there is none.
    pub operation: Scope,
}

impl Scopes {
    /// What a template that is written at such a place sees.
    pub fn of(&self, scope: TemplateScope) -> &Scope {
        match scope {
            TemplateScope::Playbook => &self.playbook,
            TemplateScope::Operation => &self.operation,
        }
    }

    /// Pairs each with what it sees.
    pub fn pair<'s, T>(&'s self, scoped: &'s [Scoped<T>]) -> Vec<(&'s T, &'s Scope)> {
        scoped.iter().map(|one| (&one.value, self.of(one.scope))).collect()
    }

    fn set(&mut self, name: &str, data: &Data) {
        self.playbook.set(name, data.clone());
        self.operation.set(name, data.clone());
    }
}

/// What the pages of a request have brought together.
struct Pages {
    last: Settled,
    kept: Vec<Json>,
    row_count: Option<u64>,
}

impl<'a> Engine<'a> {
    /// Sends the request of a step, for one item if the step is a loop.
    ///
    /// # Errors
    /// When the answer is not what the step wants, or there is none.
    pub async fn request(
        &self,
        step: &'a PlannedStep,
        request: &'a PlannedRequest,
        stage: &Stage,
        tally: &mut Tally,
        file: &mut Option<SavedFile>,
    ) -> Result<StepRecord, StepError> {
        let subject = self.subject(request);
        self.ready(request, stage, &subject).await?;
        let moment = moment(self.world);
        let mut scopes = self.scopes(step, request, stage, &moment).await?;
        let rendered = self.render(request, &scopes);
        let mut rendered = rendered.map_err(|error| self.render_error(&error, &subject.request()))?;
        let subject = subject.with_target(request, &rendered);
        let mut call = self.call(step, request, stage, subject, &scopes)?;
        let registration = self.cleanup.register(step, &stage.frame);
        let pages = self.pages(&mut call, &mut rendered, &scopes, tally, file).await;
        if !call.may_be_done.get() {
            self.cleanup.drop(registration);
        }
        self.conclude(step, stage, &call, pages?, &mut scopes)
    }

    /// Signs in before the request is rendered, since its templates may name the session.
    async fn ready(
        &self,
        request: &PlannedRequest,
        stage: &Stage,
        subject: &Subject,
    ) -> Result<(), StepError> {
        let Some(provider) = request.provider.filter(|_| request.needs_session) else { return Ok(()) };
        let signed_in = stage.limits.finish(self.world, self.sessions.ready(provider)).await;
        let what = format!("the sign-in before {}", subject.request());
        signed_in.map_err(|interruption| self.interrupted(interruption, &what))??;
        Ok(())
    }

    /// Which request it is, in words.
    pub fn subject(&self, request: &PlannedRequest) -> Subject {
        let provider = match (request.provider, &request.path) {
            (Some(provider), _) => self.plan.provider(provider).name.clone(),
            (None, path) => literal_host(path).unwrap_or_else(|| "the server".to_owned()),
        };
        let what = match &request.operation {
            Some(operation) => operation.name.clone(),
            None => format!("{} {}", request.method, request.path.source()),
        };
        Subject { provider, what, page: None }
    }

    async fn scopes(
        &self,
        step: &PlannedStep,
        request: &PlannedRequest,
        stage: &Stage,
        moment: &Moment,
    ) -> Result<Scopes, StepError> {
        let playbook = self.scope(stage, moment, &own_expressions(step)).await?;
        self.with_operation(request, playbook, moment)
    }

    /// Adds what the templates of the operation see.
    pub fn with_operation(
        &self,
        request: &PlannedRequest,
        playbook: Scope,
        moment: &Moment,
    ) -> Result<Scopes, StepError> {
        let Some(provider) = request.provider else {
            return Ok(Scopes { operation: playbook.clone(), playbook });
        };
        let mut operation = self.sessions.scope(provider, moment);
        if let Some(call) = &request.operation {
            operation.set("params", self.params(call, &playbook)?);
        }
        Ok(Scopes { playbook, operation })
    }

    /// The parameters of an operation: as given, else their defaults.
    fn params(&self, call: &PlannedCall, scope: &Scope) -> Result<Data, StepError> {
        let mut params = Vec::with_capacity(call.params.len());
        for param in &call.params {
            let given = match &param.value {
                Some(tree) => Value::of_tree(tree, scope, self.events.redactor())
                    .map_err(|error| self.evaluation_error(&error))?,
                None => Value::default(),
            };
            let is_given = !given.json.is_null() || !given.unknown.is_empty();
            let data = match (is_given, &param.declaration.default) {
                (true, _) => given.into_data(),
                (false, Some(Literal { value, .. })) => Data::Json(value.clone()),
                (false, None) => return Err(self.missing_param(call, &param.name, param.value.as_ref())),
            };
            params.push((param.name.clone(), data));
        }
        Ok(Data::Map(params))
    }

    fn missing_param(&self, call: &PlannedCall, name: &str, value: Option<&Tree>) -> StepError {
        let headline = format!("`{}` needs `{name}`, and what is given yields nothing", call.name);
        let trouble = Trouble::new(Cause::Step, headline);
        self.error(match value {
            Some(tree) => trouble.at(tree.span),
            None => trouble,
        })
    }

    /// Renders a request.
    ///
    /// # Errors
    /// As [`render`].
    pub fn render(&self, request: &PlannedRequest, scopes: &Scopes) -> Result<Rendered, RenderError> {
        let nowhere = Url::parse("https://invalid.").expect("an address");
        let base = request.provider.map_or(&nowhere, |provider| self.sessions.account(provider).base_url());
        let parts = Parts {
            method: &request.method,
            path: &request.path,
            base,
            query: &request.query,
            headers: scopes.pair(&request.headers),
            cookies: &request.cookies,
            body: &request.body,
            scope: scopes.of(request.scope),
            folder: &self.plan.folder,
            timeout: request.timeout,
        };
        render(&parts, self.events.redactor())
    }

    fn call<'c>(
        &self,
        step: &PlannedStep,
        request: &'c PlannedRequest,
        stage: &Stage,
        subject: Subject,
        scopes: &Scopes,
    ) -> Result<Call<'c>, StepError> {
        let realm = match request.provider {
            Some(provider) => self.sessions.account(provider).realm().clone(),
            None => self.realm_of_address(request, scopes)?,
        };
        let limit = request.rate_limit.as_ref();
        let limiter = limit.and_then(|limit| realm.operation_limiter(&subject.what, limit));
        Ok(Call {
            request,
            step_name: step.id.clone().unwrap_or_else(|| step.label()),
            subject,
            realm,
            limiter,
            limits: stage.limits,
            may_be_done: Cell::new(false),
        })
    }

    /// An address of its own is the only place where its request may go.
    fn realm_of_address(&self, request: &PlannedRequest, scopes: &Scopes) -> Result<Rc<Realm>, StepError> {
        let address = request.path.template().evaluate(scopes.of(request.scope));
        let address = address.map_err(|error| self.evaluation_error(&error))?;
        let url = address.value.as_str().and_then(|text| Url::parse(text).ok());
        let origin = url.as_ref().and_then(Origin::of);
        Ok(Rc::new(Realm::new(origin.into_iter().collect(), false)))
    }

    /// Fetches all pages; without paging, the one answer. Rows are saved page by page.
    async fn pages(
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
            let mut settled = self.fetch(call, rendered, tally).await?;
            self.judge(call, &settled, scopes)?;
            let rows = self.take_rows(call, &mut settled)?;
            self.save(call, &settled, rows.as_deref(), scopes, file)?;
            if let Some(rows) = &rows {
                tally.rows = Some(tally.rows.unwrap_or(0) + rows.len() as u64);
            }
            let next = self.next_position(call, pager.as_mut(), &settled, rows.as_deref(), tally)?;
            if let Some(rows) = rows.filter(|_| request.rows.are_kept) {
                kept.extend(rows);
            }
            match (next, &request.paginate) {
                (Some(position), Some(keys)) => self.set_position(rendered, keys, position, call)?,
                _ => return Ok(Pages { last: settled, kept, row_count: tally.rows }),
            }
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
        Err(self.error(Trouble::new(Cause::Step, headline).at(keys.param.span)))
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
            rows: tally.rows.unwrap_or(0),
        });
        next.map_err(|problem| self.error(call.subject.incomplete(&problem).request(&settled.request_line)))
    }

    /// Whether an answer is a success: its status, the provider's sign, a body that can be read.
    fn judge(&self, call: &Call<'_>, settled: &Settled, scopes: &Scopes) -> Result<(), StepError> {
        let Some(answer) = settled.answer.as_ref().filter(|_| !settled.is_fine) else { return Ok(()) };
        let fail = |trouble: Trouble| {
            let trouble = self.with_words_of_provider(trouble, call, answer);
            Err(self.error(trouble.request(&settled.request_line)))
        };
        if !call.request.status.contains(answer.status) {
            return fail(call.subject.refusal(answer));
        }
        if let Some(problem) = &answer.problem {
            let headline = format!("{}, but {problem}", call.subject.answered(answer.status));
            return fail(Trouble::new(Cause::Step, headline));
        }
        if is_foreign_page(call.request, answer) {
            let headline = format!("{} with an HTML page", call.subject.answered(answer.status));
            let advice =
                "something in front of the provider may have answered: a proxy, the sign-in of a network";
            return fail(Trouble::new(Cause::Step, headline).advice(advice));
        }
        let provider = call.request.provider.map(|provider| self.plan.provider(provider));
        if let Some(sign) = provider.and_then(|provider| provider.success.as_ref()) {
            let scope = scopes.operation.clone().with("response", answer.data());
            let is_success = sign.holds(&scope).map_err(|error| self.evaluation_error(&error))?;
            if !is_success {
                let headline = format!("{}, but says that it failed", call.subject.answered(answer.status));
                return fail(Trouble::new(Cause::Step, headline));
            }
        }
        self.judge_schema(call, answer).or_else(fail)
    }

    fn judge_schema(&self, call: &Call<'_>, answer: &Answer) -> Result<(), Trouble> {
        let Some(schema) = &call.request.schema else { return Ok(()) };
        let violations = expect::violations(schema, &answer.body).map_err(|reason| {
            Trouble::new(Cause::Invalid, format!("the schema under `expect` is no JSON Schema: {reason}"))
        })?;
        if violations.is_empty() {
            return Ok(());
        }
        let headline = format!("the answer to {} does not fulfil the schema", call.subject.request());
        Err(violations.iter().fold(Trouble::new(Cause::Step, headline), |trouble, violation| {
            let place = if violation.place.is_empty() { "the body itself" } else { &violation.place };
            trouble.note(format!("{place}: `{}`", violation.keyword))
        }))
    }

    /// Takes the rows out of an answer, if the step wants them.
    fn take_rows(&self, call: &Call<'_>, settled: &mut Settled) -> Result<Option<Vec<Json>>, StepError> {
        if !call.request.rows.are_read {
            return Ok(None);
        }
        let body = settled.answer.as_ref().map_or(&Json::Null, |answer| &answer.body);
        let rows = rows::extract(&call.request.rows, body);
        rows.map(Some)
            .map_err(|problem| self.error(call.subject.no_rows(&problem).request(&settled.request_line)))
    }

    fn save(
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
        let headline = format!("failed to write {}: {error}", path.display());
        self.error(Trouble::new(Cause::Machine, headline).advice("give it a place where it can be written"))
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
                Field::Template(template) => {
                    let scope = scopes.playbook.clone().with("row", row.clone());
                    let value = Value::of_template(template, &scope, self.events.redactor())
                        .map_err(|error| self.evaluation_error(&error))?;
                    if !value.secrets.is_empty() {
                        let headline = format!("the column `{}` would hold a secret", name.value);
                        return Err(self.error(Trouble::new(Cause::Step, headline).at(template.span())));
                    }
                    value.json
                }
            };
            columns.insert(name.value.clone(), value);
        }
        Ok(Cow::Owned(Json::Object(columns)))
    }

    /// Reads the outputs of the last answer and asks the conditions.
    fn conclude(
        &self,
        step: &PlannedStep,
        stage: &Stage,
        call: &Call<'_>,
        pages: Pages,
        scopes: &mut Scopes,
    ) -> Result<StepRecord, StepError> {
        let Pages { last, kept, row_count } = pages;
        let rows = call.request.rows.are_kept.then(|| SharedJson::from(Json::Array(kept)));
        if !call.request.that.is_empty() || !call.request.outputs.is_empty() {
            let response = last.answer.as_ref().map_or(Data::Json(Json::Null), Answer::data);
            scopes.set("response", &response);
            scopes.set("row_count", &json!(row_count).into());
            scopes.set("rows", &rows.clone().map_or(Data::Json(Json::Null), Data::Shared));
        }
        let outputs = self.outputs(call, &last, scopes)?;
        scopes.operation.set("outputs", Data::Map(outputs.clone()));
        let status = Some(last.status);
        let record = StepRecord { has_succeeded: true, is_skipped: false, status, outputs, rows, row_count };
        // Cleanup needs what was made even if the answer turns out not to be what the step wants.
        stage.frame.record(step, StepRecord { has_succeeded: false, ..record.clone() });
        self.ask_conditions(call, &last, row_count, scopes)?;
        Ok(record)
    }

    fn outputs(&self, call: &Call<'_>, last: &Settled, scopes: &mut Scopes) -> Result<Outputs, StepError> {
        let Some(answer) = last.answer.as_ref() else { return Ok(Outputs::new()) };
        let planned = &call.request.outputs;
        let redactor = self.events.redactor();
        outputs::collect(planned, &call.step_name, answer, &mut scopes.playbook, redactor).map_err(
            |problem| match problem {
                OutputProblem::Evaluation(error) => self.evaluation_error(&error),
                OutputProblem::Missing { span, .. } => {
                    let headline = format!("{}, but {problem}", call.subject.answered(answer.status));
                    let trouble = Trouble::new(Cause::Step, headline).at(span).request(&last.request_line);
                    self.error(trouble.advice("give it a `default` if it may be missing"))
                }
            },
        )
    }

    fn ask_conditions(
        &self,
        call: &Call<'_>,
        last: &Settled,
        row_count: Option<u64>,
        scopes: &Scopes,
    ) -> Result<(), StepError> {
        let unmet = expect::unmet(scopes.pair(&call.request.that));
        let Some(condition) = unmet.map_err(|error| self.evaluation_error(&error))? else { return Ok(()) };
        let expression = condition.expression();
        let headline =
            format!("the answer to `{}` does not satisfy `{}`", call.subject.what, expression.code());
        let mut trouble =
            Trouble::new(Cause::Step, headline).at(expression.span()).request(&last.request_line);
        let reads = |name| expression.references().iter().any(|reference| reference.path() == name);
        if let Some(count) = row_count.filter(|_| reads("row_count")) {
            trouble = trouble.note(format!("the answer has {}", counted(count, "row")));
        }
        if reads("response.status") {
            trouble = trouble.note(format!("its status is {}", last.status));
        }
        Err(self.error(trouble))
    }
}

/// A web page where data is wanted: no API answers so, unless the step wants the page itself.
fn is_foreign_page(request: &PlannedRequest, answer: &Answer) -> bool {
    let wants_body = request.save.as_ref().is_some_and(|save| save.form == SaveForm::Body);
    answer.is_html() && !wants_body && !request.is_status_written
}

fn literal_host(path: &PlannedPath) -> Option<String> {
    let address = path.template().as_literal()?;
    Url::parse(address).ok()?.host_str().map(str::to_owned)
}
