use super::Span;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Names one file of a [`SourceMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(u32);

/// A place in a file as people count it: both numbers begin with 1, columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line, 1-based.
    pub line: usize,
    /// The column in characters, 1-based.
    pub column: usize,
}

/// One file as it was read, under the name that people know it by.
#[derive(Debug)]
pub struct SourceFile {
    name: String,
    text: Arc<str>,
    line_starts: Vec<usize>,
    hidden: Mutex<Vec<Range<usize>>>,
}

impl SourceFile {
    fn new(name: String, text: Arc<str>) -> Self {
        let line_starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(offset, _)| offset + 1)).collect();
        Self { name, text, line_starts, hidden: Mutex::default() }
    }

    /// The name to show: the path as the user gave it, or `built-in soracom.yaml`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Line and column of a byte offset.
    pub fn position(&self, offset: usize) -> Position {
        let offset = self.text.floor_char_boundary(offset.min(self.text.len()));
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let column = self.text[self.line_starts[line - 1]..offset].chars().count() + 1;
        Position { line, column }
    }

    /// The whole lines that a range of bytes touches, without the line break at their end.
    pub fn lines(&self, range: Range<usize>) -> Range<usize> {
        let line_of = |offset: usize| self.line_starts.partition_point(|start| *start <= offset) - 1;
        let last = line_of(range.end.saturating_sub(1).max(range.start));
        let next = self.line_starts.get(last + 1).copied();
        let end = next.map_or(self.text.len(), |start| start - 1);
        self.line_starts[line_of(range.start)]..end
    }

    /// Marks a range that must never be quoted, since a secret was written there.
    pub fn hide(&self, range: Range<usize>) {
        self.hidden.lock().expect("no panic while locked").push(range);
    }

    /// What is hidden, in the order of the file; ranges that meet are one.
    pub fn hidden(&self) -> Vec<Range<usize>> {
        let mut ranges = self.hidden.lock().expect("no panic while locked").clone();
        ranges.sort_by_key(|range| range.start);
        let mut merged: Vec<Range<usize>> = Vec::new();
        for range in ranges {
            match merged.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        merged
    }

    /// The text with every hidden character replaced by `*`, of equal length in bytes so that spans still fit.
    /// Line breaks stay.
    pub fn quotable_text(&self) -> String {
        let mut bytes = self.text.as_bytes().to_vec();
        for range in self.hidden.lock().expect("no panic while locked").iter() {
            for byte in &mut bytes[range.clone()] {
                if *byte != b'\n' {
                    *byte = b'*';
                }
            }
        }
        String::from_utf8(bytes).unwrap_or_default()
    }
}

/// All files of one check. Spans point into it.
#[derive(Debug, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// Takes a file's text up and gives it an identity.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).expect("fewer than 2^32 files"));
        self.files.push(SourceFile::new(name.into(), text.into()));
        id
    }

    /// The file of that identity.
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// All files with their identities.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files.iter().enumerate().map(|(index, file)| (FileId(index as u32), file))
    }

    /// Where a span begins: the name of its file and the position in it.
    pub fn locate(&self, span: Span) -> (&str, Position) {
        let file = self.file(span.file);
        (file.name(), file.position(span.start as usize))
    }

    /// `file:line:column` of a span's beginning, as editors and terminals understand it.
    pub fn place(&self, span: Span) -> String {
        let (name, position) = self.locate(span);
        format!("{name}:{}:{}", position.line, position.column)
    }

    /// The text that a span covers.
    pub fn snippet(&self, span: Span) -> &str {
        self.file(span.file).text().get(span.range()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let mut map = SourceMap::default();
        let id = map.add("a.yaml", "ä: 1\nb: ü2\n");
        assert_eq!(map.file(id).position(0), Position { line: 1, column: 1 });
        assert_eq!(map.file(id).position(2), Position { line: 1, column: 2 });
        assert_eq!(map.place(Span::new(id, 11..12)), "a.yaml:2:5");
    }

    #[test]
    fn lines_are_whole() {
        let mut map = SourceMap::default();
        let id = map.add("a.yaml", "a: 1\nb: 2\n\nc");
        for (range, lines) in
            [(0..1, 0..4), (4..5, 0..4), (3..6, 0..9), (5..10, 5..9), (10..10, 10..10), (12..12, 11..12)]
        {
            assert_eq!(map.file(id).lines(range.clone()), lines, "{range:?}");
        }
    }

    #[test]
    fn hidden_text_is_not_quoted() {
        let mut map = SourceMap::default();
        let id = map.add("a.yaml", "key: geheim\n");
        map.file(id).hide(8..11);
        map.file(id).hide(5..8);
        assert_eq!(map.file(id).hidden(), vec![5..11]);
        assert_eq!(map.file(id).quotable_text(), "key: ******\n");
    }
}
