//! Patterns of paths: `*`, `?` and `[…]` within a name, `**` for any folders between, letters of either case.

use glob::MatchOptions;
use std::path::{Component, Path, PathBuf};

/// Upper and lower case are the same; a leading dot needs no dot in the pattern.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: false, require_literal_separator: true, require_literal_leading_dot: false };

/// A pattern: the folder it starts in, and what the names below it must be.
#[derive(Debug)]
pub(super) struct Pattern {
    pub base: PathBuf,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    /// `**`: any number of folders.
    Folders,
    Name(glob::Pattern),
}

/// How a path below the base stands to the pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match {
    /// It matches.
    pub whole: bool,
    /// Something below it may.
    pub prefix: bool,
}

impl Pattern {
    /// Reads a pattern; none of a text without any of its characters.
    ///
    /// # Errors
    /// What cannot be read as one.
    pub(super) fn read(text: &str) -> Result<Option<Self>, String> {
        const SPECIAL: [char; 3] = ['*', '?', '['];
        let (mut base, mut parts) = (PathBuf::new(), Vec::new());
        for component in Path::new(text).components() {
            let name = component.as_os_str().to_string_lossy();
            match component {
                Component::Normal(_) if name == "**" => parts.push(Part::Folders),
                Component::Normal(_) if !parts.is_empty() || name.contains(SPECIAL) => {
                    let pattern = glob::Pattern::new(&name).map_err(|e| format!("the pattern cannot be read: {}", e.msg))?;
                    parts.push(Part::Name(pattern));
                }
                _ if parts.is_empty() => base.push(component),
                _ => return Err("the pattern cannot be read: no .. may follow a *, ? or [".into()),
            }
        }
        // At its end, ** means what lies in those folders too.
        if matches!(parts.last(), Some(Part::Folders)) {
            parts.extend(glob::Pattern::new("*").map(Part::Name));
        }
        Ok((!parts.is_empty()).then_some(Self { base, parts }))
    }

    /// How the names of a path below the base match.
    pub(super) fn matches(&self, names: &Path) -> Match {
        // The parts that the next name may stand for.
        let mut open = vec![false; self.parts.len() + 1];
        self.open(&mut open, 0);
        for name in names.components().map(Component::as_os_str) {
            let Some(name) = name.to_str() else { return Match { whole: false, prefix: false } };
            let mut next = vec![false; open.len()];
            for (at, part) in self.parts.iter().enumerate().filter(|(at, _)| open.get(*at) == Some(&true)) {
                match part {
                    Part::Folders => self.open(&mut next, at),
                    Part::Name(pattern) if pattern.matches_with(name, OPTIONS) => self.open(&mut next, at + 1),
                    Part::Name(_) => {}
                }
            }
            open = next;
        }
        let whole = open.pop() == Some(true);
        Match { whole, prefix: open.contains(&true) }
    }

    /// Marks a part, and the one behind it where `**` may stand for nothing.
    fn open(&self, open: &mut [bool], at: usize) {
        for (at, open) in open.iter_mut().enumerate().skip(at) {
            *open = true;
            if !matches!(self.parts.get(at), Some(Part::Folders)) {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_in_either_case_and_folders_at_any_depth() {
        let matches = |pattern: &str, path: &str| {
            let Match { whole, prefix } = Pattern::read(pattern).unwrap().unwrap().matches(Path::new(path));
            (whole, prefix)
        };
        for (pattern, path, wanted) in [
            ("s/*.DCM", "a.dcm", (true, false)),
            ("s/*.dcm", "A.DCM", (true, false)),
            ("s/*.dcm", "deep/a.dcm", (false, false)),
            ("s/*.dcm", ".a.dcm", (true, false)),
            ("s/im?[0-3]", "IMG2", (true, false)),
            ("s/im?[0-3]", "IMG4", (false, false)),
            ("**/c", "c", (true, true)),
            ("**/C", "a/b/c", (true, true)),
            ("**/c", "a/b", (false, true)),
            ("*/images/*.png", "x", (false, true)),
            ("*/images/*.png", "x/Images", (false, true)),
            ("*/images/*.png", "x/other", (false, false)),
            ("*/images/*.png", "x/Images/a.PNG", (true, false)),
            ("s/**", "a/b/c", (true, true)),
            ("s/**/**/x*", "xa", (true, true)),
            ("s/*", "a", (true, false)),
        ] {
            assert_eq!(matches(pattern, path), wanted, "{pattern} against {path}");
        }
    }

    #[test]
    fn a_pattern_starts_in_the_folder_before_its_first_special_character() {
        let base = |pattern: &str| Pattern::read(pattern).unwrap().map(|pattern| pattern.base);
        assert_eq!(base("/a/b c/*.png"), Some("/a/b c".into()));
        assert_eq!(base("../x/**"), Some("../x".into()));
        assert_eq!(base("*.png"), Some("".into()));
        assert_eq!(base("a/b.png"), None);
        for broken in ["[", "a/***", "a**", "x/*/../y", "[]"] {
            let why = Pattern::read(broken).unwrap_err();
            assert!(why.starts_with("the pattern cannot be read"), "{broken}: {why}");
        }
    }
}
