//! Files that keep rows or bodies, written page by page: whole, or left as `FILE.partial`.

use crate::document::SaveFormat;
use crate::plan::SaveForm;
use crate::port::{OutputFile, OutputFiles};
use serde_json::Value as Json;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

const BUFFER_BYTES: usize = 256 * 1024;

/// A file that is being written.
pub struct SavedFile {
    /// Its path as the playbook names it.
    path: PathBuf,
    form: SaveForm,
    writer: BufWriter<Box<dyn OutputFile>>,
    has_content: bool,
}

impl SavedFile {
    /// Begins a file. Nothing is seen under its name before [`SavedFile::commit`].
    ///
    /// # Errors
    /// As the operating system says.
    pub fn create(files: &dyn OutputFiles, path: &Path, form: SaveForm) -> io::Result<Self> {
        let writer = BufWriter::with_capacity(BUFFER_BYTES, files.create(path)?);
        Ok(Self { path: path.to_owned(), form, writer, has_content: false })
    }

    /// Its path as the playbook names it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True once a row or a body is in it.
    pub fn has_content(&self) -> bool {
        self.has_content
    }

    /// Appends a row.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn push_row(&mut self, row: &Json) -> io::Result<()> {
        let (before, behind): (&[u8], &[u8]) = match (self.form, self.has_content) {
            (SaveForm::Rows(SaveFormat::Json), false) => (b"[\n", b""),
            (SaveForm::Rows(SaveFormat::Json), true) => (b",\n", b""),
            _ => (b"", b"\n"),
        };
        self.has_content = true;
        self.writer.write_all(before)?;
        serde_json::to_writer(&mut self.writer, row)?;
        self.writer.write_all(behind)
    }

    /// Appends a body as it came.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn push_body(&mut self, body: &[u8]) -> io::Result<()> {
        self.has_content = true;
        self.writer.write_all(body)
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn commit(self) -> io::Result<()> {
        self.finish()?.commit()
    }

    /// Leaves what was written so far as `FILE.partial`; nothing, if nothing was.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn leave_partial(self) -> io::Result<()> {
        match self.has_content {
            true => self.finish()?.leave_partial(),
            false => Ok(()),
        }
    }

    fn finish(mut self) -> io::Result<Box<dyn OutputFile>> {
        if self.form == SaveForm::Rows(SaveFormat::Json) {
            let end: &[u8] = if self.has_content { b"\n]\n" } else { b"[]\n" };
            self.writer.write_all(end)?;
        }
        self.writer.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

/// The name under which a file that is not complete is left.
pub fn partial_name(path: &Path) -> String {
    format!("{}.partial", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::fake::FakeFiles;
    use serde_json::json;

    fn saved(form: SaveForm, rows: &[Json]) -> String {
        let files = FakeFiles::default();
        let mut file = SavedFile::create(&files, Path::new("rows"), form).unwrap();
        rows.iter().for_each(|row| file.push_row(row).unwrap());
        assert_eq!(files.text("rows"), None, "nothing is seen before it is whole");
        file.commit().unwrap();
        files.text("rows").unwrap()
    }

    #[test]
    fn rows_as_lines_and_as_one_list() {
        let rows = [json!({"iccid": 8988303000000000129_u64}), json!([1])];
        let ndjson = SaveForm::Rows(SaveFormat::Ndjson);
        assert_eq!(saved(ndjson, &rows), "{\"iccid\":8988303000000000129}\n[1]\n");
        assert_eq!(saved(ndjson, &[]), "");
        let json = SaveForm::Rows(SaveFormat::Json);
        assert_eq!(saved(json, &rows), "[\n{\"iccid\":8988303000000000129},\n[1]\n]\n");
        assert_eq!(saved(json, &[]), "[]\n");
    }

    #[test]
    fn what_is_not_all_is_left_as_partial() {
        let files = FakeFiles::default();
        let mut file = SavedFile::create(&files, Path::new("a.txt"), SaveForm::Body).unwrap();
        file.push_body(b"half").unwrap();
        file.leave_partial().unwrap();
        assert_eq!((files.text("a.txt"), files.text("a.txt.partial")), (None, Some("half".into())));
        let empty = SavedFile::create(&files, Path::new("b.txt"), SaveForm::Body).unwrap();
        empty.leave_partial().unwrap();
        assert_eq!(files.text("b.txt.partial"), None);
    }
}
