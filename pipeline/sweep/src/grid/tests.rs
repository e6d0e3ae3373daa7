use super::*;

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/sweep")
}

fn quick() -> String {
    std::fs::read_to_string(configs().join("quick.toml")).unwrap()
}

#[test]
fn the_sweeps_of_the_repository_are_understood() {
    let mut count = 0;
    for entry in std::fs::read_dir(configs()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "toml") || path.to_string_lossy().contains("tiny-") {
            continue;
        }
        let experiments = Sweep::read(&path).unwrap().experiments(&configs()).unwrap();
        assert!(!experiments.is_empty(), "{}", path.display());
        count += 1;
    }
    assert!(count >= 2);
}

#[test]
fn the_papers_grid_has_every_network_at_every_factor() {
    let experiments = Sweep::read(&configs().join("paper.toml")).unwrap().experiments(&configs()).unwrap();
    let names: std::collections::BTreeSet<_> =
        experiments.iter().map(|e| (e.point.data.clone(), e.point.factor, e.network())).collect();
    for data in ["nih14", "kermany"] {
        for network in ["lenet5", "lenet5-se", "vgg5", "vgg5-se", "hefnet", "hefnet-se", "veilnet-s", "veilnet-se"] {
            for factor in ["4", "8", "16"] {
                let there = names.iter().any(|(d, f, n)| d == data && f.to_string() == factor && n == network);
                assert!(there, "{data} {factor} {network}");
            }
        }
    }
}

#[test]
fn the_row_of_pixels_needs_no_encoder() {
    let experiments = Sweep::read(&configs().join("pixels.toml")).unwrap().experiments(&configs()).unwrap();
    let factors: Vec<String> = experiments.iter().map(|e| e.point.factor.to_string()).collect();
    assert_eq!(factors, ["1", "8", "16"]);
    let first = &experiments[0];
    assert_eq!((first.network().as_str(), &first.encoder), ("pixel-resnet", &Encoder::Pixels));
    let text = quick().replacen("factor = [8, 16]", "factor = [1]", 1).replacen("veilnet-xs", "pixel-resnet", 1);
    let sweep = Sweep::parse(&text, Path::new("quick.toml")).unwrap();
    assert_eq!(sweep.experiments(&configs()).unwrap()[0].network(), "pixel-resnet");
}

#[test]
fn a_wrong_line_is_named_with_what_may_stand_there() {
    let text = quick();
    for (old, new, words) in [
        ("network = [\"veilnet-xs\"]", "network = [\"veilnet-xl\"]", &["veilnet-xl", "veilnet-xs", "hefnet"][..]),
        ("factor = [8, 16]", "factor = [8, 3]", &["3", "1, 2, 4, 8, 16"]),
        ("factor = [8, 16]", "factor = [8, 4]", &["4", "allowed: 1, 8, 16"]),
        ("gate = [\"none\"]", "gate = [\"sea\"]", &["sea", "cbam"]),
        ("params = [\"n13\"]", "params = [\"n99\"]", &["n99", "n14"]),
        ("data = [\"phantom\"]", "data = [\"fantom\"]", &["fantom", "allowed: phantom"]),
        ("gate = [\"none\"]", "gates = [\"none\"]", &["gates", "factor"]),
        ("activation = [\"published\"]", "activation = [\"relu\"]", &["relu", "hermite"]),
        ("degree = [2]", "degree = [3]", &["3", "allowed: 2"]),
        ("latent = [\"continuous\"]", "latent = [\"discrete\"]", &["discrete", "quantised"]),
        ("rounds = 3", "rounds = \"three\"", &["three"]),
    ] {
        assert!(text.contains(old), "{old}");
        let wrong = text.replacen(old, new, 1);
        let line = 1 + wrong.lines().position(|line| line.contains(new)).unwrap();
        let refused = Sweep::parse(&wrong, Path::new("quick.toml")).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("quick.toml:{line}: ")), "{new}: {refused}");
        words.iter().for_each(|word| assert!(refused.contains(word), "{new}: {refused} lacks {word}"));
    }
}

#[test]
fn a_setting_changes_the_identity_and_the_order_of_grids_does_not() {
    let of = |text: &str| -> Vec<String> {
        let sweep = Sweep::parse(text, Path::new("quick.toml")).unwrap();
        sweep.experiments(&configs()).unwrap().iter().map(Experiment::id).collect()
    };
    let ids = of(&quick());
    assert_eq!(ids, of(&quick()));
    let turned = of(&quick().replacen("factor = [8, 16]", "factor = [16, 8]", 1));
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>(), turned.iter().collect());
    assert_ne!(ids, of(&quick().replacen("seed = [1]", "seed = [2]", 1)));
    assert_eq!(ids, of(&quick().replacen("interleave = 2", "interleave = 1", 1)), "how it is timed is not what it is");
}
