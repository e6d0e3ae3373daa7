//! Imports between the files and folders of one package.

use super::parse::{Module, read};
use crate::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// Folders and files that lie beside each other and use each other; one of them at least is a folder.
#[derive(Debug, Clone)]
pub struct Circle {
    /// The folders and files, relative to the root.
    pub members: BTreeSet<String>,
    /// One import for each pair of them: `FILE:LINE imports FILE`.
    pub imports: Vec<String>,
}

/// The circles of the package whose sources lie in `src` (with `/` at the end), in every crate root there: `lib.rs`, `main.rs`, `bin/*`.
///
/// # Errors
/// A file cannot be read.
pub fn circles(tree: &Tree, src: &str) -> io::Result<Vec<Circle>> {
    let files: Vec<&str> = tree.ending(".rs").filter(|file| file.starts_with(src)).collect();
    let mut package = Package { src, files: BTreeMap::new(), modules: BTreeMap::new() };
    let has_library = files.iter().any(|file| file.strip_prefix(src) == Some("lib.rs"));
    for file in files {
        // Beside a library, `main.rs` is a program of its own.
        if has_library && file.strip_prefix(src) == Some("main.rs") {
            continue;
        }
        let Some(place) = place(file.strip_prefix(src).unwrap_or(file)) else { continue };
        package.modules.insert(place.clone(), read(&tree.text(file)?.unwrap_or_default(), &place));
        package.files.insert(place, file.to_owned());
    }
    Ok(package.circles())
}

/// The module that a file is, names from the crate's root on; `None` for a program of its own in `bin/`.
fn place(file: &str) -> Option<Vec<String>> {
    let parts: Vec<&str> = file.strip_suffix(".rs")?.split('/').collect();
    match parts.as_slice() {
        ["lib"] | ["main"] => Some(Vec::new()),
        ["bin", ..] => None,
        [folders @ .., "mod"] => Some(folders.iter().map(ToString::to_string).collect()),
        parts => Some(parts.iter().map(ToString::to_string).collect()),
    }
}

struct Package<'a> {
    src: &'a str,
    files: BTreeMap<Vec<String>, String>,
    modules: BTreeMap<Vec<String>, Module>,
}

impl Package<'_> {
    /// Whether a module has children in files of their own, other than tests.
    fn is_folder(&self, place: &[String]) -> bool {
        self.files.keys().any(|other| other.len() > place.len() && other.starts_with(place) && !self.is_test(other))
    }

    /// What a module belongs to among the members of `folder`: a folder or a file beside others. The folder's own file is one of them.
    fn member<'a>(folder: &[String], place: &'a [String]) -> &'a [String] {
        place.get(..folder.len() + 1).unwrap_or(place)
    }

    /// The module that defines what `path` names. `seen` holds the paths that were followed: names may lead in a circle.
    fn defining(&self, path: &[String], seen: &mut BTreeSet<Vec<String>>) -> Option<Vec<String>> {
        if !seen.insert(path.to_vec()) {
            return None;
        }
        let length =
            (0..=path.len()).rev().find(|&length| path.get(..length).is_some_and(|place| self.modules.contains_key(place)))?;
        let (place, rest) = path.split_at(length);
        let module = self.modules.get(place)?;
        let Some(name) = rest.first() else { return Some(place.to_vec()) };
        if module.defined.contains(name) {
            return Some(place.to_vec());
        }
        if let Some(target) = module.names.get(name)
            && target != path
        {
            return self.defining(target, seen).or_else(|| Some(place.to_vec()));
        }
        let through = |glob: &Vec<String>| {
            let target: Vec<String> = glob.iter().chain([name]).cloned().collect();
            let found = self.defining(&target, seen)?;
            self.modules.get(&found).is_some_and(|module| module.defined.contains(name)).then_some(found)
        };
        module.globs.iter().filter(|glob| glob.as_slice() != place).find_map(through).or_else(|| Some(place.to_vec()))
    }

    /// Whether a module is compiled for tests alone.
    fn is_test(&self, place: &[String]) -> bool {
        (0..place.len()).any(|length| {
            let (parent, rest) = place.split_at(length);
            self.modules.get(parent).zip(rest.first()).is_some_and(|(module, name)| module.tests.contains(name))
        })
    }

    /// Every import: from a module, to a module, said.
    fn imports(&self) -> Vec<(&[String], Vec<String>, String)> {
        let mut imports = Vec::new();
        for (place, module) in self.modules.iter().filter(|(place, _)| !self.is_test(place)) {
            let file = self.files.get(place).map_or("", String::as_str);
            for import in &module.imports {
                let Some(target) = self.defining(&import.path, &mut BTreeSet::new()).filter(|target| !self.is_test(target))
                else {
                    continue;
                };
                let name = self.files.get(&target).map_or("", String::as_str);
                let said = format!("{file}:{} imports {name} ({})", import.line, import.path.join("::"));
                imports.push((place.as_slice(), target, said));
            }
        }
        imports
    }

    fn circles(&self) -> Vec<Circle> {
        let imports = self.imports();
        let root = Vec::new();
        let folders = self.modules.keys().filter(|place| !place.is_empty() && self.is_folder(place));
        std::iter::once(&root).chain(folders).flat_map(|folder| self.circles_in(folder, &imports)).collect()
    }

    /// The circles between the members of one folder.
    fn circles_in(&self, folder: &[String], imports: &[(&[String], Vec<String>, String)]) -> Vec<Circle> {
        let mut edges: Edges = BTreeMap::new();
        for (place, target, said) in
            imports.iter().filter(|(place, target, _)| place.starts_with(folder) && target.starts_with(folder))
        {
            let (from, to) = (Self::member(folder, place), Self::member(folder, target));
            if from != to {
                edges.entry(from.to_vec()).or_default().entry(to.to_vec()).or_insert_with(|| said.clone());
            }
        }
        let reach: BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> =
            edges.keys().map(|from| (from, reachable(&edges, from))).collect();
        let mut done: BTreeSet<&Vec<String>> = BTreeSet::new();
        let mut circles = Vec::new();
        for (from, reached) in reach.iter().filter(|(from, reached)| reached.contains(*from)) {
            if done.contains(from) {
                continue;
            }
            let back = |to: &&&Vec<String>| reach.get(**to).is_some_and(|reached| reached.contains(from));
            let members: BTreeSet<&Vec<String>> = reached.iter().filter(back).copied().collect();
            let is_folder = |member: &&&Vec<String>| member.len() > folder.len() && self.is_folder(member);
            if members.iter().any(|member| is_folder(&member)) {
                let inside = |from: &&Vec<String>| edges.get(*from).into_iter().flatten().filter(|(to, _)| members.contains(to));
                let imports = members.iter().flat_map(inside).map(|(_, said)| said.clone()).collect();
                circles.push(Circle { members: members.iter().map(|member| self.shown(folder, member)).collect(), imports });
            }
            done.extend(members);
        }
        circles
    }

    /// A member of a folder as a path: a folder ends with `/`.
    fn shown(&self, folder: &[String], member: &[String]) -> String {
        if member.len() > folder.len() && self.is_folder(member) {
            return format!("{}{}/", self.src, member.join("/"));
        }
        self.files.get(member).cloned().unwrap_or_default()
    }
}

/// Member to member, with an import that leads there.
type Edges = BTreeMap<Vec<String>, BTreeMap<Vec<String>, String>>;

/// Every member that imports from `from` lead to.
fn reachable<'a>(edges: &'a Edges, from: &Vec<String>) -> BTreeSet<&'a Vec<String>> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(member) = open.pop() {
        for to in edges.get(member).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(to) {
                open.push(to);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::{Package, place, read};
    use std::collections::BTreeMap;

    fn circles(sources: &[(&str, &str)]) -> Vec<Vec<String>> {
        let mut package = Package { src: "src/", files: BTreeMap::new(), modules: BTreeMap::new() };
        for (file, source) in sources {
            let place = place(file).unwrap();
            package.modules.insert(place.clone(), read(source, &place));
            package.files.insert(place, format!("src/{file}"));
        }
        package.circles().into_iter().map(|circle| circle.members.into_iter().collect()).collect()
    }

    #[test]
    fn two_folders_that_use_each_other_are_a_circle() {
        let sources = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "mod x; use crate::b::y::Y;"),
            ("a/x.rs", "pub struct X;"),
            ("b.rs", "mod y;"),
            ("b/y.rs", "use crate::a::x::X; pub struct Y;"),
        ];
        assert_eq!(circles(&sources), [["src/a/", "src/b/"]]);
    }

    #[test]
    fn a_longer_circle_is_found() {
        let sources = [
            ("a.rs", "mod x; use crate::b::z;"),
            ("a/x.rs", ""),
            ("b.rs", "mod z; use crate::c::z;"),
            ("b/z.rs", ""),
            ("c.rs", "mod z; use crate::a::x;"),
            ("c/z.rs", ""),
        ];
        assert_eq!(circles(&sources), [["src/a/", "src/b/", "src/c/"]]);
    }

    #[test]
    fn a_reexport_leads_to_its_definition_and_is_no_import() {
        let sources = [
            ("lib.rs", "mod error; mod a; mod b; pub use error::Error; pub use a::x::X;"),
            ("error.rs", "pub enum Error {}"),
            ("a.rs", "pub mod x;"),
            ("a/x.rs", "use crate::Error; pub struct X;"),
            ("b.rs", "mod y;"),
            ("b/y.rs", "use crate::X;"),
        ];
        assert!(circles(&sources).is_empty());
    }

    #[test]
    fn tests_may_use_what_they_like() {
        let sources = [
            ("a.rs", "mod x; #[cfg(test)] mod tests;"),
            ("a/x.rs", ""),
            ("a/tests.rs", "use crate::b::y;"),
            ("b.rs", "mod y; use crate::a::x;"),
            ("b/y.rs", ""),
        ];
        assert!(circles(&sources).is_empty());
    }

    #[test]
    fn a_folder_and_a_file_beside_it_are_a_circle() {
        let sources = [
            ("error.rs", "use crate::a::x::Wrong; pub enum Error {}"),
            ("a.rs", "mod x;"),
            ("a/x.rs", "use crate::error::Error; pub struct Wrong;"),
        ];
        assert_eq!(circles(&sources), [["src/a/", "src/error.rs"]]);
    }

    #[test]
    fn a_circle_inside_a_folder_is_found() {
        let sources = [
            ("a.rs", "mod b; mod c; b::f();"),
            ("a/b.rs", "mod x; use super::c::C;"),
            ("a/b/x.rs", ""),
            ("a/c.rs", "use super::b::x::X; pub struct C;"),
        ];
        assert_eq!(circles(&sources), [["src/a/b/", "src/a/c.rs"]]);
    }

    #[test]
    fn a_parent_that_uses_its_child_and_is_used_by_it_is_a_circle_where_the_child_is_a_folder() {
        let folder = [("a.rs", "mod b; struct E; fn f() { b::g() }"), ("a/b.rs", "mod x; use super::E;"), ("a/b/x.rs", "")];
        assert_eq!(circles(&folder), [["src/a.rs", "src/a/b/"]]);
        let file = [("a.rs", "mod b; struct E; fn f() { b::g() }"), ("a/b.rs", "use super::E;")];
        assert!(circles(&file).is_empty());
    }

    #[test]
    fn files_of_one_folder_may_use_each_other() {
        assert!(circles(&[("a.rs", "use crate::b::B; pub struct A;"), ("b.rs", "use crate::a::A; pub struct B;")]).is_empty());
    }
}
