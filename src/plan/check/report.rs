//! The reports that a playbook asks for.

use super::context::Context;
use super::path::{self, PathRules};
use super::view::View;
use crate::document::{Playbook, ReportKeys};
use crate::plan::{PlannedPath, PlannedReport, PlannedReportFile, ReportForm};
use crate::source::{Code, Diagnostic};
use crate::template::Template;

/// Checks and plans what stands under `report`.
pub(super) fn check(context: &Context<'_>, playbook: &Playbook, keys: &ReportKeys) -> PlannedReport {
    let written = [
        (ReportForm::Json, &keys.json),
        (ReportForm::Junit, &keys.junit),
        (ReportForm::Html, &keys.html),
        (ReportForm::Har, &keys.har),
    ];
    let written = written.into_iter().filter_map(|(form, file)| Some((form, file.as_ref()?)));
    let files = written.map(|(form, file)| {
        check_file(context, playbook, form, file);
        PlannedReportFile { form, file: file.clone() }
    });
    PlannedReport {
        files: files.collect(),
        ping: keys.ping.as_ref().and_then(|ping| check_ping(context, playbook, ping)),
    }
}

fn check_file(context: &Context<'_>, playbook: &Playbook, form: ReportForm, file: &Template) {
    let place = Some("the file of a report");
    context.template(file, &View { place, inputs: Some(&playbook.inputs), ..View::default() });
    let report = |message: &str, help: String| {
        context.report(Diagnostic::new(Code::InvalidValue, file.span(), message).help(help));
    };
    match file.as_literal() {
        Some("") => report("the file of a report has a name", format!("write it as `{form}: report.{form}`")),
        Some("-") => report(
            "standard output belongs to whoever starts the run",
            format!("name a file here; `--report {form}=-` writes to standard output"),
        ),
        _ => {}
    }
}

fn check_ping(context: &Context<'_>, playbook: &Playbook, ping: &Template) -> Option<PlannedPath> {
    let view = View {
        place: Some("the address of `ping`"),
        inputs: Some(&playbook.inputs),
        secrets: Some(&playbook.secrets),
        ..View::default()
    };
    match path::check(context, ping, &view, PathRules::Ping)? {
        address @ PlannedPath::Address(_) => Some(address),
        PlannedPath::Path(_) | PlannedPath::Answered(_) => {
            let message = "`ping` is a whole address";
            let diagnostic = Diagnostic::new(Code::InvalidAddress, ping.span(), message);
            context.report(diagnostic.help("write `https://HOST/PATH`, or exactly `${{ secrets.NAME }}`"));
            None
        }
    }
}
