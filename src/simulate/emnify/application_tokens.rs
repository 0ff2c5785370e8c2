//! Application tokens: issued once in clear, listed without their value, revoked by a change of status.
//!
//! Whether a session that came from an application token may issue others is not confirmed. Older pages speak of users
//! who are logged in, so here it is refused, with the code and status published for what one may not do; it may list
//! and revoke. A token that was revoked opens no session any more; those it had opened live on.

use std::net::Ipv4Addr;

use http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{APPLICATION_TOKEN, User};
use super::api::{Emnify, number};
use super::authenticate::Holder;
use super::error::{Code, FORBIDDEN, INVALID_FORMAT, INVALID_REFERENCE, bad_body, error, validation_failed};
use super::lists::paged;
use crate::simulate::answer::Answer;
use crate::simulate::call::Call;
use crate::simulate::random;
use crate::simulate::route::Params;

/// One application token.
#[derive(Debug)]
pub(super) struct ApplicationToken {
    id: u64,
    value: String,
    description: Option<String>,
    created: Timestamp,
    expires: Option<Timestamp>,
    network: Option<Network>,
    is_revoked: bool,
    pub(super) creator: Holder,
}

/// The addresses a token may be used from.
#[derive(Debug)]
struct Network {
    text: String,
    has_loopback: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssueBody {
    description: Option<String>,
    expiry_date: Option<String>,
    ip: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    description: Option<String>,
    status: Option<StatusBody>,
}

#[derive(Deserialize)]
struct StatusBody {
    id: u8,
}

impl ApplicationToken {
    /// The token that exists from the start.
    pub(super) fn demo(creator: &User) -> Self {
        Self {
            id: 1,
            value: APPLICATION_TOKEN.to_owned(),
            description: Some("demo".to_owned()),
            created: Timestamp::UNIX_EPOCH,
            expires: None,
            network: None,
            is_revoked: false,
            creator: Holder::user(creator),
        }
    }

    /// Whether this is the token and it may be used now, from this machine.
    pub(super) fn opens(&self, value: &str, now: i64) -> bool {
        let is_in_time = self.expires.is_none_or(|expires| now < expires.as_second());
        let is_near = self.network.as_ref().is_none_or(|network| network.has_loopback);
        self.value == value && !self.is_revoked && is_in_time && is_near
    }

    fn listed(&self) -> Value {
        let (status, description) = if self.is_revoked { (1, "Revoked") } else { (0, "Activated") };
        json!({
            "id": self.id,
            "description": self.description,
            "created": milliseconds(self.created),
            "status": { "id": status, "description": description },
            "expiry_date": self.expires.map(milliseconds),
            "ip": self.network.as_ref().map(|network| &network.text),
            "creator": { "id": self.creator.user_id, "username": self.creator.username, "name": "Demo User" },
        })
    }
}

impl Emnify {
    pub(super) fn issue_application_token(&mut self, call: &Call) -> Result<Answer, Answer> {
        let session = self.signed_in(call)?;
        let creator = *self.sessions.holder(session);
        if creator.is_application {
            let message = "Application tokens are issued to users who are logged in";
            return Err(error(StatusCode::FORBIDDEN, FORBIDDEN, message));
        }
        let body: IssueBody = call.json().map_err(bad_body)?;
        let (expires, network) = (read_expiry(body.expiry_date), read_network(body.ip));
        let wrong = [expires.as_ref().err(), network.as_ref().err()].into_iter().flatten();
        let causes: Vec<(Code, String)> = wrong.map(|message| (INVALID_FORMAT, message.clone())).collect();
        let (Ok(expires), Ok(network)) = (expires, network) else {
            return Err(validation_failed("Create application token validation error", &causes));
        };
        let value = random::opaque(4);
        self.application_tokens.push(ApplicationToken {
            id: self.application_tokens.len() as u64 + 1,
            value: value.clone(),
            description: body.description,
            created: call.at,
            expires,
            network,
            is_revoked: false,
            creator,
        });
        Ok(Answer::json(StatusCode::OK, &json!({ "application_token": value })))
    }

    pub(super) fn list_application_tokens(&mut self, call: &Call) -> Result<Answer, Answer> {
        self.signed_in(call)?;
        paged(call, self.application_tokens.len(), 1_000, |index| self.application_tokens[index].listed())
    }

    pub(super) fn change_application_token(
        &mut self,
        call: &Call,
        params: &Params,
    ) -> Result<Answer, Answer> {
        self.signed_in(call)?;
        let id = number(params.get("id"))?;
        let Some(token) = self.application_tokens.iter_mut().find(|token| token.id == id) else {
            let message = format!("Application token with Id '{}' not found.", params.get("id"));
            return Err(error(StatusCode::NOT_FOUND, INVALID_REFERENCE, &message));
        };
        let body: ChangeBody = call.json().map_err(bad_body)?;
        match body.status {
            None => {}
            Some(StatusBody { id: status @ (0 | 1) }) => token.is_revoked = status == 1,
            Some(StatusBody { id }) => {
                let cause = (INVALID_REFERENCE, format!("Status with Id '{id}' not found."));
                return Err(validation_failed("Update application token validation error", &[cause]));
            }
        }
        if body.description.is_some() {
            token.description = body.description;
        }
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }
}

/// A date, whose first moment counts, or a date and time with a zone.
fn read_expiry(text: Option<String>) -> Result<Option<Timestamp>, String> {
    let Some(text) = text else { return Ok(None) };
    let midnight = |date: Date| date.to_datetime(jiff::civil::Time::midnight());
    let moment = match text.parse::<Timestamp>() {
        Ok(moment) => Some(moment),
        Err(_) if text.len() == "2030-10-29".len() => {
            let date = text.parse::<Date>().ok();
            date.and_then(|date| jiff::tz::Offset::UTC.to_timestamp(midnight(date)).ok())
        }
        Err(_) => None,
    };
    moment
        .map(Some)
        .ok_or_else(|| format!("Expiry date '{text}' is neither a date nor a date with time and zone."))
}

/// An IPv4 network such as `203.0.113.0/24`, or one address.
fn read_network(text: Option<String>) -> Result<Option<Network>, String> {
    let Some(text) = text else { return Ok(None) };
    let (address, bits) = text.split_once('/').unwrap_or((&text, "32"));
    let (Ok(address), Ok(bits @ 0..=32)) = (address.parse::<Ipv4Addr>(), bits.parse::<u32>()) else {
        return Err(format!("Address range '{text}' is no CIDR."));
    };
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    let has_loopback = address.to_bits() & mask == Ipv4Addr::LOCALHOST.to_bits() & mask;
    Ok(Some(Network { text, has_loopback }))
}

fn milliseconds(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_a_date_or_a_moment_with_a_zone() {
        let read = |text: &str| read_expiry(Some(text.to_owned()));
        let midnight = "2030-10-29T00:00:00Z".parse().unwrap();
        assert_eq!(read("2030-10-29"), Ok(Some(midnight)));
        assert_eq!(read("2030-10-29T00:00:00.000Z"), Ok(Some(midnight)));
        assert_eq!(read_expiry(None), Ok(None));
        for wrong in ["2030-10-29T00:00:00", "2030-13-01", "tomorrow", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_network_knows_whether_this_machine_is_in_it() {
        let has_loopback = |text: &str| read_network(Some(text.to_owned())).unwrap().unwrap().has_loopback;
        assert!(has_loopback("127.0.0.0/8"));
        assert!(has_loopback("0.0.0.0/0"));
        assert!(!has_loopback("203.0.113.0/24"));
        assert!(read_network(Some("203.0.113.0/33".to_owned())).is_err());
    }
}
