//! A module's declarations and the paths that it uses.

use crate::rust::{Token, tokens};
use std::collections::{BTreeMap, BTreeSet};

/// A path that a module uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Names from the crate's root on; the last may be `*`.
    pub path: Vec<String>,
    /// From 1.
    pub line: usize,
}

/// What the source of a module says.
#[derive(Debug, Clone, Default)]
pub struct Module {
    /// Child modules in files of their own.
    pub children: BTreeSet<String>,
    /// Child modules that are compiled for tests alone.
    pub tests: BTreeSet<String>,
    /// Names that the module defines itself.
    pub defined: BTreeSet<String>,
    /// Names that `use` brings in, each with its path.
    pub names: BTreeMap<String, Vec<String>>,
    /// Modules that `use …::*` brings in.
    pub globs: Vec<Vec<String>>,
    /// Paths that the module uses outside re-exports.
    pub imports: Vec<Import>,
}

/// Reads the source of the module at `place`, names from the crate's root on.
pub fn read(source: &str, place: &[String]) -> Module {
    let tokens = tokens(source);
    let mut reader = Reader { tokens: &tokens, at: 0, place, depth: 0, inline: Vec::new(), module: Module::default() };
    reader.declarations();
    reader.at = 0;
    reader.depth = 0;
    reader.inline.clear();
    reader.paths();
    reader.module
}

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    place: &'a [String],
    /// Braces that are open.
    depth: usize,
    /// Inline modules that are open: name and depth inside.
    inline: Vec<(String, usize)>,
    module: Module,
}

/// Words before the name of an item.
const ITEMS: [&str; 9] = ["fn", "struct", "enum", "trait", "type", "const", "static", "union", "macro_rules"];

impl<'a> Reader<'a> {
    fn text(&self, ahead: usize) -> &'a str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.text)
    }

    fn before(&self, back: usize) -> &'a str {
        self.at.checked_sub(back).and_then(|at| self.tokens.get(at)).map_or("", |token| token.text)
    }

    /// Whether `#[cfg(test)]` or `#[cfg(all(test, …))]` begins here; its length.
    fn test_attribute(&self) -> Option<usize> {
        let texts = |count| (0..count).map(|i| self.text(i)).collect::<Vec<_>>();
        if texts(7) == ["#", "[", "cfg", "(", "test", ")", "]"] {
            return Some(7);
        }
        (texts(7) == ["#", "[", "cfg", "(", "all", "(", "test"]).then(|| {
            let rest = self.tokens.get(self.at..).unwrap_or_default();
            rest.iter().position(|token| token.text == "]").map_or(rest.len(), |at| at + 1)
        })
    }

    /// Moves behind the item that begins here: to its `;`, or behind its braces.
    fn skip_item(&mut self) {
        let mut depth = 0;
        while self.at < self.tokens.len() {
            match self.text(0) {
                "{" => depth += 1,
                "}" if depth == 1 => {
                    self.at += 1;
                    return;
                }
                "}" => depth -= 1,
                ";" if depth == 0 => {
                    self.at += 1;
                    return;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn braces(&mut self) {
        match self.text(0) {
            "{" => self.depth += 1,
            "}" => {
                self.depth = self.depth.saturating_sub(1);
                self.inline.retain(|(_, depth)| *depth <= self.depth);
            }
            _ => {}
        }
    }

    /// Child modules and defined names.
    fn declarations(&mut self) {
        while self.at < self.tokens.len() {
            if let Some(length) = self.test_attribute() {
                self.at += length;
                let start = self.at;
                while !["mod", ";", "{"].contains(&self.text(0)) && self.at < self.tokens.len() {
                    self.at += 1;
                }
                if self.text(0) == "mod" && self.text(2) == ";" {
                    self.module.tests.insert(self.text(1).to_owned());
                }
                self.at = start;
                self.skip_item();
                continue;
            }
            self.braces();
            if self.text(0) == "mod" && self.text(2) == ";" {
                self.module.children.insert(self.text(1).to_owned());
            }
            if self.text(0) == "mod" && self.text(2) == "{" {
                self.inline.push((self.text(1).to_owned(), self.depth + 1));
            }
            if self.depth == 0 && ITEMS.contains(&self.text(0)) {
                let name = if self.text(0) == "macro_rules" { self.text(2) } else { self.text(1) };
                self.module.defined.insert(name.to_owned());
            }
            self.at += 1;
        }
    }

    /// `use` declarations, and paths in code.
    fn paths(&mut self) {
        while self.at < self.tokens.len() {
            if let Some(length) = self.test_attribute() {
                self.at += length;
                self.skip_item();
                continue;
            }
            self.braces();
            if self.text(0) == "mod" && self.text(2) == "{" {
                self.inline.push((self.text(1).to_owned(), self.depth + 1));
            }
            // `use<…>` is a bound of an opaque type.
            if self.text(0) == "use" && self.before(1) != "::" && self.text(1) != "<" {
                let public = ["pub", ")"].contains(&self.before(1));
                self.at += 1;
                self.tree(&mut Vec::new(), public);
                continue;
            }
            self.path_in_code();
            self.at += 1;
        }
    }

    /// A `use` tree behind `prefix`; ends behind it.
    fn tree(&mut self, prefix: &mut Vec<&'a str>, public: bool) {
        let length = prefix.len();
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        loop {
            match self.text(0) {
                "::" => self.at += 1,
                "{" => {
                    self.at += 1;
                    while !["}", ";", ""].contains(&self.text(0)) {
                        self.tree(prefix, public);
                        self.at += usize::from(self.text(0) == ",");
                    }
                    self.at += 1;
                    break;
                }
                "as" => {
                    let name = self.text(1);
                    self.at += 2;
                    self.imported(prefix, name, line, public);
                    break;
                }
                "," | "}" | ";" | "" => {
                    self.imported(prefix, prefix.last().copied().unwrap_or(""), line, public);
                    break;
                }
                name => {
                    prefix.push(name);
                    self.at += 1;
                }
            }
        }
        prefix.truncate(length);
    }

    /// A name that `use` brings in.
    fn imported(&mut self, path: &[&str], name: &str, line: usize, public: bool) {
        let mut path = path.to_vec();
        // `use a::{self}` is `use a`.
        let name = if name == "self" && path.len() > 1 { path.get(path.len() - 2).copied().unwrap_or("") } else { name };
        if path.len() > 1 && path.last() == Some(&"self") {
            path.pop();
        }
        let Some(path) = self.absolute(&path) else { return };
        if self.inline.is_empty() {
            if name == "*" {
                self.module.globs.push(path.get(..path.len() - 1).unwrap_or_default().to_vec());
            } else {
                self.module.names.insert(name.to_owned(), path.clone());
            }
        }
        if !public {
            self.module.imports.push(Import { path, line });
        }
    }

    /// A path that begins at the crate, at a parent or at a child, outside `use`.
    fn path_in_code(&mut self) {
        let first = self.text(0);
        let begins = ["crate", "super", "self"].contains(&first) || self.module.children.contains(first);
        if !begins || self.text(1) != "::" || ["::", "in", "."].contains(&self.before(1)) {
            return;
        }
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        let mut path = vec![first];
        while self.text(1) == "::" && self.text(2).starts_with(|c: char| c.is_alphabetic() || c == '_') {
            path.push(self.text(2));
            self.at += 2;
        }
        if let Some(path) = self.absolute(&path) {
            self.module.imports.push(Import { path, line });
        }
    }

    /// `path` from the crate's root on; `None` where it leads to another crate.
    fn absolute(&self, path: &[&str]) -> Option<Vec<String>> {
        let mut place: Vec<&str> = self.place.iter().map(String::as_str).collect();
        place.extend(self.inline.iter().map(|(name, _)| name.as_str()));
        let mut rest = path;
        match path.first().copied()? {
            "crate" => {
                place.clear();
                rest = path.get(1..)?;
            }
            "self" => rest = path.get(1..)?,
            "super" => {
                while rest.first() == Some(&"super") {
                    place.pop()?;
                    rest = rest.get(1..)?;
                }
            }
            first if self.inline.is_empty() && (self.module.children.contains(first) || self.module.defined.contains(first)) => {}
            _ => return None,
        }
        Some(place.into_iter().chain(rest.iter().copied()).map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    fn imports(source: &str, place: &[&str]) -> Vec<String> {
        let place: Vec<String> = place.iter().map(ToString::to_string).collect();
        read(source, &place).imports.into_iter().map(|import| import.path.join("::")).collect()
    }

    #[test]
    fn a_bound_of_captured_names_is_no_import() {
        let module = read("fn f<'a>() -> impl Iterator<Item = u8> + use<'a> { let x = 1; g(x); } use crate::b::C;", &[]);
        assert_eq!(module.imports.into_iter().map(|import| import.path).collect::<Vec<_>>(), [["b", "C"]]);
        assert_eq!(read("use a::{b; c", &[]).imports, []);
    }

    #[test]
    fn trees_expand() {
        let source = "use crate::{a::{self, B as C}, d::*};\nuse std::io;\nuse super::e;";
        assert_eq!(imports(source, &["x", "y"]), ["a", "a::B", "d::*", "x::e"]);
    }

    #[test]
    fn paths_in_code_count_and_visibility_does_not() {
        let source = "mod child; pub(in crate::z) fn f() -> crate::a::B { child::g(); let x = super::h::<u8>(); self.child::q }";
        assert_eq!(imports(source, &["x"]), ["a::B", "x::child::g", "h"]);
    }

    #[test]
    fn reexports_are_names_but_no_imports() {
        let module = read("mod error; pub use error::Error; pub(crate) use crate::a::B; use crate::c::D;", &[]);
        assert_eq!(module.imports.len(), 1);
        assert_eq!(module.names.keys().collect::<Vec<_>>(), ["B", "D", "Error"]);
        assert_eq!(module.names["Error"], ["error", "Error"]);
    }

    #[test]
    fn tests_are_left_out() {
        let source = "use crate::a; #[cfg(test)] mod tests { use crate::b; } #[cfg(test)] mod more; #[cfg(test)] use crate::c;\nuse crate::d;";
        assert_eq!(imports(source, &["x"]), ["a", "d"]);
        assert!(read(source, &[]).tests.contains("more"));
    }

    #[test]
    fn inline_modules_have_their_own_parent() {
        assert_eq!(imports("mod inner { use super::A; use super::super::B; }", &["x"]), ["x::A", "B"]);
    }
}
