//! The report's pages.

use super::answer::{PAPER, TOLERANCE, together};
use super::cells;
use super::document::{self, Block};
use super::{Answer, training};
use crate::ledger::{Configuration, Outcome, Row};
use crate::plots::Figure;
use std::collections::{BTreeMap, BTreeSet};

/// How a reader gets the same.
pub(super) struct Commands {
    pub run: String,
    pub report: String,
}

/// What the pages show.
pub(super) struct Page<'a> {
    pub rows: &'a [Row],
    /// Rows of an earlier configuration, which count nowhere.
    pub superseded: usize,
    pub answers: &'a [Answer],
    pub figures: &'a [Figure],
    pub commands: &'a Commands,
    /// The sweep's file as it was run.
    pub text: &'a str,
}

impl Page<'_> {
    /// The first paragraph.
    pub(super) fn answer(&self) -> String {
        if self.answers.is_empty() {
            return "No experiment has been measured yet; the rows below say why.".into();
        }
        self.answers.iter().map(ToString::to_string).chain(together(self.answers)).collect::<Vec<_>>().join(" ")
    }

    /// The page in Markdown; figures are files beside it.
    pub(super) fn markdown(&self) -> String {
        document::markdown(&self.blocks())
    }

    /// The page in HTML, figures inside it.
    pub(super) fn html(&self) -> String {
        document::html(&self.blocks())
    }

    fn blocks(&self) -> Vec<Block> {
        let names: BTreeSet<&str> = self.rows.iter().map(|row| row.sweep.as_str()).collect();
        let title = format!("What compression costs: {}", names.into_iter().collect::<Vec<_>>().join(", "));
        let mut out = vec![Block::Title(title), Block::Answer(self.answer()), Block::Text(rule())];
        out.extend(self.against_paper());
        out.push(Block::Section("Measured".into()));
        out.push(table(&cells::COLUMNS, self.of(Outcome::Measured).map(cells::measured)));
        out.extend(self.notes().map(Block::Text));
        out.push(Block::Command(self.commands.run.clone()));
        if self.of(Outcome::Refused).next().is_some() {
            out.push(Block::Section("What could not run here".into()));
            let rows = self.of(Outcome::Refused).map(cells::refused).collect();
            let points = self.of(Outcome::Refused).map(cells::refused_point).collect();
            out.push(Block::TableOrPoints { head: cells::REFUSED.map(String::from).to_vec(), rows, points });
        }
        out.push(Block::Section("Figures".into()));
        let figure = |figure: &Figure| Block::Figure { figure: figure.clone(), command: self.commands.report.clone() };
        out.extend(self.figures.iter().map(figure));
        out.push(Block::Section("How and on what".into()));
        out.push(Block::Points(self.circumstances()));
        out
    }

    fn of(&self, outcome: Outcome) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.outcome == outcome)
    }

    /// f = 8 against the other factors, network by network: nothing else differs between the two.
    fn against_paper(&self) -> Vec<Block> {
        let mut lines = Vec::new();
        for Answer { data, .. } in self.answers {
            let rows: Vec<&Row> = self.of(Outcome::Measured).filter(|row| row.data == *data).collect();
            let all = Configuration::all(&rows);
            for paper in all.iter().filter(|one| one.factor == PAPER) {
                for other in all.iter().filter(|one| one.network == paper.network && one.factor != PAPER) {
                    let above = paper.above(other);
                    let interval =
                        above.low.zip(above.high).map_or_else(|| "–".into(), |(low, high)| format!("{low:+.3} to {high:+.3}"));
                    let faster = format!("{:.2}", paper.ms / other.ms);
                    let network = paper.network.clone();
                    lines.push(vec![
                        data.clone(),
                        network,
                        other.factor.to_string(),
                        format!("{:+.3}", above.value),
                        interval,
                        faster,
                    ]);
                }
            }
        }
        if lines.is_empty() {
            return Vec::new();
        }
        let head =
            ["data", "network", "other f", "AUC at f = 8 less AUC at the other", "95 %, paired", "time at f = 8 / at the other"];
        vec![Block::Section(format!("f = {PAPER} against the others")), table(&head, lines.into_iter())]
    }

    /// What the table's signs and gaps mean.
    fn notes(&self) -> Option<String> {
        let mut notes = Vec::new();
        if self.of(Outcome::Measured).any(cells::is_failed) {
            notes.push(
                "† More than 0.05 below the same network with ReLU: this training did not succeed, which is no cost of compression."
                    .to_string(),
            );
        }
        let short = |row: &Row| row.encrypted_images.zip(row.encrypted_wanted).is_none_or(|(taken, wanted)| taken < wanted);
        if self.of(Outcome::Measured).any(short) {
            notes.push(
                "Where fewer images were evaluated encrypted than the half width asked for would take, their own interval is wide; what \
                 encryption moves on them is not."
                    .into(),
            );
        }
        if self.of(Outcome::Measured).any(|row| !row.relu_normalised) {
            notes.push(
                "The networks with ReLU of these rows lack the normalisation that HerPN has, and are the weaker for it: where the polynomial \
                 is above them, that is why."
                    .into(),
            );
        }
        (!notes.is_empty()).then(|| notes.join(" "))
    }

    /// Training, encoders, machine, and how much others disturbed it.
    fn circumstances(&self) -> Vec<String> {
        let mut lines: Vec<String> = training::settings(self.text).into_iter().collect();
        let mut encoders: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
        for row in self.rows {
            let seconds =
                row.encoder_seconds.map_or_else(|| "no training".into(), |seconds| format!("{seconds:.0} s of training"));
            encoders.entry(row.factor).or_default().insert(format!("{} ({seconds})", row.encoder));
        }
        let encoder = |(factor, names): (u32, BTreeSet<String>)| {
            format!("f = {factor} {}", names.into_iter().collect::<Vec<_>>().join(" and "))
        };
        let encoders: Vec<String> = encoders.into_iter().map(encoder).collect();
        lines.push(format!("Encoders: {}. A factor is judged with the encoder that it has.", encoders.join("; ")));
        let machine = |row: &Row| format!("{}, {} cores, {}; commit {}", row.machine, row.cores, row.cpu_features, row.commit);
        lines.extend(self.rows.iter().map(machine).collect::<BTreeSet<_>>());
        let load = self.rows.iter().filter_map(|row| row.foreign_load).fold(0.0, f64::max);
        lines.push(format!("Other processes took at most {:.0} % of the processor time while times were taken.", 100.0 * load));
        if self.superseded > 0 {
            lines.push(format!("{} rows of the ledger are of an earlier configuration and count nowhere here.", self.superseded));
        }
        lines.push(
            "The sweep's file as it was run is sweep.toml beside this page, the ledger ledger.jsonl, ledger.csv and ledger.h5."
                .into(),
        );
        lines
    }
}

fn rule() -> String {
    format!(
        "Per data set, the most accurate configuration sets the mark; of those at most {TOLERANCE} of macro ROC-AUC below it, the fastest is \
         chosen. Accuracy is that of the polynomial network in clear on the whole test split, moved by what encryption moves it on the \
         images that were evaluated both ways; intervals are 95 % bootstrap intervals over patients. f = 8 holds or does not where the rule \
         chooses so on at least 95 % of test splits whose patients, and seeds where there are several, are drawn anew. As the choice is made \
         on the same split, the chosen accuracy is a little optimistic. Times are of one image, the networks of a group in turn. \
         f = {PAPER} is the factor that Kim et al. (MICCAI 2025) recommend."
    )
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Block {
    Block::Table { head: head.iter().map(ToString::to_string).collect(), rows: rows.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_pages_answer_first_and_show_every_row_and_figure() {
        let row: Row = serde_json::from_str(include_str!("../ledger/example.json")).unwrap();
        let refused = Row { outcome: Outcome::Refused, reason: Some("needs 9 | <levels>".into()), ..row.clone() };
        let mut failed = Row { factor: 4, ..row.clone() };
        failed.auc_polynomial = failed.auc_polynomial.map(|auc| crate::ledger::Auc { value: 0.6, ..auc });
        let rows = [row, refused, failed];
        let (answers, figures) = (super::super::answer::of(&rows), crate::plots::all(&rows));
        let commands =
            Commands { run: "veilray-sweep run a.toml --out b".into(), report: "veilray-sweep report b --out c".into() };
        let text = "[training]\nshift_pixels = 16\nrelu = { epochs = 3 }\npolynomial = { epochs = 7 }\n";
        let page = Page { rows: &rows, superseded: 2, answers: &answers, figures: &figures, commands: &commands, text };
        let (markdown, html) = (page.markdown(), page.html());
        assert!(markdown.lines().all(|line| line.len() <= 120), "{markdown}");
        let folded = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let first = folded(markdown.split("\n\n").nth(1).unwrap());
        let markdown = folded(&markdown);
        for part in ["f = 8", "ROC-AUC 0.922", "100 ms", "MB", "f = 8 holds cannot be said"] {
            assert!(first.contains(part), "{part}: {first}");
        }
        for part in ["veilnet-xs † ", "did not succeed", "2 rows of the ledger", "7 epochs", "110 (largest) on 1, 3 runs", "40 "]
        {
            assert!(markdown.contains(part), "{part}: {markdown}");
        }
        assert!(
            markdown.contains(" under n13 (5 levels): needs 9 | <levels>; ROC-AUC in clear: ReLU ")
                && html.contains("needs 9 | &lt;levels&gt;")
        );
        assert_eq!(markdown.matches("`veilray-sweep report b --out c`").count(), figures.len());
        assert_eq!(html.matches("<svg").count(), figures.len());
        assert_eq!(html.matches("<code>veilray-sweep report b --out c</code>").count(), figures.len());
        for outside in ["src=\"http", "href=", "@import", "url("] {
            assert!(!html.contains(outside), "{outside}");
        }
        let empty = Page { rows: &rows[1..2], answers: &[], figures: &[], ..page };
        assert!(empty.markdown().contains("No experiment has been measured"));
    }
}
