//! The report's pages.

use super::Answer;
use super::answer::TOLERANCE;
use crate::ledger::{Auc, Outcome, Row};
use crate::plots::{self, Figure};
use std::collections::BTreeSet;
use std::fmt::Write;

/// How a reader gets the same.
pub(super) struct Commands {
    pub run: String,
    pub report: String,
}

/// What the pages show.
pub(super) struct Page<'a> {
    pub rows: &'a [Row],
    pub answers: &'a [Answer],
    pub figures: &'a [Figure],
    pub commands: &'a Commands,
}

/// Names of the table's columns.
const COLUMNS: [&str; 15] = [
    "data",
    "f",
    "network",
    "set",
    "seed",
    "AUC ReLU, clear",
    "AUC polynomial, clear",
    "AUC encrypted",
    "images",
    "logit error, bits",
    "levels",
    "server ms (median / 95 %)",
    "memory, MB",
    "up / down / keys, MB",
    "training, s",
];

impl Page<'_> {
    /// The first paragraph.
    pub fn answer(&self) -> String {
        if self.answers.is_empty() {
            return "No experiment has been measured yet; the rows below say why.".into();
        }
        self.answers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    fn title(&self) -> String {
        let names: BTreeSet<&str> = self.rows.iter().map(|row| row.sweep.as_str()).collect();
        format!("What compression costs: {}", names.into_iter().collect::<Vec<_>>().join(", "))
    }

    fn rule(&self) -> String {
        format!(
            "Per data set, the most accurate configuration sets the mark; of those at most {TOLERANCE} of macro ROC-AUC below it, the fastest is \
             chosen. Accuracy is that of the polynomial network in clear on the whole test split, moved by what encryption moves it on the \
             images that were evaluated both ways; intervals are 95 % bootstrap intervals over patients. As the choice is made on the same \
             split, the chosen accuracy is a little optimistic. Times are of one image, the networks of a group in turn."
        )
    }

    /// On what it was measured, and how much others disturbed it.
    fn machines(&self) -> Vec<String> {
        let of = |row: &Row| {
            let training = row.train_threads;
            format!(
                "{}, {} cores, {}; commit {}; training on {training} threads",
                row.machine, row.cores, row.cpu_features, row.commit
            )
        };
        let mut lines: Vec<String> = self.rows.iter().map(of).collect::<BTreeSet<_>>().into_iter().collect();
        let load = self.rows.iter().filter_map(|row| row.foreign_load).fold(0.0, f64::max);
        lines.push(format!("Other processes took at most {:.0} % of the processor time while times were taken.", 100.0 * load));
        lines
    }

    fn measured(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.outcome == Outcome::Measured)
    }

    fn refused(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.outcome == Outcome::Refused)
    }

    /// The page in Markdown; figures are files beside it.
    pub fn markdown(&self) -> String {
        let mut out = format!("# {}\n\n{}\n\n{}\n", self.title(), self.answer(), self.rule());
        let cell = |text: &String| text.replace('|', "\\|");
        let row = |cells: &[String]| format!("| {} |\n", cells.iter().map(cell).collect::<Vec<_>>().join(" | "));
        let _ = write!(out, "\n## Measured\n\n{}|{}\n", row(&COLUMNS.map(String::from)), "---|".repeat(COLUMNS.len()));
        self.measured().for_each(|measured| out.push_str(&row(&cells(measured))));
        let _ = writeln!(out, "\n`{}`", self.commands.run);
        if self.refused().next().is_some() {
            out.push_str(
                "\n## What could not run here\n\n| data | f | network | set | levels | why |\n|---|---|---|---|---|---|\n",
            );
            self.refused().for_each(|refused| out.push_str(&row(&refusal(refused))));
        }
        out.push_str("\n## Figures\n");
        for Figure { name, caption, .. } in self.figures {
            let _ = write!(out, "\n![{caption}]({name}.svg)\n\n{caption} `{}`\n", self.commands.report);
        }
        out.push_str("\n## Measured on\n\n");
        self.machines().iter().for_each(|line| out.push_str(&format!("- {line}\n")));
        out
    }

    /// The page in HTML, figures inside it.
    pub fn html(&self) -> String {
        let escaped = plots::escaped;
        let row = |tag: &str, cells: &[String]| {
            let cells: String = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect();
            format!("<tr>{cells}</tr>\n")
        };
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>{0}</title>\n<style>{STYLE}</style>\n<h1>{0}</h1>\n<p class=\"answer\">{1}</p>\n<p>{2}</p>\n",
            escaped(&self.title()),
            escaped(&self.answer()),
            escaped(&self.rule())
        );
        let _ = write!(out, "<h2>Measured</h2>\n<div class=\"wide\"><table>\n{}", row("th", &COLUMNS.map(String::from)));
        self.measured().for_each(|measured| out.push_str(&row("td", &cells(measured))));
        let _ = writeln!(out, "</table></div>\n<p><code>{}</code></p>", escaped(&self.commands.run));
        if self.refused().next().is_some() {
            out.push_str("<h2>What could not run here</h2>\n<div class=\"wide\"><table>\n");
            out.push_str(&row("th", &["data", "f", "network", "set", "levels", "why"].map(String::from)));
            self.refused().for_each(|refused| out.push_str(&row("td", &refusal(refused))));
            out.push_str("</table></div>\n");
        }
        out.push_str("<h2>Figures</h2>\n");
        for Figure { caption, svg, .. } in self.figures {
            let (caption, command) = (escaped(caption), escaped(&self.commands.report));
            let _ = writeln!(out, "<figure>\n{svg}<figcaption>{caption} <code>{command}</code></figcaption>\n</figure>");
        }
        let lines: String = self.machines().iter().map(|line| format!("<li>{}</li>\n", escaped(line))).collect();
        let _ = writeln!(out, "<h2>Measured on</h2>\n<ul>\n{lines}</ul>\n</html>");
        out
    }
}

/// Readable in light and in dark, without anything from outside.
const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    .answer{font-size:1.15rem}.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem}\
    th,td{border-bottom:1px solid #8886;padding:.25rem .5rem;text-align:left;white-space:nowrap}td:last-child{white-space:normal}\
    figure{margin:1.5rem 0}code{font-size:.85em;opacity:.85}";

fn auc(auc: Option<Auc>) -> String {
    match auc {
        None => "–".into(),
        Some(Auc { value, low: Some(low), high: Some(high) }) => format!("{value:.3} ({low:.3}–{high:.3})"),
        Some(Auc { value, .. }) => format!("{value:.3}"),
    }
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.digits$}"))
}

/// A measured experiment's cells, as [`COLUMNS`] names them.
fn cells(row: &Row) -> [String; 15] {
    let mb = |bytes: Option<usize>| number(bytes.map(|bytes| bytes as f64 / 1e6), 2);
    let times: Vec<String> =
        row.server.iter().map(|time| format!("{:.0} / {:.0} on {}", time.median_ms, time.p95_ms, time.threads)).collect();
    let streamed = if row.streamed { " (streamed)" } else { "" };
    [
        row.data.clone(),
        row.factor.to_string(),
        row.label(),
        row.params.clone(),
        row.seed.to_string(),
        auc(row.auc_relu),
        auc(row.auc_polynomial),
        auc(row.auc_encrypted),
        row.encrypted_images.map_or_else(|| "–".into(), |count| count.to_string()),
        number(row.precision_bits, 1),
        row.levels.map_or_else(|| "–".into(), |levels| levels.to_string()),
        times.join(", ") + streamed,
        format!("{} (planned {})", number(row.memory_mb, 0), number(row.planned_memory_mb, 0)),
        format!("{} / {} / {}", mb(row.upload_bytes), mb(row.reply_bytes), mb(row.key_bytes)),
        number(row.train_seconds, 0),
    ]
}

/// A refused experiment's cells.
fn refusal(row: &Row) -> [String; 6] {
    let levels = row.levels.map_or_else(|| "–".into(), |levels| levels.to_string());
    let why = row.reason.clone().unwrap_or_default();
    [row.data.clone(), row.factor.to_string(), row.label(), row.params.clone(), levels, why]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_pages_answer_first_and_show_every_row_and_figure() {
        let row: Row = serde_json::from_str(include_str!("../ledger/example.json")).unwrap();
        let refused = Row { outcome: Outcome::Refused, reason: Some("needs 9 | <levels>".into()), ..row.clone() };
        let rows = [row, refused];
        let (answers, figures) = (super::super::answer::of(&rows), crate::plots::all(&rows));
        let commands =
            Commands { run: "veilray-sweep run a.toml --out b".into(), report: "veilray-sweep report b --out c".into() };
        let page = Page { rows: &rows, answers: &answers, figures: &figures, commands: &commands };
        let (markdown, html) = (page.markdown(), page.html());
        let first = markdown.split("\n\n").nth(1).unwrap();
        for part in ["f = 8", "ROC-AUC 0.922", "100 ms", "MB", "f = 8 holds cannot be said"] {
            assert!(first.contains(part), "{part}: {first}");
        }
        assert!(markdown.contains("needs 9 \\| <levels>") && html.contains("needs 9 | &lt;levels&gt;"));
        assert_eq!(markdown.matches("`veilray-sweep report b --out c`").count(), figures.len());
        assert_eq!(html.matches("<svg").count(), figures.len());
        assert_eq!(html.matches("<code>veilray-sweep report b --out c</code>").count(), figures.len());
        for outside in ["src=\"http", "href=", "@import", "url("] {
            assert!(!html.contains(outside), "{outside}");
        }
        let empty = Page { rows: &rows[1..], answers: &[], figures: &[], commands: &commands };
        assert!(empty.markdown().contains("No experiment has been measured"));
    }
}
