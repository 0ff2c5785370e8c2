//! When a playbook is to be run by itself.

use super::lower::{FromNode, Lower, keys};
use super::scalar::{Time, schema, words};
use super::yaml::{Node, ScalarKind};
use crate::calendar::{CronExpression, Zone, known_zones};
use crate::source::{Code, Diagnostic, Spanned, nearest};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

keys! {
    /// When the playbook is to be run by itself: `runner schedule` makes timers of it.
    pub struct Schedule is "`schedule`" {
        required {
            /// Minute, hour, day of the month, month, day of the week (`15 3 * * mon-fri`), or a word such as `@daily`.
            "cron" => cron: Spanned<Cron>;
        }
        optional {
            /// The IANA name of the time zone in which that counts; default UTC.
            "timezone" => timezone: Option<Timezone>;
            /// Each run begins later by a random time up to this one, so that not all begin at once.
            "jitter" => jitter: Option<Spanned<Time>>;
            /// What a run does while another run of this playbook goes on: fail (the default), skip, or wait.
            "overlap" => overlap: Option<Overlap>;
        }
    }
}

words! {
    /// What a run does while another run of the same playbook and account goes on.
    #[derive(Default)]
    pub enum Overlap is "way to meet another run" {
        /// It ends at once, and that is a failure.
        #[default]
        Fail = "fail",
        /// It ends at once, and that is fine.
        Skip = "skip",
        /// It begins when the other one has ended.
        Wait = "wait",
    }
}

/// A cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron(pub CronExpression);

impl FromNode for Cron {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        let Some(scalar) = node.as_scalar().filter(|scalar| scalar.kind == ScalarKind::Text) else {
            lower.wrong_type(node, "a cron expression such as `15 3 * * *`");
            return None;
        };
        let mistake = match CronExpression::parse(&scalar.text.value) {
            Ok(expression) => return Some(Self(expression)),
            Err(mistake) => mistake,
        };
        let place = scalar.text.part(mistake.range);
        let diagnostic = Diagnostic::new(Code::InvalidValue, place, mistake.message);
        lower.report(match mistake.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
        None
    }
}
schema!(Cron, "Cron", {
    "type": "string",
    "pattern": "^\\s*(@[a-z]+|\\S+(\\s+\\S+){4})\\s*$",
    "examples": ["15 3 * * *", "*/10 8-18 * * mon-fri", "@daily"]
});

/// A time zone by its IANA name.
#[derive(Debug, Clone)]
pub struct Timezone(pub Zone);

impl FromNode for Timezone {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        let name = String::from_node(node, lower)?;
        let zone = Zone::named(&name);
        if zone.is_none() {
            let diagnostic =
                Diagnostic::new(Code::UnknownName, node.span, format!("`{name}` is no time zone"));
            let zones = known_zones();
            let same = zones.iter().find(|zone| zone.eq_ignore_ascii_case(&name)).map(String::as_str);
            let probable = same.or_else(|| nearest(&name, zones.iter().map(String::as_str)));
            let diagnostic = diagnostic.did_you_mean(probable);
            lower.report(diagnostic.help("write its IANA name: `Europe/Berlin`, `Asia/Tokyo`, `UTC`"));
        }
        zone.map(Self)
    }
}
schema!(Timezone, "Timezone", { "type": "string", "examples": ["Europe/Berlin", "Asia/Tokyo", "UTC"] });
