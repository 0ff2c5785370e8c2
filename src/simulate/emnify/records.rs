//! Endpoints and SIMs, computed from their index. Ids count from the first one on.

use serde_json::{Value, json};

use crate::simulate::fleet;

const FIRST_ENDPOINT: u64 = 11_379_224;
const FIRST_SIM: u64 = 250;
const STATUSES: [&str; 2] = ["Enabled", "Disabled"];
const SIM_STATUSES: [&str; 3] = ["Issued", "Activated", "Suspended"];

/// What a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Endpoint,
    Sim,
}

impl Kind {
    /// The id of the record at an index.
    pub(super) fn id(self, index: usize) -> u64 {
        self.first_id() + index as u64
    }

    /// The index that an id names; it may be beyond the last record.
    pub(super) fn index(self, id: u64) -> Option<usize> {
        usize::try_from(id.checked_sub(self.first_id())?).ok()
    }

    /// The whole record.
    pub(super) fn record(self, index: usize) -> Value {
        match self {
            Self::Endpoint => endpoint(index),
            Self::Sim => sim(index),
        }
    }

    /// The number of a record's status.
    pub(super) fn status(self, index: usize) -> usize {
        match self {
            Self::Endpoint => usize::from(index % 10 == 9),
            Self::Sim => {
                if is_assigned(index) {
                    1
                } else {
                    index / 5 % SIM_STATUSES.len()
                }
            }
        }
    }

    /// How an error calls a record.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Endpoint => "Endpoint",
            Self::Sim => "Sim",
        }
    }

    /// Rows on a page that names no number, and the most a page can have. For endpoints only the first was published.
    pub(super) fn page_sizes(self) -> (usize, usize) {
        match self {
            Self::Endpoint => (1_000, 1_000),
            Self::Sim => (2_000, 2_500),
        }
    }

    fn first_id(self) -> u64 {
        match self {
            Self::Endpoint => FIRST_ENDPOINT,
            Self::Sim => FIRST_SIM,
        }
    }
}

/// Every fifth SIM lies in a drawer, and every fifth endpoint waits for one.
fn is_assigned(index: usize) -> bool {
    index % 5 != 4
}

fn endpoint(index: usize) -> Value {
    let status = Kind::Endpoint.status(index);
    let mut endpoint = json!({
        "id": Kind::Endpoint.id(index),
        "name": fleet::name(index),
        "tags": if index.is_multiple_of(3) { Value::Null } else { "fleet, trial".into() },
        "created": "2021-11-18T08:25:53.000+0000",
        "last_updated": "2021-12-29T08:51:00.000+0000",
        "status": { "id": status, "description": STATUSES[status] },
        "service_profile": { "id": 1, "name": "Std" },
        "tariff_profile": { "id": 2, "name": "All" },
        "imei": if index.is_multiple_of(2) { fleet::imei(index).into() } else { Value::Null },
        "imei_lock": false,
        "ip_address": fleet::ip_address(index),
        "ip_address_space": { "id": 9 },
    });
    if is_assigned(index) {
        endpoint["sim"] = json!({
            "id": Kind::Sim.id(index),
            "iccid": iccid(index),
            "imsi": imsi(index),
            "msisdn": msisdn(index),
            "status": sim_status(index),
        });
    }
    endpoint
}

fn sim(index: usize) -> Value {
    let mut sim = json!({
        "id": Kind::Sim.id(index),
        "iccid": iccid(index),
        "imsi": imsi(index),
        "msisdn": msisdn(index),
        "production_date": "2021-03-06T11:15:57.000+0000",
        "activation_date": "2021-03-27T23:20:49.000+0000",
        "status": sim_status(index),
        "customer_org": { "id": 13, "name": "Demo Organisation" },
        "issuer_org": { "id": 2, "name": "Issuer" },
        "model": { "id": 1, "description": "Triple-cut SIM" },
    });
    if is_assigned(index) {
        sim["endpoint"] = json!({ "id": Kind::Endpoint.id(index), "name": fleet::name(index) });
    }
    sim
}

fn sim_status(index: usize) -> Value {
    let status = Kind::Sim.status(index);
    json!({ "id": status, "description": SIM_STATUSES[status] })
}

fn iccid(index: usize) -> String {
    fleet::iccid("8988303", index)
}

fn imsi(index: usize) -> String {
    fleet::imsi("295050", index)
}

fn msisdn(index: usize) -> String {
    format!("{}", 423_663_910_000_000 + index as u64)
}
