//! The files of the repository.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The tracked files, or where there is no git, every file that is not built.
#[derive(Debug, Clone)]
pub struct Tree {
    root: PathBuf,
    files: Vec<String>,
}

impl Tree {
    /// The repository that this package stands in.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn here() -> io::Result<Self> {
        Self::at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?)
    }

    /// The repository at `root`.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn at(root: &Path) -> io::Result<Self> {
        let mut files = match tracked(root) {
            Some(files) => files,
            None => walked(root)?,
        };
        // A file that was removed and not yet committed is tracked still.
        files.retain(|file| root.join(file).is_file());
        files.sort();
        Ok(Self { root: root.to_owned(), files })
    }

    /// The folder that paths are relative to.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every file, relative to the root with `/` between folders, sorted.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// The files whose name ends with `ending`.
    pub fn ending<'a>(&'a self, ending: &'a str) -> impl Iterator<Item = &'a str> {
        self.files().filter(move |file| file.ends_with(ending))
    }

    /// The text of a file; `None` where it is not text.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn text(&self, file: &str) -> io::Result<Option<String>> {
        Ok(String::from_utf8(std::fs::read(self.root.join(file))?).ok().filter(|text| !text.contains('\0')))
    }

    /// Every file that ends with `ending`, with its text.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn texts<'a>(&'a self, ending: &'a str) -> io::Result<Vec<(&'a str, String)>> {
        self.ending(ending).filter_map(|file| Some(flatten(Ok((file, self.text(file).transpose()?))))).collect()
    }
}

fn flatten(read: io::Result<(&str, io::Result<String>)>) -> io::Result<(&str, String)> {
    let (file, text) = read?;
    Ok((file, text?))
}

/// What git tracks, where `root` is the top of a repository.
fn tracked(root: &Path) -> Option<Vec<String>> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        output.status.success().then_some(output.stdout)
    };
    let top = String::from_utf8(git(&["rev-parse", "--show-toplevel"])?).ok()?;
    if Path::new(top.trim_end()).canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    let list = String::from_utf8(git(&["ls-files", "-z"])?).ok()?;
    Some(list.split_terminator('\0').map(str::to_owned).collect())
}

/// Every file below `root` outside folders of built things.
fn walked(root: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() && !["target", ".git", ".venv", "runs"].contains(&name.as_str()) {
                folders.push(path);
            } else if kind.is_file() {
                files.push(path);
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::{Tree, tracked, walked};

    #[test]
    fn git_and_a_walk_both_find_this_file() {
        let tree = Tree::here().unwrap();
        let wanted = "checks/src/tree.rs".to_owned();
        assert!(walked(tree.root()).unwrap().contains(&wanted));
        if let Some(files) = tracked(tree.root()) {
            assert!(files.contains(&wanted) || !files.iter().any(|file| file.starts_with("checks/")));
        }
    }
}
