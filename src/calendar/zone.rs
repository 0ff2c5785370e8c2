//! Time zones by their IANA names.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A time zone: that of the system's database, where there is one, else of the one in the program.
#[derive(Debug, Clone)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl Zone {
    /// The zone of an IANA name such as `Europe/Berlin`, letters in their right case. `None`: there is no such zone.
    pub fn named(name: &str) -> Option<Self> {
        let rules = TimeZone::get(name).ok().filter(|rules| !rules.is_unknown())?;
        (rules.iana_name() == Some(name)).then(|| Self { name: name.to_owned(), rules })
    }

    /// Universal time.
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), rules: TimeZone::UTC }
    }

    /// The zone of a file in the form TZif (RFC 9636), as /etc/localtime is one. `None`: the file is not of that form.
    pub fn of_file(name: &str, content: &[u8]) -> Option<Self> {
        let rules = TimeZone::tzif(name, content).ok()?;
        Some(Self { name: name.to_owned(), rules })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its rules.
    pub fn rules(&self) -> &TimeZone {
        &self.rules
    }

    /// Whether two zones show the same time from a moment on, as far as is known.
    pub fn agrees(&self, other: &Self, from: Timestamp) -> bool {
        // More than the years for which any zone has rules of their own.
        const CHANGES: usize = 200;
        let changes = |zone: &Self| -> Vec<_> {
            let changes = zone.rules.following(from).take(CHANGES);
            changes.map(|change| (change.timestamp(), change.offset())).collect()
        };
        self.rules.to_offset(from) == other.rules.to_offset(from) && changes(self) == changes(other)
    }

    /// Its distance from universal time in minutes, if that is always the same from a moment on.
    pub fn fixed_minutes(&self, from: Timestamp) -> Option<i32> {
        let seconds = self.rules.to_offset(from).seconds();
        (seconds % 60 == 0 && self.rules.following(from).next().is_none()).then_some(seconds / 60)
    }
}

/// The names of all zones, for the probable word.
pub fn known_zones() -> Vec<String> {
    jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect()
}
