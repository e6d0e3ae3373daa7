use super::*;
use crate::ledger::Auc;

fn row(factor: u32, auc: f64, half: f64, ms: f64) -> Row {
    let mut row: Row = serde_json::from_str(include_str!("../../ledger/example.json")).unwrap();
    (row.id, row.factor) = (format!("{factor}-{auc}"), factor);
    row.auc_polynomial = Some(Auc { value: auc, low: Some(auc - half), high: Some(auc + half) });
    row.auc_encrypted = row.auc_same;
    row.server[0].median_ms = ms;
    row
}

/// Resampled splits: what all rows share moves by `common`, what is a row's own by `own`.
fn drawn(row: Row, common: f64, own: f64) -> Row {
    let auc = row.auc_polynomial.unwrap().value;
    let wave = |i: usize, turns: f64| (i as f64 * turns).sin();
    let value = |i: usize| auc + common * wave(i, 0.7) + own * wave(i, 1.3 + f64::from(row.factor) + row.seed as f64 / 10.0);
    Row { auc_resampled: (0..400).map(value).collect(), test_sha256: Some("t".into()), ..row }
}

#[test]
fn the_fastest_within_the_tolerance_is_chosen() {
    let rows = [row(4, 0.800, 0.002, 900.0), row(8, 0.795, 0.002, 200.0), row(16, 0.77, 0.002, 50.0)];
    let answers = of(&rows);
    let [answer] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((answer.chosen.factor, answer.best.factor, answer.verdict), (8, 4, Verdict::Holds));
    let text = answer.to_string();
    for part in ["f = 8", "0.795", "200 ms", "loses 0.005", "4.5 times as fast", "holds here", "at f = 4 veilnet-xs", "at f = 16"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn overlapping_intervals_decide_nothing() {
    let with = |half, best| of(&[row(4, 0.80, half, 900.0), row(8, best, half, 200.0), row(16, 0.87, half, 50.0)])[0].verdict;
    assert_eq!((with(0.02, 0.75), with(0.07, 0.75)), (Verdict::Fails, Verdict::Undecided));
    // The rule takes f = 8, which is not enough.
    assert_eq!((with(0.02, 0.95), with(0.05, 0.95)), (Verdict::Holds, Verdict::Undecided));
    assert_eq!(of(&[row(8, 0.8, 0.1, 1.0), row(16, 0.9, 0.1, 1.0)])[0].verdict, Verdict::Incomplete);
    assert_eq!(of(&[]), []);
}

#[test]
fn figures_of_the_same_splits_decide_where_intervals_cannot() {
    let rows = |common: f64, own: f64| {
        let all = [row(4, 0.80, 0.05, 900.0), row(8, 0.80, 0.05, 200.0), row(16, 0.77, 0.05, 50.0)];
        all.map(|row| drawn(row, common, own))
    };
    let sure = &of(&rows(0.05, 0.002))[0];
    assert_eq!(sure.verdict, Verdict::Holds, "what moves all alike does not matter: {sure}");
    assert!(sure.shares.as_ref().unwrap()[&8] > 0.95 && sure.to_string().contains("the rule takes f = 4 in 0 %, f = 8 in 100 %"));
    let unsure = &of(&rows(0.0, 0.05))[0];
    assert_eq!(unsure.verdict, Verdict::Undecided);
    let total: f64 = unsure.shares.as_ref().unwrap().values().sum();
    assert!((total - 1.0).abs() < 1e-9);
    // One row of another test split: nothing can be paired.
    let mut other = rows(0.05, 0.002);
    other[0].test_sha256 = Some("u".into());
    assert_eq!((of(&other)[0].shares.clone(), of(&other)[0].verdict), (None, Verdict::Undecided));
}

#[test]
fn a_paired_difference_is_narrower_than_what_it_is_of() {
    let rows = [drawn(row(8, 0.80, 0.05, 200.0), 0.05, 0.001), drawn(row(16, 0.77, 0.05, 50.0), 0.05, 0.001)];
    let all = Configuration::all(&rows.iter().collect::<Vec<_>>());
    let above = all[0].above(&all[1]);
    assert!((above.value - 0.03).abs() < 1e-9 && above.low.unwrap() > 0.027 && above.high.unwrap() < 0.033, "{above:?}");
    let (low, high) = all[0].interval.unwrap();
    assert!(high - low > 0.08, "{low} {high}");
}

#[test]
fn what_encryption_moves_counts() {
    let mut moved = row(16, 0.80, 0.02, 50.0);
    moved.auc_encrypted = moved.auc_same.map(|auc| Auc { value: auc.value - 0.1, ..auc });
    let answers = of(&[row(8, 0.75, 0.02, 200.0), moved]);
    assert_eq!((answers[0].chosen.factor, answers[0].best.factor), (8, 8));
}

#[test]
fn seeds_count_as_their_mean_and_are_drawn_anew() {
    let (mut lucky, other) = (row(8, 0.9, 0.02, 100.0), row(8, 0.7, 0.02, 300.0));
    lucky.seed = 2;
    let chosen = of(&[lucky.clone(), other.clone()])[0].chosen.clone();
    assert!((chosen.auc - 0.8).abs() < 1e-12 && (chosen.ms - 200.0).abs() < 1e-9 && chosen.seeds == 2);
    let chosen = of(&[drawn(lucky, 0.0, 0.001), drawn(other, 0.0, 0.001)])[0].chosen.clone();
    let (low, high) = chosen.interval.unwrap();
    assert!(low < 0.71 && high > 0.89, "two seeds so far apart leave the mean open: {low} {high}");
}

#[test]
fn the_loss_is_against_the_best_relu_even_of_what_could_not_run() {
    let mut refused = row(4, 0.5, 0.1, 1.0);
    (refused.outcome, refused.network) = (Outcome::Refused, "hefnet".into());
    refused.auc_relu = Some(Auc { value: 0.97, low: None, high: None });
    let answer = of(&[row(8, 0.90, 0.02, 200.0), refused])[0].clone();
    assert_eq!(answer.reference, Some(Reference { network: "hefnet".into(), factor: 4, auc: 0.97 }));
    let text = answer.to_string();
    assert!(text.contains("hefnet at f = 4 with 0.970, it is -0.070") && text.contains("no normalisation"), "{text}");
}

#[test]
fn all_data_sets_are_summed_up() {
    let on = |data: &str, half| {
        let rows = [row(4, 0.80, half, 900.0), row(8, 0.80, half, 200.0), row(16, 0.87, half, 50.0)];
        rows.map(|row| Row { data: data.into(), ..row })
    };
    let answers = of(&[on("a", 0.02), on("b", 0.05), on("c", 0.05)].concat());
    assert_eq!(together(&answers).unwrap(), "In all, f = 8 does not hold on a, is neither shown nor refuted on b and c.");
    assert_eq!(together(&answers[..1]), None);
}
