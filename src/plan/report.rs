//! The reports that a playbook asks for.

use super::types::{Plan, PlannedPath};
use crate::source::Span;
use crate::template::{Moment, Scope, Template};
use serde_json::{Map, Value};
use std::fmt;
use std::path::PathBuf;

/// A form in which a run is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum ReportForm {
    /// JSON, for programs.
    Json,
    /// JUnit's XML, for test services.
    Junit,
    /// One page, for people.
    Html,
    /// All requests as an HTTP Archive 1.2, for the network panel of browsers.
    Har,
}

impl ReportForm {
    /// All forms.
    pub const ALL: [Self; 4] = [Self::Json, Self::Junit, Self::Html, Self::Har];

    /// The name, as written in playbooks and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Html => "html",
            Self::Har => "har",
        }
    }

    /// The form of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }
}

impl fmt::Display for ReportForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a playbook says under `report`.
#[derive(Debug, Default)]
pub struct PlannedReport {
    /// The files, each form once at most.
    pub files: Vec<PlannedReportFile>,
    /// The address of a dead-man switch, in the form [`PlannedPath::Address`]; templates see `inputs` and `secrets`.
    pub ping: Option<PlannedPath>,
}

/// A file that a playbook wants a report in.
#[derive(Debug)]
pub struct PlannedReportFile {
    /// The form.
    pub form: ReportForm,
    /// The path, from the folder where `runner` was started; templates see `inputs`.
    pub file: Template,
}

/// A file for a report whose path is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    /// The form.
    pub form: ReportForm,
    /// The path.
    pub path: PathBuf,
    /// Where it is written.
    pub span: Span,
}

impl Plan {
    /// The files for reports that the playbook asks for, with the values of its inputs, at the moment when the run begins.
    ///
    /// # Errors
    /// A sentence that names the form, and the place, for each path that cannot be made.
    pub fn report_files(
        &self,
        inputs: &Map<String, Value>,
        moment: &Moment,
    ) -> Result<Vec<ReportFile>, Vec<(Span, String)>> {
        let scope = Scope::new(moment).with("inputs", Value::Object(inputs.clone()));
        let (mut files, mut mistakes) = (Vec::new(), Vec::new());
        for PlannedReportFile { form, file } in &self.report.files {
            match path_of(file, &scope) {
                Ok(path) => files.push(ReportFile { form: *form, path, span: file.span() }),
                Err(reason) => {
                    mistakes.push((file.span(), format!("the file of the report {form}: {reason}")))
                }
            }
        }
        if mistakes.is_empty() { Ok(files) } else { Err(mistakes) }
    }
}

fn path_of(file: &Template, scope: &Scope) -> Result<PathBuf, String> {
    let evaluated = file.evaluate(scope).map_err(|error| error.to_string())?;
    match evaluated.value.as_str() {
        Some("") | None => Err("it yields no path".to_owned()),
        Some(path) => Ok(path.into()),
    }
}
