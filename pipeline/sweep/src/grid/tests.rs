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
        ("rounds = 3", "rounds = 0", &["nonzero"]),
        ("at_most = 40", "at_most = 0", &["nonzero"]),
        ("interleave = 2", "interleave = 0", &["nonzero"]),
        ("threads = [1, 2]", "threads = [1, 0]", &["nonzero"]),
        ("threads = [1, 2]", "threads = []", &["at least one value"]),
        ("half_width = 0.1", "half_width = 1.5", &["1.5", "above 0 and below 1"]),
        ("seed = [1]", "seed = []", &["at least one value"]),
        ("seed = [1]", "seed = [1, 1]", &["twice"]),
        ("network = [\"veilnet-xs\"]", "network = []", &["at least one value"]),
        ("name = \"phantom\"", "name = \"../phantom\"", &["letters, digits"]),
        ("phantom = {", "set = \"nih15\" # {", &["nih15", "nih14", "labels.csv"]),
        ("labels = [\"opacity\"", "labels = [] # [\"opacity\"", &["at least one value"]),
        ("shapes = \"tiny-f8.toml\"", "released = \"encoder-f9\"", &["encoder-f9", "encoder-f8"]),
        ("factor = 16", "factor =  8", &["8 already"]),
        ("shift_pixels = 16", "shift_pixels = 24", &["24 pixels", "multiples of 16"]),
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
fn tables_that_contradict_others_are_named_by_their_line() {
    let text = quick();
    let second = "\n[[data]]\nname = \"phantom\"\nset = \"nih14\"\nlabels = [\"x\"]\n";
    for (wrong, header, words) in [
        (format!("{text}{second}"), 2, "already"),
        (text.replacen("phantom = { train", "# { train", 1), 1, "either `set` or `phantom`"),
        (text.replacen("labels = [\"opacity\"", "set = \"nih14\"\nlabels = [\"opacity\"", 1), 1, "either `set` or `phantom`"),
    ] {
        let headers = wrong.lines().enumerate().filter(|(_, line)| *line == "[[data]]");
        let line = 1 + headers.map(|(at, _)| at).nth(header - 1).unwrap();
        let refused = Sweep::parse(&wrong, Path::new("quick.toml")).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("quick.toml:{line}: ")) && refused.contains(words), "{refused}");
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
