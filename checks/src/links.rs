//! Links between the repository's pages.

use crate::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// A link of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// As it is written, without a title.
    pub target: String,
    /// From 1.
    pub line: usize,
}

/// The links of Markdown `text` outside code: `[text](target)` and `[name]: target`.
pub fn links(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (line, prose) in prose(text) {
        if let Some((name, target)) = prose.split_once("]: ")
            && name.starts_with('[')
            && !name.contains(' ')
        {
            links.push(Link { target: target.split_whitespace().next().unwrap_or("").to_owned(), line });
        }
        for (_, behind) in prose.match_indices("](").map(|(at, mark)| (at, prose.get(at + mark.len()..).unwrap_or(""))) {
            let target = behind.split(')').next().unwrap_or("");
            links.push(Link { target: target.split_whitespace().next().unwrap_or("").to_owned(), line });
        }
    }
    links
}

/// The names that `#name` may say in a page, as GitHub and mdBook derive them from headings.
pub fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for (_, prose) in prose(text) {
        for part in prose.split("id=\"").skip(1) {
            anchors.extend(part.split('"').next().map(str::to_owned));
        }
    }
    // Code in a heading is part of its name.
    for line in outside_fences(text).map(|(_, line)| line) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let base: String = heading.trim().chars().filter_map(slug).collect();
        let count = seen.entry(base.clone()).or_insert(0);
        anchors.insert(if *count == 0 { base } else { format!("{base}-{count}") });
        *count += 1;
    }
    anchors
}

fn slug(c: char) -> Option<char> {
    match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        _ if c.is_alphanumeric() => c.to_lowercase().next(),
        _ => None,
    }
}

/// The lines outside fenced code, each with its number from 1.
fn outside_fences(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut inside = false;
    text.lines().enumerate().filter_map(move |(i, line)| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        (!fence && !inside).then_some((i + 1, line))
    })
}

/// The lines outside fenced code, without code spans.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    outside_fences(text).map(|(line, text)| (line, text.split('`').step_by(2).collect::<Vec<_>>().join(" ")))
}

/// What is wrong with the relative links of every page: `FILE:LINE: TARGET: reason`.
///
/// # Errors
/// A file cannot be read.
pub fn broken(tree: &Tree) -> io::Result<Vec<String>> {
    let pages: BTreeMap<&str, String> = tree.texts(".md")?.into_iter().collect();
    let mut broken = Vec::new();
    for (file, text) in &pages {
        for Link { target, line } in links(text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let found = if path.is_empty() { Some((*file).to_owned()) } else { beside(file, path) };
            let reason = match found {
                None => "leads out of the repository",
                Some(path) if !tree.root().join(&path).exists() => "there is no such file",
                Some(path)
                    if !anchor.is_empty() && !pages.get(path.as_str()).is_some_and(|text| anchors(text).contains(anchor)) =>
                {
                    "there is no such heading"
                }
                Some(_) => continue,
            };
            broken.push(format!("{file}:{line}: {target}: {reason}"));
        }
    }
    Ok(broken)
}

/// `path` as a page `file` means it, relative to the root; `None` where it leads out.
fn beside(file: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{anchors, beside, links};

    #[test]
    fn links_are_found_outside_code_alone() {
        let text = "[a](b.md#c \"title\") and `[no](x)` [d](e)\n```\n[no](y)\n```\n[f]: g.md\n";
        let found: Vec<(String, usize)> = links(text).into_iter().map(|link| (link.target, link.line)).collect();
        assert_eq!(found, [("b.md#c".into(), 1), ("e".into(), 1), ("g.md".into(), 5)]);
    }

    #[test]
    fn anchors_are_those_of_github() {
        let found = anchors("# The engine, in `n14`\n## Limits\n## Limits\n```\n# no\n```\n<a id=\"mine\"></a>\n#no\n");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["limits", "limits-1", "mine", "the-engine-in-n14"]);
    }

    #[test]
    fn paths_are_relative_to_their_page() {
        assert_eq!(beside("docs/src/a.md", "../notes/b.md").as_deref(), Some("docs/notes/b.md"));
        assert_eq!(beside("README.md", "docs/"), Some("docs".into()));
        assert_eq!(beside("README.md", "../x"), None);
    }
}
