//! SIMs, subscribers, Inventory devices and gadgets, computed from the slot they stand in.

use serde_json::{Map, Value, json};

use crate::simulate::fleet;

/// Milliseconds since the Unix epoch at which the first record was made.
const FIRST_CREATED: i64 = 1_609_459_200_000;

const ISSUER: &str = "8981100";
const NETWORK: &str = "44010";
const STATUSES: [&str; 4] = ["active", "ready", "inactive", "suspended"];
const SPEED_CLASSES: [&str; 3] = ["s1.standard", "s1.fast", "s1.slow"];

/// What a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Sim,
    Subscriber,
    Device,
    Gadget,
}

impl Kind {
    /// The list's path.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Sim => "/v1/sims",
            Self::Subscriber => "/v1/subscribers",
            Self::Device => "/v1/devices",
            Self::Gadget => "/v1/gadgets",
        }
    }

    /// What names the record in a slot, and what a page's cursor is.
    pub(super) fn id(self, slot: usize) -> String {
        match self {
            Self::Sim => format!("{ISSUER}{slot:012}"),
            Self::Subscriber => fleet::imsi(NETWORK, slot),
            Self::Device => format!("d-{slot:020x}"),
            Self::Gadget => format!("{}/7MF5JK{slot:06}", product_id(slot)),
        }
    }

    /// The slot that an id names, `None` for what is no id of this kind.
    pub(super) fn slot(self, id: &str) -> Option<usize> {
        let slot = match self {
            Self::Sim => id.strip_prefix(ISSUER)?.parse().ok()?,
            Self::Subscriber => id.strip_prefix(NETWORK)?.parse().ok()?,
            Self::Device => usize::from_str_radix(id.strip_prefix("d-")?, 16).ok()?,
            Self::Gadget => id.split_once("/7MF5JK")?.1.parse().ok()?,
        };
        (self.id(slot) == id).then_some(slot)
    }

    /// The tags nobody has changed.
    pub(super) fn first_tags(slot: usize) -> Map<String, Value> {
        let site = format!("site-{:03}", slot % 40);
        Map::from_iter([("name".to_owned(), fleet::name(slot).into()), ("site".to_owned(), site.into())])
    }

    /// The whole record.
    pub(super) fn record(self, slot: usize, operator_id: &str, tags: &Map<String, Value>) -> Value {
        match self {
            Self::Sim => sim(slot, operator_id, tags),
            Self::Subscriber => subscriber(slot, operator_id, tags),
            Self::Device => device(slot, operator_id, tags),
            Self::Gadget => gadget(slot, operator_id, tags),
        }
    }
}

/// The status of the SIM in a slot, and of its subscription.
pub(super) fn status(slot: usize) -> &'static str {
    STATUSES[slot / 3 % STATUSES.len()]
}

/// The speed class of the SIM in a slot.
pub(super) fn speed_class(slot: usize) -> &'static str {
    SPEED_CLASSES[slot % SPEED_CLASSES.len()]
}

/// The product of the gadget in a slot.
pub(super) fn product_id(slot: usize) -> &'static str {
    if slot.is_multiple_of(2) { "button" } else { "wimax" }
}

/// The serial number printed on the SIM in a slot.
pub(super) fn serial_number(slot: usize) -> String {
    format!("DN{:011}", slot * 13 + 5)
}

fn created(slot: usize) -> i64 {
    FIRST_CREATED + slot as i64 * 3_607_001
}

fn session_status(slot: usize) -> Value {
    json!({
        "online": slot.is_multiple_of(2),
        "imsi": Kind::Subscriber.id(slot),
        "imei": fleet::imei(slot),
        "ueIpAddress": fleet::ip_address(slot),
        "lastUpdatedAt": created(slot) + 86_400_000,
    })
}

fn sim(slot: usize, operator_id: &str, tags: &Map<String, Value>) -> Value {
    let iccid = fleet::iccid(ISSUER, slot);
    let imsi = Kind::Subscriber.id(slot);
    let profile = json!({
        "iccid": iccid,
        "primaryImsi": imsi,
        "otaSupported": false,
        "subscribers": { &imsi: { "imsi": imsi, "msisdn": msisdn(slot), "status": "active", "subscription": "plan-D" } },
    });
    json!({
        "simId": Kind::Sim.id(slot),
        "operatorId": operator_id,
        "status": status(slot),
        "speedClass": speed_class(slot),
        "type": "uicc",
        "moduleType": "nano",
        "serialNumber": serial_number(slot),
        "tags": tags,
        "sessionStatus": session_status(slot),
        "activeProfileId": iccid,
        "profiles": { &iccid: profile },
        "terminationEnabled": false,
        "createdTime": created(slot),
        "lastModifiedTime": created(slot) + 60_000,
    })
}

fn subscriber(slot: usize, operator_id: &str, tags: &Map<String, Value>) -> Value {
    json!({
        "imsi": Kind::Subscriber.id(slot),
        "msisdn": msisdn(slot),
        "iccid": fleet::iccid(ISSUER, slot),
        "simId": Kind::Sim.id(slot),
        "operatorId": operator_id,
        "status": status(slot),
        "speedClass": speed_class(slot),
        "type": speed_class(slot),
        "moduleType": "nano",
        "serialNumber": serial_number(slot),
        "subscription": "plan-D",
        "tags": tags,
        "sessionStatus": session_status(slot),
        "terminationEnabled": false,
        "createdAt": created(slot),
        "createdTime": created(slot),
        "lastModifiedAt": created(slot) + 60_000,
    })
}

fn device(slot: usize, operator_id: &str, tags: &Map<String, Value>) -> Value {
    json!({
        "device_id": Kind::Device.id(slot),
        "endpoint": format!("endpoint-{slot:05}"),
        "operatorId": operator_id,
        "online": slot.is_multiple_of(2),
        "manufacturer": "Example Instruments",
        "modelNumber": format!("EX-{}", slot % 3),
        "serialNumber": serial_number(slot),
        "firmwareVersion": "1.4.2",
        "ipAddress": fleet::ip_address(slot),
        "registrationLifeTime": 60,
        "tags": tags,
    })
}

fn gadget(slot: usize, operator_id: &str, tags: &Map<String, Value>) -> Value {
    let id = Kind::Gadget.id(slot);
    json!({
        "id": id,
        "productId": product_id(slot),
        "serialNumber": format!("7MF5JK{slot:06}"),
        "operatorId": operator_id,
        "status": "active",
        "attributes": {},
        "tags": tags,
        "terminationEnabled": false,
        "createdTime": created(slot),
        "lastModifiedTime": created(slot),
    })
}

fn msisdn(slot: usize) -> String {
    format!("81{:011}", 9_012_345_678 + slot as u64)
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn an_id_names_its_slot_and_nothing_else_does() {
        for kind in [Kind::Sim, Kind::Subscriber, Kind::Device, Kind::Gadget] {
            for slot in [0, 7, 123_456] {
                assert_eq!(kind.slot(&kind.id(slot)), Some(slot));
                assert_eq!(kind.slot(&format!("0{}", kind.id(slot))), None);
            }
        }
    }
}
