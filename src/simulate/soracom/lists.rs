//! Lists with their pages, single records, tags.

use std::ops::Range;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::api::Soracom;
use super::error::{bad_body, bad_request, not_found};
use super::records::{self, Kind};
use crate::simulate::answer::Answer;
use crate::simulate::call::Call;
use crate::simulate::route::Params;

/// The most records a page goes through, whatever `limit` says.
const MAX_PAGE: usize = 100;

/// The places a list goes through. Some are empty, as if something had stood there and is gone: a page counts them,
/// but shows nothing for them. So pages come short, and now and then empty, with more to follow.
#[derive(Debug)]
pub(super) struct Slots {
    total: usize,
}

impl Slots {
    /// Slots for that many records: no more than the last record needs.
    pub(super) fn holding(records: usize) -> Self {
        let taken = (0..).filter(|&slot| !is_gap(slot));
        Self { total: taken.take(records).last().map_or(0, |last| last + 1) }
    }

    fn is_taken(&self, slot: usize) -> bool {
        slot < self.total && !is_gap(slot)
    }

    /// The slots of the page that begins at `start`, and whether more follow.
    fn page(&self, start: usize, limit: usize) -> (Range<usize>, bool) {
        let end = start.saturating_add(limit).min(self.total);
        (start.min(end)..end, end < self.total)
    }
}

/// Whole pages are empty with a limit of ten (the second one) and of a hundred (the second one), later pages a little
/// short with any limit.
fn is_gap(slot: usize) -> bool {
    (10..20).contains(&slot) || (100..200).contains(&slot) || (slot > 200 && slot.is_multiple_of(17))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TagUpdate {
    tag_name: String,
    tag_value: String,
}

impl Soracom {
    /// An empty account gets an empty array. For `/sims` a 404 is documented instead; no such answer was ever recorded.
    pub(super) fn list(&mut self, kind: Kind, call: &Call) -> Result<Answer, Answer> {
        let session = self.signed_in(call)?;
        let operator_id = self.sessions.holder(session).operator_id;
        let filter = Filter::read(kind, call)?;
        let (slots, has_more) = self.slots.page(first_slot(kind, call)?, limit(kind, call)?);
        let last = slots.end.saturating_sub(1);
        let shown = slots.filter(|&slot| self.slots.is_taken(slot));
        let records = shown.filter_map(|slot| {
            let tags = self.tags_of(kind, slot);
            filter.fits(slot, &tags).then(|| kind.record(slot, operator_id, &tags))
        });
        let answer = Answer::json(StatusCode::OK, &Value::Array(records.collect()));
        Ok(if has_more { with_next_page(answer, kind, last) } else { answer })
    }

    pub(super) fn show(&mut self, kind: Kind, call: &Call, params: &Params) -> Result<Answer, Answer> {
        let session = self.signed_in(call)?;
        let slot = self.named_slot(kind, params)?;
        let record = kind.record(slot, self.sessions.holder(session).operator_id, &self.tags_of(kind, slot));
        Ok(Answer::json(StatusCode::OK, &record))
    }

    pub(super) fn tag(&mut self, kind: Kind, call: &Call, params: &Params) -> Result<Answer, Answer> {
        self.signed_in(call)?;
        let slot = self.named_slot(kind, params)?;
        let updates: Vec<TagUpdate> = call.json().map_err(bad_body)?;
        let mut tags = self.tags_of(kind, slot);
        tags.extend(updates.into_iter().map(|update| (update.tag_name, update.tag_value.into())));
        self.tags.insert((kind, slot), tags);
        self.show(kind, call, params)
    }

    pub(super) fn untag(&mut self, kind: Kind, call: &Call, params: &Params) -> Result<Answer, Answer> {
        self.signed_in(call)?;
        let slot = self.named_slot(kind, params)?;
        let mut tags = self.tags_of(kind, slot);
        if tags.shift_remove(params.get("tag_name")).is_none() {
            return Err(not_found("There is no such tag."));
        }
        self.tags.insert((kind, slot), tags);
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    fn tags_of(&self, kind: Kind, slot: usize) -> Map<String, Value> {
        self.tags.get(&(kind, slot)).cloned().unwrap_or_else(|| Kind::first_tags(slot))
    }

    fn named_slot(&self, kind: Kind, params: &Params) -> Result<usize, Answer> {
        let id = match kind {
            Kind::Sim => params.get("sim_id").to_owned(),
            Kind::Subscriber => params.get("imsi").to_owned(),
            Kind::Device => params.get("device_id").to_owned(),
            Kind::Gadget => format!("{}/{}", params.get("product_id"), params.get("serial_number")),
        };
        let slot = kind.slot(&id).filter(|&slot| self.slots.is_taken(slot));
        slot.ok_or_else(|| not_found("There is none of that id."))
    }
}

/// Where the page begins: behind the slot that `last_evaluated_key` names.
fn first_slot(kind: Kind, call: &Call) -> Result<usize, Answer> {
    let Some(key) = call.query("last_evaluated_key") else { return Ok(0) };
    match kind.slot(&key) {
        Some(slot) => Ok(slot + 1),
        None => Err(bad_request("last_evaluated_key is not valid.")),
    }
}

/// How many slots the page goes through. Devices take -1 for "as many as there may be".
fn limit(kind: Kind, call: &Call) -> Result<usize, Answer> {
    let Some(text) = call.query("limit") else { return Ok(MAX_PAGE) };
    match text.parse::<i64>() {
        Ok(-1) if kind == Kind::Device => Ok(MAX_PAGE),
        Ok(limit) if limit > 0 => Ok(usize::try_from(limit).unwrap_or(MAX_PAGE).min(MAX_PAGE)),
        _ => Err(bad_request("limit is not valid.")),
    }
}

/// SIMs and subscribers send a `link` as well; its address begins at the host and its `next` has no quotes.
fn with_next_page(answer: Answer, kind: Kind, last: usize) -> Answer {
    let key = kind.id(last);
    let answer = match kind {
        Kind::Sim | Kind::Subscriber => {
            answer.with("link", format!("<{}?last_evaluated_key={key}>; rel=next", kind.path()))
        }
        Kind::Device | Kind::Gadget => answer,
    };
    answer.with("x-soracom-next-key", key)
}

/// The query parameters that leave records out. They work after a page was cut, which is one more reason for short
/// pages.
#[derive(Default)]
struct Filter {
    tag: Option<TagFilter>,
    statuses: Option<String>,
    speed_classes: Option<String>,
    serial_numbers: Option<String>,
    product: Option<String>,
}

struct TagFilter {
    name: String,
    value: String,
    is_prefix: bool,
}

impl Filter {
    fn read(kind: Kind, call: &Call) -> Result<Self, Answer> {
        let tag = TagFilter::read(call)?;
        Ok(match kind {
            Kind::Sim => Self::default(),
            Kind::Subscriber => Self {
                tag,
                statuses: call.query("status_filter"),
                speed_classes: call.query("speed_class_filter"),
                serial_numbers: call.query("serial_number_filter"),
                product: None,
            },
            Kind::Device => Self { tag, ..Self::default() },
            Kind::Gadget => Self { tag, product: call.query("product_id"), ..Self::default() },
        })
    }

    fn fits(&self, slot: usize, tags: &Map<String, Value>) -> bool {
        let is_among = |wanted: &Option<String>, is: &dyn Fn(&str) -> bool| {
            wanted.as_deref().is_none_or(|wanted| wanted.split('|').any(is))
        };
        let serial_number = records::serial_number(slot);
        self.tag.as_ref().is_none_or(|tag| tag.fits(tags))
            && is_among(&self.statuses, &|status| status == records::status(slot))
            && is_among(&self.speed_classes, &|class| class == records::speed_class(slot))
            && is_among(&self.serial_numbers, &|prefix| serial_number.starts_with(prefix))
            && is_among(&self.product, &|product| product == records::product_id(slot))
    }
}

impl TagFilter {
    fn read(call: &Call) -> Result<Option<Self>, Answer> {
        let Some(name) = call.query("tag_name") else { return Ok(None) };
        let value =
            call.query("tag_value").ok_or_else(|| bad_request("tag_value is required with tag_name."))?;
        let is_prefix = match call.query("tag_value_match_mode").as_deref() {
            None | Some("exact") => false,
            Some("prefix") => true,
            Some(_) => return Err(bad_request("tag_value_match_mode is exact or prefix.")),
        };
        Ok(Some(Self { name, value, is_prefix }))
    }

    fn fits(&self, tags: &Map<String, Value>) -> bool {
        let value = tags.get(&self.name).and_then(Value::as_str);
        value.is_some_and(
            |value| if self.is_prefix { value.starts_with(&self.value) } else { value == self.value },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_slots_for_exactly_the_records_asked_for() {
        for records in [0, 1, 10, 11, 250, 5_000] {
            let slots = Slots::holding(records);
            assert_eq!((0..slots.total).filter(|&slot| slots.is_taken(slot)).count(), records);
            assert!(slots.total == 0 || slots.is_taken(slots.total - 1));
        }
    }

    #[test]
    fn the_second_page_of_ten_is_empty_and_not_the_last() {
        let slots = Slots::holding(25);
        let (page, has_more) = slots.page(10, 10);
        assert!(has_more);
        assert_eq!(page.filter(|&slot| slots.is_taken(slot)).count(), 0);
    }
}
