//! Projects, among which the devices are dealt out in turn.

use http::StatusCode;
use serde_json::{Value, json};

use super::api::Simpleiot;
use super::devices;
use super::error::application;
use crate::simulate::answer::Answer;
use crate::simulate::call::Call;

/// The projects there are. The second name is one that must not be taken for a template.
pub(super) const PROJECTS: [&str; 3] = ["Sunshine", "${{ settings.team }} & Söhne", "Rooftop"];

pub(super) const CREATED: &str = "2021-06-23T19:10:19.627223";

impl Simpleiot {
    /// `all` with any value, or one project by name or id. Without any of them nothing is found.
    pub(super) fn projects(&mut self, call: &Call) -> Result<Answer, Answer> {
        self.authorize(call)?;
        let body = if has_value(call, "all") {
            (0..PROJECTS.len()).map(|index| self.project(index)).collect()
        } else {
            let named = project_name(call).and_then(|name| find(&name));
            let by_id = call
                .query("project_id")
                .and_then(|id| (0..PROJECTS.len()).find(|&index| self::id(index) == id));
            self.project(named.or(by_id).ok_or_else(|| application("project not found"))?)
        };
        Ok(Answer::json(StatusCode::OK, &body))
    }

    /// What `models` and `devices` hold is not published; here they hold names and serial numbers.
    fn project(&self, index: usize) -> Value {
        let devices = (0..self.options.devices).filter(|&device| device % PROJECTS.len() == index);
        json!({
            "id": id(index),
            "name": PROJECTS[index],
            "models": devices::MODELS,
            "devices": devices.map(devices::serial).collect::<Vec<_>>(),
            "desc": "",
            "date_created": CREATED,
        })
    }
}

/// The project a call names, in either spelling.
pub(super) fn project_name(call: &Call) -> Option<String> {
    call.query("project_name").or_else(|| call.query("project"))
}

/// The place of a project among all, by its name.
pub(super) fn find(name: &str) -> Option<usize> {
    PROJECTS.iter().position(|project| *project == name)
}

/// Whether a parameter is there and not empty: `all=false` counts as well.
pub(super) fn has_value(call: &Call, name: &str) -> bool {
    call.query(name).is_some_and(|value| !value.is_empty())
}

fn id(index: usize) -> String {
    format!("{:032x}", 0xa0ee_0000_u64 + index as u64)
}
