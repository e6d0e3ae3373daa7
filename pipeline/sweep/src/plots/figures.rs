//! Which figures a report has.

use super::svg::{Axis, Chart, Mark, Point, Series};
use crate::ledger::{Configuration, Outcome, Row};
use std::collections::{BTreeMap, BTreeSet};

/// A figure: its file's name, what it shows, and the drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Name of its file, without ending.
    pub name: String,
    /// What it shows.
    pub caption: String,
    /// The drawing, an SVG document.
    pub svg: String,
}

/// All figures of some rows; a figure without data is left out.
pub fn all(rows: &[Row]) -> Vec<Figure> {
    let measured: Vec<&Row> = rows.iter().filter(|row| row.outcome == Outcome::Measured).collect();
    let mut out = Vec::new();
    let sets: BTreeSet<&str> = measured.iter().map(|row| row.data.as_str()).collect();
    for set in sets {
        let of_set: Vec<&Row> = measured.iter().copied().filter(|row| row.data == set).collect();
        let all = Configuration::all(&of_set);
        let threads = all.iter().map(|one| one.threads).min().unwrap_or(1);
        let on = format!("on {threads} thread{}", if threads == 1 { "" } else { "s" });
        let best = best(&of_set);
        let of_layers = best.iter().filter_map(|row| row.layer_threads).max();
        let on_layers = of_layers.map_or_else(String::new, |threads| format!(" on {threads} threads"));
        let charts = [
            (
                "pareto",
                pareto(&all),
                format!("Accuracy on ciphertexts against server time {on}; the line joins what nothing else beats in both."),
            ),
            (
                "factor",
                by_factor(&all),
                "Accuracy on ciphertexts by compression factor, with 95 % intervals over patients, and over seeds where there are several.".into(),
            ),
            (
                "layer-time",
                layers(&best, "Time by layer", "time, ms", |layer| Some(layer.ms), false),
                format!("Time of every node of the circuit on one image{on_layers}, for the network measured at most factors."),
            ),
            (
                "layer-error",
                layers(&best, "Error by layer", "largest error, log2", |layer| layer.log2_error, true),
                "Largest error of every node's values against clear, log2, on one image, for the network measured at most factors.".into(),
            ),
        ];
        out.extend(charts.into_iter().filter(|(_, chart, _)| !empty(chart)).map(|(name, chart, caption)| Figure {
            name: format!("{name}-{set}"),
            caption: format!("{set}: {caption}"),
            svg: Chart { title: format!("{} — {set}", chart.title), ..chart }.svg(),
        }));
    }
    let shared = [
        (
            "bytes",
            bytes(&everywhere(&measured)),
            "Bytes that travel by factor: an image up, its reply down, the evaluation keys once; the mean over networks that were measured at \
             every factor, or over all where none was.",
        ),
        (
            "scatter",
            scatter(&measured),
            "Accuracy in clear against accuracy on ciphertexts, on the same images. On the dashed line nothing is lost.",
        ),
    ];
    out.extend(shared.into_iter().filter(|(_, chart, _)| !empty(chart)).map(|(name, chart, caption)| Figure {
        name: name.into(),
        caption: caption.into(),
        svg: chart.svg(),
    }));
    out
}

/// The label of accuracies' axes: see [`Row::accuracy`].
const ACCURACY: &str = "macro ROC-AUC on ciphertexts, as expected on the test split";

fn empty(chart: &Chart) -> bool {
    chart.series.iter().all(|series| series.points.is_empty())
}

/// The fewest threads that were timed.
fn least_ms(row: &Row) -> Option<f64> {
    row.server.iter().min_by_key(|time| time.threads).map(|time| time.median_ms)
}

fn note(row: &Row) -> String {
    let auc = row.accuracy().map_or(f64::NAN, |auc| auc.value);
    let ms = least_ms(row).unwrap_or(f64::NAN);
    format!("{} at f = {}, {}: AUC {auc:.3}, {ms:.0} ms", row.label(), row.factor, row.params)
}

fn factors(rows: &[&Row]) -> Vec<u32> {
    rows.iter().map(|row| row.factor).collect::<BTreeSet<_>>().into_iter().collect()
}

fn pareto(all: &[Configuration]) -> Chart {
    let point =
        |one: &Configuration| Point { x: one.ms, y: one.auc, note: format!("{one} at f = {}", one.factor), ..Point::default() };
    let factors: BTreeSet<u32> = all.iter().map(|one| one.factor).collect();
    let of = |factor: u32| {
        let points = all.iter().filter(|one| one.factor == factor).map(point).collect();
        Series { name: format!("f = {factor}"), mark: Mark::Points, points }
    };
    let mut series: Vec<Series> = factors.into_iter().map(of).collect();
    let points: Vec<Point> = all.iter().map(point).collect();
    let (x, y) = (
        Axis::log("server time of an image, ms", points.iter().map(|p| p.x)),
        Axis::linear(ACCURACY, points.iter().map(|p| p.y)),
    );
    let mut front = front(points);
    let mut key = Vec::new();
    for (index, point) in front.iter_mut().enumerate() {
        let number = (index + 1).to_string();
        let is_it = |one: &&Configuration| (one.ms, one.auc) == (point.x, point.y);
        key.extend(all.iter().find(is_it).map(|one| format!("{number}  {}, f = {}", one.network, one.factor)));
        point.label = Some(number);
    }
    series.push(Series { name: "front".into(), mark: Mark::Path, points: front });
    Chart { title: "Accuracy against server time".into(), x, y, series, identity: false, key }
}

/// The points that no other beats in both, from the fastest to the most accurate.
pub(crate) fn front(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|a, b| a.x.total_cmp(&b.x).then(b.y.total_cmp(&a.y)));
    let mut best = f64::NEG_INFINITY;
    points.retain(|point| {
        let better = point.y > best;
        best = best.max(point.y);
        better
    });
    points
}

fn by_factor(all: &[Configuration]) -> Chart {
    let factors: Vec<u32> = all.iter().map(|one| one.factor).collect::<BTreeSet<_>>().into_iter().collect();
    let names: Vec<String> = factors.iter().map(ToString::to_string).collect();
    let mut networks: BTreeMap<&str, Vec<&Configuration>> = BTreeMap::new();
    all.iter().for_each(|one| networks.entry(&one.network).or_default().push(one));
    let count = networks.len();
    let mut series = Vec::new();
    for (index, (name, all)) in networks.into_iter().enumerate() {
        // Beside each other, so that intervals can be told apart.
        let shift = 0.5 * (index as f64 + 0.5) / count as f64 - 0.25;
        let point = |one: &&Configuration| {
            let x = factors.iter().position(|factor| *factor == one.factor)? as f64 + shift;
            let note = format!("{one} at f = {}", one.factor);
            Some(Point { x, y: one.auc, interval: one.interval, note, label: None })
        };
        let mut points: Vec<Point> = all.iter().filter_map(point).collect();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        series.push(Series { name: name.into(), mark: Mark::Line, points });
    }
    let ends = |p: &Point| [p.y, p.interval.map_or(p.y, |i| i.0), p.interval.map_or(p.y, |i| i.1)];
    let y = Axis::linear(ACCURACY, series.iter().flat_map(|s| &s.points).flat_map(ends).collect::<Vec<_>>());
    Chart {
        title: "Accuracy by factor".into(),
        x: Axis::names("compression factor f", &names),
        y,
        series,
        identity: false,
        key: Vec::new(),
    }
}

/// The rows of networks that were measured at every factor on a data set, so that a mean by factor compares like with like; all rows where there is no such network.
fn everywhere<'a>(rows: &[&'a Row]) -> Vec<&'a Row> {
    let mut at: BTreeMap<(&str, String), BTreeSet<u32>> = BTreeMap::new();
    rows.iter().for_each(|row| {
        at.entry((&row.data, row.label())).or_default().insert(row.factor);
    });
    let all = factors(rows).len();
    let same = |row: &&&Row| at.get(&(row.data.as_str(), row.label())).is_some_and(|factors| factors.len() == all);
    let kept: Vec<&Row> = rows.iter().filter(same).copied().collect();
    if kept.is_empty() { rows.to_vec() } else { kept }
}

/// A number of bytes in a row.
type Count = fn(&Row) -> Option<usize>;

fn bytes(rows: &[&Row]) -> Chart {
    let factors = factors(rows);
    let names: Vec<String> = factors.iter().map(ToString::to_string).collect();
    let kinds: [(&str, Count); 3] =
        [("image up", |row| row.upload_bytes), ("reply down", |row| row.reply_bytes), ("keys, once", |row| row.key_bytes)];
    let of = |(name, value): (&str, Count)| {
        let point = |(index, factor): (usize, &u32)| {
            let values: Vec<f64> =
                rows.iter().filter(|row| row.factor == *factor).filter_map(|row| value(row)).map(|v| v as f64 / 1e6).collect();
            let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
            let note = format!("{name}: {mean:.3} MB");
            (!values.is_empty()).then(|| Point { x: index as f64, y: mean, note, ..Point::default() })
        };
        Series { name: name.into(), mark: Mark::Points, points: factors.iter().enumerate().filter_map(point).collect() }
    };
    let series: Vec<Series> = kinds.into_iter().map(of).collect();
    let y = Axis::log("MB (10^6 bytes)", series.iter().flat_map(|s| &s.points).map(|p| p.y).collect::<Vec<_>>());
    Chart {
        title: "Bytes by factor".into(),
        x: Axis::names("compression factor f", &names),
        y,
        series,
        identity: false,
        key: Vec::new(),
    }
}

/// The rows, one of each factor, of the network that was measured at most factors; of several such networks the most accurate one's.
fn best(rows: &[&Row]) -> Vec<Row> {
    let auc = |row: &Row| row.accuracy().map_or(f64::NEG_INFINITY, |auc| auc.value);
    let mut networks: BTreeMap<String, BTreeMap<u32, &Row>> = BTreeMap::new();
    for row in rows {
        let at = networks.entry(row.label()).or_default().entry(row.factor).or_insert(row);
        if auc(row) > auc(at) {
            *at = row;
        }
    }
    let highest = |rows: &BTreeMap<u32, &Row>| rows.values().map(|row| auc(row)).fold(f64::NEG_INFINITY, f64::max);
    let chosen = networks.into_values().max_by(|a, b| a.len().cmp(&b.len()).then(highest(a).total_cmp(&highest(b))));
    chosen.into_iter().flat_map(BTreeMap::into_values).cloned().collect()
}

fn layers(best: &[Row], title: &str, label: &str, value: impl Fn(&crate::ledger::LayerRow) -> Option<f64>, line: bool) -> Chart {
    let longest = best.iter().max_by_key(|row| row.layers.len());
    let names: Vec<String> = longest.iter().flat_map(|row| &row.layers).map(|layer| short(&layer.name, &layer.op)).collect();
    let of = |row: &Row| {
        let point = |(index, layer): (usize, &crate::ledger::LayerRow)| {
            let y = value(layer)?;
            let note = format!("{}: {y:.2}", short(&layer.name, &layer.op));
            Some(Point { x: index as f64, y, note, ..Point::default() })
        };
        Series {
            name: format!("{}, f = {}", row.label(), row.factor),
            mark: if line { Mark::Line } else { Mark::Points },
            points: row.layers.iter().enumerate().filter_map(point).collect(),
        }
    };
    let series: Vec<Series> = best.iter().map(of).collect();
    let values: Vec<f64> = series.iter().flat_map(|s| &s.points).map(|p| p.y).chain((!line).then_some(0.0)).collect();
    let x = Axis::names("node of the circuit", &names);
    Chart { title: title.into(), x, y: Axis::linear(label, values), series, identity: false, key: Vec::new() }
}

/// `layers.3.conv` of a square becomes `3.conv square`.
fn short(name: &str, op: &str) -> String {
    let name = name.strip_prefix("layers.").unwrap_or(name);
    if name == op { name.into() } else { format!("{name} {op}") }
}

fn scatter(rows: &[&Row]) -> Chart {
    let of = |factor: u32| {
        let point = |row: &&Row| {
            let (clear, encrypted) = (row.auc_same?.value, row.auc_encrypted?.value);
            Some(Point { x: clear, y: encrypted, note: format!("{}, {}", row.data, note(row)), ..Point::default() })
        };
        let points = rows.iter().filter(|row| row.factor == factor).filter_map(point).collect();
        Series { name: format!("f = {factor}"), mark: Mark::Points, points }
    };
    let series: Vec<Series> = factors(rows).into_iter().map(of).collect();
    let values: Vec<f64> = series.iter().flat_map(|s| &s.points).flat_map(|p| [p.x, p.y]).collect();
    let axis = |label: &str| Axis::linear(label, values.clone());
    let (x, y) = (axis("macro ROC-AUC, clear"), axis("macro ROC-AUC, encrypted, same images"));
    Chart { title: "Clear against encrypted".into(), x, y, series, identity: true, key: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_holds_what_nothing_beats_in_both() {
        let point = |x, y| Point { x, y, ..Point::default() };
        let all = vec![point(5.0, 0.9), point(1.0, 0.5), point(2.0, 0.7), point(2.0, 0.6), point(4.0, 0.65), point(6.0, 0.9)];
        let found: Vec<(f64, f64)> = front(all).into_iter().map(|p| (p.x, p.y)).collect();
        assert_eq!(found, [(1.0, 0.5), (2.0, 0.7), (5.0, 0.9)]);
    }

    #[test]
    fn a_refused_experiment_is_in_no_figure() {
        let row: Row = serde_json::from_str(include_str!("../ledger/example.json")).unwrap();
        let names: Vec<String> = all(std::slice::from_ref(&row)).into_iter().map(|figure| figure.name).collect();
        assert_eq!(names, ["pareto-phantom", "factor-phantom", "layer-time-phantom", "layer-error-phantom", "bytes", "scatter"]);
        assert_eq!(all(&[Row { outcome: Outcome::Refused, ..row }]), []);
    }

    #[test]
    fn means_by_factor_are_of_networks_measured_at_every_factor() {
        let row: Row = serde_json::from_str(include_str!("../ledger/example.json")).unwrap();
        let at = |factor: u32, network: &str| Row { factor, network: network.into(), ..row.clone() };
        let rows = [at(4, "a"), at(8, "a"), at(8, "b")];
        let kept = |rows: &[Row]| -> Vec<(u32, String)> {
            everywhere(&rows.iter().collect::<Vec<_>>()).into_iter().map(|row| (row.factor, row.network.clone())).collect()
        };
        assert_eq!(kept(&rows), [(4, "a".into()), (8, "a".into())]);
        assert_eq!(kept(&rows[1..]).len(), 2);
        assert_eq!(kept(&[at(4, "a"), at(8, "b")]).len(), 2, "no network at every factor: all");
    }
}
