//! The figures as a page.

use super::{Args, Report};

/// The page of a run: what is measured, by which command, and the tables.
pub(super) fn of(report: &Report, args: &Args) -> String {
    let [none, turned, negative] = report.thresholds;
    let (films, steps, part) = (report.films, report.steps, 100.0 * args.false_alarms);
    let mut page = format!(
        "# Fitness: what is said of the pixels\n\n\
         A small network looks at every image that a model is asked about: is there a frontal chest, is it upright, is it no\n\
         negative? It warns; it refuses nothing. Nine outputs, 48 457 trained values, 64 × 64 pixels. It learned from {films}\n\
         films, turned and inverted, and from made images, in {steps} steps. The thresholds are the lowest under which no data\n\
         set has more than {part} % of its validation films warned of by one of the three: log-odds of {none:.2} (no chest),\n\
         {turned:.2} (turned) and {negative:.2} (negative). This page is written by\n\n\
         ```sh\n\
         veilray-sweep train-fitness --others {} --out runs/fitness --record docs/results/fitness.md\n\
         ```\n\n\
         ## Films of the test split\n\n\
         False alarms are films as they should be that are warned of, and by which warning. Found are the same films turned\n\
         counter-clockwise (with the right turn named) or inverted.\n\n\
         | data set | films | false alarms | no chest | turned | negative | 90° | 180° | 270° | inverted | any of 7 changes |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
        if args.others.is_empty() { "NAMES".into() } else { args.others.join(",") },
    );
    let percent = |part: f64| format!("{:.2} %", 100.0 * part);
    for set in &report.figures.sets {
        let alarms = [set.false_alarms, set.no_chest, set.turned, set.negative].map(percent).join(" | ");
        let [a, b, c] = set.turned_found;
        let found = [a, b, c, set.negative_found, set.changed_found].map(percent).join(" | ");
        page.push_str(&format!("| {} | {} | {alarms} | {found} |\n", set.name, set.films));
    }
    page.push_str(
        "\n## Images without a chest\n\n\
         Made images are drawn by another seed than those that were trained on. Real ones were never trained on. Phantoms are\n\
         synthetic chests, of which nothing should be said.\n\n\
         | kind | images | warned of | as no chest |\n\
         |---|---|---|---|\n",
    );
    for other in report.figures.made.iter().chain(&report.figures.others) {
        page.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            other.name,
            other.images,
            percent(other.found),
            percent(other.no_chest)
        ));
    }
    page
}
