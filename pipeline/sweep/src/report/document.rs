//! A page as blocks, written as Markdown or as HTML that needs nothing else.

use super::lines;
use crate::plots::{self, Figure};
use std::fmt::Write;

/// A part of a page.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    /// The page's title.
    Title(String),
    /// The first paragraph.
    Answer(String),
    /// A section's title.
    Section(String),
    /// A paragraph.
    Text(String),
    /// Points of a list.
    Points(Vec<String>),
    /// A table with a row of names.
    Table { head: Vec<String>, rows: Vec<Vec<String>> },
    /// A table with a row of names in HTML; in Markdown, where its cells are too long for a line, a point for each of its rows.
    TableOrPoints { head: Vec<String>, rows: Vec<Vec<String>>, points: Vec<String> },
    /// A command.
    Command(String),
    /// A figure and the command that drew it.
    Figure { figure: Figure, command: String },
}

/// In Markdown, no line of text longer than [`lines::WIDTH`] and none of a table longer than [`lines::TABLE_WIDTH`], as far as words and cells
/// allow; figures are files beside it.
pub(super) fn markdown(blocks: &[Block]) -> String {
    let points = |points: &[String]| points.iter().map(|point| lines::filled(point, "- ", "  ")).collect();
    let text = |block: &Block| match block {
        Block::Title(text) => format!("# {text}\n"),
        Block::Section(text) => format!("## {text}\n"),
        Block::Answer(text) | Block::Text(text) => lines::filled(text, "", ""),
        Block::Points(texts) | Block::TableOrPoints { points: texts, .. } => points(texts),
        Block::Table { head, rows } => lines::tables(head, rows),
        Block::Command(command) => format!("`{command}`\n"),
        Block::Figure { figure: Figure { name, caption, .. }, command } => {
            format!("![{name}]({name}.svg)\n\n{}", lines::filled(&format!("{caption} `{command}`"), "", ""))
        }
    };
    blocks.iter().map(text).collect::<Vec<_>>().join("\n")
}

/// In HTML, figures inside it.
pub(super) fn html(blocks: &[Block]) -> String {
    let escaped = plots::escaped;
    let row = |tag: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let title = blocks.iter().find_map(|block| if let Block::Title(text) = block { Some(text.as_str()) } else { None });
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n",
        escaped(title.unwrap_or_default())
    );
    for block in blocks {
        let _ = match block {
            Block::Title(text) => writeln!(out, "<h1>{}</h1>", escaped(text)),
            Block::Section(text) => writeln!(out, "<h2>{}</h2>", escaped(text)),
            Block::Answer(text) => writeln!(out, "<p class=\"answer\">{}</p>", escaped(text)),
            Block::Text(text) => writeln!(out, "<p>{}</p>", escaped(text)),
            Block::Points(points) => {
                let points: String = points.iter().map(|point| format!("<li>{}</li>\n", escaped(point))).collect();
                writeln!(out, "<ul>\n{points}</ul>")
            }
            Block::Table { head, rows } | Block::TableOrPoints { head, rows, .. } => {
                let lines: String = rows.iter().map(|cells| row("td", cells)).collect();
                writeln!(out, "<div class=\"wide\"><table>\n{}{lines}</table></div>", row("th", head))
            }
            Block::Command(command) => writeln!(out, "<p><code>{}</code></p>", escaped(command)),
            Block::Figure { figure: Figure { caption, svg, .. }, command } => {
                let (caption, command) = (escaped(caption), escaped(command));
                writeln!(out, "<figure>\n{svg}<figcaption>{caption} <code>{command}</code></figcaption>\n</figure>")
            }
        };
    }
    out.push_str("</html>\n");
    out
}

/// Readable in light and in dark, without anything from outside.
const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    .answer{font-size:1.15rem}.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem}\
    th,td{border-bottom:1px solid #8886;padding:.25rem .5rem;text-align:left;white-space:nowrap}td:last-child{white-space:normal}\
    figure{margin:1.5rem 0}code{font-size:.85em;opacity:.85}";
