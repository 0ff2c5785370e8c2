//! Parties that are not ours and judge what we wrote: published schemas, a reader of JUnit reports, Chromium.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What the judge of a form (`har`, `sarif`, `junit`) says of a document.
pub fn judge(form: &str, document: &[u8]) -> Value {
    let file = file_of(document, form);
    let modules = root().join("target/test-tools/node_modules");
    assert!(modules.join("har-validator").exists(), "the judges are missing; `./tests/all` installs them");
    node("judge.cjs", &[modules.as_os_str(), form.as_ref(), file.path().as_os_str()])
}

/// What Chromium says of a page that is shown so many pixels wide: see `tests/tools/chromium.cjs`.
pub fn show_page(page: &str, width: u32) -> Value {
    let file = file_of(page.as_bytes(), "html");
    node("chromium.cjs", &["page".as_ref(), file.path().as_os_str(), width.to_string().as_ref()])
}

/// The requests that the network panel of Chromium finds in an HTTP Archive.
pub fn open_archive(archive: &str) -> Value {
    let file = file_of(archive.as_bytes(), "har");
    node("chromium.cjs", &["har".as_ref(), file.path().as_os_str()])
}

fn file_of(document: &[u8], ending: &str) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(&format!(".{ending}")).tempfile();
    let mut file = file.expect("there is room for a file");
    file.write_all(document).expect("there is room for a document");
    file
}

fn node(script: &str, arguments: &[&OsStr]) -> Value {
    let output = Command::new("node").arg(root().join("tests/tools").join(script)).args(arguments).output();
    let output = output.expect("node starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("a judgement is JSON")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
