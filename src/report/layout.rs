//! Where in a line the parts of a report stand.

use super::look::{DIM, Look, broken, columns, painted};

/// Where labels begin: behind two spaces, the mark and a space.
const LABEL_COLUMN: usize = 4;
/// The narrowest and the widest column of labels.
const LABEL_WIDTHS: (usize, usize) = (16, 36);
/// Room for the longest usual time: `3 min 20 s`.
const TIME_WIDTH: usize = 10;
/// Details that would get less room go below their label.
const LEAST_ROOM: usize = 24;

/// The columns of the rows of a report.
pub(super) struct Columns {
    look: Look,
    label_width: usize,
}

/// What stands in a row. All texts are ready to be printed.
pub(super) struct Row<'a> {
    /// How it ended, one column wide.
    pub(super) mark: &'a str,
    /// In how many groups and loops it lies.
    pub(super) depth: usize,
    /// What was done.
    pub(super) label: &'a str,
    /// What came of it.
    pub(super) details: &'a str,
    /// How long it took.
    pub(super) took: &'a str,
}

impl Columns {
    /// Columns for rows with these labels.
    pub(super) fn of<'a>(look: Look, labels: impl IntoIterator<Item = &'a str>) -> Self {
        let (narrowest, widest) = LABEL_WIDTHS;
        let longest = labels.into_iter().map(|label| columns(&look.text(label))).max().unwrap_or(0);
        let label_width = longest.clamp(narrowest, widest.min(look.width / 3).max(narrowest));
        Self { look, label_width }
    }

    /// The lines of a row: one where nothing is wrapped, else as many as it needs.
    pub(super) fn lines(&self, row: &Row<'_>) -> Vec<String> {
        let details_column = LABEL_COLUMN + self.label_width + 2;
        let room = self.look.width.saturating_sub(details_column + 2 + TIME_WIDTH);
        match self.look.is_wrapped {
            false => vec![self.one_line(row)],
            true if room >= LEAST_ROOM => self.side_by_side(row, room),
            true => self.below_each_other(row),
        }
    }

    fn one_line(&self, row: &Row<'_>) -> String {
        let left = format!("{}{}", row.head(), row.label);
        let pad = (LABEL_COLUMN + self.label_width + 2).saturating_sub(columns(&left)).max(2);
        let line = self.look.justified(&format!("{left}{:pad$}{}", "", row.details), &dimmed(row.took));
        line.trim_end().to_owned()
    }

    /// Labels and details wrapped, each in its column.
    fn side_by_side(&self, row: &Row<'_>, room: usize) -> Vec<String> {
        let label_room = self.label_width.saturating_sub(2 * row.depth).max(LABEL_WIDTHS.0 / 2);
        let (labels, details) = (broken(row.label, label_room), broken(row.details, room));
        let part = |parts: &[String], line: usize| parts.get(line).cloned().unwrap_or_default();
        let lines = (0..labels.len().max(details.len())).map(|line| {
            let (head, took) = match line {
                0 => (row.head(), dimmed(row.took)),
                _ => (" ".repeat(row.begin()), String::new()),
            };
            let left = format!("{head}{}", part(&labels, line));
            let pad = (LABEL_COLUMN + self.label_width + 2).saturating_sub(columns(&left)).max(2);
            let text = format!("{left}{:pad$}{}", "", part(&details, line));
            self.look.justified(&text, &took).trim_end().to_owned()
        });
        lines.collect()
    }

    /// All in one line where that has room for it, else the details below the label.
    fn below_each_other(&self, row: &Row<'_>) -> Vec<String> {
        let one_line = self.one_line(row);
        if columns(&one_line) <= self.look.width {
            return vec![one_line];
        }
        let (begin, took) = (row.begin(), columns(row.took));
        let labels = broken(row.label, self.look.width.saturating_sub(begin + took + 2));
        let details = broken(row.details, self.look.width.saturating_sub(begin + 2));
        let (first, rest) = labels.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
        let first = self.look.justified(&format!("{}{first}", row.head()), &dimmed(row.took));
        let rest = rest.iter().map(|label| format!("{:begin$}{label}", ""));
        let details = details.iter().map(|part| format!("{:begin$}  {part}", ""));
        [first].into_iter().chain(rest).chain(details).map(|line| line.trim_end().to_owned()).collect()
    }
}

impl Row<'_> {
    /// Where its label begins.
    fn begin(&self) -> usize {
        LABEL_COLUMN + 2 * self.depth
    }

    /// What stands before its label.
    fn head(&self) -> String {
        format!("  {} {:indent$}", self.mark, "", indent = 2 * self.depth)
    }
}

/// What is less important; nothing stays nothing.
pub(super) fn dimmed(text: &str) -> String {
    if text.is_empty() { String::new() } else { painted(DIM, text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstream::adapter::strip_str;
    use insta::assert_snapshot;

    /// Rows of every length on a terminal of so many columns; none is wider than that.
    fn rows(width: usize) -> String {
        let look = Look::terminal(width, true);
        let long = "Give every device of the fleet its new firmware";
        let path = "GET /a/very/long/path/without/any/space/in/it/that/goes/on";
        let labels = ["items", long, path];
        let row = |depth, label, details, took| Row { mark: "✓", depth, label, details, took };
        let columns_of_all = Columns::of(look, labels);
        let rows = [
            row(0, "items", "200", "8 ms"),
            row(1, "make", "3 items, 1 failed, 1 skipped", "175 ms"),
            row(0, long, "200", "51 ms"),
            row(0, path, "1,250 rows, 2 pages → an/equally/long/path/to/a/file.ndjson", "3 min 20 s"),
            row(0, "logout own", "no logout on this API: tokens forgotten here, they end at 18:02 UTC", ""),
        ];
        let lines: Vec<String> = rows.iter().flat_map(|row| columns_of_all.lines(row)).collect();
        for line in &lines {
            assert!(columns(line) <= width, "{} of {width} columns: {line}", columns(line));
        }
        strip_str(&lines.join("\n")).to_string()
    }

    #[test]
    fn rows_on_forty_columns() {
        assert_snapshot!(rows(40), @r"
    ✓ items             200           8 ms
    ✓   make                        175 ms
          3 items, 1 failed, 1 skipped
    ✓ Give every device of the       51 ms
      fleet its new firmware
        200
    ✓ GET                       3 min 20 s
      /a/very/long/path/
      without/any/space/in/it/
      that/goes/on
        1,250 rows, 2 pages →
        an/equally/long/path/to/a/
        file.ndjson
    ✓ logout own
        no logout on this API: tokens
        forgotten here, they end at 18:02
        UTC
    ");
    }

    #[test]
    fn rows_on_eighty_columns() {
        assert_snapshot!(rows(80), @r"
    ✓ items                       200                                         8 ms
    ✓   make                      3 items, 1 failed, 1 skipped              175 ms
    ✓ Give every device of the    200                                        51 ms
      fleet its new firmware
    ✓ GET                         1,250 rows, 2 pages →                 3 min 20 s
      /a/very/long/path/without/  an/equally/long/path/to/a/
      any/space/in/it/that/goes/  file.ndjson
      on
    ✓ logout own                  no logout on this API: tokens
                                  forgotten here, they end at 18:02
                                  UTC
    ");
    }

    #[test]
    fn rows_on_a_hundred_and_twenty_columns() {
        assert_snapshot!(rows(120), @r"
    ✓ items                                 200                                                             8 ms
    ✓   make                                3 items, 1 failed, 1 skipped                                  175 ms
    ✓ Give every device of the fleet its    200                                                            51 ms
      new firmware
    ✓ GET                                   1,250 rows, 2 pages →                                     3 min 20 s
      /a/very/long/path/without/any/space/  an/equally/long/path/to/a/file.ndjson
      in/it/that/goes/on
    ✓ logout own                            no logout on this API: tokens forgotten here, they end
                                            at 18:02 UTC
    ");
    }
}
