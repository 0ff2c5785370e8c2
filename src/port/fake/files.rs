use crate::port::{OutputFile, OutputFiles};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Files in memory. A folder that is called `full` takes nothing, and there is none that is called `none`.
#[derive(Default)]
pub struct FakeFiles {
    files: Rc<RefCell<BTreeMap<PathBuf, Vec<u8>>>>,
}

impl FakeFiles {
    /// The text of a file; `None` when there is none of that name.
    pub fn text(&self, path: &str) -> Option<String> {
        let files = self.files.borrow();
        files.get(Path::new(path)).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

impl OutputFiles for FakeFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn OutputFile>> {
        match path.starts_with("full") {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(Box::new(FakeFile {
                path: path.to_owned(),
                content: Vec::new(),
                files: self.files.clone(),
            })),
        }
    }

    fn locate(&self, path: &Path) -> io::Result<PathBuf> {
        match path.starts_with("none") {
            true => Err(io::Error::other("there is no folder none")),
            false => Ok(path.to_owned()),
        }
    }
}

struct FakeFile {
    path: PathBuf,
    content: Vec<u8>,
    files: Rc<RefCell<BTreeMap<PathBuf, Vec<u8>>>>,
}

impl Write for FakeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.content.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl OutputFile for FakeFile {
    fn commit(self: Box<Self>) -> io::Result<()> {
        self.files.borrow_mut().insert(self.path, self.content);
        Ok(())
    }

    fn leave_partial(self: Box<Self>) -> io::Result<()> {
        let path = format!("{}.partial", self.path.display());
        self.files.borrow_mut().insert(path.into(), self.content);
        Ok(())
    }
}
