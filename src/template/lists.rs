//! The filters that compare the items of a list, or join them: as minijinja's, but by the rules of [`super::operators`].

use super::operators::{Key, calculate, is_nothing};
use super::value::to_text;
use minijinja::value::{Enumerator, Kwargs, Object, ObjectRepr, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};
use std::sync::Arc;

/// Adds the filters.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter("sort", sort);
    environment.add_filter("min", |list: &Value, options: Kwargs| {
        let keyed = Options::read(&options)?.sorted(list)?;
        Ok::<_, Error>(keyed.into_iter().next().map(|(_, item)| item).unwrap_or_default())
    });
    environment.add_filter("max", |list: &Value, options: Kwargs| {
        let keyed = Options::read(&options)?.sorted(list)?;
        Ok::<_, Error>(keyed.into_iter().next_back().map(|(_, item)| item).unwrap_or_default())
    });
    environment.add_filter("unique", unique);
    environment.add_filter("groupby", groupby);
    environment.add_filter("dictsort", dictsort);
    environment.add_filter("sum", sum);
    environment.add_filter("join", join);
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.to_owned())
}

/// What is at a path such as `a.b` or `a.0` in an item.
fn at_path(item: &Value, path: &str) -> Value {
    path.split('.').fold(item.clone(), |value, name| match name.parse::<usize>() {
        Ok(index) => value.get_item_by_index(index).unwrap_or_default(),
        Err(_) => value.get_attr(name).unwrap_or_default(),
    })
}

fn items(list: &Value) -> Result<impl Iterator<Item = Value>, Error> {
    let is_list = matches!(list.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Undefined);
    if is_list { list.try_iter() } else { Err(invalid("a list is needed before this filter")) }
}

/// By what items are compared.
struct Options {
    /// Paths, separated by commas. `None`: the items themselves.
    attribute: Option<String>,
    is_case_sensitive: bool,
}

type Keyed = (Vec<Key>, Value);

impl Options {
    fn read(options: &Kwargs) -> Result<Self, Error> {
        let attribute = options.get::<Option<String>>("attribute")?;
        let is_case_sensitive = options.get::<Option<bool>>("case_sensitive")?.unwrap_or(false);
        options.assert_all_used()?;
        Ok(Self { attribute, is_case_sensitive })
    }

    fn keyed(&self, list: &Value) -> Result<Vec<Keyed>, Error> {
        let key = |value: &Value| Key::of(value, self.is_case_sensitive);
        let keys = |item: &Value| match &self.attribute {
            Some(paths) => paths.split(',').map(|path| key(&at_path(item, path.trim()))).collect(),
            None => Ok(vec![key(item)?]),
        };
        items(list)?.map(|item| Ok((keys(&item)?, item))).collect()
    }

    fn sorted(&self, list: &Value) -> Result<Vec<Keyed>, Error> {
        sorted(self.keyed(list)?)
    }
}

/// Equal items keep their order.
fn sorted(mut keyed: Vec<Keyed>) -> Result<Vec<Keyed>, Error> {
    for position in 0..keyed.first().map_or(0, |(keys, _)| keys.len()) {
        Key::check_order(keyed.iter().map(|(keys, _)| &keys[position]))?;
    }
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(keyed)
}

/// Turns an order around; equal items keep theirs.
fn reversed(mut keyed: Vec<Keyed>) -> Vec<Keyed> {
    keyed.sort_by(|(one, _), (other, _)| other.cmp(one));
    keyed
}

fn sort(list: &Value, options: Kwargs) -> Result<Value, Error> {
    let is_reversed = options.get::<Option<bool>>("reverse")?.unwrap_or(false);
    let mut keyed = Options::read(&options)?.sorted(list)?;
    if is_reversed {
        keyed = reversed(keyed);
    }
    Ok(keyed.into_iter().map(|(_, item)| item).collect())
}

fn unique(list: &Value, options: Kwargs) -> Result<Value, Error> {
    let mut seen = std::collections::BTreeSet::new();
    let keyed = Options::read(&options)?.keyed(list)?;
    Ok(keyed.into_iter().filter(|(keys, _)| seen.insert(keys.clone())).map(|(_, item)| item).collect())
}

fn dictsort(map: &Value, options: Kwargs) -> Result<Value, Error> {
    if map.kind() != ValueKind::Map {
        return Err(invalid("a map is needed before `dictsort`"));
    }
    let by = match options.get::<Option<&str>>("by")? {
        None | Some("key") => "0",
        Some("value") => "1",
        Some(_) => return Err(invalid("`dictsort` goes by \"key\" or by \"value\"")),
    };
    let is_reversed = options.get::<Option<bool>>("reverse")?.unwrap_or(false);
    let options = Options { attribute: Some(by.to_owned()), ..Options::read(&options)? };
    let pairs = map.try_iter()?.map(|key| Ok(Value::from(vec![key.clone(), map.get_item(&key)?])));
    let mut keyed = options.sorted(&pairs.collect::<Result<Value, Error>>()?)?;
    if is_reversed {
        keyed = reversed(keyed);
    }
    Ok(keyed.into_iter().map(|(_, pair)| pair).collect())
}

/// The items of one group, as a pair or by name: `group.grouper`, `group.list`.
#[derive(Debug)]
struct Group {
    grouper: Value,
    list: Vec<Value>,
}

impl Object for Group {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match (key.as_usize(), key.as_str()) {
            (Some(0), _) | (_, Some("grouper")) => Some(self.grouper.clone()),
            (Some(1), _) | (_, Some("list")) => Some(Value::from(self.list.clone())),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(2)
    }
}

fn groupby(list: &Value, attribute: Option<&str>, options: Kwargs) -> Result<Value, Error> {
    let attribute = match attribute {
        Some(attribute) => attribute.to_owned(),
        None => options.get::<String>("attribute")?,
    };
    let default = options.get::<Option<Value>>("default")?.unwrap_or_default();
    let is_case_sensitive = options.get::<Option<bool>>("case_sensitive")?.unwrap_or(false);
    options.assert_all_used()?;
    let grouper = |item: &Value| match at_path(item, &attribute) {
        value if is_nothing(&value) => default.clone(),
        value => value,
    };
    let keyed = items(list)?.map(|item| Ok((vec![Key::of(&grouper(&item), is_case_sensitive)?], item)));
    let keyed = sorted(keyed.collect::<Result<_, Error>>()?)?;
    let groups = keyed.chunk_by(|(one, _), (other, _)| one == other).map(|group| Group {
        grouper: grouper(&group[0].1),
        list: group.iter().map(|(_, item)| item.clone()).collect(),
    });
    Ok(groups.map(Value::from_object).collect())
}

fn sum(
    list: &Value,
    attribute: Option<String>,
    start: Option<Value>,
    options: Kwargs,
) -> Result<Value, Error> {
    let attribute =
        attribute.map_or_else(|| options.get::<Option<String>>("attribute"), |path| Ok(Some(path)))?;
    let start = start.map_or_else(|| options.get::<Option<Value>>("start"), |start| Ok(Some(start)))?;
    options.assert_all_used()?;
    let values = items(list)?.map(|item| match &attribute {
        Some(path) => at_path(&item, path),
        None => item,
    });
    let mut values = values.filter(|value| !value.is_undefined());
    values.try_fold(start.unwrap_or_else(|| Value::from(0)), |sum, value| calculate("+", &sum, &value))
}

fn join(
    list: &Value,
    joiner: Option<Value>,
    attribute: Option<String>,
    options: Kwargs,
) -> Result<String, Error> {
    let joiner = joiner.map_or_else(|| options.get::<Option<Value>>("d"), |joiner| Ok(Some(joiner)))?;
    let attribute =
        attribute.map_or_else(|| options.get::<Option<String>>("attribute"), |path| Ok(Some(path)))?;
    options.assert_all_used()?;
    let joiner = joiner.as_ref().map_or_else(|| Ok(String::new()), to_text)?;
    let texts = items(list)?.map(|item| match &attribute {
        Some(path) => to_text(&at_path(&item, path)),
        None => to_text(&item),
    });
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join(&joiner))
}
