//! Tables and texts, and the pages they stand in.

use super::template::fill;
use super::{Error, Figures};
use crate::tree::Tree;
use serde_json::Value;

const BEGIN: &str = "<!-- figures:";
const END: &str = "<!-- /figures -->";
/// Printed where a table has no figure.
const NONE: &str = "–";

pub(super) fn lines(files: &Value, name: &str, models: &[&str]) -> Result<Vec<String>, Error> {
    if let Some(text) = files.pointer("/tables/texts").and_then(|texts| texts.get(name)) {
        return strings(text, &format!("tables.texts.{name}"))?.into_iter().map(|line| whole_line(files, line)).collect();
    }
    let path = format!("tables.tables.{name}");
    let table = files.pointer("/tables/tables").and_then(|tables| tables.get(name));
    let table = table.ok_or_else(|| Error::Missing { path: path.clone(), wanted: "table" })?;
    let own = match models {
        [] => strings(table.get("models").unwrap_or(&Value::Null), &format!("{path}.models"))?,
        _ => models.to_vec(),
    };
    let models = own.into_iter().map(|name| model(files, name)).collect::<Result<Vec<_>, _>>()?;
    let fields =
        table.get("fields").and_then(Value::as_array).ok_or(Error::Missing { path: format!("{path}.fields"), wanted: "list" })?;
    let fields = fields.iter().map(|field| strings(field, &format!("{path}.fields"))).collect::<Result<Vec<_>, _>>()?;
    match table.get("layout").and_then(Value::as_str) {
        Some("rows") => rows(&fields, &models),
        Some("columns") => columns(&fields, &models, models.iter().map(|(name, _)| format!("`{name}`")).collect()),
        Some("card") => columns(&fields, &models, vec![String::new(); models.len()]),
        _ => Err(Error::Missing { path: format!("{path}.layout"), wanted: "layout: rows, columns or card" }),
    }
}

/// A model's name and its figures, `name` among them.
type Model<'a> = (&'a str, Value);

fn model<'a>(files: &Value, name: &'a str) -> Result<Model<'a>, Error> {
    let found = files.pointer("/models/models").and_then(|models| models.get(name)).and_then(Value::as_object);
    let mut figures = found.cloned().ok_or_else(|| Error::Missing { path: format!("models.models.{name}"), wanted: "model" })?;
    figures.insert("name".into(), name.into());
    Ok((name, Value::Object(figures)))
}

fn strings<'a>(value: &'a Value, path: &str) -> Result<Vec<&'a str>, Error> {
    let list = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
    list.ok_or_else(|| Error::Missing { path: path.into(), wanted: "list of texts" })
}

/// A line of a text: every figure must be there.
fn whole_line(files: &Value, line: &str) -> Result<String, Error> {
    let mut path = String::new();
    fill(line, files, &mut path)?.ok_or(Error::Missing { path, wanted: "figure" })
}

/// The first template whose figures are all there.
fn cell(templates: &[&str], figures: &Value) -> Result<Option<String>, Error> {
    for template in templates {
        if let Some(text) = fill(template, figures, &mut String::new())? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    cells.into_iter().fold(String::from("|"), |row, cell| if cell.is_empty() { row + " |" } else { row + " " + &cell + " |" })
}

fn rule(columns: usize) -> String {
    String::from("|") + &"---|".repeat(columns)
}

/// A line per model.
fn rows(fields: &[Vec<&str>], models: &[Model<'_>]) -> Result<Vec<String>, Error> {
    let headings = fields.iter().map(|field| field.first().map_or_else(String::new, ToString::to_string));
    let mut lines = vec![row(headings), rule(fields.len())];
    for (_, figures) in models {
        let cells =
            fields.iter().map(|field| Ok(cell(field.get(1..).unwrap_or_default(), figures)?.unwrap_or_else(|| NONE.into())));
        lines.push(row(cells.collect::<Result<Vec<_>, Error>>()?));
    }
    Ok(lines)
}

/// A line per field that a model has; a column per model.
fn columns(fields: &[Vec<&str>], models: &[Model<'_>], headings: Vec<String>) -> Result<Vec<String>, Error> {
    let mut lines = vec![row(std::iter::once(String::new()).chain(headings)), rule(models.len() + 1)];
    for field in fields {
        let (heading, templates) = field.split_first().map_or(("", [].as_slice()), |(heading, rest)| (*heading, rest));
        let cells = models.iter().map(|(_, figures)| cell(templates, figures)).collect::<Result<Vec<_>, _>>()?;
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| NONE.into()));
            lines.push(row(std::iter::once(heading.to_owned()).chain(cells)));
        }
    }
    Ok(lines)
}

/// The pages of a repository as rendering would leave them.
#[derive(Debug)]
pub struct Pages {
    /// Pages that differ, with the text that they should have.
    pub differing: Vec<(String, String)>,
    /// Blocks that were rendered, in all pages.
    pub blocks: usize,
}

impl Pages {
    /// Renders every Markdown file of `tree`; writes nothing.
    ///
    /// # Errors
    /// A page or a file of figures that cannot be read, or a marker that cannot be filled.
    pub fn of(tree: &Tree, figures: &Figures) -> Result<Self, Error> {
        let mut pages = Self { differing: Vec::new(), blocks: 0 };
        for (file, text) in tree.texts(".md").map_err(|source| Error::Io { file: "*.md".into(), source })? {
            let (rendered, blocks) = page(file, &text, figures)?;
            pages.blocks += blocks;
            if rendered != text {
                pages.differing.push((file.into(), rendered));
            }
        }
        Ok(pages)
    }
}

/// The rendered text of a page, and how many blocks it has.
fn page(file: &str, text: &str, figures: &Figures) -> Result<(String, usize), Error> {
    let wrong = |line: usize, reason: String| Error::Marker { file: file.into(), line: line + 1, reason };
    let (mut rendered, mut blocks, mut open) = (String::new(), 0, None);
    for (i, line) in text.split_inclusive('\n').enumerate() {
        let bare = line.trim_end_matches(['\n', '\r']);
        if let Some(inside) = bare.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix("-->")) {
            if let Some(start) = open {
                return Err(wrong(start, format!("the block has no {END}")));
            }
            let words: Vec<&str> = inside.split_whitespace().collect();
            let (name, models) = words.split_first().ok_or_else(|| wrong(i, "the marker names no table".into()))?;
            rendered.push_str(line);
            for line in figures.lines(name, models).map_err(|error| wrong(i, error.to_string()))? {
                rendered.push_str(&line);
                rendered.push('\n');
            }
            open = Some(i);
            blocks += 1;
        } else if bare == END {
            open.take().ok_or_else(|| wrong(i, format!("there is no {BEGIN}… --> before {END}")))?;
            rendered.push_str(line);
        } else if open.is_none() {
            rendered.push_str(line);
        }
    }
    match open {
        Some(start) => Err(wrong(start, format!("the block has no {END}"))),
        None => Ok((rendered, blocks)),
    }
}

#[cfg(test)]
mod tests;
