//! Case files, and the surroundings that they see.

use runner::port::{Surroundings, VariableOrigin, without_dots};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Real files, relative to the package's folder, and the environment that a case file asks for.
pub struct CaseSurroundings {
    variables: HashMap<String, String>,
}

impl CaseSurroundings {
    /// The surroundings that lines `# env: NAME=value` at the beginning of a case describe.
    pub fn of(case: &str) -> Self {
        let lines = case.lines().take_while(|line| line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.strip_prefix("# env: ")?.split_once('='));
        Self { variables: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }
}

impl Surroundings for CaseSurroundings {
    fn variable(&self, name: &str) -> Option<(String, VariableOrigin)> {
        self.variables.get(name).map(|value| (value.clone(), VariableOrigin::Process))
    }

    fn read_text(&self, path: &Path) -> io::Result<String> {
        fs::read_to_string(path)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(without_dots(&Path::new("/package").join(path)))
    }

    fn home(&self) -> Option<PathBuf> {
        Some("/home/me".into())
    }
}

/// The YAML files of a folder and of the folders in it, sorted. Paths are relative to the package's folder.
pub fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("the folder is readable").path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|ending| ending == "yaml") => files.push(path),
                false => {}
            }
        }
    }
    files.sort();
    files
}
