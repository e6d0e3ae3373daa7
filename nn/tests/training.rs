//! Optimisers against their definitions; killed and resumed runs against uninterrupted ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]

use candle_core::{DType, Device, Tensor};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use veilray_base::Rng;
use veilray_nn::layers::{Conv2d, GroupNorm, HermiteActivation, Linear, Mode};
use veilray_nn::ops::{self, Conv2dConfig};
use veilray_nn::training::{self, Batches, Best, LoopConfig, Metrics, Task};
use veilray_nn::{Bundle, Ema, Error, Optimiser, OptimiserConfig, ParamStore, Result, Rule, Schedule, Scope, State};

/// A network of every kind of state: trained parameters, running means, two moments, a moving average, random draws.
struct Net {
    conv: Conv2d,
    norm: GroupNorm,
    activation: HermiteActivation,
    head: Linear,
}

impl Net {
    fn new(scope: &Scope) -> Result<Self> {
        Ok(Self {
            conv: Conv2d::new(&scope.enter("conv"), 2, 8, 3, Conv2dConfig::new(2, 1))?,
            norm: GroupNorm::new(&scope.enter("norm"), 2, 8, 1e-5)?,
            activation: HermiteActivation::new(&scope.enter("activation"), 8, 1e-5, 0.1)?,
            head: Linear::new(&scope.enter("head"), 8, 3)?,
        })
    }

    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let x = self.norm.forward(&self.conv.forward(x)?)?;
        self.head.forward(&ops::global_avg_pool2d(&self.activation.forward(&x, mode)?)?)
    }
}

struct Tiny {
    params: ParamStore,
    net: Net,
    optimiser: Optimiser,
    ema: Ema,
    images: Tensor,
    batches: Batches,
    schedule: Schedule,
    pause: Duration,
}

impl Tiny {
    fn new(rule: Rule) -> Self {
        let params = ParamStore::seeded(5, &Device::Cpu);
        let net = Net::new(&params.root()).unwrap();
        let config = OptimiserConfig { rule, learning_rate: 1e-2, clip_norm: Some(1.0), ..OptimiserConfig::default() };
        Self {
            optimiser: Optimiser::new(config, &params).unwrap(),
            ema: Ema::new(0.9, &params).unwrap(),
            images: veilray_nn::normal_tensor(&mut Rng::new(1, "images"), (24, 2, 9, 9), &Device::Cpu).unwrap(),
            batches: Batches::new(24, 4, 9).unwrap(),
            schedule: Schedule::OneCycle { steps: 40, rise: 0.3, start: 25.0, end: 1e4 },
            pause: Duration::ZERO,
            params,
            net,
        }
    }

    fn loss(&self, net: &Net, images: &Tensor, mode: Mode) -> Result<Tensor> {
        let target = images.mean((1, 2, 3))?.unsqueeze(1)?;
        Ok(net.forward(images, mode)?.broadcast_sub(&target)?.sqr()?.mean_all()?)
    }
}

impl Task for Tiny {
    fn step(&mut self, step: u64, rng: &mut Rng) -> Result<Metrics> {
        std::thread::sleep(self.pause);
        let chosen: Vec<u32> = self.batches.at(step).iter().map(|i| *i as u32).collect();
        let images = self.images.index_select(&Tensor::new(chosen, &Device::Cpu)?, 0)?;
        let images = ops::dropout(&images, 0.2, rng)?;
        let loss = self.loss(&self.net, &images, Mode::Train)?;
        let norm = self.optimiser.step(&loss.backward()?, self.schedule.factor(step))?;
        self.ema.update(&self.params)?;
        Ok(Metrics::new().with("loss", loss.to_scalar::<f32>()?).with("norm", norm))
    }

    fn evaluate(&mut self, _: u64) -> Result<Metrics> {
        let averaged = Net::new(&self.ema.params().root())?;
        let loss = self.loss(&averaged, &self.images, Mode::Evaluate)?.to_scalar::<f32>()?;
        Ok(Metrics::new().with("loss", loss))
    }

    fn save(&self, bundle: &mut Bundle) -> Result<()> {
        self.params.save(bundle, "weights")?;
        self.optimiser.save(bundle, "optimiser")?;
        self.ema.save(bundle, "ema")
    }

    fn load(&mut self, bundle: &Bundle) -> Result<()> {
        self.params.load(bundle, "weights")?;
        self.optimiser.load(bundle, "optimiser")?;
        self.ema.load(bundle, "ema")
    }

    fn settings(&self) -> String {
        "tiny".into()
    }
}

fn config(steps: u64) -> LoopConfig {
    let best = Some(Best { metric: "loss".into(), maximise: false });
    LoopConfig { steps, seed: 3, log_every: 4, evaluate_every: 10, checkpoint_every: 7, best }
}

/// Every tensor of a checkpoint as bits, and the logs without the column that holds the time.
fn contents(folder: &Path) -> (Vec<(String, Vec<u32>)>, Vec<String>) {
    let mut tensors = Vec::new();
    for file in ["last.safetensors", "best.safetensors"] {
        for (name, tensor) in Bundle::open(&folder.join(file), &Device::Cpu).unwrap().into_tensors() {
            let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            tensors.push((format!("{file} {name}"), values.iter().map(|v| v.to_bits()).collect()));
        }
    }
    let mut rows = Vec::new();
    for file in ["train.csv", "evaluate.csv"] {
        for line in std::fs::read_to_string(folder.join(file)).unwrap().lines() {
            let cells: Vec<&str> = line.split(',').collect();
            rows.push(format!("{file} {} {}", cells[0], cells[2..].join(" ")));
        }
    }
    (tensors, rows)
}

#[test]
fn a_stopped_and_resumed_run_equals_an_uninterrupted_one_bit_for_bit() {
    for rule in [Rule::Adam, Rule::AdamW, Rule::AmsGrad] {
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let outcome = training::run(&mut Tiny::new(rule), &config(40), whole.path(), None).unwrap();
        assert_eq!((outcome.steps, outcome.resumed_at, outcome.stopped), (40, None, false));
        let first: f64 = std::fs::read_to_string(whole.path().join("train.csv"))
            .unwrap()
            .lines()
            .nth(1)
            .unwrap()
            .split(',')
            .nth(2)
            .unwrap()
            .parse()
            .unwrap();
        assert!(outcome.evaluation.get("loss").unwrap() < first, "it learns");
        let stop = AtomicBool::new(true);
        for step in 1..=5 {
            let outcome = training::run(&mut Tiny::new(rule), &config(40), parts.path(), Some(&stop)).unwrap();
            assert_eq!((outcome.steps, outcome.stopped), (step, true));
        }
        let outcome = training::run(&mut Tiny::new(rule), &config(40), parts.path(), None).unwrap();
        assert_eq!((outcome.steps, outcome.resumed_at), (40, Some(5)));
        assert_eq!(contents(whole.path()), contents(parts.path()));
        // A finished run stays as it is.
        training::run(&mut Tiny::new(rule), &config(40), parts.path(), None).unwrap();
        assert_eq!(contents(whole.path()), contents(parts.path()));
    }
}

const CHILD: &str = "VEILRAY_NN_TEST_RUN";

/// Not a test of its own: the process that the next test kills.
#[test]
#[ignore = "started by a_killed_run_resumes_to_the_same_weights"]
fn child_run() {
    let folder = std::env::var(CHILD).unwrap();
    let mut task = Tiny::new(Rule::AdamW);
    task.pause = Duration::from_millis(5);
    training::run(&mut task, &config(40), Path::new(&folder), None).unwrap();
}

#[test]
fn a_killed_run_resumes_to_the_same_weights() {
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    training::run(&mut Tiny::new(Rule::AdamW), &config(40), whole.path(), None).unwrap();
    let spawn = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child_run", "--ignored"]).env(CHILD, killed.path()).stdout(Stdio::null()).spawn().unwrap()
    };
    let mut kills = 0;
    for wait in [30, 70, 110, 90, 130, 60, 150] {
        let mut child = spawn();
        std::thread::sleep(Duration::from_millis(wait));
        kills += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(kills >= 2, "the run is too short to be killed");
    assert!(spawn().wait().unwrap().success());
    assert_eq!(contents(whole.path()), contents(killed.path()));
}

#[test]
fn a_run_is_not_resumed_under_other_settings() {
    let folder = tempfile::tempdir().unwrap();
    training::run(&mut Tiny::new(Rule::AdamW), &config(3), folder.path(), None).unwrap();
    let other = LoopConfig { seed: 4, ..config(5) };
    let refused = training::run(&mut Tiny::new(Rule::AdamW), &other, folder.path(), None).unwrap_err();
    assert!(matches!(refused, Error::OtherRun { what: "seed", .. }), "{refused}");
    let refused = training::run(&mut Tiny::new(Rule::AmsGrad), &config(5), folder.path(), None).unwrap_err();
    assert!(matches!(refused, Error::MissingTensor { .. }), "{refused}");
    let never = LoopConfig { log_every: 0, ..config(5) };
    assert!(training::run(&mut Tiny::new(Rule::AdamW), &never, folder.path(), None).is_err());
}

/// Adam, AdamW and AMSGrad in `f64` straight from the papers.
#[test]
fn optimisers_follow_their_definitions() {
    for rule in [Rule::Adam, Rule::AdamW, Rule::AmsGrad] {
        let params = ParamStore::seeded(1, &Device::Cpu);
        let scope = params.root();
        let weight = scope.parameter("weight", &[3, 2], veilray_nn::Init::HE).unwrap();
        let bias = scope.parameter("bias", &[2], veilray_nn::Init::ONES).unwrap();
        let config =
            OptimiserConfig { rule, learning_rate: 0.05, weight_decay: 0.1, clip_norm: Some(0.5), ..OptimiserConfig::default() };
        let mut optimiser = Optimiser::new(config, &params).unwrap();
        let flat = |t: &Tensor| t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let mut state: Vec<(f64, [f64; 3], bool)> = flat(&weight).into_iter().map(|w| (w, [0.0; 3], true)).collect();
        state.extend(flat(&bias).into_iter().map(|w| (w, [0.0; 3], false)));
        for step in 1..=5 {
            let loss = ((weight.powf(3.0).unwrap().sum_all().unwrap() + bias.sqr().unwrap().sum_all().unwrap()).unwrap()
                * (6.0 - f64::from(step)))
            .unwrap();
            let gradients = loss.backward().unwrap();
            let g: Vec<f64> = [&weight, &bias].iter().flat_map(|t| flat(gradients.get(t).unwrap())).collect();
            let norm = g.iter().map(|g| g * g).sum::<f64>().sqrt();
            let found = optimiser.step(&gradients, 0.5).unwrap();
            assert!((found / norm - 1.0).abs() < 1e-6);
            let rate = 0.025;
            for ((w, [m, v, top], decays), g) in state.iter_mut().zip(&g) {
                let decay = if *decays { 0.1 } else { 0.0 };
                let mut g = g * (0.5 / norm).min(1.0);
                if rule == Rule::AdamW {
                    *w *= 1.0 - rate * decay;
                } else {
                    g += decay * *w;
                }
                *m = 0.9 * *m + 0.1 * g;
                *v = 0.999 * *v + 0.001 * g * g;
                *top = if rule == Rule::AmsGrad { top.max(*v) } else { *v };
                let (m, v) = (*m / (1.0 - 0.9f64.powi(step)), *top / (1.0 - 0.999f64.powi(step)));
                *w -= rate * m / (v.sqrt() + 1e-8);
            }
            let ours: Vec<f64> = [&weight, &bias].iter().flat_map(|t| flat(t)).collect();
            for (ours, (exact, ..)) in ours.iter().zip(&state) {
                assert!((ours - exact).abs() < 2e-5, "{rule:?} step {step}: {ours} against {exact}");
            }
        }
        let infinite = (weight.sum_all().unwrap() * f64::INFINITY).unwrap().backward().unwrap();
        let before = flat(&weight);
        assert!(matches!(optimiser.step(&infinite, 1.0), Err(Error::NotFinite { step: 6, .. })));
        assert_eq!((before, 5), (flat(&weight), optimiser.steps()));
    }
}

#[test]
fn settings_outside_their_range_are_refused() {
    let params = ParamStore::seeded(1, &Device::Cpu);
    let base = OptimiserConfig::default();
    for config in [
        OptimiserConfig { learning_rate: f64::NAN, ..base },
        OptimiserConfig { betas: [0.9, 1.0], ..base },
        OptimiserConfig { eps: 0.0, ..base },
        OptimiserConfig { weight_decay: -1.0, ..base },
        OptimiserConfig { clip_norm: Some(0.0), ..base },
    ] {
        assert!(matches!(Optimiser::new(config, &params), Err(Error::Setting { .. })), "{config:?}");
    }
    assert!(Ema::new(1.0, &params).is_err());
    assert!(serde_json::from_str::<OptimiserConfig>(r#"{"rule": "amsgrad", "clip_norm": 1.0}"#).is_ok());
    assert!(serde_json::from_str::<OptimiserConfig>(r#"{"learningrate": 1}"#).is_err());
}
