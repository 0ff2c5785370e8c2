//! Virtual machines and what belongs to them, computed from an index.

use serde_json::{Value, json};

use crate::simulate::fleet;

/// What can be described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Machine,
    Volume,
    GuestImage,
    UserImage,
    SshKey,
    Network,
    Cluster,
    User,
}

/// The states libvirt knows, with their codes.
const STATES: [(u8, &str); 3] = [(1, "running"), (5, "shutoff"), (3, "paused")];

const CREATED: &str = "2020-08-16T23:46:04.096658Z";

impl Kind {
    /// How many there are on a server with that many machines.
    pub(super) fn count(self, machines: usize) -> usize {
        match self {
            Self::Machine | Self::Volume => machines,
            Self::GuestImage | Self::SshKey => 2,
            Self::UserImage | Self::Network | Self::Cluster | Self::User => 1,
        }
    }

    /// What the path calls one of them.
    pub(super) fn name(self, index: usize) -> String {
        match self {
            Self::Machine => format!("vm-{index:08x}"),
            Self::Volume => format!("vol-{index:08x}"),
            Self::GuestImage => format!("gmi-{index:08x}"),
            Self::UserImage => format!("vmi-{index:08x}"),
            Self::SshKey => format!("demo-key-{index}"),
            Self::Network => format!("vnet-{index:08x}"),
            Self::Cluster => format!("cluster-{index}"),
            Self::User => "demo".to_owned(),
        }
    }

    /// The index that a name stands for on a server with that many machines.
    pub(super) fn index(self, name: &str, machines: usize) -> Option<usize> {
        let number = name.rsplit_once('-').and_then(|(_, number)| usize::from_str_radix(number, 16).ok());
        let index = number.unwrap_or(0);
        (index < self.count(machines) && self.name(index) == name).then_some(index)
    }

    /// The whole record. Only the machine's fields are published; the others have what is needed to tell them apart.
    pub(super) fn record(self, index: usize) -> Value {
        let name = self.name(index);
        let with = |key: &str, rest: Value| {
            let mut record = json!({ key: name, "created": CREATED, "last_modified": CREATED });
            if let (Some(record), Value::Object(rest)) = (record.as_object_mut(), rest) {
                record.extend(rest);
            }
            record
        };
        match self {
            Self::Machine => with("instance_id", machine(index)),
            Self::Volume => with("volume_id", json!({ "size": "20G", "state": "attached", "tags": {} })),
            Self::GuestImage | Self::UserImage => {
                with("image_id", json!({ "name": "Ubuntu 20.04", "state": "AVAILABLE", "tags": {} }))
            }
            Self::SshKey => with("key_id", json!({ "name": name, "tags": {} })),
            Self::Network => with("network_id", json!({ "name": "home", "type": "BridgeToLan", "tags": {} })),
            Self::Cluster => with("cluster_id", json!({ "name": name, "status": "READY", "tags": {} })),
            Self::User => with("username", json!({ "name": "Demo User", "type": "BA", "tags": {} })),
        }
    }
}

fn machine(index: usize) -> Value {
    let (code, state) = STATES[index % STATES.len()];
    json!({
        "instance_type": "standard",
        "instance_size": "small",
        "metadata": {},
        "image_metadata": { "image_id": Kind::GuestImage.name(0), "image_name": "Ubuntu 20.04" },
        "interfaces": {
            "config_at_launch": {
                "type": "BridgeToLan",
                "vnet_id": Kind::Network.name(0),
                "private_ip": fleet::ip_address(index),
            },
        },
        "storage": {},
        "key_name": Kind::SshKey.name(0),
        "tags": { "Name": fleet::name(index) },
        "host": "host-fb00000d",
        "state": { "code": code, "state": state },
    })
}
