use crate::event::{FileNote, ItemCounts};

/// What a step has done so far.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Requests that were sent, those of sessions not counted.
    pub requests: u32,
    /// Of these, the repetitions.
    pub retries: u32,
    /// Rows of all pages and items; `None` where no rows are read.
    pub rows: Option<u64>,
    /// Pages, where there is paging.
    pub pages: Option<u32>,
    /// How often it was asked, where it is asked until a condition holds.
    pub rounds: Option<u32>,
    /// Items of a loop.
    pub items: Option<ItemCounts>,
    /// Whether anything may have been done, so that cleanup has something to undo.
    pub may_be_done: bool,
    /// An earlier process has done it.
    pub is_restored: bool,
    /// The answer to its write was lost, and `verify` says that it was done.
    pub is_verified: bool,
    /// Nothing was done, since every step inside was skipped.
    pub is_idle: bool,
    /// What it did, in a few words.
    pub detail: Option<String>,
    /// The file that it wrote.
    pub file: Option<FileNote>,
}

impl Tally {
    /// Adds what an item has done.
    pub fn add(&mut self, item: &Self) {
        self.requests += item.requests;
        self.retries += item.retries;
        self.rows = sum(self.rows, item.rows);
        self.pages = sum(self.pages, item.pages);
        self.rounds = sum(self.rounds, item.rounds);
        self.may_be_done |= item.may_be_done;
    }
}

fn sum<T: std::ops::Add<Output = T> + Default>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (None, None) => None,
        (one, other) => Some(one.unwrap_or_default() + other.unwrap_or_default()),
    }
}
