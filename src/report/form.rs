//! Reports by their form.

use super::text::Texts;
use super::{har, html, json, junit};
use crate::event::RunRecord;
use crate::model::redaction::Redactor;
use crate::plan::ReportForm;
use std::io::{self, Write};

/// Writes a report: the same record gives the same bytes.
///
/// # Errors
/// The writer's.
pub fn write_report(
    form: ReportForm,
    record: &RunRecord,
    redactor: &Redactor,
    out: &mut dyn Write,
) -> io::Result<()> {
    let texts = Texts(redactor);
    match form {
        ReportForm::Json => json::write(&record.report, redactor, out),
        ReportForm::Junit => junit::write(&record.report, &texts, out),
        ReportForm::Html => html::write(record, &texts, out),
        ReportForm::Har => har::write(record, &texts, out),
    }
}

/// Whether a form shows single requests, so that the record must have them.
pub fn needs_requests(form: ReportForm) -> bool {
    matches!(form, ReportForm::Html | ReportForm::Har)
}

/// Whether a form shows the texts of bodies, so that the run must keep them.
pub fn keeps_bodies(form: ReportForm) -> bool {
    form == ReportForm::Har
}
