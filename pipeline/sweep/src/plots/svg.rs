//! Charts as SVG text.

use std::fmt::Write;

/// Width of a chart, and height of what its axes enclose, user units.
const WIDTH: f64 = 760.0;
const PLOT: f64 = 352.0;
/// Room for the axes.
const LEFT: f64 = 84.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 64.0;
/// Where the horizontal axis lies.
const AXIS: f64 = TOP + PLOT;
/// Room that a letter of a slanted name takes below the axis.
const SLANTED: f64 = 4.6;

/// Okabe and Ito's colours, some of them darkened on a light ground and in another order on a dark one, so that all stand out from it by a contrast of
/// 3 at least. Markers differ in shape as well.
const LIGHT: [&str; 6] = ["#0072B2", "#C85700", "#008060", "#B0558A", "#8F6200", "#555555"];
const DARK: [&str; 6] = ["#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00"];

/// A chart of series over two axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Text above the chart.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From below to above.
    pub y: Axis,
    /// What is drawn.
    pub series: Vec<Series>,
    /// Whether the line y = x is drawn.
    pub identity: bool,
    /// What labels stand for, line by line below the legend.
    pub key: Vec<String>,
}

/// An axis: its range and what stands on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    label: String,
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<(f64, String)>,
    slanted: bool,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A marker at each point.
    Points,
    /// Markers and lines between them.
    Line,
    /// Lines between the points, without markers.
    Path,
}

/// Points of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// In the legend.
    pub name: String,
    /// How it is drawn.
    pub mark: Mark,
    /// Its points, in the order in which lines join them.
    pub points: Vec<Point>,
}

/// A point, and its interval.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Point {
    /// On the axis below.
    pub x: f64,
    /// On the axis at the left.
    pub y: f64,
    /// Ends of its interval on the axis at the left.
    pub interval: Option<(f64, f64)>,
    /// What a pointer that rests on it is told.
    pub note: String,
    /// What is written above it, a letter or a number.
    pub label: Option<String>,
}

impl Axis {
    /// With round numbers around all of `values`.
    pub fn linear(label: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = range(values).unwrap_or((0.0, 1.0));
        let span = if high > low { high - low } else { 0.1 * low.abs().max(0.1) };
        let rough = span / 5.0;
        let unit = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].iter().map(|k| k * unit).find(|step| *step >= rough).unwrap_or(unit);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let digits = (-step.log10().floor()).max(0.0) as usize;
        let last = if last > first { last } else { first + 1.0 };
        let count = (last - first) as usize;
        let ticks = (0..=count).map(|k| (first + k as f64) * step).map(|v| (v, format!("{v:.digits$}"))).collect();
        Self { label: label.into(), low: first * step, high: last * step, log: false, ticks, slanted: false }
    }

    /// Logarithmic, from a power of ten to another around all positive values.
    pub fn log(label: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = range(values.into_iter().filter(|v| *v > 0.0)).unwrap_or((1.0, 10.0));
        let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        let last = last.max(first + 1);
        let ticks = (first..=last).map(|k| (10f64.powi(k), power(k))).collect();
        let (low, high) = (10f64.powi(first), 10f64.powi(last));
        Self { label: label.into(), low, high, log: true, ticks, slanted: false }
    }

    /// Names at 0, 1, 2 and so on.
    pub fn names(label: &str, names: &[String]) -> Self {
        let ticks = names.iter().enumerate().map(|(index, name)| (index as f64, name.clone())).collect();
        let slanted = names.iter().any(|name| name.len() > 8);
        Self { label: label.into(), low: -0.6, high: names.len().max(1) as f64 - 0.4, log: false, ticks, slanted }
    }

    /// From 0 to 1.
    fn position(&self, value: f64) -> f64 {
        let (low, high, value) = if self.log {
            (self.low.log10(), self.high.log10(), value.max(self.low).log10())
        } else {
            (self.low, self.high, value)
        };
        ((value - low) / (high - low)).clamp(0.0, 1.0)
    }
}

fn range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values
        .into_iter()
        .filter(|v| v.is_finite())
        .fold(None, |range: Option<(f64, f64)>, v| Some(range.map_or((v, v), |(low, high)| (low.min(v), high.max(v)))))
}

fn power(k: i32) -> String {
    match k {
        0..=5 => 10i64.pow(k.unsigned_abs()).to_string(),
        -3..=-1 => format!("{:.*}", k.unsigned_abs() as usize, 10f64.powi(k)),
        _ => format!("1e{k}"),
    }
}

/// A text for XML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Chart {
    /// The chart as an SVG document.
    pub fn svg(&self) -> String {
        let (mut out, height) = (String::new(), AXIS + self.below());
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" class=\"veilray\">\n\
             <title>{}</title>\n<style>{}</style>\n<rect class=\"ground\" width=\"{WIDTH}\" height=\"{height:.0}\"/>\n\
             <text class=\"title\" x=\"{LEFT}\" y=\"24\">{}</text>\n",
            escaped(&self.title),
            style(),
            escaped(&self.title)
        );
        self.axes(&mut out);
        if self.identity {
            let (low, high) = (self.x.low.max(self.y.low), self.x.high.min(self.y.high));
            let ((x1, y1), (x2, y2)) = (self.at(low, low), self.at(high, high));
            let _ = writeln!(out, "<path class=\"same\" d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\"/>");
        }
        self.series.iter().enumerate().for_each(|(index, series)| self.draw(&mut out, index, series));
        for (index, line) in self.key.iter().enumerate() {
            let y = TOP + 24.0 + 20.0 * self.series.len() as f64 + 18.0 * index as f64;
            let _ = writeln!(out, "<text x=\"{}\" y=\"{y:.1}\">{}</text>", WIDTH - RIGHT + 11.0, escaped(line));
        }
        out.push_str("</svg>\n");
        out
    }

    /// Room below the horizontal axis: slanted names take as much as the longest needs.
    fn below(&self) -> f64 {
        let longest = self.x.ticks.iter().map(|(_, name)| name.chars().count()).max().unwrap_or_default();
        BOTTOM + if self.x.slanted { longest as f64 * SLANTED } else { 0.0 }
    }

    /// Where a point lies on the drawing.
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let bottom = AXIS;
        (LEFT + self.x.position(x) * (WIDTH - LEFT - RIGHT), bottom - self.y.position(y) * (bottom - TOP))
    }

    fn axes(&self, out: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, AXIS);
        for (value, name) in &self.y.ticks {
            let (_, y) = self.at(self.x.low, *value);
            let _ = writeln!(out, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>");
            let _ = writeln!(out, "<text class=\"end\" x=\"{}\" y=\"{:.1}\">{}</text>", LEFT - 8.0, y + 4.0, escaped(name));
        }
        for (value, name) in &self.x.ticks {
            let (x, _) = self.at(*value, self.y.low);
            let _ = writeln!(out, "<path class=\"grid\" d=\"M{x:.1} {bottom}v5\"/>");
            let name = escaped(name);
            let _ = if self.x.slanted {
                let y = bottom + 16.0;
                writeln!(out, "<text class=\"end\" transform=\"translate({x:.1} {y}) rotate(-40)\">{name}</text>")
            } else {
                writeln!(out, "<text class=\"middle\" x=\"{x:.1}\" y=\"{}\">{name}</text>", bottom + 20.0)
            };
        }
        let _ = writeln!(out, "<path class=\"axis\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>");
        let middle = (LEFT + right) / 2.0;
        let _ = writeln!(
            out,
            "<text class=\"middle\" x=\"{middle}\" y=\"{}\">{}</text>",
            bottom + self.below() - 14.0,
            escaped(&self.x.label)
        );
        let height = (TOP + bottom) / 2.0;
        let label = escaped(&self.y.label);
        let _ = writeln!(out, "<text class=\"middle\" transform=\"translate(18 {height}) rotate(-90)\">{label}</text>");
    }

    fn draw(&self, out: &mut String, index: usize, series: &Series) {
        let class = format!("s{}", index % LIGHT.len());
        let _ = writeln!(out, "<g class=\"{class}\">");
        let spots: Vec<((f64, f64), &Point)> = series.points.iter().map(|point| (self.at(point.x, point.y), point)).collect();
        if matches!(series.mark, Mark::Line | Mark::Path) {
            let path: String = spots
                .iter()
                .enumerate()
                .map(|(i, ((x, y), _))| format!("{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' }))
                .collect();
            if !path.is_empty() {
                let _ = writeln!(out, "<path class=\"line\" d=\"{path}\"/>");
            }
        }
        for ((x, y), point) in spots {
            let note = escaped(&point.note);
            if let Some((low, high)) = point.interval {
                let ((_, from), (_, to)) = (self.at(point.x, low), self.at(point.x, high));
                let _ = writeln!(out, "<path class=\"line\" d=\"M{x:.1} {from:.1}V{to:.1}\"/>");
            }
            if series.mark != Mark::Path {
                let _ = writeln!(out, "<path class=\"fill\" d=\"{}\"><title>{note}</title></path>", marker(index, x, y));
            }
            if let Some(label) = &point.label {
                let _ = writeln!(out, "<text class=\"middle\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>", y - 10.0, escaped(label));
            }
        }
        let (x, y) = (WIDTH - RIGHT + 18.0, TOP + 10.0 + 20.0 * index as f64);
        let _ = match series.mark {
            Mark::Path => writeln!(out, "<path class=\"line\" d=\"M{} {y}h14\"/>", x - 7.0),
            _ => writeln!(out, "<path class=\"fill\" d=\"{}\"/>", marker(index, x, y)),
        };
        let _ = writeln!(out, "<text x=\"{}\" y=\"{}\">{}</text>\n</g>", x + 13.0, y + 4.0, escaped(&series.name));
    }
}

/// The outline of a series' marker around a point.
fn marker(series: usize, x: f64, y: f64) -> String {
    match series % 5 {
        0 => format!("M{:.1} {y:.1}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0", x - 5.0),
        1 => format!("M{:.1} {:.1}h9v9h-9z", x - 4.5, y - 4.5),
        2 => format!("M{x:.1} {:.1}l6 10h-12z", y - 6.0),
        3 => format!("M{x:.1} {:.1}l6 6l-6 6l-6 -6z", y - 6.0),
        _ => format!("M{x:.1} {:.1}l-6 -10h12z", y + 6.0),
    }
}

/// The style sheet of a drawing: without variables, which not every viewer knows.
fn style() -> String {
    format!(
        ".veilray{{max-width:100%;font:13px system-ui,sans-serif}}.veilray .title{{font-weight:600;font-size:15px}}\
         .veilray .axis,.veilray .same,.veilray .line{{fill:none}}.veilray .same{{stroke-dasharray:4 4}}.veilray .line{{stroke-width:2}}\
         .veilray .end{{text-anchor:end}}.veilray .middle{{text-anchor:middle}}{}@media (prefers-color-scheme:dark){{{}}}",
        theme("#222", "#fff", "#ddd", LIGHT),
        theme("#e6e6e6", "#181a1b", "#3a3d40", DARK)
    )
}

fn theme(ink: &str, ground: &str, grid: &str, colours: [&str; 6]) -> String {
    let series =
        |(i, colour): (usize, &&str)| format!(".veilray .s{i} .fill{{fill:{colour}}}.veilray .s{i} .line{{stroke:{colour}}}");
    let series: String = colours.iter().enumerate().map(series).collect();
    format!(
        ".veilray text{{fill:{ink}}}.veilray .ground{{fill:{ground}}}.veilray .grid{{stroke:{grid}}}\
         .veilray .axis,.veilray .same{{stroke:{ink}}}{series}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_around_all_values() {
        let axis = Axis::linear("AUC", [0.712, 0.893]);
        let names: Vec<&str> = axis.ticks.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["0.70", "0.75", "0.80", "0.85", "0.90"]);
        assert!((axis.position(0.8) - 0.5).abs() < 1e-12);
        assert_eq!((axis.position(0.0), axis.position(2.0)), (0.0, 1.0));
        let axis = Axis::log("ms", [30.0, 4000.0, 0.0]);
        assert_eq!(axis.ticks.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["10", "100", "1000", "10000"]);
        assert!((axis.position(100.0) - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(Axis::linear("none", []).ticks.first().unwrap().1, "0.0");
        assert_eq!(Axis::linear("one", [3.0]).ticks.len(), 2);
    }

    #[test]
    fn a_drawing_is_well_formed_and_names_everything() {
        let series = |name: &str, mark| Series {
            name: name.into(),
            mark,
            points: vec![
                Point { x: 0.0, y: 0.5, interval: Some((0.4, 0.6)), note: "a & b".into(), label: Some("near <1>".into()) },
                Point { x: 1.0, y: 0.7, ..Point::default() },
            ],
        };
        let all = [Mark::Points, Mark::Line, Mark::Path].map(|mark| series("x < y", mark));
        let names = ["one".to_string(), "another of two".to_string()];
        let (x, y) = (Axis::names("factor", &names), Axis::linear("ROC-AUC", [0.4, 0.7]));
        let svg =
            Chart { title: "AUC <by> factor".into(), x, y, series: all.to_vec(), identity: true, key: vec!["1 > one".into()] }
                .svg();
        for text in [
            "AUC &lt;by&gt; factor",
            "another of two",
            "ROC-AUC",
            "x &lt; y",
            "a &amp; b",
            "near &lt;1&gt;",
            "1 &gt; one",
            "prefers-color-scheme",
        ] {
            assert!(svg.contains(text), "{text}");
        }
        for tag in ["g", "text", "title", "rect", "path"] {
            let opened = svg.matches(&format!("<{tag}")).count();
            let closed = svg.matches(&format!("</{tag}>")).count();
            let single = svg
                .split(&format!("<{tag}"))
                .skip(1)
                .filter(|rest| rest.split('>').next().is_some_and(|t| t.ends_with('/')))
                .count();
            assert_eq!(opened, closed + single, "{tag}");
        }
        assert!(!svg.contains("NaN"));
    }

    /// WCAG 2.1's contrast of two colours.
    fn contrast(a: &str, b: &str) -> f64 {
        let light = |colour: &str| {
            let part = |at: usize| f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            let linear = |v: f64| if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) };
            0.2126 * linear(part(1)) + 0.7152 * linear(part(3)) + 0.0722 * linear(part(5))
        };
        let (a, b) = (light(a), light(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_colour_stands_out_from_its_ground() {
        for (ground, colours) in [("#ffffff", LIGHT), ("#181a1b", DARK)] {
            colours.iter().for_each(|colour| assert!(contrast(ground, colour) >= 3.0, "{colour} on {ground}"));
        }
        assert!((contrast("#ffffff", "#000000") - 21.0).abs() < 1e-9);
    }
}
