//! Paths in JSON: a text, or the units of a path that is no Unicode, so that it is the same when it is read back.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// A path as it stands in JSON.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum PathForm {
    /// What is Unicode.
    Text(String),
    /// What is not: the bytes of its name, or what the operating system takes for them.
    Units(Vec<u16>),
}

impl From<&Path> for PathForm {
    fn from(path: &Path) -> Self {
        path.to_str().map_or_else(|| Self::Units(units(path.as_os_str())), |text| Self::Text(text.to_owned()))
    }
}

impl From<PathForm> for PathBuf {
    fn from(form: PathForm) -> Self {
        match form {
            PathForm::Text(text) => text.into(),
            PathForm::Units(units) => of_units(&units).into(),
        }
    }
}

#[cfg(unix)]
fn units(name: &OsStr) -> Vec<u16> {
    std::os::unix::ffi::OsStrExt::as_bytes(name).iter().map(|byte| u16::from(*byte)).collect()
}

#[cfg(unix)]
fn of_units(units: &[u16]) -> OsString {
    // What is no byte was written by another system, which has no such path either.
    let bytes = units.iter().map(|unit| u8::try_from(*unit).unwrap_or(b'?')).collect();
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

#[cfg(windows)]
fn units(name: &OsStr) -> Vec<u16> {
    std::os::windows::ffi::OsStrExt::encode_wide(name).collect()
}

#[cfg(windows)]
fn of_units(units: &[u16]) -> OsString {
    std::os::windows::ffi::OsStringExt::from_wide(units)
}

/// Writes a path.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    PathForm::from(path).serialize(serializer)
}

/// Reads a path.
///
/// # Errors
/// When it is none.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    PathForm::deserialize(deserializer).map(PathBuf::from)
}

/// The same for a path that may be missing.
pub mod optional {
    use super::{Deserialize, Deserializer, PathBuf, PathForm, Serialize, Serializer};

    /// Writes a path, or null.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        path.as_deref().map(PathForm::from).serialize(serializer)
    }

    /// Reads a path, or null.
    ///
    /// # Errors
    /// When it is neither.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<PathForm>::deserialize(deserializer)?.map(PathBuf::from))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn every_path_is_read_back_as_it_was() {
        for bytes in [b"/srv/fleet".to_vec(), "/srv/fl\u{f6}tte".into(), b"/srv/\xff\xfe".to_vec()] {
            let path = PathBuf::from(OsString::from_vec(bytes));
            let json = serde_json::to_value(PathForm::from(&*path)).unwrap();
            assert_eq!(json.is_string(), path.to_str().is_some());
            assert_eq!(PathBuf::from(serde_json::from_value::<PathForm>(json).unwrap()), path);
        }
    }
}
