//! Devices of a project: all, those of a model, or one with its details.

use http::StatusCode;
use serde_json::{Value, json};

use super::api::Simpleiot;
use super::error::application;
use super::projects::{CREATED, PROJECTS, find, has_value, project_name};
use crate::simulate::answer::Answer;
use crate::simulate::call::Call;
use crate::simulate::fleet;

pub(super) const MODELS: [&str; 2] = ["Probe-1", "Probe-2"];

/// What is added to an index to make an id of it.
const FIRST_ID: u64 = 0xf32a_0000_0000_0000;

/// What `show_cert` adds to a device. It must never reach a log.
const PRIVATE_KEY: &str =
    "-----BEGIN PRIVATE KEY-----\ndemo-private-key-Sv6nXr2Qj8\n-----END PRIVATE KEY-----\n";

impl Simpleiot {
    /// The project is required. Without `all`, model, serial number or id there is nothing to be found.
    pub(super) fn devices(&mut self, call: &Call) -> Result<Answer, Answer> {
        self.authorize(call)?;
        let project = project_name(call).and_then(|name| find(&name));
        let project = project.ok_or_else(|| application("Project not found"))?;
        let with_cert = has_value(call, "show_cert");
        let devices = (0..self.options.devices).filter(|index| index % PROJECTS.len() == project);
        let body = if let Some(model) = call.query("model") {
            let of_model = devices.filter(|&index| self::model(index) == model);
            of_model.map(|index| with(listed(index), with_cert, json!({ "model": model }))).collect()
        } else if has_value(call, "all") {
            devices.map(|index| with(listed(index), with_cert, json!({}))).collect()
        } else {
            let by_serial = call.query("serial").and_then(|serial| index_of_serial(&serial));
            let index = by_serial.or_else(|| call.query("device_id").and_then(|id| index_of_id(&id)));
            let is_here = |index: &usize| *index < self.options.devices && index % PROJECTS.len() == project;
            let index = index.filter(is_here).ok_or_else(|| application("Device not found"))?;
            with(listed(index), with_cert, details(index))
        };
        Ok(Answer::json(StatusCode::OK, &body))
    }
}

/// The serial number of a device.
pub(super) fn serial(index: usize) -> String {
    format!("TP-{:04}", index + 1)
}

fn index_of_serial(serial: &str) -> Option<usize> {
    let index = serial.strip_prefix("TP-")?.parse::<usize>().ok()?.checked_sub(1)?;
    (self::serial(index) == serial).then_some(index)
}

fn id(index: usize) -> String {
    format!("{:032x}", FIRST_ID + index as u64)
}

fn index_of_id(id: &str) -> Option<usize> {
    let index = u64::from_str_radix(id, 16).ok()?.checked_sub(FIRST_ID)?;
    usize::try_from(index).ok().filter(|&index| self::id(index) == id)
}

fn model(index: usize) -> &'static str {
    MODELS[index / PROJECTS.len() % MODELS.len()]
}

fn listed(index: usize) -> Value {
    json!({
        "id": id(index),
        "serial": serial(index),
        "name": fleet::name(index),
        "desc": "",
        "project": PROJECTS[index % PROJECTS.len()],
        "date_created": CREATED,
    })
}

fn details(index: usize) -> Value {
    json!({
        "model": model(index),
        "installed": true,
        "error_message": "",
        "position": "",
        "lat": 35.5,
        "lng": 139.75,
        "alt": 12.5,
        "on_power": index.is_multiple_of(2),
        "battery_level": 100 - index % 90,
        "gateway_id": null,
    })
}

/// Adds fields to a device. What the certificate fields are called is not published.
fn with(mut device: Value, with_cert: bool, more: Value) -> Value {
    if let (Some(device), Value::Object(more)) = (device.as_object_mut(), more) {
        device.extend(more);
    }
    if with_cert {
        device["private_key"] = PRIVATE_KEY.into();
    }
    device
}
